package claim_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

const (
	domain    federation.FQDN = "example.com."
	east      federation.FQDN = "east.example.com."
	mainClaim federation.FQDN = "_claim.fed.svc.example.com."
	atGlobal  federation.FQDN = "web.shop.fed.svc.example.com."
	atEast    federation.FQDN = "web.shop.fed.svc.east.example.com."
)

// zone is a provider, and a syncer's keeper of its claims.
type zone struct {
	*inmem.Provider
	claim.Keeper
	t *testing.T
}

func newZone(t *testing.T) zone {
	p := inmem.New(domain)
	f := federation.Federation{Name: "fed", Domain: domain, Naming: federation.Flat}
	return zone{p, claim.Keeper{Provider: p, Federation: f, Owner: "us"}, t}
}

// held has the global level and one more claimed and listed, after so many starts, and a record at each.
func (z zone) held(starts int) *claim.Holding {
	z.t.Helper()
	var h *claim.Holding
	for range starts {
		var err error
		if h, _, err = z.Take(z.t.Context(), nil, false); err != nil {
			z.t.Fatal(err)
		}
		results := z.Write(z.t.Context(), h,
			[]federation.LevelEntry{{Name: domain, Kind: federation.KindGlobal, Members: []string{"a"}},
				{Name: east, Kind: federation.KindRegion, Region: "east", Members: []string{"a"}}}, false)
		for level, r := range results {
			if r.Err != nil {
				z.t.Fatalf("%s: %v", level, r.Err)
			}
		}
		h = h.With(results)
	}
	z.record(atGlobal)
	z.record(atEast)
	return h
}

func (z zone) record(name federation.FQDN) {
	z.Put(federation.RRset{Name: name, Type: federation.TypeA, TTL: 60, Data: []string{"203.0.113.1"}})
}

// puts writes a claim as someone else would.
func (z zone) puts(level federation.FQDN, c federation.Claim) {
	c.Federation, c.Naming = z.Federation.Name, z.Federation.Naming
	z.Put(c.RRset(z.Federation.ClaimName(level)))
}

func (z zone) has(name federation.FQDN) bool {
	sets, err := z.Get(z.t.Context(), name)
	if err != nil {
		z.t.Fatal(err)
	}
	return len(sets) > 0
}

func parse(t *testing.T, set federation.RRset) federation.Claim {
	t.Helper()
	c, err := federation.ParseClaim(set)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestState(t *testing.T) {
	for name, test := range map[string]struct {
		is   func(z zone, was federation.Claim)
		want claim.State
	}{
		"as it was left: current": {func(zone, federation.Claim) {}, claim.Current},
		"deleted: lost": {func(z zone, _ federation.Claim) {
			z.Remove(mainClaim, "TXT")
		}, claim.Lost},
		"a generation before: lost": {func(z zone, was federation.Claim) {
			was.Generation--
			was.Instance = "x"
			z.puts(domain, was)
		}, claim.Lost},
		"many generations before: lost": {func(z zone, was federation.Claim) {
			was.Generation -= 4
			z.puts(domain, was)
		}, claim.Lost},
		"of a release without instances: lost": {func(z zone, was federation.Claim) {
			was.Generation--
			was.Instance = ""
			z.puts(domain, was)
		}, claim.Lost},
		"a newer generation: taken": {func(z zone, was federation.Claim) {
			was.Generation++
			z.puts(domain, was)
		}, claim.Taken},
		"the same generation, another instance: taken": {func(z zone, was federation.Claim) {
			was.Instance = "x"
			z.puts(domain, was)
		}, claim.Taken},
		"another owner, older: taken": {func(z zone, was federation.Claim) {
			was.Owner = "them"
			was.Generation--
			z.puts(domain, was)
		}, claim.Taken},
		"another owner, same generation: taken": {func(z zone, was federation.Claim) {
			was.Owner = "them"
			z.puts(domain, was)
		}, claim.Taken},
		"the mark of cleanup, restored: taken": {func(z zone, was federation.Claim) {
			was.Removed = true
			was.Generation--
			z.puts(domain, was)
		}, claim.Taken},
		"no claim at all, but another TXT: taken": {func(z zone, _ federation.Claim) {
			z.Put(federation.RRset{Name: mainClaim, Type: "TXT", TTL: 60, Data: []string{"v=spf1 -all"}})
		}, claim.Taken},
	} {
		t.Run("O1e "+name, func(t *testing.T) {
			z := newZone(t)
			h := z.held(5)
			test.is(z, parse(t, h.Claim))
			state, why, err := z.State(t.Context(), h)
			if err != nil || state != test.want || (why == nil) != (state == claim.Current) ||
				errors.Is(why, claim.ErrTaken) != (state == claim.Taken) {
				t.Errorf("state %d, %v, error %v", state, why, err)
			}
			_, _, err = z.Take(t.Context(), h, false) // again, by the loop that held it
			if taken := errors.Is(err, claim.ErrTaken); taken != (test.want == claim.Taken) || !taken && err != nil {
				t.Errorf("taking it again: %v", err)
			}
		})
	}
	t.Run("O1e one that cannot be read has no state", func(t *testing.T) {
		z := newZone(t)
		h := z.held(1)
		z.SetFaults(inmem.Faults{Fail: inmem.FailNames(inmem.Kind{Name: "unavailable", Err: provider.ErrUnavailable},
			inmem.Get, mainClaim)})
		if _, why, err := z.State(t.Context(), h); !errors.Is(err, provider.ErrUnavailable) || why != nil {
			t.Errorf("%v, error %v", why, err)
		}
	})
}

func TestTakeAgain(t *testing.T) {
	for name, lose := range map[string]func(z zone, was federation.Claim){
		"deleted":  func(z zone, _ federation.Claim) { z.Remove(mainClaim, "TXT") },
		"restored": func(z zone, was federation.Claim) { was.Generation -= 2; was.Instance = "x"; z.puts(domain, was) },
	} {
		t.Run("O1e a claim that was "+name+" gets a generation that there was never", func(t *testing.T) {
			z := newZone(t)
			h := z.held(4)
			was := parse(t, h.Claim)
			lose(z, was)
			again, s, err := z.Take(t.Context(), h, false)
			if err != nil {
				t.Fatal(err)
			}
			if is := parse(t, again.Claim); is.Generation != was.Generation+1 || is.Instance == was.Instance {
				t.Errorf("claim %+v, it was %+v", is, was)
			}
			if !again.Claimed[east] || len(s.Records.ByName(atGlobal)) == 0 || len(s.Records.ByName(atEast)) == 0 {
				t.Errorf("claimed %v, records %v", again.Claimed, s.Records.Services)
			}
		})
	}
	t.Run("O1e a start without a claim goes on if the list of levels names us", func(t *testing.T) {
		z := newZone(t)
		z.held(1)
		z.Remove(mainClaim, "TXT")
		if _, _, err := z.Take(t.Context(), nil, false); err != nil {
			t.Error(err)
		}
	})
	t.Run("O1e but not if it names another", func(t *testing.T) {
		z := newZone(t)
		z.held(1)
		z.Remove(mainClaim, "TXT")
		z.Owner = "them"
		if _, _, err := z.Take(t.Context(), nil, false); !errors.Is(err, claim.ErrForeign) || z.has(mainClaim) {
			t.Error(err)
		}
	})
	t.Run("O1e a level whose claim was deleted is ours by the list", func(t *testing.T) {
		z := newZone(t)
		z.held(1)
		z.Remove(z.Federation.ClaimName(east), "TXT")
		for i := range 2 { // with nothing held, and with all but that
			var held *claim.Holding
			h, s, err := z.Take(t.Context(), held, false)
			if i == 1 && err == nil {
				s, err = z.Survey(t.Context(), h, false)
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Foreign[east] != nil || s.Claimed[east] || len(s.Records.ByName(atEast)) == 0 {
				t.Errorf("foreign %v, claimed %v, records %v", s.Foreign, s.Claimed, s.Records.Services)
			}
		}
	})
}

func TestCleanupMark(t *testing.T) {
	none := func(int, int) {}
	cleanup := func(t *testing.T, z zone, opt claim.CleanupOptions) *claim.Cleanup {
		t.Helper()
		c, err := claim.NewCleanup(t.Context(), z.Provider, z.Federation, z.Owner, opt)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(t.Context(), none); err != nil {
			t.Fatal(err)
		}
		return c
	}
	t.Run("O1e cleanup leaves a mark: it deposes, and nobody starts", func(t *testing.T) {
		z := newZone(t)
		h := z.held(2)
		cleanup(t, z, claim.CleanupOptions{})
		if state, why, err := z.State(t.Context(), h); state != claim.Taken || err != nil {
			t.Errorf("state %d, %v, error %v", state, why, err)
		}
		if _, _, err := z.Take(t.Context(), nil, false); !errors.Is(err, claim.ErrForeign) {
			t.Errorf("a start: %v", err)
		}
		if _, _, err := z.Take(t.Context(), h, false); !errors.Is(err, claim.ErrTaken) {
			t.Errorf("the one that held it: %v", err)
		}
		if z.has(atGlobal) || z.has(atEast) || !z.has(mainClaim) {
			t.Errorf("there is %v", z.RRsets())
		}
	})
	t.Run("O1e it does so before it removes anything", func(t *testing.T) {
		z := newZone(t)
		h := z.held(2)
		z.SetFaults(inmem.Faults{Fail: inmem.FailNames(inmem.Kind{Name: "refused", Err: provider.ErrRefused},
			inmem.Apply, atGlobal)})
		c, err := claim.NewCleanup(t.Context(), z.Provider, z.Federation, z.Owner, claim.CleanupOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(t.Context(), none); err == nil {
			t.Fatal("no error")
		}
		if state, _, _ := z.State(t.Context(), h); state != claim.Taken || !z.has(atGlobal) {
			t.Errorf("state %d", state)
		}
		if sets, _ := z.Get(t.Context(), mainClaim); !parse(t, sets[0]).Removed {
			t.Errorf("the claim is %v", sets)
		}
	})
	lost := func(z zone) { // all that says whose the names are, but the list
		z.Remove(mainClaim, "TXT")
		z.Remove(z.Federation.ClaimName(east), "TXT")
	}
	t.Run("O1e cleanup --adopt without a claim goes by the list and by the shapes", func(t *testing.T) {
		z := newZone(t)
		z.held(1)
		lost(z)
		z.record("web.shop.fed.svc.north.example.com.") // in no list
		z.record("web.shop.other.svc.example.com.")
		z.record("www.example.com.")
		c := cleanup(t, z, claim.CleanupOptions{Adopt: true})
		if !slices.ContainsFunc(c.Removed,
			func(l claim.CleanupLevel) bool { return l.Name == "north.example.com." && l.Names == 1 }) {
			t.Errorf("removed %v", c.Removed)
		}
		for name, want := range map[federation.FQDN]bool{
			atGlobal: false, atEast: false, "web.shop.fed.svc.north.example.com.": false,
			"web.shop.other.svc.example.com.": true, "www.example.com.": true,
		} {
			if z.has(name) != want {
				t.Errorf("%s is there: %t", name, !want)
			}
		}
	})
	t.Run("O1e with a claim it goes by the list alone", func(t *testing.T) {
		z := newZone(t)
		z.held(1)
		z.record("web.shop.fed.svc.north.example.com.")
		cleanup(t, z, claim.CleanupOptions{Adopt: true})
		if z.has(atEast) || !z.has("web.shop.fed.svc.north.example.com.") {
			t.Errorf("there is %v", z.RRsets())
		}
	})
	t.Run("O1e what another has claimed stays", func(t *testing.T) {
		z := newZone(t)
		z.held(1)
		lost(z)
		z.record("web.shop.fed.svc.south.example.com.")
		z.puts("south.example.com.", federation.Claim{Owner: "them", Generation: 1})
		c := cleanup(t, z, claim.CleanupOptions{Adopt: true})
		if c.Foreign["south.example.com."] == nil || !z.has("web.shop.fed.svc.south.example.com.") || z.has(atEast) {
			t.Errorf("foreign %v; there is %v", c.Foreign, z.RRsets())
		}
	})
	t.Run("O1e records alone are not removed without --adopt", func(t *testing.T) {
		z := newZone(t)
		z.record(atGlobal)
		if _, err := claim.NewCleanup(t.Context(), z.Provider, z.Federation, z.Owner,
			claim.CleanupOptions{}); !errors.Is(err, claim.ErrForeign) {
			t.Error(err)
		}
	})
}
