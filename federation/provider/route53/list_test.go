package route53_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	"github.com/federation-dns/federation/test/cloudzone"
)

func TestList(t *testing.T) {
	// 2001 RRsets in pages of 300; a name that a page cuts is read twice. Nobody else's are read.
	service.Lists(t, 10_000, 7)
	t.Run("X6 a name that a page cuts is yielded once and whole", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		n := cloudtest.Name("policies") // more RRsets at one name than two pages have
		var many []cloudzone.Set
		for i := range 700 {
			many = append(many, cloudzone.Set{Name: string(n), Type: "A", TTL: 60, ID: fmt.Sprintf("id-%03d", i),
				Special: "policy", Data: []string{"192.0.2.99"}})
		}
		if err := s.Load(zoneID, append(many, cloudzone.Set{Name: string(n), Type: "AAAA", TTL: 180,
			Data: []string{"2001:db8::1"}})...); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			both := cloudtest.Name(fmt.Sprintf("s%03d", i))
			service.Put(t, s, cloudtest.Set(both, "A", "192.0.2.1"))
			service.Put(t, s, cloudtest.Set(both, "AAAA", "2001:db8::1"))
			service.Put(t, s, cloudtest.Set(both, "MX", "10 mail.example.org."))
		}
		perName := map[federation.FQDN]int{}
		for _, got := range cloudtest.List(t, p, cloudtest.Subtree) {
			perName[got.Name]++
		}
		if len(perName) != 202 || perName[n] != 1 || perName[cloudtest.Claim.Name] != 1 {
			t.Errorf("%d names, with %d at %q", len(perName), perName[n], n)
		}
		for n, count := range perName {
			if count != 2 && n != cloudtest.Claim.Name && n != cloudtest.Name("policies") {
				t.Errorf("%d RRsets at %q", count, n)
			}
		}
		cloudtest.Has(t, p, n, cloudtest.Set(n, "AAAA", "2001:db8::1"))
	})
	t.Run("X6 names and data with escapes", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		odd := federation.FQDN(`od\200d.` + string(cloudtest.Subtree))
		if err := s.Load(zoneID,
			cloudzone.Set{Name: `*.` + string(cloudtest.Subtree), Type: "A", TTL: 60, Data: []string{"192.0.2.1"}},
			cloudzone.Set{Name: `a\.b.` + string(cloudtest.Subtree), Type: "A", TTL: 60, Data: []string{"192.0.2.1"}},
			cloudzone.Set{Name: string(odd), Type: "CNAME", TTL: 60, Data: []string{`WWW.Example.org`}},
			cloudzone.Set{Name: `txt.` + string(cloudtest.Subtree), Type: "TXT", TTL: 60,
				Data: []string{`"tab\011 quote\042" "\303\251"`}},
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
			`txt.fed.svc.example.com. TXT ["tab\009 quote\"" "\195\169"]`,
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
