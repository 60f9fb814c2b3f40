package syncer

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
)

// observe sets the gauges to what a snapshot and the views of its services show.
func (lm *loopMetrics) observe(s *snapshot) {
	lm.observeMembers(s)
	services, names := 0, 0
	held, problems := map[federation.Reason]int{}, map[federation.Reason]int{}
	s.views.services.Range(func(_, view any) bool {
		v := view.(*serviceView)
		services++
		for range v.owners() {
			names++
		}
		for _, h := range v.held {
			held[h.Reason]++
		}
		for _, p := range v.problems {
			problems[p.Reason]++
		}
		return true
	})
	lm.m.services.With(lm.labels).Set(float64(services))
	lm.m.records.With(lm.labels).Set(float64(names))
	for _, m := range s.members {
		for _, p := range m.problems {
			problems[p.Reason]++
		}
	}
	for _, p := range s.problems {
		problems[p.Reason]++
	}
	for _, r := range policy.HeldReasons {
		held[r] += 0
	}
	lm.setCounts(lm.m.held, held)
	lm.setCounts(lm.m.problems, problems)
	state := lm.m.state.MustCurryWith(lm.labels)
	for name, is := range map[string]bool{
		"claimed": s.claim.held, "foreign": s.claim.foreign, "deposed": s.claim.deposed != nil,
		"panic": !s.panicSince.IsZero(), "provider_down": s.claim.providerDown,
	} {
		state.WithLabelValues(name).Set(oneIf(is))
	}
}

// observeMembers sets the gauges of members; those of members that have gone are removed.
func (lm *loopMetrics) observeMembers(s *snapshot) {
	for _, v := range []*prometheus.GaugeVec{lm.m.member, lm.m.answers, lm.m.contact, lm.m.shards} {
		v.DeletePartialMatch(lm.labels)
	}
	set := func(v *prometheus.GaugeVec, value float64, labels ...string) {
		v.MustCurryWith(lm.labels).WithLabelValues(labels...).Set(value)
	}
	for i := range s.members {
		m := &s.members[i]
		set(lm.m.member, 1, m.name, m.reach.String())
		set(lm.m.answers, oneIf(m.contact.Answers()), m.name)
		last := 0.0
		if m.contact.Ever {
			last = float64(m.contact.Since.UnixMilli()) / 1000
		}
		set(lm.m.contact, last, m.name)
		for state, n := range m.states() {
			set(lm.m.shards, float64(n), m.name, state)
		}
	}
}

// states counts the shards of a member by what they are known to be (H5).
func (m *memberView) states() map[string]int {
	counts := map[string]int{"healthy": m.healthy, "unhealthy": m.shards - m.healthy, "unknown": 0}
	if !m.drained.IsZero() {
		counts = map[string]int{"healthy": 0, "unhealthy": m.shards, "unknown": 0}
	}
	if m.reach.Standing == policy.Lost {
		counts = map[string]int{"healthy": 0, "unhealthy": 0, "unknown": m.shards}
	}
	return counts
}

func (lm *loopMetrics) setCounts(v *prometheus.GaugeVec, counts map[federation.Reason]int) {
	v.DeletePartialMatch(lm.labels)
	for reason, n := range counts {
		v.MustCurryWith(lm.labels).WithLabelValues(string(reason)).Set(float64(n))
	}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
