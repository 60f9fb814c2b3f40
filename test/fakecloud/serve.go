package fakecloud

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Error is a reply other than 200. One request may have several problems; the first decides the status.
type Error struct {
	Status   int
	Problems []Problem
}

// Problem is a part of an Error.
type Problem struct{ Code, Message string }

// Errorf returns an error with one problem.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{status, []Problem{{code, fmt.Sprintf(format, args...)}}}
}

// Error returns the first problem's message.
func (e *Error) Error() string { return e.Problems[0].Message }

// Join returns an error with the problems of both; e may be nil.
func (e *Error) Join(o *Error) *Error {
	if e == nil {
		return o
	}
	e.Problems = append(e.Problems, o.Problems...)
	return e
}

// ServeHTTP serves the API and the endpoint for credentials.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.service.MaxBody))
	if err != nil {
		return // the client has gone
	}
	if s.service.ServeCredentials(w, r, body) {
		return
	}
	request, carryOut := s.service.Parse(r, body)
	request.At, request.Octets = time.Now(), len(body)
	entry := s.log(request)
	fate := Fate{}
	if decide := s.Faults().Fate; decide != nil {
		fate = decide(request)
	}
	if !Sleep(r, fate.Delay) {
		return
	}
	var answer any
	var refusal *Error
	if fails := fate.HangUp || fate.Status != 0; !fails || fate.Done {
		answer, refusal = carryOut()
	}
	if !Sleep(r, fate.Stall) {
		return
	}
	switch {
	case fate.HangUp:
		panic(http.ErrAbortHandler) // closes the connection
	case fate.HTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(fate.Status)
		_, _ = io.WriteString(w, "<html><body>\nas the test wants it\n</body></html>\n") // the client retries
		return
	case fate.Status != 0:
		refusal = Errorf(fate.Status, fate.Code, "%s", cmp.Or(fate.Message, "as the test wants it"))
	}
	e := Exchange{Action: request.Action, Method: r.Method, URL: r.URL, Client: request.Client, Body: body}
	s.reply(w, entry, e, answer, refusal)
}

// reply writes the answer, or the refusal if there is one.
func (s *Server) reply(w http.ResponseWriter, entry *Request, e Exchange, answer any, refusal *Error) {
	e.Status = http.StatusOK
	if refusal != nil {
		e.Status = refusal.Status
	}
	e.Answer = s.service.Encode(w.Header(), answer, refusal)
	s.mu.Lock()
	entry.Replied = len(e.Answer)
	if refusal != nil {
		entry.Status, entry.Code = refusal.Status, refusal.Problems[0].Code
	}
	observe := s.observe
	s.mu.Unlock()
	if observe != nil {
		observe(e)
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(e.Answer) // the client retries
}

// Sleep reports whether the client is still there after d.
func Sleep(r *http.Request, d time.Duration) bool {
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
