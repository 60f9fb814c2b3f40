package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
)

func addressOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}) }

func (s *smallWorld) broken() string { return s.problem }

func (s *smallWorld) fail(format string, args ...any) {
	if s.problem == "" {
		s.problem = s.now.Sub(epoch).String() + ": " + fmt.Sprintf(format, args...)
	}
}

// judgeChange wants that nothing is emptied while a shard is known, or remembered, to be healthy and is not drained.
func (s *smallWorld) judgeChange(svc *smallService, shards []ShardState, want []federation.RRset) {
	if !hasName(svc.records, s.global(svc)) || hasName(want, s.global(svc)) {
		return
	}
	for _, st := range shards {
		over := st.unknown() && !s.now.Before(st.Reach.HeldSince.Add(exploreConfig.HeldMax))
		if st.Healthy && st.Drained.IsZero() && !over {
			s.fail("%s is emptied, though the shard of %s counts as healthy", svc.name, st.Member)
		}
	}
	for i := range s.members {
		if m := &s.members[i]; m.up && m.listed && s.truth(m) {
			s.fail("%s is emptied, though the shard of %s is healthy and in sight", svc.name, m.name)
		}
	}
}

// judgeRecords wants that what a present member shows as unhealthy is published nowhere beside what a present one shows
// as healthy, and that each CNAME leads to an address as long as there is one.
func (s *smallWorld) judgeRecords(svc *smallService) {
	there := false
	for i := range s.members {
		there = there || s.shows(i, true)
	}
	global := hasName(svc.records, s.global(svc))
	if there && !global {
		s.fail("%s is empty, though a present member shows a healthy shard", svc.name)
	}
	for _, set := range svc.records {
		if set.Type == federation.TypeCNAME {
			if global && !hasName(svc.records, federation.FQDN(set.Data[0])) {
				s.fail("%s leads to %s, which is empty", set.Name, set.Data[0])
			}
			continue
		}
		for i := range s.members {
			if there && s.shows(i, false) && slices.Contains(set.Data, addressOf(i).String()) {
				s.fail("%s has the address of %s, which is unhealthy", set.Name, s.members[i].name)
			}
		}
	}
}

// shows reports whether a present member shows a shard that is healthy, or one that is not.
func (s *smallWorld) shows(i int, healthy bool) bool {
	m := &s.members[i]
	return m.observed && m.unresolved.IsZero() && s.standing.Get(m.name).Standing == Present &&
		(m.shown && m.drained.IsZero()) == healthy
}

// confirm confirms what was shown last: of what waits, nothing else may go, but for what would go anyway.
func (s *smallWorld) confirm() {
	shown, waited := map[federation.FQDN]bool{}, map[federation.FQDN]bool{}
	for _, b := range s.waiting {
		for _, name := range b.Names {
			shown[name] = true
		}
	}
	for _, b := range s.brake.Waiting() {
		for _, name := range b.Names {
			waited[name] = true
		}
	}
	anyway := s.clone()
	anyway.dirty = true
	anyway.settle()
	for _, b := range s.waiting {
		s.brake.Confirm(b.Service, b.Names)
	}
	before := make([][]federation.RRset, len(s.services))
	for i := range s.services {
		before[i] = s.services[i].records
	}
	s.waiting, s.dirty = nil, true
	s.settle()
	for i := range s.services {
		for _, set := range before[i] {
			if waited[set.Name] && !shown[set.Name] && hasName(anyway.services[i].records, set.Name) &&
				!hasName(s.services[i].records, set.Name) {
				s.fail("the confirmation lets %s go, which was not shown", set.Name)
			}
		}
	}
}

// heal ends all cuts and what is wrong with host names; when all timers have run out and all that waits is confirmed,
// the records are those of the rule, whatever happened before (P7).
func (s *smallWorld) heal() string {
	for i := range s.members {
		m := &s.members[i]
		m.up = true
		if m.host != hostResolves {
			m.host = hostResolves
			s.event(m, false)
		}
	}
	s.settle()
	s.pass(12 * time.Minute)
	for range 2 {
		s.waiting = s.brake.Waiting()
		s.confirm()
		s.pass(time.Minute)
	}
	var shards []federation.Shard
	for i := range s.members {
		shards = append(shards, federation.Shard{Member: s.members[i].name, Healthy: s.truth(&s.members[i]),
			Addresses: []netip.Addr{addressOf(i)}})
	}
	for i := range s.services {
		svc := &s.services[i]
		rule, _ := s.levels.RRsets(svc.name, shards, len(svc.records) > 0)
		if !federation.EqualRRsets(rule, svc.records) {
			s.fail("healed, %s has\n%v\nand not\n%v", svc.name, svc.records, rule)
		}
	}
	return s.problem
}
