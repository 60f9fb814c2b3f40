package truth

import (
	"fmt"
	"slices"
	"time"
)

// The bounds of X4b.
const (
	fewLosses        = 10
	maxDeletePercent = 30
	// brakeRecheck is how often the syncer looks again at what waits.
	brakeRecheck = 16 * time.Second
	// confirmed is how long what was confirmed may take to go.
	confirmedFor = 15 * time.Second
)

// brake is what was seen of the withdrawals of one federation (X4).
type brake struct {
	early []time.Time // services that lost their last address before holdFor
	many  time.Time   // when it was last near the bound
}

// mayHold reports whether the brake may hold a withdrawal now.
func (b *brake) mayHold(now time.Time, holdFor time.Duration) bool {
	return !b.many.IsZero() && now.Before(b.many.Add(holdFor+brakeRecheck))
}

// judgeBrake counts the services that lose their last address; a is for the
// global name.
func (m judge) judgeBrake(a Answer, n *seenName) []Violation {
	b := m.brakes[a.Federation]
	b.early = slices.DeleteFunc(b.early, func(t time.Time) bool { return a.Received.Sub(t) >= m.config.HoldFor })
	had, losing := m.count(a.Federation)
	if losing+len(b.early) > fewLosses/2 {
		b.many = a.Sent
	}
	if a.Sent.Before(n.last) || n.empty || len(a.Addresses) > 0 {
		return nil
	}
	if emptied := m.emptied(a); !a.Received.Before(emptied.Add(m.config.EmptyGrace+m.config.HoldFor-early)) ||
		a.Received.Before(m.confirmed.Add(confirmedFor)) {
		return nil
	}
	b.early = append(b.early, a.Received)
	had += len(b.early)
	if len(b.early) <= fewLosses || len(b.early)*100 <= maxDeletePercent*had {
		return nil
	}
	return []Violation{{"brake",
		fmt.Sprintf("%d of %d services have lost their last address within %s, none of them after a wait of that long",
			len(b.early), had, m.config.HoldFor)}}
}

// emptied is when the last shard of the service went.
func (m judge) emptied(a Answer) (at time.Time) {
	for _, s := range m.byService[a.Service] {
		at = latest(at, s.ended)
		if c := s.now(); !c.healthy(a.Federation) {
			at = latest(at, c.done)
		}
	}
	return at
}

// count returns how many services have an address in the records, and how many
// of them have no healthy shard.
func (m judge) count(federation string) (had, losing int) {
	for key, n := range m.names {
		if key.federation != federation || key.level != "" || key.typ != "A" || n.empty {
			continue
		}
		had++
		if !slices.ContainsFunc(m.byService[key.service], func(s *shard) bool { return s.now().healthy(federation) }) {
			losing++
		}
	}
	return had, losing
}
