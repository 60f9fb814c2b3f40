package clouddns_test

import (
	"context"
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

func list(t testing.TB, p provider.Provider, suffix federation.FQDN) (out []federation.RRset) {
	t.Helper()
	err := p.List(t.Context(), suffix, func(s federation.RRset) error { out = append(out, s); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestList(t *testing.T) {
	t.Run("X6 the whole zone is read, in pages, and the subtree yielded", func(t *testing.T) {
		s, p := claimed(t, nil)
		foreign(t, s, 100_000)
		put(t, s, set("x"+subtree, "A", "192.0.2.1")) // ends alike
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
		// 102,004 RRsets in pages of 1000.
		if got := len(s.Requests()); got != 103 {
			t.Errorf("it took %d requests, want 103", got)
		}
		if !p.Caps().ListsWholeZone {
			t.Error("Caps does not say so")
		}
	})
	t.Run("X6 pages that are shorter than asked for", func(t *testing.T) {
		s, p := claimed(t, nil)
		s.SetLimits(fakecloud.Limits{Page: 7})
		must(t, p, &claim, create(100)...)
		s.Reset()
		if got := list(t, p, subtree); len(got) != 201 {
			t.Errorf("List yields %d RRsets, want 201", len(got))
		}
		if got := len(s.Requests()); got != 29 {
			t.Errorf("it took %d requests, want 29", got)
		}
	})
	t.Run("X6 what is at a name in several pages", func(t *testing.T) {
		s, p := claimed(t, nil)
		n := name("nginx")
		want := []federation.RRset{set(n, "A", "192.0.2.1"), set(n, "AAAA", "2001:db8::1")}
		for _, one := range append(want, set(n, "MX", "10 mail.example.org."), set(n, "CAA", `0 issue "example.org"`)) {
			put(t, s, one)
		}
		s.SetLimits(fakecloud.Limits{Page: 1})
		has(t, p, n, want...)
	})
	t.Run("X6 it is streamed", func(t *testing.T) {
		s, p := claimed(t, nil)
		must(t, p, &claim, create(2000)...)
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
	t.Run("X5b nothing is yielded and asked for after the context has ended", func(t *testing.T) {
		s, p := claimed(t, nil)
		must(t, p, &claim, create(2000)...)
		s.Reset()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		count := 0
		err := p.List(ctx, subtree, func(federation.RRset) error { count++; cancel(); return nil })
		if !errors.Is(err, context.Canceled) || count != 1 || len(s.Requests()) != 1 {
			t.Errorf("%v after %d RRsets and %d requests", err, count, len(s.Requests()))
		}
	})
	t.Run("X6 a list that ends early is an error", func(t *testing.T) {
		for _, fate := range []fakecloud.Fate{{Status: 403, Code: "forbidden"}, {Status: 400, Code: "invalid"}} {
			s, p := claimed(t, nil)
			must(t, p, &claim, create(1000)...)
			calls := 0
			s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
				if calls++; calls > 1 {
					return fate
				}
				return fakecloud.Fate{}
			}})
			err := p.List(t.Context(), subtree, func(federation.RRset) error { return nil })
			says(t, err, `"fed.svc.example.com."`, fate.Code)
			if !errors.Is(err, provider.ErrRefused) {
				t.Errorf("error is %v", err)
			}
		}
	})
	t.Run("X6 names and data with escapes, and text without quotation marks", func(t *testing.T) {
		s, p := claimed(t, nil)
		odd := federation.FQDN(`od\200d.` + string(subtree))
		if err := s.Load(zoneName,
			cloudzone.Set{Name: `*.` + string(subtree), Type: "A", TTL: 60, Data: []string{"192.0.2.1"}},
			cloudzone.Set{Name: `a\.b.` + string(subtree), Type: "A", TTL: 60, Data: []string{"192.0.2.1"}},
			cloudzone.Set{Name: string(odd), Type: "CNAME", TTL: 60, Data: []string{`WWW.Example.org.`}},
			cloudzone.Set{Name: `six.` + string(subtree), Type: "AAAA", TTL: 60, Data: []string{`2001:DB8:0::1`}},
			cloudzone.Set{Name: `txt.` + string(subtree), Type: "TXT", TTL: 60, Data: []string{`"tab\009 quote\034" "\195\169"`, "two words"}},
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
			`six.fed.svc.example.com. AAAA [2001:db8::1]`,
			`txt.fed.svc.example.com. TXT ["tab\009 quote\"" "\195\169" "two" "words"]`,
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
