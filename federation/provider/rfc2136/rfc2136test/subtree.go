package rfc2136test

import (
	"errors"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// Subtree makes changes with a key that may write below some names only: the others are refused, and cost these
// nothing.
func Subtree(t *testing.T, s Server, may []string, mayNot string) {
	p := s.Provider(t, nil)
	claim := federation.RRset{Name: federation.FQDN("_claim.fed." + may[0] + "." + string(Zone)), Type: "TXT", TTL: 60,
		Data: []string{`"owner=test"`}}
	if err := p.Apply(t.Context(), nil, []plan.Change{change(nil, []federation.RRset{claim})})[0]; err != nil {
		t.Fatal(err)
	}
	at := func(below string) federation.FQDN {
		return federation.FQDN("nginx.ns.fed." + below + "." + string(Zone))
	}
	var creations, switches []plan.Change
	for _, below := range append(may, mayNot) {
		a := []federation.RRset{{Name: at(below), Type: "A", TTL: 180, Data: []string{"192.0.2.1"}}}
		c := []federation.RRset{{Name: at(below), Type: "CNAME", TTL: 180, Data: []string{"nginx.example.org."}}}
		creations, switches = append(creations, change(nil, a)), append(switches, change(a, c))
	}
	changes := append(creations, switches...)
	for i, err := range p.Apply(t.Context(), &claim, changes) {
		kind := provider.KindOf(err)
		refused := errors.Is(kind, provider.ErrRefused) || errors.Is(kind, provider.ErrConflict) &&
			i >= len(creations) // it was not created
		if changes[i].Name == at(mayNot) && !refused || changes[i].Name != at(mayNot) && err != nil {
			t.Errorf("change %d of %q: %v", i, changes[i].Name, err)
		}
	}
}
