package providertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// longName returns a name in the zone of that many octets in wire form.
func (g *target) longName(octets int) federation.FQDN {
	name := g.Zone
	for name.WireOctets() < octets {
		n := min(63, octets-name.WireOctets()-1)
		if rest := octets - name.WireOctets() - 1 - n; rest == 1 {
			n-- // one octet is too few for another label
		}
		name = federation.FQDN(strings.Repeat("x", n) + "." + string(name))
	}
	return name
}

// testLength makes names and targets of 255 octets, with labels of 63; what is longer is refused and costs only itself.
func testLength(t *testing.T, g *target) {
	longest := g.longName(federation.MaxNameOctets)
	tooLong := federation.FQDN("y." + string(g.longName(federation.MaxNameOctets-1)))
	wideLabel := g.name("%s.ns.fed.svc", strings.Repeat("x", 64))
	good := sets(set(longest, "A", 180, "192.0.2.1"), set(longest, "AAAA", 180, "2001:db8::1"))
	pointer := g.name("pointer.ns.fed.svc")
	target := sets(set(pointer, "CNAME", 180, string(longest)))
	bystander := sets(set(g.name("other.ns.fed.svc"), "A", 180, "192.0.2.1"))
	errs := g.Provider.Apply(g.ctx(), nil, []plan.Change{
		change(nil, sets(set(tooLong, "A", 180, "192.0.2.1"))),
		change(nil, sets(set(wideLabel, "A", 180, "192.0.2.1"))),
		change(nil, sets(set(g.name("a.ns.fed.svc"), "CNAME", 180, string(tooLong)))),
		change(nil, sets(set(g.name("b.ns.fed.svc"), "CNAME", 180, string(wideLabel)))),
		change(nil, good), change(nil, target), change(nil, bystander),
	})
	for _, err := range errs[:4] {
		g.fails(err, provider.ErrRefused)
	}
	for i, err := range errs[4:] {
		if err != nil {
			t.Errorf("change %d: %v", 4+i, err)
		}
	}
	g.has(longest, good...)
	g.has(pointer, target...)
	g.has(bystander[0].Name, bystander...)
	if diff := diffSets(good, g.list(longest)); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	alias := sets(set(longest, "CNAME", 180, "lb.example.org."))
	g.must(good, alias)
	g.has(longest, alias...)
	g.must(alias, good)
	g.must(good, nil)
	g.has(longest)
	g.fails(g.apply(nil, change(target, sets(set(pointer, "CNAME", 180, string(tooLong))))), provider.ErrRefused)
	g.has(pointer, target...)
}

func testOneBad(t *testing.T, g *target) {
	const n, bad, conflict = 100, 37, 80
	changes := make([]plan.Change, n)
	for i := range changes {
		changes[i] = change(nil, sets(set(g.name("s%d.ns.fed.svc", i), "A", 180, fmt.Sprintf("192.0.2.%d", i+1))))
	}
	g.Put(set(changes[bad].Name, "MX", 60, "10 mail.example.org."))
	changes[bad].To = sets(set(changes[bad].Name, "CNAME", 180, "nginx.example.org."))
	g.Put(set(changes[conflict].Name, "A", 60, "198.51.100.1"))
	for i, err := range g.Provider.Apply(g.ctx(), nil, changes) {
		switch {
		case i == bad:
			g.fails(err, provider.ErrRefused)
		case i == conflict:
			g.fails(err, provider.ErrConflict)
		case err != nil:
			t.Errorf("change %d: %v", i, err)
		}
	}
	if got, want := len(g.list(g.name("fed.svc"))), n-1; got != want {
		t.Errorf("%d RRsets are there, want %d", got, want)
	}
	g.has(changes[conflict].Name, set(changes[conflict].Name, "A", 60, "198.51.100.1"))
}

func testLargeBatch(t *testing.T, g *target) {
	const n = 200 // names with two RRsets each
	create, remove := make([]plan.Change, n), make([]plan.Change, n)
	var all []federation.RRset
	for i := range n {
		name := g.name("service-%d.namespace.fed.svc.us-central1", i)
		to := sets(set(name, "A", 180, fmt.Sprintf("192.0.2.%d", i+1)),
			set(name, "AAAA", 180, fmt.Sprintf("2001:db8::%x", i+1)))
		create[i], remove[i] = change(nil, to), change(to, nil)
		all = append(all, to...)
	}
	apply := func(changes []plan.Change) {
		for i, err := range g.Provider.Apply(g.ctx(), nil, changes) {
			if err != nil {
				t.Fatalf("change of %q: %v", changes[i].Name, err)
			}
		}
	}
	apply(create)
	if diff := diffSets(all, g.list(g.name("fed.svc.us-central1"))); diff != "" {
		t.Errorf("after creation (-want +got):\n%s", diff)
	}
	apply(remove)
	if diff := diffSets(nil, g.list(g.name("fed.svc.us-central1"))); diff != "" {
		t.Errorf("after deletion (-want +got):\n%s", diff)
	}
}

func testCancelled(t *testing.T, g *target) {
	n := g.name("nginx.ns.fed.svc")
	ctx, cancel := context.WithCancel(g.ctx())
	cancel()
	begin := time.Now()
	errs := g.Provider.Apply(ctx, nil, []plan.Change{
		change(nil, sets(set(n, "A", 180, "192.0.2.1"))),
		change(nil, sets(set(g.name("b.ns.fed.svc"), "A", 180, "192.0.2.1"))),
	})
	for _, err := range errs {
		g.fails(err, context.Canceled)
	}
	_, err := g.Provider.Get(ctx, n)
	g.fails(err, context.Canceled)
	err = g.Provider.List(ctx, g.Zone, func(federation.RRset) error {
		t.Error("List yields after its context has ended")
		return nil
	})
	g.fails(err, context.Canceled)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v to notice", took)
	}
	g.has(n)
	g.has(g.name("b.ns.fed.svc"))
}

func testList(t *testing.T, g *target) {
	suffix := g.name("fed.svc.us-central1")
	mine := sets(
		set(suffix, "A", 180, "192.0.2.1"),
		set(g.name("a.ns.fed.svc.us-central1"), "A", 180, "192.0.2.1", "192.0.2.2"),
		set(g.name("a.ns.fed.svc.us-central1"), "AAAA", 180, "2001:db8::1"),
		set(g.name("b.ns.fed.svc.us-central1"), "CNAME", 180, "lb.example.org."),
		set(g.name("_claim.fed.svc.us-central1"), "TXT", 180, `"owner=test"`),
	)
	for _, c := range []plan.Change{
		change(nil, mine[:1]), change(nil, mine[1:3]), change(nil, mine[3:4]), change(nil, mine[4:]),
		change(nil, sets(set(g.name("a.ns.fed.svc.us-east1"), "A", 180, "192.0.2.9"))),
		change(nil, sets(set(g.name("a.ns.fed.svc"), "A", 180, "192.0.2.9"))),
		change(nil, sets(set(g.name("a.ns.myfed.svc.us-central1"), "A", 180, "192.0.2.9"))),
		change(nil, sets(set(g.name("notfed.svc.us-central1"), "A", 180, "192.0.2.9"))),
	} {
		g.must(c.From, c.To)
	}
	g.Put(set(g.name("a.ns.fed.svc.us-central1"), "MX", 60, "10 mail.example.org."))
	got := g.list(suffix)
	if diff := diffSets(mine, got); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	byName := map[federation.FQDN][]federation.RRset{}
	for _, s := range got {
		byName[s.Name] = append(byName[s.Name], s)
	}
	for name, want := range byName {
		g.has(name, want...)
	}
	if got := g.list(g.name("nothing.svc")); len(got) > 0 {
		t.Errorf("a subtree without names has %v", got)
	}
}

func testListEnds(t *testing.T, g *target) {
	for i := range 5 {
		g.must(nil, sets(set(g.name("s%d.ns.fed.svc", i), "A", 180, "192.0.2.1")))
	}
	stop := errors.New("enough")
	yielded := 0
	err := g.Provider.List(g.ctx(), g.name("fed.svc"), func(federation.RRset) error {
		if yielded++; yielded == 2 {
			return stop
		}
		return nil
	})
	g.fails(err, stop)
	if yielded != 2 {
		t.Errorf("%d RRsets were yielded after an error at the second", yielded)
	}
	ctx, cancel := context.WithCancel(g.ctx())
	yielded = 0
	err = g.Provider.List(ctx, g.name("fed.svc"), func(federation.RRset) error {
		yielded++
		cancel()
		return nil
	})
	g.fails(err, context.Canceled)
	if yielded != 1 {
		t.Errorf("%d RRsets were yielded, the context ended at the first", yielded)
	}
}

func testSOA(t *testing.T, g *target) {
	minimum, err := g.Provider.NegativeTTL(g.ctx())
	if err != nil || minimum == 0 {
		t.Errorf("NegativeTTL returns %d, %v; the zone of the suite has a negative TTL above 0", minimum, err)
	}
}
