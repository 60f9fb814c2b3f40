package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
)

// maxPastLevels bounds how many levels that a member has left may still have names. A member whose labels keep changing
// moves no further until some of them are gone (X4c).
const maxPastLevels = 16

// place is where a member is according to its Nodes, and what delays a move.
type place struct {
	fixed bool // the topology is configured
	// observed is the topology that the member showed last.
	observed federation.Member
	// earlier are the topology zones that an earlier run listed for the member. They count until the roster's
	// earlierUntil, while the region is the same (H6).
	earlier []federation.LevelEntry
	// left are the levels that the member has left in this run, as long as they have names (X4c).
	left map[federation.FQDN]bool
	// stuck: the member has left so many levels that it cannot move to new ones (X4c).
	stuck bool
}

// mover moves members to other levels, as their topology changes.
type mover struct{ *Loop }

// update moves a member to the topology that it shows, unless that is configured. A member that shows no label at all
// stays where it is; otherwise it would leave all its levels at once.
func (m mover) update(ms *memberState, shown federation.Member) {
	ms.place.observed = shown
	if m.move(ms) {
		m.relevel()
	}
}

// move applies the topology that the member shows, and reports whether that differs from where it was.
func (m mover) move(ms *memberState) (moved bool) {
	t := ms.place.topology(ms.topology)
	if ms.place.fixed || t.Region == "" && len(t.Zones) == 0 ||
		ms.topology.Region == t.Region && slices.Equal(ms.topology.Zones, t.Zones) {
		ms.place.stuck = false
		return false
	}
	if past := m.pastLevels(ms); m.holding != nil && past > maxPastLevels && m.isNewPlace(t) {
		if !ms.place.stuck {
			m.log.Error("the member moves to new levels too often: it stays where it is until levels that it left "+
				"are gone",
				"member", ms.topology.Name, "left", past, "confirm", "federation-syncer confirm")
		}
		ms.place.stuck = true
		return false
	}
	m.leave(ms)
	ms.place.stuck, ms.topology = false, t
	return true
}

// topology returns the member's topology: what it shows, and the earlier zones that still count.
func (p *place) topology(is federation.Member) federation.Member {
	t := federation.Member{Name: is.Name, Region: p.observed.Region, Zones: slices.Clone(p.observed.Zones)}
	if t.Region == "" && len(t.Zones) == 0 {
		return t
	}
	for _, e := range p.earlier {
		if e.Region == t.Region && !slices.Contains(t.Zones, e.Zone) && len(t.Zones) < member.MaxZones {
			t.Zones = append(t.Zones, e.Zone)
		}
	}
	slices.Sort(t.Zones)
	return t
}

// pastLevels counts the levels that the member has left and that still have names.
func (m mover) pastLevels(ms *memberState) int {
	for _, lv := range m.levels.MemberLevels(ms.topology.Name) {
		delete(ms.place.left, lv.Name)
	}
	maps.DeleteFunc(ms.place.left, func(level federation.FQDN, _ bool) bool { return !m.records.HasLevel(level) })
	return len(ms.place.left)
}

// leave remembers the member's levels before it moves.
func (r *roster) leave(ms *memberState) {
	if r.levels == nil {
		return
	}
	if ms.place.left == nil {
		ms.place.left = map[federation.FQDN]bool{}
	}
	for _, lv := range r.levels.MemberLevels(ms.topology.Name) {
		ms.place.left[lv.Name] = true
	}
}

// isNewPlace reports whether a member with this topology would have a level that is not listed.
func (m mover) isNewPlace(t federation.Member) bool {
	levels := federation.NewLevels(m.config.Federation, []federation.Member{t}, m.config.Options)
	return slices.ContainsFunc(levels.All(), func(lv federation.Level) bool {
		return lv.Name != m.config.Domain && m.holding.Entry(lv.Name) == nil
	})
}

// moveWaiting moves the members that may move now: because a level that they had left is gone, or because their earlier
// topology zones no longer count.
func (m mover) moveWaiting(now time.Time) {
	moved, expired := false, m.earlierExpired(now)
	if expired {
		m.earlierUntil = time.Time{}
	}
	for _, ms := range m.order {
		if expired {
			ms.place.earlier = nil
		}
		if expired || ms.place.stuck {
			moved = m.move(ms) || moved
		}
	}
	if moved {
		m.relevel()
	}
}

// earlierExpired reports whether the topology zones that an earlier run listed no longer count.
func (r *roster) earlierExpired(now time.Time) bool {
	return !r.earlierUntil.IsZero() && !now.Before(r.earlierUntil)
}

// placeByLevels applies what an earlier run listed: it gives the members that have not been listed yet, or show no
// label at all, their topology (X1c), keeps the topology zones of the others (H6), and returns all members in the list.
func (m mover) placeByLevels(now time.Time, entries []federation.LevelEntry) (known []string) {
	unplaced := map[string]bool{}
	m.earlierUntil = now.Add(member.LabelKept)
	for name, ms := range m.members {
		ms.place.earlier = nil
		unplaced[name] = !ms.place.fixed &&
			(ms.shards == nil || ms.topology.Region == "" && len(ms.topology.Zones) == 0)
	}
	for _, e := range entries {
		for _, name := range e.Members {
			ms := m.members[name]
			if ms == nil {
				continue
			}
			known, ms.seen = append(known, name), true
			if e.Zone != "" && !ms.place.fixed {
				ms.place.earlier = append(ms.place.earlier, e)
			}
			if !unplaced[name] {
				continue
			}
			placeAt(&ms.topology, e)
		}
	}
	for _, name := range known { // those that were listed before the records were
		if ms := m.members[name]; !unplaced[name] {
			m.move(ms)
		}
	}
	return known
}

// placeAt adds a listed level to the topology of a member.
func placeAt(m *federation.Member, e federation.LevelEntry) {
	if e.Region != "" {
		m.Region = e.Region
	}
	if e.Zone != "" && !slices.Contains(m.Zones, e.Zone) {
		m.Zones = append(slices.Clone(m.Zones), e.Zone)
		slices.Sort(m.Zones)
	}
}

// allProblems returns the problems of the member that belong to no service, with what delays a move (X4c).
func (ms *memberState) allProblems() []federation.Problem {
	if !ms.place.stuck {
		return ms.problems
	}
	return append(slices.Clip(ms.problems), federation.Problem{
		Member: ms.topology.Name, Reason: federation.ReasonLabelsUnstable,
		Detail: fmt.Sprintf("more than %d levels that the member has left still have names: it stays where it is "+
			"until they are gone (confirm)", maxPastLevels),
	})
}
