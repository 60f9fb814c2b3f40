package route53

import (
	"net/http"
	"time"
)

// Faults are what goes wrong. The zero value is a Route 53 that works.
type Faults struct {
	// Fate is asked for each request, in the order of their arrival.
	Fate func(Request) Fate
	// Skew is how far the clock of Route 53 is ahead.
	Skew time.Duration
	// SyncAfter is how long a change is PENDING.
	SyncAfter time.Duration
	// ChangeTakes is how long a hosted zone is busy with a change.
	ChangeTakes time.Duration
	// DenyRole: no role may be assumed.
	DenyRole bool
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
	// Status and Code answer instead: 400 "Throttling", 503 "ServiceUnavailable".
	Status int
	Code   string
	// Message goes with Code; "" is any.
	Message string
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

// throttled counts the request against the account's limit.
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

// maxSkew is how old a signature may be.
const maxSkew = 5 * time.Minute

// unsigned is the error of a request with a signature that is missing, or of
// another time; nil if it is good. Whether the key has signed it is not
// looked at, but which key it is.
func unsigned(r *http.Request, now time.Time) *apiError {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	key := accessKey(r)
	switch {
	case err != nil || key == "":
		return &apiError{http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"}
	case key == ExpiredKey:
		return &apiError{http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired"}
	case key == UnknownKey:
		return &apiError{http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid."}
	case now.Sub(at) > maxSkew:
		return &apiError{http.StatusForbidden, "SignatureDoesNotMatch", "Signature expired: " + at.Format("20060102T150405Z") + " is now earlier than " + now.Add(-maxSkew).UTC().Format("20060102T150405Z") + " (" + now.UTC().Format("20060102T150405Z") + " - 5 min.)"}
	case at.Sub(now) > maxSkew:
		return &apiError{http.StatusForbidden, "SignatureDoesNotMatch", "Signature not yet current: " + at.Format("20060102T150405Z") + " is still later than " + now.Add(maxSkew).UTC().Format("20060102T150405Z") + " (" + now.UTC().Format("20060102T150405Z") + " + 5 min.)"}
	}
	return nil
}

// Access keys that the stand-in does not accept; it accepts all others.
const (
	ExpiredKey = "AKIAEXPIRED000000000"
	UnknownKey = "AKIAUNKNOWN000000000"
)
