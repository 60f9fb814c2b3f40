package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/snapshot"
)

// Observe sets the gauges to what a snapshot and the views of its services show.
func (lm *Federation) Observe(s *snapshot.Federation) {
	lm.observeMembers(s)
	services, names := 0, 0
	held, problems := map[federation.Reason]int{}, map[federation.Reason]int{}
	s.Views.Each(func(v *snapshot.Service) {
		services++
		for range v.Owners() {
			names++
		}
		for _, h := range v.Held {
			held[h.Reason]++
		}
		for _, p := range v.Problems {
			problems[p.Reason]++
		}
	})
	lm.m.services.With(lm.Labels).Set(float64(services))
	lm.m.records.With(lm.Labels).Set(float64(names))
	for _, m := range s.Members {
		for _, p := range m.Problems {
			problems[p.Reason]++
		}
	}
	for _, p := range s.Problems {
		problems[p.Reason]++
	}
	for _, r := range policy.HeldReasons {
		held[r] += 0
	}
	lm.setCounts(lm.m.held, held)
	lm.setCounts(lm.m.problems, problems)
	state := lm.m.state.MustCurryWith(lm.Labels)
	for name, is := range map[string]bool{
		"claimed": s.Claim.Held, "foreign": s.Claim.Foreign, "deposed": s.Claim.Deposed != nil,
		"panic": !s.PanicSince.IsZero(), "provider_down": s.Claim.ProviderDown,
	} {
		state.WithLabelValues(name).Set(oneIf(is))
	}
}

// observeMembers sets the gauges of members; those of members that have gone are removed.
func (lm *Federation) observeMembers(s *snapshot.Federation) {
	for _, v := range []*prometheus.GaugeVec{lm.m.member, lm.m.answers, lm.m.contact, lm.m.shards} {
		v.DeletePartialMatch(lm.Labels)
	}
	set := func(v *prometheus.GaugeVec, value float64, labels ...string) {
		v.MustCurryWith(lm.Labels).WithLabelValues(labels...).Set(value)
	}
	for i := range s.Members {
		m := &s.Members[i]
		set(lm.m.member, 1, m.Name, m.Reach.String())
		set(lm.m.answers, oneIf(m.Contact.Answers()), m.Name)
		last := 0.0
		if m.Contact.Ever {
			last = float64(m.Contact.Since.UnixMilli()) / 1000
		}
		set(lm.m.contact, last, m.Name)
		for state, n := range m.States() {
			set(lm.m.shards, float64(n), m.Name, state)
		}
	}
}

func (lm *Federation) setCounts(v *prometheus.GaugeVec, counts map[federation.Reason]int) {
	v.DeletePartialMatch(lm.Labels)
	for reason, n := range counts {
		v.MustCurryWith(lm.Labels).WithLabelValues(string(reason)).Set(float64(n))
	}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
