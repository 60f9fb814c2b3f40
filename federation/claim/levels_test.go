package claim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/claim/claimtest"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

const north, south, west = federation.FQDN("north.example.com."), federation.FQDN("south.example.com."),
	federation.FQDN("west.example.com.")

// syncer is a keeper, what it holds, and its provider.
type syncer struct {
	claim.Keeper
	t    *testing.T
	mem  *inmem.Provider
	held *claim.Holding
}

func newSyncer(t *testing.T) *syncer {
	mem := inmem.New("example.com.")
	f := federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}
	return &syncer{Keeper: claim.Keeper{Provider: mem, Federation: f, Owner: "us"}, t: t, mem: mem}
}

func (s *syncer) start() claim.Survey {
	s.t.Helper()
	held, found, err := s.Take(s.t.Context(), nil, false)
	if err != nil {
		s.t.Fatal(err)
	}
	s.held = held
	return found
}

// writes writes the regions, each with member a, and returns those that failed.
func (s *syncer) writes(levels ...federation.FQDN) (failed map[federation.FQDN]error) {
	failed = map[federation.FQDN]error{}
	results := s.Write(s.t.Context(), s.held, regions([]string{"a"}, levels...), false)
	for level, r := range results {
		if r.Err != nil {
			failed[level] = r.Err
		}
	}
	s.held = s.held.With(results)
	return failed
}

func (s *syncer) mustWrite(levels ...federation.FQDN) {
	s.t.Helper()
	for level, err := range s.writes(levels...) {
		s.t.Fatalf("%q: %v", level, err)
	}
}

func (s *syncer) at(name federation.FQDN) *federation.RRset {
	sets, err := s.mem.Get(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return provider.Find(sets, federation.TypeTXT)
}

func (s *syncer) listing(level federation.FQDN) *federation.RRset {
	return s.at(s.Federation.ListingName(level, 1))
}

func regions(members []string, levels ...federation.FQDN) (entries []federation.LevelEntry) {
	for _, level := range levels {
		region, _, _ := strings.Cut(string(level), ".")
		entries = append(entries, federation.LevelEntry{Name: level, Kind: federation.KindRegion,
			Region: federation.Label(region), Members: members})
	}
	return entries
}

func TestManyLevels(t *testing.T) {
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprintf("O1b 400 levels, a List reads the whole zone: %t", whole), func(t *testing.T) {
			claimtest.ManyLevels(t, wholeZone{inmem.New("example.com."), whole}, "example.com.")
		})
	}
}

// wholeZone is a provider whose List may read the whole zone.
type wholeZone struct {
	*inmem.Provider
	whole bool
}

func (p wholeZone) Caps() provider.Caps {
	caps := p.Provider.Caps()
	caps.ListsWholeZone = p.whole
	return caps
}

func TestWrite(t *testing.T) {
	for _, kind := range inmem.Kinds() {
		for what, name := range map[string]func(federation.Federation) federation.FQDN{
			"entry":   func(f federation.Federation) federation.FQDN { return f.ListingName(south, 1) },
			"claim":   func(f federation.Federation) federation.FQDN { return f.ClaimName(south) },
			"subtree": func(f federation.Federation) federation.FQDN { return f.Suffix(south) },
		} {
			t.Run("O1b the "+what+" of a level fails, "+kind.Name+": that level only", func(t *testing.T) {
				s := newSyncer(t)
				s.start()
				s.mem.SetFaults(inmem.Faults{Fail: inmem.FailNames(kind, inmem.Apply|inmem.Reads, name(s.Federation))})
				failed := s.writes(north, south, west)
				if len(failed) != 1 || failed[south] == nil {
					t.Errorf("failed: %v", failed)
				}
				if !s.held.Claimed[north] || s.held.Claimed[south] || !s.held.Claimed[west] {
					t.Errorf("claimed: %v", s.held.Claimed)
				}
				if what == "entry" && s.at(s.Federation.ClaimName(south)) != nil {
					t.Error("a level that is in no list is claimed")
				}
				s.mem.SetFaults(inmem.Faults{})
				s.mustWrite(south)
				if e := s.held.Entry(south); e == nil || !slices.Equal(e.Members, []string{"a"}) ||
					!s.held.Claimed[south] {
					t.Errorf("tried again: %v, claimed %v", e, s.held.Claimed)
				}
			})
		}
	}
	t.Run("O1b an entry whose reply was lost is read before it is written again", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		listing := s.Federation.ListingName(south, 1)
		s.mem.SetFaults(inmem.Faults{LoseReply: func(c plan.Change) bool { return c.Name == listing }})
		if failed := s.writes(south); failed[south] == nil || s.held.Entry(south) != nil {
			t.Fatalf("%v, entry %v", failed, s.held.Entry(south))
		}
		s.mem.SetFaults(inmem.Faults{})
		s.mustWrite(south)
	})
	t.Run("O1b an entry that somebody changed is read, and written as it is to be", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		s.mustWrite(south)
		was := *s.listing(south)
		s.mem.Put(federation.RRset{Name: was.Name, Type: "TXT", TTL: 60, Data: []string{`"something else"`}})
		results := s.Write(t.Context(), s.held, regions([]string{"a", "b"}, south), false)
		if !errors.Is(results[south].Err, provider.ErrConflict) || !results[south].Claimed {
			t.Fatalf("%+v", results[south])
		}
		s.held = s.held.With(results)
		s.mustWrite(south)
		if !s.listing(south).Equal(was) {
			t.Errorf("%v", s.listing(south))
		}
	})
	t.Run("O1b an entry of another form is a level of somebody else", func(t *testing.T) {
		s := newSyncer(t)
		s.mem.Put(federation.RRset{Name: s.Federation.ListingName(south, 1), Type: "TXT", TTL: 60,
			Data: []string{`"something else"`}})
		if found := s.start(); !errors.Is(found.Foreign[south], claim.ErrForeign) {
			t.Errorf("foreign: %v", found.Foreign)
		}
		failed := s.writes(north, south)
		if !errors.Is(failed[south], claim.ErrForeign) || failed[north] != nil {
			t.Fatalf("%v", failed)
		}
		results := s.Write(t.Context(), s.held, regions([]string{"a"}, south), true)
		if r := results[south]; r.Err != nil || !r.Claimed {
			t.Errorf("adopted: %+v", r)
		}
	})
	t.Run("O1b levels that nothing is written for stay as they are", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		s.mustWrite(north, south)
		before := s.mem.Requests().Changes
		s.mustWrite(north)
		if n := s.mem.Requests().Changes - before; n != 0 {
			t.Errorf("%d changes", n)
		}
		if !s.held.Claimed[south] || s.held.Entry(south) == nil {
			t.Error("the other is lost")
		}
	})
}

func TestDrop(t *testing.T) {
	for _, kind := range inmem.Kinds() {
		for _, claimed := range []bool{true, false} {
			name := "O1b a level whose claim (%t) or entry cannot be removed, %s, goes with the next try"
			t.Run(fmt.Sprintf(name, claimed, kind.Name), func(t *testing.T) {
				s := newSyncer(t)
				s.start()
				s.mustWrite(north, south)
				name := s.Federation.ListingName(south, 1)
				if claimed {
					name = s.Federation.ClaimName(south)
				}
				s.mem.SetFaults(inmem.Faults{Fail: inmem.FailNames(kind, inmem.Apply, name)})
				r := s.Drop(t.Context(), s.held, south)
				if r.Err == nil {
					t.Fatal("no error")
				}
				s.held = s.held.With(map[federation.FQDN]claim.LevelResult{south: r})
				if s.at(s.Federation.ClaimName(south)) != nil && s.listing(south) == nil {
					t.Error("it is claimed and in no list")
				}
				s.mem.SetFaults(inmem.Faults{})
				if r := s.Drop(t.Context(), s.held, south); r.Err != nil {
					t.Fatal(r.Err)
				}
				if s.listing(south) != nil || s.at(s.Federation.ClaimName(south)) != nil || s.listing(north) == nil {
					t.Errorf("%v", s.mem.RRsets())
				}
			})
		}
	}
}

func TestFormer(t *testing.T) {
	former := func(s *syncer) *federation.RRset { return s.at(s.Federation.LevelsName()) }
	keep := func(s *syncer) bool {
		s.t.Helper()
		kept, err := s.KeepFormer(s.t.Context(), s.held)
		if err != nil {
			s.t.Fatal(err)
		}
		return kept
	}
	t.Run("O1b the list of earlier releases is read and converted", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		s.mem.Put(s.Federation.LevelsRRset(regions([]string{"a"}, north, south)))
		s.start()
		if len(s.held.Entries) != 2 || s.held.Entry(north) != nil {
			t.Fatalf("%v, north is listed: %v", s.held.Entries, s.held.Entry(north))
		}
		s.mustWrite(north, south)
		if s.listing(north) == nil || s.listing(south) == nil {
			t.Errorf("%v", s.mem.RRsets())
		}
		s.mem.Remove(s.Federation.LevelsName(), "TXT")
		if s.start(); len(s.held.Entries) != 2 {
			t.Errorf("%v", s.held.Entries)
		}
	})
	t.Run("O1b it is kept beside the new one, so that a rollback finds the levels", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		s.mustWrite(north, south)
		if !keep(s) {
			t.Fatal("it is not kept")
		}
		if got, err := s.Federation.ParseLevels(*former(s)); err != nil ||
			!slices.EqualFunc(got, s.held.Entries, federation.LevelEntry.Equal) {
			t.Errorf("%v, %v", got, err)
		}
		before := s.mem.Requests().Apply
		if keep(s); s.mem.Requests().Apply != before {
			t.Error("it is written though nothing has changed")
		}
	})
	t.Run("O1b levels that a release after a rollback added are found", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		s.mustWrite(north)
		s.mem.Put(s.Federation.LevelsRRset(regions([]string{"b"}, north, west)))
		s.start()
		if len(s.held.Entries) != 2 || !slices.Equal(s.held.Entries[0].Members, []string{"a"}) {
			t.Errorf("%v", s.held.Entries)
		}
	})
	t.Run("O1b it is not kept where it would not fit", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		var all []federation.LevelEntry
		for i := range 80 {
			all = append(all,
				regions([]string{fmt.Sprintf("m%d", i)}, federation.FQDN(fmt.Sprintf("r%d.example.com.", i)))...)
		}
		s.held = s.held.With(s.Write(t.Context(), s.held, all, false))
		if !keep(s) || len(former(s).Data) != 80 {
			t.Fatal("80 levels do not fit")
		}
		s.mustWrite(south)
		if keep(s) || former(s) != nil {
			t.Errorf("%v", former(s))
		}
	})
	t.Run("O1b names that are too long do not fit either", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		var members []string
		for i := range 20 {
			members = append(members, fmt.Sprintf("m%02d%s", i, strings.Repeat("x", 249)))
		}
		s.held = s.held.With(s.Write(t.Context(), s.held, regions(members, south), false))
		if keep(s) || former(s) != nil {
			t.Errorf("%v", former(s))
		}
	})
	t.Run("O1b one of another form is left alone, and costs nothing else", func(t *testing.T) {
		s := newSyncer(t)
		theirs := federation.RRset{Name: s.Federation.LevelsName(), Type: "TXT", TTL: 60,
			Data: []string{`"something else"`}}
		s.mem.Put(theirs)
		if found := s.start(); !errors.Is(found.Former, claim.ErrForeign) {
			t.Errorf("%v", found.Former)
		}
		s.mustWrite(north)
		if _, err := s.KeepFormer(t.Context(), s.held); !errors.Is(err, claim.ErrForeign) {
			t.Errorf("%v", err)
		}
		if !former(s).Equal(theirs) {
			t.Errorf("%v", former(s))
		}
	})
	t.Run("O1b a CNAME at its name costs nothing else", func(t *testing.T) {
		s := newSyncer(t)
		s.mem.Put(federation.RRset{Name: s.Federation.LevelsName(), Type: "CNAME", TTL: 60,
			Data: []string{"a.example.org."}})
		s.start()
		s.mustWrite(north, south)
		if _, err := s.KeepFormer(t.Context(), s.held); err == nil {
			t.Error("it was written")
		}
	})
}

func TestSurvey(t *testing.T) {
	t.Run("O1b a level that cannot be listed costs itself", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		s.mustWrite(north, south, west)
		down := errors.New("down")
		s.mem.SetFaults(inmem.Faults{Fail: func(_ context.Context, op inmem.Op, name federation.FQDN) error {
			if op == inmem.List && name == s.Federation.Suffix(south) {
				return down
			}
			return nil
		}})
		found := s.start()
		if len(found.Foreign) != 1 || !errors.Is(found.Foreign[south], down) ||
			errors.Is(found.Foreign[south], claim.ErrForeign) {
			t.Errorf("foreign: %v", found.Foreign)
		}
		if !s.held.Claimed[north] || s.held.Claimed[south] || !s.held.Claimed[west] {
			t.Errorf("claimed: %v", s.held.Claimed)
		}
	})
	t.Run("O1b members that share a level are in as many RRsets as they need, and are found", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		var members []string
		for i := range 60 {
			members = append(members, fmt.Sprintf("m%02d%s", i, strings.Repeat("x", 100)))
		}
		s.held = s.held.With(s.Write(t.Context(), s.held, regions(members, south), false))
		if s.at(s.Federation.ListingName(south, 4)) == nil {
			t.Fatal("they are in fewer")
		}
		if s.start(); len(s.held.Entries) != 1 || !slices.Equal(s.held.Entries[0].Members, members) {
			t.Errorf("%v", s.held.Entries)
		}
		s.held = s.held.With(s.Write(t.Context(), s.held, regions(members[:3], south), false))
		if s.at(s.Federation.ListingName(south, 1)) == nil || s.at(s.Federation.ListingName(south, 4)) != nil {
			t.Errorf("%v", s.mem.RRsets())
		}
		if s.start(); len(s.held.Entries) != 1 || !slices.Equal(s.held.Entries[0].Members, members[:3]) {
			t.Errorf("%v", s.held.Entries)
		}
	})
}

func TestLimits(t *testing.T) {
	many := func(n int) (levels []federation.FQDN) {
		for i := range n {
			levels = append(levels, federation.FQDN(fmt.Sprintf("r%d.example.com.", i)))
		}
		return levels
	}
	t.Run("O1b a member whose labels keep changing has 64 levels at most, all others go on", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		for _, level := range many(claim.MaxMemberLevels) { // one after the other, as its labels change
			s.mustWrite(level)
			s.held = s.held.With(s.Write(t.Context(), s.held, regions(nil, level), false))
		}
		if failed := s.writes(south); !errors.Is(failed[south], claim.ErrTooMany) ||
			!strings.Contains(failed[south].Error(), `"a"`) {
			t.Errorf("%v", failed)
		}
		if s.listing(south) != nil {
			t.Error("it is listed")
		}
		for _, members := range [][]string{{"b"}, {"a", "b"}} {
			level := federation.FQDN(fmt.Sprintf("of-%d.example.com.", len(members)))
			if r := s.Write(t.Context(), s.held, regions(members, level), false)[level]; r.Err != nil {
				t.Errorf("members %v: %v", members, r.Err)
			}
		}
		if r := s.Write(t.Context(), s.held, regions([]string{"a"}, "r0.example.com."),
			false)["r0.example.com."]; r.Err != nil {
			t.Errorf("a level that it had before: %v", r.Err)
		}
		held, _, err := s.Take(t.Context(), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if s.held = held; !errors.Is(s.writes(south)[south], claim.ErrTooMany) {
			t.Error("after a restart it may go on")
		}
	})
	t.Run("O1b a level that was given up does not count", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		s.mustWrite(many(claim.MaxMemberLevels)...)
		s.held = s.held.With(map[federation.FQDN]claim.LevelResult{"r0.example.com.": s.Drop(t.Context(), s.held,
			"r0.example.com.")})
		s.mustWrite(south)
	})
	t.Run("O1b a federation has 1000 levels at most", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		var entries []federation.LevelEntry
		for i, level := range many(claim.MaxLevels + 1) {
			entries = append(entries, regions([]string{fmt.Sprintf("m%d", i/10)}, level)...)
		}
		results := s.Write(t.Context(), s.held, entries, false)
		for i, e := range entries {
			if err := results[e.Name].Err; (i == claim.MaxLevels) != errors.Is(err, claim.ErrTooMany) {
				t.Errorf("level %d: %v", i, err)
			}
		}
	})
	t.Run("O1b a bound is reported before it is reached", func(t *testing.T) {
		s := newSyncer(t)
		s.start()
		s.mustWrite(many(51)...)
		if w := s.held.Warnings(); len(w) != 0 {
			t.Errorf("51 levels: %q", w)
		}
		s.mustWrite(south)
		if w := s.held.Warnings(); len(w) != 1 || !strings.Contains(w[0], `"a"`) || !strings.Contains(w[0], "64") {
			t.Errorf("52 levels: %q", w)
		}
		var entries []federation.LevelEntry
		for i, level := range many(800) {
			entries = append(entries, regions([]string{fmt.Sprintf("m%d", i/10)}, level)...)
		}
		if w := s.held.With(s.Write(t.Context(), s.held, entries, false)).Warnings(); len(w) == 0 ||
			!strings.Contains(w[0], "1000") {
			t.Errorf("800 levels: %q", w)
		}
	})
}
