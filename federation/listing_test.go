package federation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
)

var listed = federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Nested}

// manyMembers have names of the longest form, so that a few fill a part.
func manyMembers(n int) (members []string) {
	for i := range n {
		members = append(members, fmt.Sprintf("m%03d-%s", i, strings.Repeat("x", 248)))
	}
	return members
}

func TestListingName(t *testing.T) {
	for name, want := range map[federation.FQDN]struct {
		level federation.FQDN
		part  int
	}{
		"_global._levels.fed.svc.example.com.":           {"example.com.", 1},
		"_2._global._levels.fed.svc.example.com.":        {"example.com.", 2},
		"east._levels.fed.svc.example.com.":              {"east.example.com.", 1},
		"_12.east-1.east._levels.fed.svc.example.com.":   {"east-1.east.example.com.", 12},
		"_levels._levels.fed.svc.example.com.":           {},
		"_levels.fed.svc.example.com.":                   {},
		"_1.east._levels.fed.svc.example.com.":           {},
		"_02.east._levels.fed.svc.example.com.":          {},
		"_x.east._levels.fed.svc.example.com.":           {},
		"a.b.c._levels.fed.svc.example.com.":             {},
		"east._levels.other.svc.example.com.":            {},
		"_claim.fed.svc.example.com.":                    {},
		"web.shop.fed.svc.east._levels.fed.example.org.": {},
	} {
		t.Run("O1b "+string(name), func(t *testing.T) {
			level, part, ok := listed.ParseListingName(name)
			if ok != (want.part > 0) || ok && (level != want.level || part != want.part) {
				t.Fatalf("%q, part %d, %t", level, part, ok)
			}
			if ok && listed.ListingName(level, part) != name {
				t.Errorf("its name is %q", listed.ListingName(level, part))
			}
		})
	}
}

func TestListing(t *testing.T) {
	region := federation.LevelEntry{Name: "east.example.com.", Kind: federation.KindRegion, Region: "east"}
	t.Run("O1b the names of many members are spread over RRsets that are bounded", func(t *testing.T) {
		l := federation.Listing{LevelEntry: region, Owner: "us"}
		l.Members = manyMembers(100)
		sets := l.RRsets(listed, nil)
		if len(sets) < 10 {
			t.Errorf("%d RRsets", len(sets))
		}
		for _, set := range sets {
			if n := len(set.Data[0]); n > 4000 {
				t.Errorf("%q has %d characters", set.Name, n)
			}
		}
		got, err := listed.ParseListing(sets)
		if err != nil || !got.Equal(l.LevelEntry) || got.Owner != "us" {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("O1b a member that comes or goes changes one RRset", func(t *testing.T) {
		l := federation.Listing{LevelEntry: region, Owner: "us"}
		all := manyMembers(40)
		l.Members = all[1:]
		before := l.RRsets(listed, nil)
		for _, members := range [][]string{all, all[2:], slices.Delete(slices.Clone(all[1:]), 20, 21)} {
			l.Members = members
			after := l.RRsets(listed, before)
			changed := max(len(before), len(after)) - min(len(before), len(after))
			for i := range min(len(before), len(after)) {
				if !after[i].Equal(before[i]) {
					changed++
				}
			}
			if changed != 1 {
				t.Errorf("%d of %d RRsets change", changed, len(before))
			}
		}
	})
	t.Run("O1b members of the past are cut to what fits", func(t *testing.T) {
		l := federation.Listing{LevelEntry: region, Owner: "us", Past: manyMembers(100)}
		sets := l.RRsets(listed, nil)
		if len(sets) != 1 || len(sets[0].Data[0]) > 4000 {
			t.Fatalf("%d RRsets, the first of %d characters", len(sets), len(sets[0].Data[0]))
		}
		if got, err := listed.ParseListing(sets); err != nil || len(got.Past) == 0 || len(got.Members) != 0 {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("O1b a part that is missing costs its members only", func(t *testing.T) {
		l := federation.Listing{LevelEntry: region, Owner: "us"}
		l.Members = manyMembers(40)
		sets := l.RRsets(listed, nil)
		got, err := listed.ParseListing(slices.Delete(slices.Clone(sets), 0, 1))
		if err != nil || got.Name != l.Name || len(got.Members) == 0 || len(got.Members) >= 40 {
			t.Fatalf("%d members, %v", len(got.Members), err)
		}
		if again := l.RRsets(listed, sets[1:]); !federation.EqualRRsets(again, sets) {
			t.Error("it is written otherwise than it was")
		}
	})
	t.Run("O1b what is read is what was written", func(t *testing.T) {
		rapid.Check(t, func(r *rapid.T) {
			member := rapid.StringMatching(`[a-z0-9]{1,40}`)
			l := federation.Listing{LevelEntry: region, Owner: "us",
				Past: rapid.SliceOfNDistinct(member, 0, 5, rapid.ID[string]).Draw(r, "past")}
			slices.Sort(l.Past)
			var have []federation.RRset
			for range 3 {
				l.Members = rapid.SliceOfNDistinct(member, 0, 150, rapid.ID[string]).Draw(r, "members")
				slices.Sort(l.Members)
				have = l.RRsets(listed, have)
			}
			got, err := listed.ParseListing(have)
			if err != nil || !got.Equal(l.LevelEntry) || !slices.Equal(got.Past, l.Past) {
				r.Fatalf("%v, %v, want %v", got, err, l)
			}
		})
	})
	one := func(change func(*federation.RRset)) []federation.RRset {
		l := federation.Listing{LevelEntry: region, Owner: "us"}
		l.Members = []string{"a"}
		set := l.RRsets(listed, nil)[0]
		set.Data = slices.Clone(set.Data)
		change(&set)
		return []federation.RRset{set}
	}
	for what, sets := range map[string][]federation.RRset{
		"another level": one(func(s *federation.RRset) { s.Name = listed.ListingName("west.example.com.", 1) }),
		"another name":  one(func(s *federation.RRset) { s.Name = listed.LevelsName() }),
		"another type":  one(func(s *federation.RRset) { s.Type = federation.TypeA }),
		"two records":   one(func(s *federation.RRset) { s.Data = append(s.Data, s.Data[0]) }),
		"no owner": one(func(s *federation.RRset) {
			s.Data[0] = strings.Replace(s.Data[0], `"owner=us" `, "",
				1)
		}),
		"a bad owner": one(func(s *federation.RRset) {
			s.Data[0] = strings.Replace(s.Data[0], `owner=us`,
				`owner=u s`, 1)
		}),
		"another format": one(func(s *federation.RRset) {
			s.Data[0] = strings.Replace(s.Data[0], `version=1`,
				`version=2`, 1)
		}),
		"no kind": one(func(s *federation.RRset) {
			s.Data[0] = strings.Replace(s.Data[0], ` "kind=region"`, "",
				1)
		}),
		"two owners": append(one(func(*federation.RRset) {}), one(func(s *federation.RRset) {
			s.Name = listed.ListingName("east.example.com.", 2)
			s.Data[0] = strings.Replace(s.Data[0], `owner=us`, `owner=them`, 1)
		})...),
	} {
		t.Run("O1b refused: "+what, func(t *testing.T) {
			if l, err := listed.ParseListing(sets); err == nil ||
				!strings.Contains(err.Error(), string(sets[len(sets)-1].Name)) {
				t.Errorf("%v, %v", l, err)
			}
		})
	}
}
