package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/snapshot"
)

// Observe sets the gauges to a snapshot and the views of its services. It must not overlap with Gather, or with another
// call.
func (f *Federation) Observe(s *snapshot.Federation) {
	f.observeMembers(s)
	f.observeMirrors(s)
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
	f.m.services.With(f.labels).Set(float64(services))
	f.m.records.With(f.labels).Set(float64(names))
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
	f.setCounts(f.m.held, held)
	f.setCounts(f.m.problems, problems)
	state := f.m.state.MustCurryWith(f.labels)
	for name, is := range map[string]bool{
		"claimed": s.Claim.Held, "foreign": s.Claim.Foreign, "deposed": s.Claim.Deposed != nil,
		"panic": !s.PanicSince.IsZero(), "provider_down": s.Claim.ProviderDown,
	} {
		state.WithLabelValues(name).Set(oneIf(is))
	}
}

// observeMembers sets the members' gauges, and removes those of members that are gone.
func (f *Federation) observeMembers(s *snapshot.Federation) {
	for _, v := range []*prometheus.GaugeVec{f.m.member, f.m.answers, f.m.contact, f.m.shards} {
		v.DeletePartialMatch(f.labels)
	}
	set := func(v *prometheus.GaugeVec, value float64, labels ...string) {
		v.MustCurryWith(f.labels).WithLabelValues(labels...).Set(value)
	}
	for _, m := range s.Members {
		set(f.m.member, 1, m.Name, m.Reach.String())
		set(f.m.answers, oneIf(m.Contact.Answers()), m.Name)
		last := 0.0
		if m.Contact.Ever {
			last = float64(m.Contact.Since.UnixMilli()) / 1000
		}
		set(f.m.contact, last, m.Name)
		for state, n := range m.States() {
			set(f.m.shards, float64(n), m.Name, state)
		}
	}
}

func (f *Federation) setCounts(v *prometheus.GaugeVec, counts map[federation.Reason]int) {
	v.DeletePartialMatch(f.labels)
	for reason, n := range counts {
		v.MustCurryWith(f.labels).WithLabelValues(string(reason)).Set(float64(n))
	}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
