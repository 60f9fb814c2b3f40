package fakecloud

import "time"

// Faults are what goes wrong. The zero value is a service that works.
type Faults struct {
	// Fate decides about each request, in the order of their arrival.
	Fate func(Request) Fate
	// PendingFor is how long a change takes to propagate.
	PendingFor time.Duration
	// ChangeTakes is how long the service works on a change.
	ChangeTakes time.Duration
}

// Fate is what becomes of a request. The zero value is that it is served.
type Fate struct {
	// Delay comes before anything else.
	Delay time.Duration
	// Done: what is below happens after the request was served.
	Done bool
	// Stall comes between the request and its reply.
	Stall time.Duration
	// HangUp closes the connection instead of a reply.
	HangUp bool
	// Status and Code reply instead: 503 "ServiceUnavailable".
	Status int
	Code   string
	// Message goes with Code; "" is any.
	Message string
	// HTML replies with Status and a page, as a proxy in front of the API would.
	HTML bool
}

// Limits of the account; 0 is none, or that of the service.
type Limits struct {
	// PerSecond requests, and twice as many at once.
	PerSecond int
	// RRsets in a zone.
	RRsets int
	// Page is the most that an answer holds, whatever the request asks for.
	Page int
}

// SetFaults replaces the faults.
func (s *Server) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Faults returns the current faults.
func (s *Server) Faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// SetLimits replaces the limits of the account.
func (s *Server) SetLimits(l Limits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = l
}

// Limits returns the current limits.
func (s *Server) Limits() Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits
}

// Throttled counts a request against the limit and reports whether it exceeds it.
func (s *Server) Throttled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limits.PerSecond == 0 {
		return false
	}
	now := time.Now()
	for len(s.recent) > 0 && now.Sub(s.recent[0]) >= time.Second {
		s.recent = s.recent[1:]
	}
	if len(s.recent) >= 2*s.limits.PerSecond {
		return true
	}
	s.recent = append(s.recent, now)
	return false
}
