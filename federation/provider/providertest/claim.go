package providertest

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

func (g *target) claim(generation string) federation.RRset {
	return set(g.name("_claim.fed.svc"), "TXT", 180,
		`"heritage=federation-dns" "owner=test" "generation=`+generation+`"`)
}

func testClaim(t *testing.T, g *target) {
	a, b := g.name("a.ns.fed.svc"), g.name("b.ns.fed.svc")
	changes := []plan.Change{
		change(nil, sets(set(a, "A", 180, "192.0.2.1"))),
		change(nil, sets(set(b, "CNAME", 180, string(a)))),
	}
	refused := func(t *testing.T, claim federation.RRset) {
		g := &target{g.Target, t}
		for _, err := range g.Provider.Apply(g.ctx(), &claim, changes) {
			g.fails(err, provider.ErrConflict)
		}
		g.has(a)
		g.has(b)
	}
	mine := g.claim("1")
	t.Run("missing", func(t *testing.T) { refused(t, mine) })
	g.must(nil, sets(mine))
	t.Run("another", func(t *testing.T) { refused(t, g.claim("2")) })
	t.Run("holds", func(t *testing.T) {
		g := &target{g.Target, t}
		for i, err := range g.Provider.Apply(g.ctx(), &mine, changes) {
			if err != nil {
				t.Errorf("change of %q: %v", changes[i].Name, err)
			}
		}
		g.has(a, changes[0].To...)
		g.has(b, changes[1].To...)
		g.has(mine.Name, mine)
	})
	t.Run("created only once", func(t *testing.T) {
		g := &target{g.Target, t}
		g.fails(g.apply(nil, change(nil, sets(g.claim("2")))), provider.ErrConflict)
		g.has(mine.Name, mine)
	})
}

// testClaimCreated holds that a foreign TXT RRset is never replaced and never added to, whatever it says.
func testClaimCreated(t *testing.T, g *target) {
	mine := g.claim("1")
	for name, foreign := range map[string]federation.RRset{
		"another owner's": set(g.name("_claim.fed.svc"), "TXT", 60,
			`"heritage=federation-dns" "owner=other" "generation=7"`),
		"no claim at all":        set(g.name("_claim.fed.svc.us-central1"), "TXT", 60, `"v=spf1 -all"`),
		"with the same text too": set(g.name("_claim.fed.svc.us-east1"), "TXT", 60, mine.Data[0], `"v=spf1 -all"`),
	} {
		t.Run("O1a "+name, func(t *testing.T) {
			g := &target{g.Target, t}
			g.Put(foreign)
			create := mine
			create.Name = foreign.Name
			g.fails(g.apply(nil, change(nil, sets(create))), provider.ErrConflict)
			g.has(foreign.Name, foreign)
			if diff := diffSets(sets(foreign), g.list(foreign.Name)); diff != "" {
				t.Errorf("List (-want +got):\n%s", diff)
			}
		})
	}
}

func testForeignClaim(t *testing.T, g *target) {
	mine := g.claim("1")
	a, b := g.name("a.ns.fed.svc"), g.name("b.ns.fed.svc")
	old := sets(set(a, "A", 180, "192.0.2.1"))
	g.must(nil, old)
	foreign := mine
	foreign.Data = []string{`"heritage=federation-dns" "owner=other" "generation=1"`}
	g.Put(foreign)
	for name, c := range map[string]plan.Change{
		"create":  change(nil, sets(set(b, "A", 180, "192.0.2.1"))),
		"replace": change(old, sets(set(a, "A", 180, "192.0.2.2"))),
		"switch":  change(old, sets(set(a, "CNAME", 180, "nginx.example.org."))),
		"delete":  change(old, nil),
		"claim":   change(sets(mine), sets(g.claim("2"))),
	} {
		t.Run("O1c "+name, func(t *testing.T) {
			g := &target{g.Target, t}
			g.fails(g.apply(&mine, c), provider.ErrConflict)
			g.has(a, old...)
			g.has(b)
			g.has(mine.Name, foreign)
		})
	}
}

// testClaimRace lets several syncers claim the same name at once.
func testClaimRace(t *testing.T, g *target) {
	const syncers = 8
	errs := make([]error, syncers)
	claims := make([]federation.RRset, syncers)
	var wg sync.WaitGroup
	for i := range syncers {
		claims[i] = g.claim(strconv.Itoa(i))
		wg.Go(func() {
			errs[i] = g.Provider.Apply(g.ctx(), nil, []plan.Change{change(nil, sets(claims[i]))})[0]
		})
	}
	wg.Wait()
	winner := slices.Index(errs, nil)
	if winner < 0 {
		t.Fatalf("no claim was made: %v", errs)
	}
	for i, err := range errs {
		if i != winner {
			g.fails(err, provider.ErrConflict)
		}
	}
	g.has(claims[winner].Name, claims[winner])
}

func testClaimRewritten(t *testing.T, g *target) {
	first, second := g.claim("1"), g.claim("2")
	a, b := g.name("a.ns.fed.svc"), g.name("b.ns.fed.svc")
	g.must(nil, sets(first))
	// The rewrite is under the old claim; what follows it in the same call no longer finds that.
	errs := g.Provider.Apply(g.ctx(), &first, []plan.Change{
		change(nil, sets(set(a, "A", 180, "192.0.2.1"))),
		change(sets(first), sets(second)),
		change(nil, sets(set(b, "A", 180, "192.0.2.1"))),
	})
	for _, err := range errs[:2] {
		if err != nil {
			t.Errorf("before and with the rewrite: %v", err)
		}
	}
	g.fails(errs[2], provider.ErrConflict)
	g.has(second.Name, second)
	g.has(b)
	if err := g.apply(&second, change(nil, sets(set(b, "A", 180, "192.0.2.1")))); err != nil {
		t.Errorf("under the new claim: %v", err)
	}
	g.fails(g.apply(nil, change(sets(first), nil)), provider.ErrConflict)
	if err := g.apply(&second, change(sets(second), nil)); err != nil {
		t.Errorf("deletion of the claim under itself: %v", err)
	}
	g.has(second.Name)
}

func testClaimText(t *testing.T, g *target) {
	n := g.name("_claim.fed.svc")
	for name, data := range map[string][]string{
		"one string":    {`"heritage=federation-dns version=1"`},
		"several":       {`"heritage=federation-dns" "version=1" "naming=flat"`},
		"full length":   {`"` + strings.Repeat("x", 255) + `" "` + strings.Repeat("y", 255) + `"`},
		"escapes":       {`"a \"quoted\" word; a back\\slash; \195\169"`},
		"several lines": {`"level=europe-west1"`, `"level=us-central1"`, `"level=us-east1"`},
	} {
		t.Run(name, func(t *testing.T) {
			g := &target{g.Target, t}
			text := sets(set(n, "TXT", 180, data...))
			g.must(nil, text)
			g.has(n, text...)
			if diff := diffSets(text, g.list(n)); diff != "" {
				t.Errorf("List (-want +got):\n%s", diff)
			}
			g.must(text, nil)
			g.has(n)
		})
	}
}
