package route53

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody is more than any request has within the limits.
const maxBody = 1 << 20

// Exchange is a request and its answer, for those who check them.
type Exchange struct {
	Action, Method string
	URL            *url.URL
	Body           []byte
	// Key is the access key that has signed it.
	Key    string
	Status int
	Answer []byte
}

// ServeHTTP is the API of Route 53, and what is needed of that of STS.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return // the client has gone
	}
	if r.URL.Path == "/" {
		s.serveSTS(w, r, body)
		return
	}
	c := newCall(r, body)
	entry := s.log(c.request)
	fate := Fate{}
	if decide := s.currentFaults().Fate; decide != nil {
		fate = decide(c.request)
	}
	if !sleep(r, fate.Delay) {
		return
	}
	wrong := fate.HangUp || fate.Status != 0
	var answer any
	var failed *apiError
	if !wrong || fate.Done {
		answer, failed = s.serve(r, c)
	}
	if !sleep(r, fate.Stall) {
		return
	}
	if fate.HangUp {
		panic(http.ErrAbortHandler) // closes the connection
	}
	if fate.Status != 0 {
		failed = &apiError{fate.Status, fate.Code, cmp.Or(fate.Message, "as the test wants it")}
	}
	s.reply(w, c, entry, answer, failed)
}

// sleep reports false if the client goes before.
func sleep(r *http.Request, d time.Duration) bool {
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

// log notes the request and returns its entry.
func (s *Server) log(r Request) *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, &r)
	return &r
}

// call is a request that was understood as far as it could be.
type call struct {
	request Request
	method  string
	url     *url.URL
	body    []byte
	key     string
	id      string // of the hosted zone or the change
	batch   changeRequest
	err     error
}

func newCall(r *http.Request, body []byte) call {
	c := call{method: r.Method, url: r.URL, body: body, key: accessKey(r)}
	c.request = Request{At: time.Now(), Octets: len(body), Key: c.key}
	path, inVersion := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/"), "/2013-04-01/")
	parts := strings.Split(path, "/")
	is := func(method, first string, length int) bool {
		return inVersion && r.Method == method && parts[0] == first && len(parts) == length
	}
	switch {
	case is("POST", "hostedzone", 3) && parts[2] == "rrset":
		c.request.Action = "ChangeResourceRecordSets"
		c.err = xml.Unmarshal(body, &c.batch)
		c.weigh()
	case is("GET", "hostedzone", 3) && parts[2] == "rrset":
		c.request.Action = "ListResourceRecordSets"
		c.request.Name = r.URL.Query().Get("name")
	case is("GET", "hostedzone", 2):
		c.request.Action = "GetHostedZone"
	case is("GET", "hostedzonesbyname", 1):
		c.request.Action = "ListHostedZonesByName"
	case is("GET", "change", 2):
		c.request.Action = "GetChange"
	default:
		c.err = fmt.Errorf("%s %s is not in the stand-in", r.Method, r.URL.Path)
	}
	if len(parts) > 1 {
		c.id = parts[1]
	}
	if parts[0] == "hostedzone" {
		c.request.Zone = c.id
	}
	return c
}

// weigh counts what the limits are about.
func (c *call) weigh() {
	for _, change := range c.batch.Changes {
		c.request.Changes++
		c.request.Names = append(c.request.Names, change.Set.Name)
		c.request.Elements = append(c.request.Elements, change.Action+" "+change.Set.Type+" "+change.Set.Name)
		if change.Set.Records == nil {
			continue
		}
		for _, r := range change.Set.Records.Records {
			c.request.Values++
			c.request.Characters += len(r.Value)
		}
	}
}

// serve does what the request says.
func (s *Server) serve(r *http.Request, c call) (any, *apiError) {
	if err := unsigned(r, time.Now().Add(s.currentFaults().Skew)); err != nil {
		return nil, err
	}
	if s.throttled() {
		return nil, &apiError{400, "Throttling", "Rate exceeded"}
	}
	if c.err != nil {
		return nil, invalidInput("%v", c.err)
	}
	switch c.request.Action {
	case "ChangeResourceRecordSets":
		return s.change(c)
	case "ListResourceRecordSets":
		return s.list(c)
	case "GetHostedZone":
		return s.getZone(c)
	case "ListHostedZonesByName":
		return s.zonesByName(c)
	}
	return s.getChange(c)
}

// reply writes the answer, or the error if there is one.
func (s *Server) reply(w http.ResponseWriter, c call, entry *Request, answer any, failed *apiError) {
	status := http.StatusOK
	if failed != nil {
		kind := "Sender"
		if failed.status >= 500 {
			kind = "Receiver"
		}
		status = failed.status
		answer = errorResponse{Type: kind, Code: failed.code, Message: failed.message, ID: fmt.Sprintf("request-%d", entry.At.UnixNano())}
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	if err := xml.NewEncoder(&out).Encode(answer); err != nil {
		panic(errors.Join(errors.New("an answer that is no XML"), err))
	}
	s.mu.Lock()
	entry.Replied = out.Len()
	if failed != nil {
		entry.Code = failed.code
	}
	observe := s.observe
	skew := s.faults.Skew
	s.mu.Unlock()
	if observe != nil {
		observe(Exchange{Action: c.request.Action, Method: c.method, URL: c.url, Body: c.body, Key: c.key, Status: status, Answer: out.Bytes()})
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the client asks again
}

// accessKey is the id of the key that has signed the request.
func accessKey(r *http.Request) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(rest, "/")
	return key
}
