package syncer

import (
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

// The damping of a name that changes often (X5c).
const (
	changeEvery    = time.Second      // at most one change in this time
	dampedAfter    = 10               // changes within dampedWithin
	dampedWithin   = time.Minute      //
	dampedAddEvery = 10 * time.Second // then addresses are added at most so often
)

// nameState is what is remembered of a name that was changed or refused.
type nameState struct {
	changes      []time.Time // the last ones, oldest first, at most dampedAfter
	refusedUntil time.Time
	refusal      error
	backoff      time.Duration
}

func (l *loop) name(n federation.FQDN) *nameState {
	s := l.names[n]
	if s == nil {
		s = &nameState{}
		l.names[n] = s
	}
	return s
}

func (n *nameState) changed(at time.Time) {
	if len(n.changes) == dampedAfter {
		n.changes = n.changes[1:]
	}
	n.changes = append(n.changes, at)
	n.refusedUntil, n.refusal, n.backoff = time.Time{}, nil, 0
}

func (n *nameState) refuse(at time.Time, err error) {
	n.backoff = min(max(2*n.backoff, minRefused), maxRefused)
	n.refusedUntil, n.refusal = at.Add(n.backoff), err
}

// notBefore is when a change of the name may be made.
func (n *nameState) notBefore(c plan.Change, now time.Time) time.Time {
	at := n.refusedUntil
	if withdraws(c) || len(n.changes) == 0 {
		return at
	}
	last := n.changes[len(n.changes)-1]
	every := changeEvery
	if len(n.changes) == dampedAfter && now.Sub(n.changes[0]) < dampedWithin {
		every = dampedAddEvery
	}
	if next := last.Add(every); next.After(at) {
		return next
	}
	return at
}

// withdraws reports whether the change takes an address away: that is never
// damped.
func withdraws(c plan.Change) bool {
	for _, from := range c.From {
		if from.Type == federation.TypeCNAME {
			continue
		}
		at := slices.IndexFunc(c.To, func(s federation.RRset) bool { return s.Type == from.Type })
		if at < 0 || slices.ContainsFunc(from.Data, func(d string) bool { return !slices.Contains(c.To[at].Data, d) }) {
			return true
		}
	}
	return false
}

// allowed are the changes that may be made now (X5c); for the others the
// service is planned again when they may. Names whose state is open wait.
func (l *loop) allowed(now time.Time, changes []plan.Change) []plan.Change {
	return changesOf(changes, func(c plan.Change) bool {
		if l.reread[c.Name] {
			return false
		}
		n := l.names[c.Name]
		if n == nil {
			return true
		}
		at := n.notBefore(c, now)
		if !at.After(now) {
			return true
		}
		if svc, _, ok := l.config.ParseOwner(c.Name); ok {
			if s := l.services[svc]; s.next.IsZero() || at.Before(s.next) {
				s.next = at
			}
			delete(l.dirty, svc) // until then
		}
		return false
	})
}

// forgetNames drops what need not be remembered of names.
func (l *loop) forgetNames(now time.Time) {
	for name, n := range l.names {
		old := len(n.changes) == 0 || now.Sub(n.changes[len(n.changes)-1]) > dampedWithin
		if old && n.refusal == nil {
			delete(l.names, name)
		}
	}
}
