package provider_test

import (
	"errors"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

func TestView(t *testing.T) {
	const suffix = federation.FQDN("fed.svc.us.example.com.")
	ns := []string{"NS"}
	for _, tt := range []struct {
		name string
		at   map[federation.FQDN][]string
		want provider.Served
	}{
		{"nothing", nil, provider.Served{}},
		{"the apex", map[federation.FQDN][]string{zone: {"SOA", "NS", "A"}}, provider.Served{}},
		{"the level delegated", map[federation.FQDN][]string{"us.example.com.": ns},
			provider.Served{Delegated: "us.example.com."}},
		{"the suffix delegated", map[federation.FQDN][]string{suffix: ns}, provider.Served{Delegated: suffix}},
		{"two delegations", map[federation.FQDN][]string{suffix: ns, "us.example.com.": ns},
			provider.Served{Delegated: "us.example.com."}},
		{"a delegation beside", map[federation.FQDN][]string{"eu.example.com.": ns, "ns.fed.svc.us.example.com.": ns},
			provider.Served{}},
		{"DNAME", map[federation.FQDN][]string{"svc.us.example.com.": {"DNAME"}},
			provider.Served{Delegated: "svc.us.example.com."}},
		{"DNAME at the apex", map[federation.FQDN][]string{zone: {"DNAME", "NS"}}, provider.Served{Delegated: zone}},
		{"wildcard with addresses", map[federation.FQDN][]string{"*." + suffix: {"MX", "AAAA", "A"}},
			provider.Served{Wildcard: "A"}},
		{"wildcard alias", map[federation.FQDN][]string{"*." + suffix: {"CNAME"}}, provider.Served{Wildcard: "CNAME"}},
		{"wildcard without addresses", map[federation.FQDN][]string{"*." + suffix: {"MX", "TXT"}}, provider.Served{}},
		{"wildcard above what exists", map[federation.FQDN][]string{"*.example.com.": {"A"}}, provider.Served{}},
	} {
		t.Run("O5 "+tt.name, func(t *testing.T) {
			got, err := provider.View(zone, suffix, func(n federation.FQDN) ([]string, error) { return tt.at[n], nil })
			if got != tt.want || err != nil {
				t.Errorf("%+v, %v, want %+v", got, err, tt.want)
			}
			if (got.Problem() == "") != (tt.want == provider.Served{}) {
				t.Errorf("the problem is %q", got.Problem())
			}
		})
	}
	t.Run("O5 what cannot be asked says nothing", func(t *testing.T) {
		down := errors.New("down")
		for _, broken := range []federation.FQDN{"us.example.com.", "*." + suffix} {
			got, err := provider.View(zone, suffix, func(n federation.FQDN) ([]string, error) {
				if n == broken {
					return nil, down
				}
				return ns[:0], nil
			})
			if !errors.Is(err, down) || got != (provider.Served{}) {
				t.Errorf("%+v, %v", got, err)
			}
		}
	})
	t.Run("O5 outside the zone", func(t *testing.T) {
		if _, err := provider.View(zone, "fed.svc.example.org.", nil); !errors.Is(err, provider.ErrRefused) {
			t.Error(err)
		}
	})
}
