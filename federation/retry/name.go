package retry

import (
	"errors"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// Name is the state of a name that was changed, or could not be.
type Name struct {
	Pace policy.Pace
	// Failure is that of the last change.
	Failure Backoff
	Refused []federation.RRset // what the provider refused; nil if it refused nothing
	Tried   time.Time          // when the last change started
	// Wanted: what failed is still to be done.
	Wanted   bool
	InFlight bool // a change is under way
	// conflicted is when the last conflict was, conflictWait how long its reread waited.
	conflicted   time.Time
	conflictWait time.Duration
}

// Blocked reports whether the change has to wait for the name's retry. Other RRsets than those that were refused need
// not.
func (n *Name) Blocked(now time.Time, c plan.Change) bool {
	if n == nil || n.Failure.Err == nil {
		return false
	}
	other := errors.Is(n.Failure.Err, provider.ErrRefused) && !federation.EqualRRsets(n.Refused, c.To)
	return !other || now.Before(n.Tried.Add(refusedAnew))
}

// Quiet reports whether there is nothing left to remember of the name.
func (n *Name) Quiet(now time.Time) bool {
	failing := n.Failure.Err != nil && (n.Wanted || now.Before(n.Failure.Until.Add(MaxRefused)))
	return n.Pace.Quiet(now) && !failing && !n.InFlight && now.Sub(n.conflicted) > conflictWindow+n.conflictWait
}

// Conflict notes a conflict, and returns how long to wait before the name is read again: not at all for the first one
// within a minute.
func (n *Name) Conflict(now time.Time) time.Duration {
	switch {
	case n.conflicted.IsZero() || now.Sub(n.conflicted) > conflictWindow+n.conflictWait:
		n.conflictWait = 0
	default:
		n.conflictWait = min(max(2*n.conflictWait, minConflict), maxConflict)
	}
	n.conflicted = now
	return n.conflictWait
}
