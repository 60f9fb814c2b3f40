package clouddns_test

import (
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/test/fakecloud"
)

// full is a flag, as the race detector makes it slow.
var full = flag.Bool("full", false, "figures at the size that docs/providers.md has, not a tenth of it")

// TestFigures holds what docs/providers.md says of requests and octets; -v prints
// them.
func TestFigures(t *testing.T) {
	s, p := claimed(t, nil)
	s.Observe(nil) // what is sent is checked by the other tests
	others, count, bad := 10_000, 1000, 678
	if *full {
		others, count, bad = 100_000, 10_000, 6789
	}
	foreign(t, s, others)
	one, all := create(1)[0], create(count)
	alias := []federation.RRset{set(one.Name, "CNAME", string("nginx."+subtree))}
	apply := func(changes ...plan.Change) func() { return func() { must(t, p, &claim, changes...) } }
	start := func() {
		fresh := connect(t, s, nil)
		if _, err := fresh.NegativeTTL(t.Context()); err != nil {
			t.Error(err)
		}
		list(t, fresh, zone) // once for all levels, as Caps says
	}
	refused := func() {
		changes := create(count)
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
		large    int // at full size; 0 is the same
	}{
		{"P6 one change: creation of A and AAAA", apply(one), 1, 0},
		{"P6 one change: switch to CNAME", apply(plan.Change{Name: one.Name, From: one.To, To: alias}), 1, 0},
		{"P6 one change: deletion", apply(plan.Change{Name: one.Name, From: alias}), 1, 0},
		{"X6 start against foreign RRsets, any number of levels", start, 13, 103},
		{"X5b many changes: creation", apply(all...), 3, 21},
		{"X6 list of all RRsets of ours", func() { list(t, p, subtree) }, 13, 121},
		{"X5b many changes: deletion", apply(back...), 3, 21},
		{"X5a many changes with one refused", refused, 30, 49},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Reset()
			begin := time.Now()
			tt.run()
			took := time.Since(begin)
			requests := s.Requests()
			most := tt.requests
			if *full {
				most = max(most, tt.large)
			}
			if len(requests) > most {
				t.Errorf("%d requests, want at most %d", len(requests), most)
			}
			t.Log(tt.name+":", figures(requests), took.Round(time.Millisecond))
		})
	}
}

// figures adds the requests up. Octets are those of bodies.
func figures(requests []fakecloud.Request) string {
	sent, received := 0, 0
	for _, r := range requests {
		sent, received = sent+r.Octets, received+r.Replied
	}
	return fmt.Sprintf("%d requests, %d octets sent, %d received, %.1f s at 5 requests a second,", len(requests), sent, received, float64(max(0, len(requests)-5))/5)
}
