package providertest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/test/needs"
)

// maxRounds is how often the changes are made that are left, before all of the other names have to be right.
const maxRounds = 6

// testKinds makes many changes while one name gets errors of one kind, in the midst of them and as the only one: the
// error is of this kind, the others are made, and the name is when the error ends.
func testKinds(t *testing.T, g *target) {
	if g.Break == nil {
		t.Log("nothing can be broken here")
		return
	}
	for _, kind := range []error{
		provider.ErrConflict, provider.ErrRefused, provider.ErrNotSent, provider.ErrUnknownOutcome,
		provider.ErrUnavailable, nil,
	} {
		t.Run("X5a "+kindName(kind), func(t *testing.T) {
			if errors.Is(kind, provider.ErrUnknownOutcome) {
				needs.Long(t, "each reply that is lost takes a time-out")
			}
			g := &target{g.Target, t}
			label := fmt.Sprintf("kind-%d", len(kindName(kind)))
			claim := set(g.name("_claim.%s.fed.svc", label), "TXT", 180, `"owner=test"`)
			g.must(nil, sets(claim))
			n := g.name("bad.%s.fed.svc", label)
			mend := g.Break(kind, n)
			if mend == nil {
				t.Log("this kind cannot be had here")
				return
			}
			bad := change(nil, sets(set(n, "A", 180, "192.0.2.1")))
			if is := provider.KindOf(g.apply(&claim, bad)); !errors.Is(is, kind) {
				t.Errorf("alone: the kind is %v", is)
			}
			if _, err := g.Provider.Get(g.ctx(), n); err == nil {
				t.Error("Get: no error")
			}
			g.others(kind, claim, bad, label)
			mend()
			if err := g.apply(&claim, bad); err != nil {
				t.Errorf("after that: %v", err)
			}
			g.has(n, bad.To...)
		})
	}
}

// others makes changes of other names beside the bad one until all are made.
func (g *target) others(kind error, claim federation.RRset, bad plan.Change, label string) {
	g.t.Helper()
	var changes []plan.Change
	for i := range 20 {
		changes = append(changes, change(nil, sets(set(g.name("s%d.%s.fed.svc", i, label), "A", 180, "192.0.2.1"))))
	}
	all := changes
	changes = append(append(changes[:7:7], bad), changes[7:]...)
	for round := 1; len(changes) > 1; round++ {
		if round > maxRounds {
			g.t.Fatalf("after %d rounds %d changes are left", maxRounds, len(changes))
		}
		var left []plan.Change
		for i, err := range g.Provider.Apply(g.ctx(), &claim, changes) {
			if err == nil {
				continue
			}
			left = append(left, changes[i])
			is := provider.KindOf(err)
			if name := changes[i].Name; name != bad.Name && (errors.Is(is, provider.ErrConflict) ||
				errors.Is(is, provider.ErrRefused)) || name == bad.Name && !errors.Is(is, kind) &&
				!errors.Is(is, provider.ErrNotSent) {
				g.t.Errorf("round %d, %q: %v", round, name, err)
			}
		}
		changes = left
	}
	for _, c := range all {
		g.has(c.Name, c.To...)
	}
}

func kindName(kind error) string {
	if kind == nil {
		return "of none of the kinds"
	}
	return kind.Error()
}

// testServes holds that a delegation above, and a wildcard below, is seen.
func testServes(t *testing.T, g *target) {
	view, ok := g.Provider.(provider.ClientView)
	if !ok {
		t.Fatal("the provider cannot say what a client is told")
	}
	for _, tt := range []struct {
		level string
		put   func(suffix federation.FQDN)
		want  func(suffix federation.FQDN) provider.Served
	}{
		{"right", func(federation.FQDN) {}, func(federation.FQDN) provider.Served { return provider.Served{} }},
		{"delegated", func(suffix federation.FQDN) { g.Put(set(suffix, "NS", 60, "ns.example.org.")) },
			func(suffix federation.FQDN) provider.Served { return provider.Served{Delegated: suffix} }},
		{"above", func(federation.FQDN) { g.Put(set(g.name("above"), "NS", 60, "ns.example.org.")) },
			func(federation.FQDN) provider.Served { return provider.Served{Delegated: g.name("above")} }},
		{"wildcard", func(suffix federation.FQDN) { g.Put(set("*."+suffix, "A", 60, "192.0.2.25")) },
			func(federation.FQDN) provider.Served { return provider.Served{Wildcard: "A"} }},
		{"mail", func(suffix federation.FQDN) { g.Put(set("*."+suffix, "MX", 60, "10 mail.example.org.")) },
			func(federation.FQDN) provider.Served { return provider.Served{} }},
	} {
		t.Run("O5 "+tt.level, func(t *testing.T) {
			g := &target{g.Target, t}
			suffix := g.name("fed.svc.%s", tt.level)
			g.must(nil, sets(set("_claim."+suffix, "TXT", 180, `"owner=test"`)))
			tt.put(suffix)
			got, err := view.Serves(g.ctx(), suffix)
			if want := tt.want(suffix); got != want || err != nil {
				t.Errorf("Serves returns %+v, %v, want %+v", got, err, want)
			}
		})
	}
	t.Run("O5 outside the zone", func(t *testing.T) {
		_, err := view.Serves(g.ctx(), "fed.svc.outside.test.")
		(&target{g.Target, t}).fails(err, provider.ErrRefused)
	})
}
