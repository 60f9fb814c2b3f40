package clouddns

import "time"

// Faults are what goes wrong. The zero value is a Cloud DNS that works.
type Faults struct {
	// Fate is asked for each request, in the order of their arrival.
	Fate func(Request) Fate
	// DoneAfter is how long a Change is pending.
	DoneAfter time.Duration
	// DenyToken: no token is given out.
	DenyToken bool
	// TokenTakes is how long it takes to get one; if TokensLate is not 0, so
	// many take that long.
	TokenTakes time.Duration
	TokensLate int
	// TokensBroken is how many requests for one fail.
	TokensBroken int
}

// Fate is what becomes of a request. The zero value is that it is served.
type Fate struct {
	// Delay comes before anything else.
	Delay time.Duration
	// Done: what is below happens after the request was served.
	Done bool
	// Stall is between the request and its answer.
	Stall time.Duration
	// HangUp closes the connection instead of an answer.
	HangUp bool
	// Status and Reason answer instead: 403 "quotaExceeded", 503 "backendError".
	Status int
	Reason string
	// Message goes with Reason; "" is any.
	Message string
	// HTML answers as something before the API does, a page without a reason.
	HTML bool
}

// SetFaults replaces the faults.
func (s *Server) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

func (s *Server) currentFaults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// tokenFault says what becomes of a request for a token, and counts it.
func (s *Server) tokenFault() (takes time.Duration, broken, denied bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.faults
	takes = f.TokenTakes
	if f.TokensLate > 0 {
		if f.TokensLate--; f.TokensLate == 0 {
			f.TokenTakes = 0
		}
	}
	if broken = f.TokensBroken > 0; broken {
		f.TokensBroken--
	}
	return takes, broken, f.DenyToken
}

// throttled counts the request against the project's limit.
func (s *Server) throttled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limits.PerSecond == 0 {
		return false
	}
	now := time.Now()
	for len(s.times) > 0 && now.Sub(s.times[0]) >= time.Second {
		s.times = s.times[1:]
	}
	if len(s.times) >= 2*s.limits.PerSecond { // as many at once as in a second
		return true
	}
	s.times = append(s.times, now)
	return false
}
