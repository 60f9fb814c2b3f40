package retry

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

// How long a name, a level or a list that fails waits for its retry; the wait doubles with each failure in a row (X5a).
const (
	minRefused = 10 * time.Second
	// MaxRefused is the longest wait for a change that the server will refuse again.
	MaxRefused = 5 * time.Minute
	// MinUnread is the first wait for what cannot be read.
	MinUnread = time.Second
	// MaxUnread is the longest wait for what cannot be read.
	MaxUnread = 5 * time.Minute

	minFailed, maxFailed     = time.Second, 30 * time.Second // everything else that is written
	minConflict, maxConflict = 2 * time.Second, time.Minute  // a name that somebody else keeps changing
	// conflictWindow is how long a conflict is remembered: a single one costs no wait.
	conflictWindow = time.Minute
	// refusedAnew is when other RRsets are tried at a name that refuses some.
	refusedAnew = 2 * time.Second
)

// Backoff is the state of something that failed; the zero value is something that has not.
type Backoff struct {
	Err   error
	Tries int // failures in a row
	Wait  time.Duration
	Until time.Time // when it is retried
}

// Failed notes one more failure in a row; the wait is between least and most, with jitter.
func (b *Backoff) Failed(now time.Time, err error, least, most time.Duration) {
	b.Err, b.Tries = err, b.Tries+1
	b.Wait = min(max(2*b.Wait, least), most)
	b.Until = now.Add(Jitter(b.Wait))
}

// IsNews reports whether err differs from the last failure's error, and so is worth a line in the log.
func (b *Backoff) IsNews(err error) bool { return b.Err == nil || b.Err.Error() != err.Error() }

// BackoffOf returns the backoff of a level, and creates it if there is none.
func BackoffOf(backoffs map[federation.FQDN]*Backoff, level federation.FQDN) *Backoff {
	b := backoffs[level]
	if b == nil {
		b = &Backoff{}
		backoffs[level] = b
	}
	return b
}

// WriteFailed notes that a change failed; how long it waits depends on the kind of err.
func (b *Backoff) WriteFailed(now time.Time, err error) {
	if errors.Is(err, provider.ErrRefused) {
		b.Failed(now, err, minRefused, MaxRefused)
	} else {
		b.Failed(now, err, minFailed, maxFailed)
	}
}

// Jitter returns d, up to a tenth longer or shorter.
func Jitter(d time.Duration) time.Duration { return d*9/10 + rand.N(d/5+1) }
