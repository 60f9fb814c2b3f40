package syncer

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
)

// observe sets the gauges to what the loop knows; called in its goroutine.
func (lm *loopMetrics) observe(l *loop) {
	lm.observeMembers(l)
	lm.m.services.With(lm.labels).Set(float64(len(l.services)))
	names := 0
	for _, of := range l.shadow.Services {
		names += len(of)
	}
	lm.m.records.With(lm.labels).Set(float64(names))
	held, problems := map[federation.Reason]int{}, map[federation.Reason]int{}
	for _, s := range l.services {
		for _, h := range s.held {
			held[h.Reason]++
		}
		for _, p := range s.problems {
			problems[p.Reason]++
		}
	}
	for _, ms := range l.members {
		for _, p := range ms.allProblems() {
			problems[p.Reason]++
		}
	}
	for _, p := range slices.Concat(l.levels.Problems(), l.ownProblems()) {
		problems[p.Reason]++
	}
	for _, r := range policy.HeldReasons {
		held[r] += 0
	}
	lm.setCounts(lm.m.held, held)
	lm.setCounts(lm.m.problems, problems)
	state := lm.m.state.MustCurryWith(lm.labels)
	for name, is := range map[string]bool{
		"claimed": l.held != nil, "foreign": l.isForeign(), "deposed": l.deposed != nil,
		"panic": !l.standing.Panic().IsZero(), "provider_down": l.backoff > 0,
	} {
		state.WithLabelValues(name).Set(oneIf(is))
	}
}

// observeMembers sets the gauges of members; those of members that are none any
// more go.
func (lm *loopMetrics) observeMembers(l *loop) {
	for _, v := range []*prometheus.GaugeVec{lm.m.member, lm.m.answers, lm.m.contact, lm.m.shards} {
		v.DeletePartialMatch(lm.labels)
	}
	set := func(v *prometheus.GaugeVec, value float64, labels ...string) {
		v.MustCurryWith(lm.labels).WithLabelValues(labels...).Set(value)
	}
	for name, ms := range l.members {
		standing, contact := l.standing.Get(name), l.standing.Contact(name)
		set(lm.m.member, 1, name, standing.String())
		set(lm.m.answers, oneIf(contact.Answers()), name)
		last := 0.0
		if contact.Ever {
			last = float64(contact.Since.UnixMilli()) / 1000
		}
		set(lm.m.contact, last, name)
		for state, n := range ms.states(standing) {
			set(lm.m.shards, float64(n), name, state)
		}
	}
}

// states counts the shards of a member by what they are known to be (H5).
func (ms *memberState) states(standing policy.Reach) map[string]int {
	counts := map[string]int{"healthy": ms.healthy, "unhealthy": len(ms.shards) - ms.healthy, "unknown": 0}
	if !ms.drained.IsZero() {
		counts = map[string]int{"healthy": 0, "unhealthy": len(ms.shards), "unknown": 0}
	}
	if standing.Standing == policy.Lost {
		counts = map[string]int{"healthy": 0, "unhealthy": 0, "unknown": len(ms.shards)}
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
