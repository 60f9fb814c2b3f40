package clouddns_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	standin "github.com/federation-dns/federation/test/clouddns"
)

// TestFigures holds what docs/providers.md says of requests and octets; -v prints them.
func TestFigures(t *testing.T) {
	s, p := claimed(t, nil)
	s.Observe(nil) // what is sent is checked by the other tests
	foreign(t, s, 100_000)
	one, all := create(1)[0], create(10_000)
	alias := []federation.RRset{set(one.Name, "CNAME", string("nginx."+subtree))}
	apply := func(changes ...plan.Change) func() { return func() { must(t, p, &claim, changes...) } }
	start := func() {
		fresh := connect(t, s, nil)
		if _, err := fresh.SOA(t.Context()); err != nil {
			t.Error(err)
		}
		list(t, fresh, zone) // once for all levels, as Caps says
	}
	refused := func() {
		const bad = 6789
		changes := create(10_000)
		put(t, s, set(changes[bad].Name, "MX", "10 mail.example.org."))
		changes[bad].To = []federation.RRset{set(changes[bad].Name, "CNAME", "nginx.example.org.")}
		for i, err := range p.Apply(t.Context(), &claim, changes) {
			if (i == bad) != errors.Is(err, provider.ErrRefused) {
				t.Errorf("change %d: %v", i, err)
			}
		}
	}
	var back []plan.Change
	for _, c := range all {
		back = append(back, plan.Change{Name: c.Name, From: c.To})
	}
	for _, tt := range []struct {
		name     string
		run      func()
		requests int // at most
	}{
		{"P6 one change: creation of A and AAAA", apply(one), 1},
		{"P6 one change: switch to CNAME", apply(plan.Change{Name: one.Name, From: one.To, To: alias}), 1},
		{"P6 one change: deletion", apply(plan.Change{Name: one.Name, From: alias}), 1},
		{"X6 start against 100,000 foreign RRsets, any number of levels", start, 103},
		{"X5b 10,000 changes: creation", apply(all...), 21},
		{"X6 list of 20,000 RRsets of ours among 100,000", func() { list(t, p, subtree) }, 121},
		{"X5b 10,000 changes: deletion", apply(back...), 21},
		{"X5a 10,000 changes with one refused", refused, 49},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Reset()
			begin := time.Now()
			tt.run()
			took := time.Since(begin)
			requests := s.Requests()
			if len(requests) > tt.requests {
				t.Errorf("%d requests, want at most %d", len(requests), tt.requests)
			}
			t.Log(tt.name+":", figures(requests), took.Round(time.Millisecond))
		})
	}
}

// figures adds the requests up. Octets are those of bodies.
func figures(requests []standin.Request) string {
	sent, received := 0, 0
	for _, r := range requests {
		sent, received = sent+r.Octets, received+r.Replied
	}
	return fmt.Sprintf("%d requests, %d octets sent, %d received, %.1f s at 5 requests a second,", len(requests), sent, received, float64(max(0, len(requests)-5))/5)
}
