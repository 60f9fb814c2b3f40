package providertest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// testSequence makes random changes, some with a stale From, some under a claim that does not hold, and compares with a
// model after each batch and with plan.Apply at the end. Each check has names of its own.
func testSequence(t *testing.T, g *target) {
	claim := g.claim("1")
	g.must(nil, sets(claim))
	checks := 0
	rapid.Check(t, func(rt *rapid.T) {
		checks++
		suffix := g.name("seq%d", checks)
		m := &model{compareTTL: g.Provider.Caps().CompareTTL, names: map[federation.FQDN][]federation.RRset{}}
		for i := range 4 {
			m.names[federation.FQDN(fmt.Sprintf("n%d.%s", i, suffix))] = nil
		}
		for range rapid.IntRange(1, 5).Draw(rt, "batches") {
			stale := rapid.IntRange(0, 4).Draw(rt, "claim") == 0
			asserted := claim
			if stale {
				asserted = g.claim("2")
			}
			changes := rapid.SliceOfN(rapid.Custom(m.change), 1, 6).Draw(rt, "changes")
			m.fillFrom(changes)
			errs := g.Provider.Apply(g.ctx(), &asserted, changes)
			for i, c := range changes {
				want := !stale && m.apply(c)
				if got := errs[i] == nil; got != want || !got && !errors.Is(errs[i], provider.ErrConflict) {
					rt.Fatalf("change %d (%v -> %v): error %v, want success: %v", i, c.From, c.To, errs[i], want)
				}
			}
			for name, want := range m.names {
				got, err := g.Provider.Get(g.ctx(), name)
				if err != nil {
					rt.Fatal(err)
				}
				if diff := diffSets(want, got); diff != "" {
					rt.Fatalf("at %q (-want +got):\n%s", name, diff)
				}
			}
		}
		want, err := plan.Apply(nil, m.done)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := diffSets(want, g.list(suffix)); diff != "" {
			rt.Fatalf("List (-want +got):\n%s", diff)
		}
	})
}

// model is what a provider does, in the plainest words.
type model struct {
	compareTTL bool
	names      map[federation.FQDN][]federation.RRset
	done       []plan.Change // what has succeeded, with the true TTLs
}

func (m *model) apply(c plan.Change) bool {
	now := m.names[c.Name]
	same := len(now) == len(c.From)
	for _, from := range c.From {
		is := provider.Find(now, from.Type)
		same = same && is != nil && is.SameData(from) && (!m.compareTTL || is.TTL == from.TTL)
	}
	if !same {
		return false
	}
	next := mergeUnchangedTTL(now, c)
	m.names[c.Name] = next
	m.done = append(m.done, plan.Change{Name: c.Name, From: now, To: next})
	return true
}

// mergeUnchangedTTL is To, but an RRset that the change leaves as it is keeps the TTL the server has.
func mergeUnchangedTTL(now []federation.RRset, c plan.Change) []federation.RRset {
	var next []federation.RRset
	for _, to := range c.To {
		if from := provider.Find(c.From, to.Type); from != nil && from.Equal(to) {
			to.TTL = provider.Find(now, to.Type).TTL
		}
		next = append(next, to)
	}
	return next
}

// stale marks a change whose From is not to be filled in.
const staleTTL = 7

// change draws a change; From is filled in later, as it depends on the changes before it.
func (m *model) change(t *rapid.T) plan.Change {
	names := make([]federation.FQDN, 0, len(m.names))
	for name := range m.names {
		names = append(names, name)
	}
	slices.Sort(names)
	name := rapid.SampledFrom(names).Draw(t, "name")
	c := plan.Change{Name: name, To: drawSets(t, name, "to")}
	if rapid.IntRange(0, 3).Draw(t, "stale") == 0 {
		c.From = drawSets(t, name, "from")
		for i := range c.From {
			c.From[i].TTL = staleTTL
		}
	}
	return c
}

// fillFrom gives each change that is not stale the From that holds if all changes before it succeed.
func (m *model) fillFrom(changes []plan.Change) {
	ahead := &model{compareTTL: m.compareTTL, names: map[federation.FQDN][]federation.RRset{}}
	for name, s := range m.names {
		ahead.names[name] = s
	}
	for i := range changes {
		c := &changes[i]
		if len(c.From) == 0 {
			c.From = ahead.names[c.Name]
		}
		ahead.apply(*c)
	}
}

func drawSets(t *rapid.T, name federation.FQDN, label string) []federation.RRset {
	ttl := rapid.SampledFrom([]uint32{30, 180}).Draw(t, label+" ttl")
	draw := func(typ, format string) federation.RRset {
		hosts := rapid.SliceOfNDistinct(rapid.IntRange(1, 15), 1, 4, rapid.ID[int]).Draw(t, label+" "+typ)
		slices.Sort(hosts)
		var data []string
		for _, h := range hosts {
			data = append(data, fmt.Sprintf(format, h))
		}
		return set(name, typ, ttl, data...)
	}
	switch rapid.SampledFrom([]string{"none", "A", "AAAA", "both", "CNAME"}).Draw(t, label) {
	case "A":
		return sets(draw("A", "192.0.2.%d"))
	case "AAAA":
		return sets(draw("AAAA", "2001:db8::%x"))
	case "both":
		return sets(draw("A", "192.0.2.%d"), draw("AAAA", "2001:db8::%x"))
	case "CNAME":
		target := rapid.SampledFrom([]string{"lb.example.org.", "other.example.org."}).Draw(t, label+" target")
		return sets(set(name, "CNAME", ttl, target))
	}
	return nil
}
