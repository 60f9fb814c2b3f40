package retry

import (
	"errors"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// Name is what is remembered of a name that was changed, or could not be.
type Name struct {
	Pace policy.Pace
	// failure is that of the last change.
	Failure Backoff
	Refused []federation.RRset // what was not taken
	Tried   time.Time
	// wanted: what failed is still to be done.
	Wanted   bool
	InFlight bool
	// conflicted is when the last conflict was, conflictWait how long it is waited for.
	conflicted   time.Time
	conflictWait time.Duration
}

// Blocked reports whether the change has to wait until the name is tried again; another wish than the one that was
// refused need not.
func (n *Name) Blocked(now time.Time, c plan.Change) bool {
	if n == nil || n.Failure.Err == nil {
		return false
	}
	other := errors.Is(n.Failure.Err, provider.ErrRefused) && !federation.EqualRRsets(n.Refused, c.To)
	return !other || now.Before(n.Tried.Add(refusedAnew))
}

// Quiet reports whether there is nothing to remember of the name.
func (n *Name) Quiet(now time.Time) bool {
	failing := n.Failure.Err != nil && (n.Wanted || now.Before(n.Failure.Until.Add(MaxRefused)))
	return n.Pace.Quiet(now) && !failing && !n.InFlight && now.Sub(n.conflicted) > conflictWindow+n.conflictWait
}

// Conflict notes a conflict and returns how long it is waited for until the name is read again: not at all for the
// first one within a minute.
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
