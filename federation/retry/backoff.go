package retry

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

// How long a name, a level or a list that fails waits until it is tried again; the wait doubles with each failure in a
// row (X5a).
const (
	minRefused = 10 * time.Second
	// MaxRefused is the longest wait for what the server says that it will refuse again.
	MaxRefused = 5 * time.Minute
	// MinUnread is the first wait for what cannot be read.
	MinUnread = time.Second
	// MaxUnread is the longest.
	MaxUnread = 5 * time.Minute

	minFailed, maxFailed     = time.Second, 30 * time.Second // everything else that is written
	minConflict, maxConflict = 2 * time.Second, time.Minute  // a name that somebody else changes again and again
	// conflictWindow is how long a conflict is remembered: a single one costs no wait.
	conflictWindow = time.Minute
	// refusedAnew is when other RRsets are tried at a name that refuses some.
	refusedAnew = 2 * time.Second
)

// Backoff is what is remembered of something that failed. The zero value is something that has not.
type Backoff struct {
	Err   error
	Tries int // failures in a row
	Wait  time.Duration
	Until time.Time
}

// Failed notes one more failure in a row.
func (s *Backoff) Failed(now time.Time, err error, least, most time.Duration) {
	s.Err, s.Tries = err, s.Tries+1
	s.Wait = min(max(2*s.Wait, least), most)
	s.Until = now.Add(Jitter(s.Wait))
}

// IsNews reports whether an error is not the one that the last failure had: it is worth a line in the log.
func (s *Backoff) IsNews(err error) bool { return s.Err == nil || s.Err.Error() != err.Error() }

// BackoffOf returns the setback of a level, which is made if there is none.
func BackoffOf(of map[federation.FQDN]*Backoff, level federation.FQDN) *Backoff {
	s := of[level]
	if s == nil {
		s = &Backoff{}
		of[level] = s
	}
	return s
}

// NotWritten notes that a change failed, which is waited for according to its kind.
func (s *Backoff) NotWritten(now time.Time, err error) {
	if errors.Is(err, provider.ErrRefused) {
		s.Failed(now, err, minRefused, MaxRefused)
	} else {
		s.Failed(now, err, minFailed, maxFailed)
	}
}

// Jitter returns d, 10 % more or less.
func Jitter(d time.Duration) time.Duration { return d*9/10 + rand.N(d/5+1) }
