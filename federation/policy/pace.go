package policy

import (
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

// The damping of a name that changes often (X5c).
const (
	changeEvery  = time.Second      // at most one change in this time
	dampedAfter  = 10               // a name that changed this often within dampedWithin
	dampedWithin = time.Minute      // gets new addresses
	dampedEvery  = 10 * time.Second // at most once in this time
)

// Pace is how often a name changed lately. The zero value is a name that did not.
type Pace struct {
	changes []time.Time // the latest, oldest first, at most dampedAfter
}

// Changed records a change.
func (p *Pace) Changed(at time.Time) {
	if len(p.changes) == dampedAfter {
		copy(p.changes, p.changes[1:])
		p.changes = p.changes[:dampedAfter-1]
	}
	p.changes = append(p.changes, at)
}

// NotBefore returns the earliest time for the next change, or zero for now. The first change of a name and one that
// withdraws something are never delayed (X5c).
func (p *Pace) NotBefore(now time.Time, withdraws bool) time.Time {
	if withdraws || len(p.changes) == 0 {
		return time.Time{}
	}
	every := changeEvery
	if len(p.changes) == dampedAfter && now.Sub(p.changes[0]) < dampedWithin {
		every = dampedEvery
	}
	return p.changes[len(p.changes)-1].Add(every)
}

// Quiet reports whether the name can be forgotten.
func (p *Pace) Quiet(now time.Time) bool {
	return len(p.changes) == 0 || now.Sub(p.changes[len(p.changes)-1]) > dampedWithin
}

// Withdraws reports whether the change removes an address, or a CNAME to a load balancer.
func Withdraws(f federation.Federation, c plan.Change) bool {
	for _, from := range c.From {
		if from.Type == federation.TypeCNAME && len(from.Data) == 1 && isOurs(f, federation.FQDN(from.Data[0])) {
			continue
		}
		at := slices.IndexFunc(c.To, func(s federation.RRset) bool { return s.Type == from.Type })
		if at < 0 || slices.ContainsFunc(from.Data, func(d string) bool { return !slices.Contains(c.To[at].Data, d) }) {
			return true
		}
	}
	return false
}
