package rfc2136test

import (
	"errors"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// Secondary holds what a provider does that was given a secondary which forwards updates: changes are made, and
// compared, at the primary; what is read is old.
func Secondary(t *testing.T, primary, secondary Server) {
	p, truth := secondary.Provider(t, nil), primary.Provider(t, nil)
	apply := func(c plan.Change) error { return p.Apply(t.Context(), nil, []plan.Change{c})[0] }
	at := func(t *testing.T, p provider.Provider, name federation.FQDN, want []federation.RRset) {
		t.Helper()
		if got, err := p.Get(t.Context(), name); err != nil || !federation.EqualRRsets(got, want) {
			t.Errorf("Get returns %v, %v, want %v", got, err, want)
		}
	}
	old, next := addresses("nginx", "192.0.2.1", "2001:db8::1"), alias("nginx", "nginx.example.org.")
	t.Run("P6r a switch is made, though the secondary does not show it", func(t *testing.T) {
		for _, c := range []plan.Change{change(nil, old), change(old, next)} {
			if err := apply(c); err != nil {
				t.Fatal(err)
			}
		}
		at(t, truth, next[0].Name, next)
		at(t, p, next[0].Name, nil)
	})
	t.Run("O3a what is compared is at the primary", func(t *testing.T) {
		if err := apply(change(old, addresses("nginx", "192.0.2.2", "2001:db8::2"))); !errors.Is(provider.KindOf(err),
			provider.ErrConflict) {
			t.Errorf("error is %v", err)
		}
		at(t, truth, next[0].Name, next)
	})
	t.Run("P6r an ignored CNAME is found all the same", func(t *testing.T) {
		foreign := federation.RRset{Name: name("foreign"), Type: "TXT", TTL: 60, Data: []string{`"foreign"`}}
		primary.put(t, foreign)
		if err := apply(change(nil, alias("foreign", "nginx.example.org."))); !errors.Is(provider.KindOf(err),
			provider.ErrRefused) {
			t.Errorf("error is %v", err)
		}
		at(t, truth, foreign.Name, []federation.RRset{foreign})
	})
}
