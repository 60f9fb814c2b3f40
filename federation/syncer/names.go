package syncer

import (
	"errors"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// How long a name, a level or a list that fails waits until it is tried again; the wait doubles with each failure in a
// row (X5a).
const (
	minRefused, maxRefused   = 10 * time.Second, 5 * time.Minute // the server said that it will refuse it again
	minFailed, maxFailed     = time.Second, 30 * time.Second     // everything else that is written
	minUnread, maxUnread     = time.Second, 5 * time.Minute      // what cannot be read
	minConflict, maxConflict = 2 * time.Second, time.Minute      // a name that somebody else changes again and again
	// conflictWindow is how long a conflict is remembered: a single one costs no wait.
	conflictWindow = time.Minute
	// refusedAnew is when other RRsets are tried at a name that refuses some.
	refusedAnew = 2 * time.Second
)

// setback is what is remembered of something that failed. The zero value is something that has not.
type setback struct {
	err   error
	tries int // failures in a row
	wait  time.Duration
	until time.Time
}

// failed notes one more failure in a row.
func (s *setback) failed(now time.Time, err error, least, most time.Duration) {
	s.err, s.tries = err, s.tries+1
	s.wait = min(max(2*s.wait, least), most)
	s.until = now.Add(jitter(s.wait))
}

// isNews reports whether an error is not the one that the last failure had: it is worth a line in the log.
func (s *setback) isNews(err error) bool { return s.err == nil || s.err.Error() != err.Error() }

// setbackOf returns the setback of a level, which is made if there is none.
func setbackOf(of map[federation.FQDN]*setback, level federation.FQDN) *setback {
	s := of[level]
	if s == nil {
		s = &setback{}
		of[level] = s
	}
	return s
}

// notWritten notes that a change failed, which is waited for according to its kind.
func (s *setback) notWritten(now time.Time, err error) {
	if errors.Is(err, provider.ErrRefused) {
		s.failed(now, err, minRefused, maxRefused)
	} else {
		s.failed(now, err, minFailed, maxFailed)
	}
}

// nameState is what is remembered of a name that was changed, or could not be.
type nameState struct {
	pace policy.Pace
	// failure is that of the last change.
	failure setback
	refused []federation.RRset // what was not taken
	tried   time.Time
	// wanted: what failed is still to be done.
	wanted   bool
	inFlight bool
	// conflicted is when the last conflict was, conflictWait how long it is waited for.
	conflicted   time.Time
	conflictWait time.Duration
}

func (q *queue) name(n federation.FQDN) *nameState {
	s := q.names[n]
	if s == nil {
		s = &nameState{}
		q.names[n] = s
	}
	return s
}

// inFlight are the names whose changes are under way.
func (q *queue) inFlight() map[federation.FQDN]bool {
	names := map[federation.FQDN]bool{}
	for name, n := range q.names {
		if n.inFlight {
			names[name] = true
		}
	}
	return names
}

// blocked reports whether the change has to wait until the name is tried again; another wish than the one that was
// refused need not.
func (n *nameState) blocked(now time.Time, c plan.Change) bool {
	if n == nil || n.failure.err == nil {
		return false
	}
	other := errors.Is(n.failure.err, provider.ErrRefused) && !federation.EqualRRsets(n.refused, c.To)
	return !other || now.Before(n.tried.Add(refusedAnew))
}

// failing returns why what is to be at a name is not there, and when it is tried again; nil if it is, or is about to be.
func (v viewer) failing(name federation.FQDN) (retry time.Time, err error) {
	if u := v.reread[name]; u != nil && u.err != nil {
		return u.until, u.err
	}
	if n := v.names[name]; n != nil && n.wanted {
		return n.failure.until, n.failure.err
	}
	return time.Time{}, nil
}

// quiet reports whether there is nothing to remember of the name.
func (n *nameState) quiet(now time.Time) bool {
	failing := n.failure.err != nil && (n.wanted || now.Before(n.failure.until.Add(maxRefused)))
	return n.pace.Quiet(now) && !failing && !n.inFlight && now.Sub(n.conflicted) > conflictWindow+n.conflictWait
}

// conflict notes a conflict and returns how long it is waited for until the name is read again: not at all for the
// first one within a minute.
func (n *nameState) conflict(now time.Time) time.Duration {
	switch {
	case n.conflicted.IsZero() || now.Sub(n.conflicted) > conflictWindow+n.conflictWait:
		n.conflictWait = 0
	default:
		n.conflictWait = min(max(2*n.conflictWait, minConflict), maxConflict)
	}
	n.conflicted = now
	return n.conflictWait
}
