package rfc2136test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

// Figures holds what docs/providers.md says of messages and octets; -v prints them. The server takes 120,000 RRsets.
func Figures(t *testing.T, start func(t *testing.T) Server) {
	const count, foreign, bad = 10_000, 100_000, 6789
	server := start(t)
	server.fill(t, foreign)
	proxy := startProxy(t, server)
	p := server.met(t, server.Provider(t, func(c *rfc2136.Config) { c.Server = proxy.addr }))
	claim := federation.RRset{Name: "_claim.fed.svc." + Zone, Type: "TXT", TTL: 60, Data: []string{`"owner=test"`}}
	must := func(changes ...plan.Change) {
		for i, err := range p.Apply(t.Context(), &claim, changes) {
			if err != nil {
				t.Fatalf("change %d: %v", i, err)
			}
		}
	}
	if err := p.Apply(t.Context(), nil, []plan.Change{change(nil, []federation.RRset{claim})})[0]; err != nil {
		t.Fatal(err)
	}
	var create, remove []plan.Change
	for i := range count {
		a := addresses(fmt.Sprintf("service-%d", i), fmt.Sprintf("192.0.2.%d", i%250+1),
			fmt.Sprintf("2001:db8::%x", i+1))
		create, remove = append(create, change(nil, a)), append(remove, change(a, nil))
	}
	one, alias := create[0], alias("service-0", "nginx.ns.fed.svc."+Zone)
	refused := func() {
		server.put(t, federation.RRset{Name: create[bad].Name, Type: "A", TTL: 180, Data: []string{"192.0.2.99"}})
		for i, err := range p.Apply(t.Context(), &claim, create) {
			if (i == bad) != errors.Is(err, provider.ErrConflict) || i != bad && err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
	}
	list := func() {
		fresh := server.Provider(t, func(c *rfc2136.Config) { c.Server = proxy.addr })
		if _, err := fresh.NegativeTTL(t.Context()); err != nil {
			t.Error(err)
		}
		n := 0
		// All levels by one List, as Caps says.
		if err := fresh.List(t.Context(), Zone, func(federation.RRset) error { n++; return nil }); err != nil ||
			n < foreign {
			t.Errorf("List yields %d RRsets, %v", n, err)
		}
	}
	for _, tt := range []struct {
		name     string
		run      func()
		messages int // at most
	}{
		{"O3a one change: creation of A and AAAA", func() { must(one) }, 1},
		{"P6 one change: switch to CNAME, with its read-back",
			func() { must(plan.Change{Name: one.Name, From: one.To, To: alias}) }, 2},
		{"O3a one change: deletion", func() { must(plan.Change{Name: one.Name, From: alias}) }, 1},
		{"X6 start against 100,000 foreign RRsets, any number of levels", list, 2},
		{"X5b 10,000 changes: creation", func() { must(create...) }, 60},
		{"X5b 10,000 changes: deletion", func() { must(remove...) }, 60},
		{"X5a 10,000 changes, one of a name that has other records", refused, 90},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proxy.set(nil)
			begin := time.Now()
			tt.run()
			took := time.Since(begin)
			messages, _ := proxy.counts()
			if messages > tt.messages {
				t.Errorf("%d messages, want at most %d", messages, tt.messages)
			}
			sent, received := proxy.wire()
			t.Logf("%s: %d messages, %d octets sent, %d received, %v", tt.name, messages, sent, received,
				took.Round(time.Millisecond))
		})
	}
}
