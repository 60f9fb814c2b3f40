package clouddns_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
)

func TestList(t *testing.T) {
	// The whole zone, 102,004 RRsets, in pages of 1000.
	service.Lists(t, 100_000, 103)
	t.Run("X6 Caps says that the whole zone is read", func(t *testing.T) {
		if !connect(t, start(t).Server, nil).Caps().ListsWholeZone {
			t.Error("it does not")
		}
	})
	t.Run("X6 pages that are shorter than asked for", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		s.SetLimits(fakecloud.Limits{Page: 7})
		cloudtest.Must(t, p, &cloudtest.Claim, cloudtest.Create(100)...)
		s.Reset()
		if got := cloudtest.List(t, p, cloudtest.Subtree); len(got) != 201 {
			t.Errorf("List yields %d RRsets, want 201", len(got))
		}
		if got := len(s.Requests()); got != 29 {
			t.Errorf("it took %d requests, want 29", got)
		}
	})
	t.Run("X6 what is at a name in several pages", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		n := cloudtest.Name("nginx")
		want := []federation.RRset{cloudtest.Set(n, "A", "192.0.2.1"), cloudtest.Set(n, "AAAA", "2001:db8::1")}
		for _, one := range append(want, cloudtest.Set(n, "MX", "10 mail.example.org."),
			cloudtest.Set(n, "CAA", `0 issue "example.org"`)) {
			service.Put(t, s, one)
		}
		s.SetLimits(fakecloud.Limits{Page: 1})
		cloudtest.Has(t, p, n, want...)
	})
	t.Run("X6 names and data with escapes, and text without quotation marks", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		odd := federation.FQDN(`od\200d.` + string(cloudtest.Subtree))
		if err := s.Load(zoneName,
			cloudzone.Set{Name: `*.` + string(cloudtest.Subtree), Type: "A", TTL: 60, Data: []string{"192.0.2.1"}},
			cloudzone.Set{Name: `a\.b.` + string(cloudtest.Subtree), Type: "A", TTL: 60, Data: []string{"192.0.2.1"}},
			cloudzone.Set{Name: string(odd), Type: "CNAME", TTL: 60, Data: []string{`WWW.Example.org.`}},
			cloudzone.Set{Name: `six.` + string(cloudtest.Subtree), Type: "AAAA", TTL: 60,
				Data: []string{`2001:DB8:0::1`}},
			cloudzone.Set{Name: `txt.` + string(cloudtest.Subtree), Type: "TXT", TTL: 60,
				Data: []string{`"tab\009 quote\034" "\195\169"`, "two words"}},
		); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, set := range cloudtest.List(t, p, cloudtest.Subtree) {
			got = append(got, fmt.Sprintf("%s %s %v", set.Name, set.Type, set.Data))
		}
		want := []string{
			`*.fed.svc.example.com. A [192.0.2.1]`, `_claim.fed.svc.example.com. TXT [` + cloudtest.Claim.Data[0] + `]`,
			`a\.b.fed.svc.example.com. A [192.0.2.1]`, `od\200d.fed.svc.example.com. CNAME [www.example.org.]`,
			`six.fed.svc.example.com. AAAA [2001:db8::1]`,
			`txt.fed.svc.example.com. TXT ["tab\009 quote\"" "\195\169" "two" "words"]`,
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("List (-want +got):\n%s", diff)
		}
		cloudtest.Has(t, p, odd, federation.RRset{Name: odd, Type: "CNAME", TTL: 60,
			Data: []string{"www.example.org."}})
	})
}
