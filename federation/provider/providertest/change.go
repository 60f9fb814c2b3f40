package providertest

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

func testLifecycle(t *testing.T, g *target) {
	n := g.name("nginx.ns.fed.svc")
	one := sets(set(n, "A", 180, "192.0.2.1"))
	two := sets(set(n, "A", 180, "192.0.2.1", "192.0.2.2", "192.0.2.10"), set(n, "AAAA", 180, "2001:db8::1"))
	three := sets(set(n, "AAAA", 180, "2001:db8::2", "2001:db8::10"))
	g.has(n)
	for _, step := range [][2][]federation.RRset{{nil, one}, {one, two}, {two, three}, {three, nil}, {nil, two},
		{two, two}} {
		c := change(step[0], step[1])
		before := copyChange(c)
		if err := g.apply(nil, c); err != nil {
			t.Fatalf("%v -> %v: %v", step[0], step[1], err)
		}
		g.has(n, step[1]...)
		if diff := cmp.Diff(before, c); diff != "" {
			t.Errorf("Apply has changed its argument (-before +after):\n%s", diff)
		}
	}
}

func testCreateOnly(t *testing.T, g *target) {
	n := g.name("nginx.ns.fed.svc")
	for _, foreign := range sets(
		set(n, "A", 60, "198.51.100.1"),
		set(g.name("six.ns.fed.svc"), "AAAA", 60, "2001:db8::f"),
		set(g.name("alias.ns.fed.svc"), "CNAME", 60, "www.example.com."),
	) {
		t.Run(foreign.Type, func(t *testing.T) {
			g := &target{g.Target, t}
			g.Put(foreign)
			for _, want := range sets(
				set(foreign.Name, "A", 180, "192.0.2.1"),
				set(foreign.Name, "AAAA", 180, "2001:db8::1"),
				set(foreign.Name, "CNAME", 180, "nginx.example.org."),
			) {
				if g.unseen(foreign, want) {
					g.must(nil, sets(want))
					g.has(foreign.Name, foreign, want)
					g.must(sets(want), nil)
					g.has(foreign.Name, foreign)
					continue
				}
				g.fails(g.apply(nil, change(nil, sets(want))), provider.ErrConflict)
				g.has(foreign.Name, foreign)
			}
		})
	}
}

// unseen reports whether the provider, by its Caps, does not see the RRset that is there when it makes another: both
// are addresses.
func (g *target) unseen(there, to federation.RRset) bool {
	return g.Provider.Caps().MissesOtherTypes && there.Type != to.Type &&
		there.Type != federation.TypeCNAME && to.Type != federation.TypeCNAME
}

func testStale(t *testing.T, g *target) {
	n := g.name("nginx.ns.fed.svc")
	is := sets(set(n, "A", 180, "192.0.2.1", "192.0.2.2"), set(n, "AAAA", 180, "2001:db8::1"))
	g.must(nil, is)
	cases := map[string][]federation.RRset{
		"other data":    sets(set(n, "A", 180, "192.0.2.1", "192.0.2.3"), is[1]),
		"fewer data":    sets(set(n, "A", 180, "192.0.2.1"), is[1]),
		"more data":     sets(set(n, "A", 180, "192.0.2.1", "192.0.2.2", "192.0.2.3"), is[1]),
		"another type":  sets(set(n, "CNAME", 180, "nginx.example.org.")),
		"nothing there": nil,
	}
	if !g.Provider.Caps().MissesOtherTypes {
		cases["a type less"] = sets(is[0])
	}
	for name, from := range cases {
		t.Run(name, func(t *testing.T) {
			g := &target{g.Target, t}
			to := sets(set(n, "A", 180, "192.0.2.9"))
			g.fails(g.apply(nil, plan.Change{Name: n, From: from, To: to}), provider.ErrConflict)
			g.fails(g.apply(nil, plan.Change{Name: n, From: from}), provider.ErrConflict)
			g.has(n, is...)
		})
	}
	t.Run("a type less, and a switch", func(t *testing.T) {
		g := &target{g.Target, t}
		to := sets(set(n, "CNAME", 180, "nginx.example.org."))
		g.fails(g.apply(nil, plan.Change{Name: n, From: is[:1], To: to}), provider.ErrConflict)
		g.has(n, is...)
	})
	t.Run("a name that is gone", func(t *testing.T) {
		g := &target{g.Target, t}
		gone := g.name("gone.ns.fed.svc")
		old := sets(set(gone, "A", 180, "192.0.2.1"))
		g.fails(g.apply(nil, change(old, sets(set(gone, "A", 180, "192.0.2.2")))), provider.ErrConflict)
		g.has(gone)
	})
}

func testTwoWriters(t *testing.T, g *target) {
	n := g.name("nginx.ns.fed.svc")
	first := sets(set(n, "A", 180, "192.0.2.1"))
	g.must(nil, first)
	to := [][]federation.RRset{sets(set(n, "A", 180, "192.0.2.2")), sets(set(n, "CNAME", 180, "nginx.example.org."))}
	errs := make([]error, len(to))
	var wg sync.WaitGroup
	for i := range to {
		wg.Go(func() {
			errs[i] = g.Provider.Apply(g.ctx(), nil, []plan.Change{change(first, to[i])})[0]
		})
	}
	wg.Wait()
	winner := 0
	if errs[0] != nil {
		winner = 1
	}
	if errs[winner] != nil {
		t.Fatalf("no writer has won: %v", errs)
	}
	g.fails(errs[1-winner], provider.ErrConflict)
	g.has(n, to[winner]...)
}

func testTTL(t *testing.T, g *target) {
	n := g.name("nginx.ns.fed.svc")
	old := sets(set(n, "A", 180, "192.0.2.1", "192.0.2.2"))
	next := sets(set(n, "A", 60, "192.0.2.1", "192.0.2.2"))
	g.must(nil, old)
	g.must(old, next)
	g.has(n, next...)
	// From has a TTL that is no longer there.
	third := sets(set(n, "A", 30, "192.0.2.1", "192.0.2.3"))
	err := g.apply(nil, change(old, third))
	if g.Provider.Caps().CompareTTL {
		g.fails(err, provider.ErrConflict)
		g.has(n, next...)
		return
	}
	if err != nil {
		t.Errorf("a provider that does not compare TTLs: %v", err)
	}
	g.has(n, third...)
}

func testForeignTypes(_ *testing.T, g *target) {
	n := g.name("nginx.ns.fed.svc")
	text := set(n, "TXT", 60, `"v=spf1 -all"`)
	g.Put(text)
	g.Put(set(n, "MX", 60, "10 mail.example.org."))
	one, two := sets(set(n, "A", 180, "192.0.2.1")), sets(set(n, "AAAA", 180, "2001:db8::1"))
	g.must(nil, one)
	g.has(n, one[0], text)
	g.must(one, two)
	g.must(two, nil)
	g.has(n, text)
}

func testTypes(t *testing.T, g *target) {
	n, claim := g.name("nginx.ns.fed.svc"), g.claim("1")
	mx, text := sets(set(n, "MX", 60, "10 mail.example.org.")), sets(set(n, "TXT", 180, `"text"`))
	bystander := sets(set(g.name("other.ns.fed.svc"), "A", 180, "192.0.2.1"))
	g.Put(mx[0])
	g.Put(text[0])
	errs := g.Provider.Apply(g.ctx(), nil, []plan.Change{
		change(nil, mx), change(mx, nil), change(nil, text), change(text, nil), change(text, text),
		change(nil, sets(claim)), change(nil, bystander),
	})
	for _, err := range errs[:5] {
		g.fails(err, provider.ErrRefused)
	}
	for i, err := range errs[5:] {
		if err != nil {
			t.Errorf("change %d: %v", 5+i, err)
		}
	}
	g.has(n, text...)
	g.has(claim.Name, claim)
	g.has(bystander[0].Name, bystander...)
}

func testOutside(_ *testing.T, g *target) {
	in, out := g.name("nginx.ns.fed.svc"), federation.FQDN("nginx.ns.fed.svc.outside.test.")
	good, bad := sets(set(in, "A", 180, "192.0.2.1")), sets(set(out, "A", 180, "192.0.2.1"))
	errs := g.Provider.Apply(g.ctx(), nil, []plan.Change{change(nil, bad), change(nil, good)})
	g.fails(errs[0], provider.ErrRefused)
	if errs[1] != nil {
		g.t.Errorf("the change of %q: %v", in, errs[1])
	}
	g.has(in, good...)
	_, err := g.Provider.Get(g.ctx(), out)
	g.fails(err, provider.ErrRefused)
	g.fails(g.Provider.List(g.ctx(), out, func(federation.RRset) error { return nil }), provider.ErrRefused)
}

func copyChange(c plan.Change) plan.Change {
	clone := func(in []federation.RRset) (out []federation.RRset) {
		for _, s := range in {
			s.Data = append([]string(nil), s.Data...)
			out = append(out, s)
		}
		return out
	}
	return plan.Change{Name: c.Name, From: clone(c.From), To: clone(c.To)}
}
