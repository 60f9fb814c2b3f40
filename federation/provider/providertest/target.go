// Package providertest is the one suite that every provider passes. Its subtests are named after the rules they hold.
package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// Target is a provider under test with a zone of its own: nothing is in it but at its apex and at, or below, ns, wild
// and sub.
type Target struct {
	Provider provider.Provider
	Zone     federation.FQDN
	// DNS is where the zone can be queried over UDP; "" if nowhere.
	DNS string
	// Put writes an RRset as another client would; the type may also be "MX". It fails the test if that does not work.
	Put func(federation.RRset)
	// Break makes what is asked about the name from now on, changes and reads, end in an error of the kind, nil being
	// one that is of none; everything else goes well. The name has no records. It is nil, or returns nil, if that
	// cannot be done; else mend ends it.
	Break func(kind error, name federation.FQDN) (mend func())
	// Slow says that requests take long or cost something: where the suite makes many, it makes fewer.
	Slow bool
}

// Run runs the suite. newTarget is called for each subtest; it cleans up by t.Cleanup.
func Run(t *testing.T, newTarget func(t *testing.T) Target) {
	tests := []struct {
		name string
		run  func(*testing.T, *target)
	}{
		{"O3a create, replace, delete", testLifecycle},
		{"O3a create-only", testCreateOnly},
		{"O3a stale From", testStale},
		{"O3a two writers, one wins", testTwoWriters},
		{"O3a claim", testClaim},
		{"O3a claim rewritten", testClaimRewritten},
		{"O1a a claim is created only where there is none", testClaimCreated},
		{"O1a of many claims at once one is made", testClaimRace},
		{"O1a claim text round trip", testClaimText},
		{"O1c nothing is written under a foreign claim", testForeignClaim},
		{"O2 foreign types stay", testForeignTypes},
		{"O2 only A, AAAA, CNAME, and TXT of claims", testTypes},
		{"O2 outside the zone", testOutside},
		{"P5 TTL-only change", testTTL},
		{"P6 switch A to CNAME and back", testSwitch},
		{"P6 switches under query load", testSwitchLoad},
		{"P6r CNAME beside a foreign RRset", testIgnoredCNAME},
		{"N6 names at the length limits", testLength},
		{"X5a one bad change costs only itself", testOneBad},
		{"X5a each kind of error at one name", testKinds},
		{"O5 what a client is told", testServes},
		{"X5b a large batch", testLargeBatch},
		{"X5b the context has ended", testCancelled},
		{"X6 List and Get agree", testList},
		{"X6 List ends by the caller", testListEnds},
		{"P3d negative TTL", testSOA},
		{"O3 any sequence of changes", testSequence},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.run(t, &target{Target: newTarget(t), t: t})
		})
	}
}

// target is a Target with what the tests say often.
type target struct {
	Target
	t *testing.T
}

func (g *target) ctx() context.Context {
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	g.t.Cleanup(cancel)
	return ctx
}

// name returns a name in the zone.
func (g *target) name(format string, args ...any) federation.FQDN {
	return federation.FQDN(fmt.Sprintf(format, args...) + "." + string(g.Zone))
}

// set makes an RRset.
func set(name federation.FQDN, typ string, ttl uint32, data ...string) federation.RRset {
	return federation.RRset{Name: name, Type: typ, TTL: ttl, Data: data}
}

// sets makes the RRsets of one name.
func sets(s ...federation.RRset) []federation.RRset { return s }

// change makes a change; the name is that of the first RRset.
func change(from, to []federation.RRset) plan.Change {
	return plan.Change{Name: append(slices.Clone(from), to...)[0].Name, From: from, To: to}
}

// apply makes one change and returns its error.
func (g *target) apply(claim *federation.RRset, c plan.Change) error {
	g.t.Helper()
	errs := g.Provider.Apply(g.ctx(), claim, []plan.Change{c})
	if len(errs) != 1 {
		g.t.Fatalf("Apply of one change returns %d errors: %v", len(errs), errs)
	}
	return errs[0]
}

// must makes one change that must succeed.
func (g *target) must(from, to []federation.RRset) {
	g.t.Helper()
	if err := g.apply(nil, change(from, to)); err != nil {
		g.t.Fatalf("Apply %v -> %v: %v", from, to, err)
	}
}

// fails checks that the error is of this kind.
func (g *target) fails(err, kind error) {
	g.t.Helper()
	if !errors.Is(err, kind) {
		g.t.Errorf("error is %v, want one that wraps %q", err, kind)
	}
}

// has checks what is at the name, by Get.
func (g *target) has(name federation.FQDN, want ...federation.RRset) {
	g.t.Helper()
	got, err := g.Provider.Get(g.ctx(), name)
	if err != nil {
		g.t.Fatalf("Get %q: %v", name, err)
	}
	if diff := diffSets(want, got); diff != "" {
		g.t.Errorf("at %q (-want +got):\n%s", name, diff)
	}
}

// list returns what List yields, sorted.
func (g *target) list(suffix federation.FQDN) []federation.RRset {
	g.t.Helper()
	var out []federation.RRset
	err := g.Provider.List(g.ctx(), suffix, func(s federation.RRset) error {
		out = append(out, s)
		return nil
	})
	if err != nil {
		g.t.Fatalf("List %q: %v", suffix, err)
	}
	slices.SortFunc(out, federation.CompareRRsets)
	return out
}

func diffSets(want, got []federation.RRset) string {
	w, g := slices.Clone(want), slices.Clone(got)
	slices.SortFunc(w, federation.CompareRRsets)
	slices.SortFunc(g, federation.CompareRRsets)
	if len(w) == 0 && len(g) == 0 {
		return ""
	}
	return cmp.Diff(w, g)
}
