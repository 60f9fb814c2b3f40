package snapshot

import (
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/policy"
)

// Assume returns the federation as it would be at now if the member were drained, or were not. What its services then
// have coming is what the loop would write, because the same rule says so.
func (s *Federation) Assume(now time.Time, a admin.Assumption) *Federation {
	out := *s
	out.actual = s
	i, known := s.memberIndex(a.Member)
	if !known || s.Members[i].Departed {
		return &out
	}
	m := *s.Members[i]
	out.Members = slices.Clone(s.Members)
	out.Members[i] = &m
	switch {
	case !a.Drained:
		m.Drained = time.Time{}
	case m.Drained.IsZero():
		m.Drained = now.Add(1) // after what was judged last (P3a)
	}
	return &out
}

// CountBraked returns, for a federation that Assume has returned, how many services, beside those that wait already,
// would wait because of the assumption. The brake decides that itself, one that has granted nothing lately.
func (s *Federation) CountBraked(now time.Time) (n int) {
	brake, views := policy.NewBrake(s.Policy), s.Views.List()
	for _, v := range views {
		owners := slices.Collect(v.Owners())
		brake.Observe(v.Name, policy.Published{
			Address: policy.HasAddress(s.Config.Federation, v.Name, v.Records),
			Members: s.actual.healthyMembers(now, v), Names: len(owners),
			Has: func(name federation.FQDN) bool { return slices.Contains(owners, name) },
		})
	}
	for _, v := range views {
		out := brake.Publish(now, s.Levels, policy.Publishing{
			Service: s.state(v), Name: v.Name, Have: v.Records,
			Watched: func() bool { return false }, WatchedAt: func(federation.Level) bool { return false },
		})
		waits := slices.ContainsFunc(s.Braked, func(b policy.Braked) bool { return b.Service == v.Name })
		if len(out.Waits) > 0 && !waits {
			n++
		}
	}
	return n
}

// healthyMembers returns the members whose shards of a service are healthy or held.
func (s *Federation) healthyMembers(now time.Time, v *Service) (members []string) {
	for _, shard := range s.judge(now, v).Shards {
		if shard.Healthy {
			members = append(members, shard.Member)
		}
	}
	return members
}
