package route53_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim/claimtest"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

// subtree is where create makes its names.
const subtree = "fed.svc." + zone

func TestList(t *testing.T) {
	t.Run("X6 the pages of the subtree only", func(t *testing.T) {
		s, p := claimed(t, nil)
		foreign(t, s, 10_000)
		changes := create(1000)
		must(t, p, &claim, changes...)
		s.Reset()
		want := []federation.RRset{claim}
		for _, c := range changes {
			want = append(want, c.To...)
		}
		got := list(t, p, subtree)
		slices.SortFunc(got, federation.CompareRRsets)
		slices.SortFunc(want, federation.CompareRRsets)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("List (-want +got):\n%s", diff)
		}
		// 2001 RRsets in pages of 300; a name that a page cuts comes again.
		if got := len(s.Requests()); got != 7 {
			t.Errorf("it took %d requests, want 7", got)
		}
	})
	t.Run("X6 it is streamed", func(t *testing.T) {
		s, p := claimed(t, nil)
		must(t, p, &claim, create(400)...)
		s.Reset()
		enough := errors.New("enough")
		count := 0
		err := p.List(t.Context(), subtree, func(federation.RRset) error {
			if count++; count == 100 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || len(s.Requests()) != 1 {
			t.Errorf("%v after %d requests", err, len(s.Requests()))
		}
	})
	t.Run("X6 a name that a page cuts is yielded once and whole", func(t *testing.T) {
		s, p := claimed(t, nil)
		n := name("policies") // more RRsets at one name than two pages have
		var many []cloudzone.Set
		for i := range 700 {
			many = append(many, setOf(n, "A", "policy", fmt.Sprintf("id-%03d", i)))
		}
		if err := s.Load(zoneID, append(many, cloudzone.Set{Name: string(n), Type: "AAAA", TTL: 180, Data: []string{"2001:db8::1"}})...); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			both := name(fmt.Sprintf("s%03d", i))
			put(t, s, set(both, "A", "192.0.2.1"))
			put(t, s, set(both, "AAAA", "2001:db8::1"))
			put(t, s, set(both, "MX", "10 mail.example.org."))
		}
		perName := map[federation.FQDN]int{}
		for _, got := range list(t, p, subtree) {
			perName[got.Name]++
		}
		if len(perName) != 202 || perName[n] != 1 || perName[claim.Name] != 1 {
			t.Errorf("%d names, with %d at %q", len(perName), perName[n], n)
		}
		for n, count := range perName {
			if count != 2 && n != claim.Name && n != name("policies") {
				t.Errorf("%d RRsets at %q", count, n)
			}
		}
		has(t, p, n, set(n, "AAAA", "2001:db8::1"))
	})
	t.Run("X6 a list that ends early is an error", func(t *testing.T) {
		s, p := claimed(t, nil)
		must(t, p, &claim, create(400)...)
		calls := 0
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			if calls++; calls > 1 {
				return fakecloud.Fate{Status: 403, Code: "AccessDenied"}
			}
			return fakecloud.Fate{}
		}})
		err := p.List(t.Context(), subtree, func(federation.RRset) error { return nil })
		says(t, err, `"fed.svc.example.com."`, "AccessDenied")
		if !errors.Is(err, provider.ErrRefused) {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("X6 names and data with escapes", func(t *testing.T) {
		s, p := claimed(t, nil)
		odd := federation.FQDN(`od\200d.` + string(subtree))
		if err := s.Load(zoneID,
			cloudzone.Set{Name: `*.` + string(subtree), Type: "A", TTL: 60, Data: []string{"192.0.2.1"}},
			cloudzone.Set{Name: `a\.b.` + string(subtree), Type: "A", TTL: 60, Data: []string{"192.0.2.1"}},
			cloudzone.Set{Name: string(odd), Type: "CNAME", TTL: 60, Data: []string{`WWW.Example.org`}},
			cloudzone.Set{Name: `txt.` + string(subtree), Type: "TXT", TTL: 60, Data: []string{`"tab\011 quote\042" "\303\251"`}},
		); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, set := range list(t, p, subtree) {
			got = append(got, fmt.Sprintf("%s %s %v", set.Name, set.Type, set.Data))
		}
		want := []string{
			`*.fed.svc.example.com. A [192.0.2.1]`, `_claim.fed.svc.example.com. TXT [` + claim.Data[0] + `]`,
			`a\.b.fed.svc.example.com. A [192.0.2.1]`, `od\200d.fed.svc.example.com. CNAME [www.example.org.]`,
			`txt.fed.svc.example.com. TXT ["tab\009 quote\"" "\195\169"]`,
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("List (-want +got):\n%s", diff)
		}
		has(t, p, odd, federation.RRset{Name: odd, Type: "CNAME", TTL: 60, Data: []string{"www.example.org."}})
	})
}

func TestSOA(t *testing.T) {
	s, p := claimed(t, nil)
	if got, err := p.NegativeTTL(t.Context()); got != 30 || err != nil {
		t.Errorf("SOA returns %d, %v, want 30", got, err)
	}
	put(t, s, federation.RRset{Name: zone, Type: "SOA", TTL: 20, Data: []string{"ns.example.org. hostmaster.example.org. 1 7200 900 1209600 86400"}})
	if got, err := p.NegativeTTL(t.Context()); got != 20 || err != nil {
		t.Errorf("P3d SOA returns %d, %v, want the TTL, 20", got, err)
	}
	if got := len(s.Requests()); got != 2 {
		t.Errorf("it took %d requests", got)
	}
}

func TestLevels(t *testing.T) {
	t.Run("O1b 400 levels", func(t *testing.T) {
		s := start(t)
		claimtest.ManyLevels(t, connect(t, s, nil), zone)
	})
}
