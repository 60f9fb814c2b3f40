// Package claimtest tests what ownership needs of every provider.
package claimtest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/provider"
)

// maxOctets is the largest RRset of ownership (O1b), well below what each provider accepts.
const maxOctets = 4000

// Entries returns the levels of 100 members: a region and three topology zones each, and global.
func Entries(f federation.Federation) []federation.LevelEntry {
	var members []federation.Member
	for i := range 100 {
		region := fmt.Sprintf("region-%03d", i)
		m := federation.Member{Name: fmt.Sprintf("cluster-of-%s", region), Region: federation.Label(region)}
		for _, zone := range []string{"a", "b", "c"} {
			m.Zones = append(m.Zones, federation.Label(region+zone))
		}
		members = append(members, m)
	}
	var entries []federation.LevelEntry
	for _, lv := range federation.NewLevels(f, members, federation.PublishOptions{}).All() {
		entries = append(entries, lv.Entry())
	}
	return entries
}

// ManyLevels claims an empty domain, lists and claims 400 levels there, finds them again, and drops one.
func ManyLevels(t *testing.T, p provider.Provider, domain federation.FQDN) {
	f := federation.Federation{Name: "fed", Domain: domain, Naming: federation.Flat}
	k := claim.Keeper{Provider: p, Federation: f, Owner: "cluster-of-region-000"}
	want := Entries(f)
	held := write(t, k, take(t, k), want)
	if kept, err := k.KeepFormer(t.Context(), held); kept || err != nil {
		t.Errorf("the list of earlier releases, which has too many levels: kept %t, %v", kept, err)
	}
	again := take(t, k)
	if !slices.EqualFunc(sorted(want), again.Entries, federation.LevelEntry.Equal) {
		t.Errorf("a later start finds %d levels, want %d", len(again.Entries), len(want))
	}
	if len(again.Claimed) != len(want) {
		t.Errorf("a later start finds %d claims, want %d", len(again.Claimed), len(want))
	}
	last := want[0].Name
	r := k.Drop(t.Context(), again, last)
	if r.Err != nil {
		t.Errorf("giving up %q: %v", last, r.Err)
	}
	for _, name := range []federation.FQDN{f.ListingName(last, 1), f.ClaimName(last)} {
		if sets, err := p.Get(t.Context(), name); err != nil || len(sets) > 0 {
			t.Errorf("after %q was given up, at %q is %v, %v", last, name, sets, err)
		}
	}
	bounded(t, p, f)
}

func take(t *testing.T, k claim.Keeper) *claim.Holding {
	t.Helper()
	held, found, err := k.Take(t.Context(), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	for level, err := range found.Foreign {
		t.Errorf("level %q is not ours: %v", level, err)
	}
	return held
}

func write(t *testing.T, k claim.Keeper, held *claim.Holding, want []federation.LevelEntry) *claim.Holding {
	t.Helper()
	results := k.Write(t.Context(), held, want, false)
	for level, r := range results {
		if r.Err != nil || !r.Claimed {
			t.Errorf("level %q: claimed %t, %v", level, r.Claimed, r.Err)
		}
	}
	return held.With(results)
}

// bounded checks the sizes of all RRsets of ownership.
func bounded(t *testing.T, p provider.Provider, f federation.Federation) {
	t.Helper()
	err := p.List(t.Context(), f.Domain, func(set federation.RRset) error {
		if set.Type != federation.TypeTXT {
			return nil
		}
		octets := 0
		for _, d := range set.Data {
			octets += len(d)
		}
		if octets > maxOctets || len(set.Data) > 1 {
			t.Errorf("%q has %d records with %d octets", set.Name, len(set.Data), octets)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func sorted(entries []federation.LevelEntry) []federation.LevelEntry {
	return slices.SortedFunc(slices.Values(entries),
		func(a, b federation.LevelEntry) int { return cmp.Compare(a.Name, b.Name) })
}
