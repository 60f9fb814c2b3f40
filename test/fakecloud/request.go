package fakecloud

import (
	"io"
	"net/http"
	"net/url"
	"time"
)

// Request is one that was received.
type Request struct {
	At     time.Time
	Action string // "ChangeResourceRecordSets", "changes.create"
	Zone   string // its ID
	// Client is the access key or the service account; "" is none.
	Client string
	// Name that a list asks for, or begins with.
	Name string
	// Names that are changed, as the request has them.
	Names []string
	// Elements of a change in the request's order: "DELETE A www.example.com.".
	Elements []string
	// Deletions and Additions in a change, their values, and the octets of these.
	Deletions, Additions, Values, Data int
	// Octets of the request's body and of the reply's.
	Octets, Replied int
	// Status and Code of a refusal; zero for a request that was granted or got no answer of the API.
	Status int
	Code   string
}

// Add adds an element of a change. The verb is "DELETE" or the API's own for an addition.
func (r *Request) Add(verb, typ, name string, data []string) {
	if verb == "DELETE" {
		r.Deletions++
	} else {
		r.Additions++
	}
	r.Elements = append(r.Elements, verb+" "+typ+" "+name)
	r.Names = append(r.Names, name)
	r.Values += len(data)
	for _, d := range data {
		r.Data += len(d)
	}
}

// Exchange is a request and its reply.
type Exchange struct {
	Action, Method string
	URL            *url.URL
	Client         string // as in Request
	Body           []byte
	Status         int
	Answer         []byte
}

// Observe has f called with each request and its reply, before the reply is sent. f may be called by several
// goroutines.
func (s *Server) Observe(f func(Exchange)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observe = f
}

// Requests returns the requests since the last Take or Reset. One in flight may lack its outcome.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copies()
}

// Take returns what Requests does, and forgets it.
func (s *Server) Take() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.requests = nil }()
	return s.copies()
}

// copies returns the log; a reply in flight still changes its entry. The lock is held.
func (s *Server) copies() []Request {
	out := make([]Request, len(s.requests))
	for i, r := range s.requests {
		out[i] = *r
	}
	return out
}

// Count returns how many of the Requests were for the action; "" is any.
func (s *Server) Count(action string) (n int) {
	for _, r := range s.Requests() {
		if action == "" || r.Action == action {
			n++
		}
	}
	return n
}

// Reset forgets the requests and ends the Faults.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.faults = nil, Faults{}
}

// log adds an entry and returns it.
func (s *Server) log(r Request) *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, &r)
	return &r
}

// Send sends a request over a connection of its own, and returns the status and the body of the reply; -1 if there is
// no reply, or only a part of one.
func Send(r *http.Request) (status int, body string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Do(r)
	if err != nil {
		return -1, ""
	}
	defer reply.Body.Close()
	out, err := io.ReadAll(reply.Body)
	if err != nil {
		return -1, ""
	}
	return reply.StatusCode, string(out)
}
