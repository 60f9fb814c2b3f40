package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
	"github.com/federation-dns/federation/test/world/outside"
)

const (
	asia, europe  = "gce-asia-east1", "gce-europe-west1"
	central, east = "gce-us-central1", "gce-us-east1"
)

// testOutside asks for explicit names in a cluster, and for the federation's
// names, and a company's own that lead to them, as a client outside every
// cluster does: through a validating recursive resolver that keeps answers.
// One domain of the federation is signed, the other is not.
func testOutside(t *testing.T, w *scenario.Play) {
	h := startOutside(t, w)
	everywhere := scenario.PublishedBy(asia, europe, central, east)
	testExplicitNames(t, w, "all healthy", map[string][]netip.Addr{
		"europe-west1.": scenario.PublishedBy(europe), "europe-west1-b.": scenario.PublishedBy(europe), "": everywhere,
	})
	testVanityNames(t, w, "all healthy", map[string][]netip.Addr{
		"eu.": scenario.PublishedBy(europe), "us.": scenario.PublishedBy(central), "": everywhere,
	})
	t.Run("the resolver validates", func(t *testing.T) { testValidation(t, w, h) })
	t.Run("O1c the syncer, started again, knows its records among those of the signer",
		func(t *testing.T) { testStartAgain(t, w) })
	t.Run("P2a a kept answer stands until its TTL has passed", func(t *testing.T) { testKeptAnswer(t, w) })

	states := scenario.PublishedBy(central, east)
	testExplicitNames(t, w, "only the United States healthy", map[string][]netip.Addr{
		"europe-west1.": states, "us-central1.": scenario.PublishedBy(central), "": states,
	})
	testVanityNames(t, w, "only the United States healthy", map[string][]netip.Addr{
		"eu.": states, "us.": scenario.PublishedBy(central), "": states,
	})
	t.Run("P2a the way up validates", func(t *testing.T) {
		expectSecure(t, "eu.signed.acme.com.", dns.TypeA, dns.RcodeSuccess)
	})
	run(t, w, scenario.BringBack())
	watched(t, w)
}

// alsoSigned adds the signed domain to the configuration.
func alsoSigned(c *world.SyncerConfig) {
	second := c.Federations[0]
	second.Domain, second.Server = outside.SignedDomain, outside.Root
	c.Federations = append(c.Federations, second)
}

// startOutside starts the zones and the resolver, and lets the syncer publish
// in the signed domain too. At the end all is as before.
func startOutside(t *testing.T, w *scenario.Play) *outside.Hierarchy {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	h, err := outside.StartHierarchy(ctx, w.World)
	if err != nil {
		t.Fatalf("%v\n%s", err, w.Tails(15))
	}
	t.Cleanup(func() { stopped(t, h.Stop) })
	recursor, err := outside.StartRecursor(ctx, w.World, h)
	if err != nil {
		t.Fatalf("%v\n%s", err, w.Tails(15))
	}
	t.Cleanup(func() { stopped(t, recursor.Stop) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := errors.Join(w.Syncer.Reconfigure(func(*world.SyncerConfig) {}), w.Syncer.Await(ctx)); err != nil {
			t.Error(err)
		}
	})
	if err := w.Syncer.Reconfigure(alsoSigned); err != nil {
		t.Fatal(err)
	}
	poll(t, w, func() error {
		r, err := world.Ask(t.Context(), outside.Root, world.Name+".svc."+outside.SignedDomain+".", dns.TypeA)
		if err == nil && len(r.Answer) != 4 {
			err = fmt.Errorf("%s does not have the four addresses: %v", outside.SignedDomain, r.Answer)
		}
		return err
	})
	return h
}

func stopped(t *testing.T, stop func() error) {
	t.Helper()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// poll calls f until it gives no error, for at most 20 s.
func poll(t *testing.T, w *scenario.Play, f func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v\nlogs:\n%s", err, w.Tails(15))
		}
		wait(t.Context(), 100*time.Millisecond)
	}
}

// testExplicitNames asks for the records of levels from a pod in the United
// States, whose own shard is healthy all the time.
func testExplicitNames(t *testing.T, w *scenario.Play, state string, levels map[string][]netip.Addr) {
	t.Helper()
	for _, level := range slices.Sorted(maps.Keys(levels)) {
		name, want := world.Name+".svc."+level+world.Domain, levels[level]
		t.Run("N2 a pod of us-central1 asks for "+name+", "+state, func(t *testing.T) {
			poll(t, w, func() error { return expectAddrs(t.Context(), w, central, name, want) })
		})
	}
}

// testVanityNames asks for the company's names from outside.
func testVanityNames(t *testing.T, w *scenario.Play, state string, names map[string][]netip.Addr) {
	t.Helper()
	for _, zone := range []string{"nginx.", "signed."} {
		for _, label := range slices.Sorted(maps.Keys(names)) {
			name, want := label+zone+outside.VanityDomain, names[label]
			t.Run("N2 a client outside asks for "+name+", "+state, func(t *testing.T) {
				poll(t, w, func() error { return expectAddrs(t.Context(), w, outside.RecursorView, name, want) })
			})
		}
	}
}

func expectAddrs(ctx context.Context, w *scenario.Play, view, name string, want []netip.Addr) error {
	got, err := w.Resolve(ctx, view, name)
	if err != nil {
		return err
	}
	if diff := diffAddrs(want, got); diff != "" {
		return fmt.Errorf("%s (-want +got):\n%s", name, diff)
	}
	return nil
}

// testStartAgain starts the syncer again and looks at its status: what it lists
// in the signed domain is its own, and the signatures there trouble it not.
func testStartAgain(t *testing.T, w *scenario.Play) {
	if err := errors.Join(w.Syncer.Reconfigure(alsoSigned), w.Syncer.Await(t.Context())); err != nil {
		t.Fatal(err)
	}
	poll(t, w, func() error {
		text, err := w.Syncer.Status(t.Context(), "-o", "json")
		if err != nil {
			return err
		}
		var s struct {
			Federations []struct {
				Domain, State, Error string
				Problems             []problem
				Levels               []struct{ Name, Foreign string }
			}
		}
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return err
		}
		for _, f := range s.Federations {
			if f.Domain != outside.SignedDomain {
				continue
			}
			foreign := slices.ContainsFunc(f.Levels,
				func(l struct{ Name, Foreign string }) bool { return l.Foreign != "" })
			if f.State == "writing" && f.Error == "" && len(f.Problems) == 0 && len(f.Levels) > 0 && !foreign {
				return nil
			}
		}
		return fmt.Errorf("status of %s:\n%s", outside.SignedDomain, text)
	})
}

// testKeptAnswer lets the shards outside the United States die while the
// resolver keeps an answer with the address of Europe: it gives it until its
// TTL has passed, and the new ones after that.
func testKeptAnswer(t *testing.T, w *scenario.Play) {
	const name = "eu.nginx.acme.com."
	var kept time.Time // until then
	before := []string{"203.0.113.33"}
	after := []string{"203.0.113.49", "203.0.113.65"}
	poll(t, w, func() error {
		ttl, addrs := kepts(t, name)
		kept = time.Now().Add(ttl)
		if ttl < outside.RecursorTTL-time.Second || !slices.Equal(addrs, before) {
			return fmt.Errorf("%s: %v for %s: want %v, and as it was just received", name, addrs, ttl, before)
		}
		return nil
	})
	run(t, w, scenario.KillAsiaAndEurope())
	stale := 0
	poll(t, w, func() error {
		asked := time.Now()
		_, addrs := kepts(t, name)
		switch {
		case slices.Equal(addrs, before):
			stale++
			return fmt.Errorf("%s: still %v", name, addrs)
		case !slices.Equal(addrs, after):
			t.Fatalf("%s: %v, want %v or %v", name, addrs, before, after)
		case asked.Before(kept.Add(-time.Second)): // a TTL counts whole seconds
			t.Fatalf("%s: %v at %s, though %v was to be kept until %s", name, addrs, asked, before, kept)
		}
		return nil
	})
	if stale == 0 {
		t.Error("no answer was from the resolver's memory: the change took longer than the TTL")
	}
	if late := time.Since(kept); late > 3*time.Second {
		t.Errorf("the new addresses came %s after the TTL had passed", late)
	}
}

// kepts are the IPv4 addresses that the resolver gives for the name, sorted,
// and for how long it keeps them.
func kepts(t *testing.T, name string) (time.Duration, []string) {
	t.Helper()
	r := askRecursor(t, name, dns.TypeA, false)
	ttl := outside.RecursorTTL
	var addrs []string
	for _, rr := range r.Answer {
		ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
		if a, ok := rr.(*dns.A); ok {
			addrs = append(addrs, a.A.String())
		}
	}
	slices.Sort(addrs)
	return ttl, addrs
}
