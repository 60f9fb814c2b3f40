package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation/admin"
)

// goldenStatus is a federation of three members in trouble, with everything that the tables show.
func goldenStatus(services bool) *admin.Status {
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	f := admin.FederationStatus{
		Name: "myfederation", Domain: "example.com", State: "writing",
		Members: []admin.MemberStatus{
			{
				Name: "gce-us-central1", Status: "present", Since: ago(49 * time.Hour), Version: "v1.37.2",
				Region: "us-central1", Zones: []string{"us-central1-a", "us-central1-b"}, Shards: 1200, Healthy: 1187,
			},
			{
				Name: "eks-eu-west-1", Status: "unreachable", Since: ago(95 * time.Second), Version: "v1.36.0-eks-1",
				Region: "eu-west-1", Zones: []string{"eu-west-1a"}, Shards: 7, Healthy: 7,
				Error: `member "eks-eu-west-1": Get "https://203.0.113.9:6443/api/v1/services": ` +
					`dial tcp 203.0.113.9:6443: i/o timeout`,
			},
			{Name: "onprem", Status: "starting", Since: ago(3 * time.Second)},
		},
		FederationLevels: admin.FederationLevels{Levels: []admin.LevelStatus{
			{Name: "example.com", Kind: "global"},
			{
				Name: "eu-west-1.example.com", Kind: "region",
				Foreign: `is not ours: claim "_claim.myfederation.svc.eu-west-1.example.com." is of owner "other"`,
			},
		}},
		Problems: []admin.ProblemStatus{{Member: "gce-us-central1", Service: "default/web", Reason: "BadLabel",
			Detail: `node "n1": region: "US" is not a DNS-1123 label`}},
	}
	if services {
		f.Services = []admin.ServiceStatus{{
			Name: "mynamespace/nginx",
			Shards: []admin.ShardStatus{
				{Member: "gce-us-central1", Healthy: true, ReadyEndpoints: 3,
					Addresses: []string{"203.0.113.17", "2001:db8:0:1::1"}},
				{Member: "eks-eu-west-1", ReadyEndpoints: 0, Reason: "NoReadyEndpoints"},
			},
			Held: []admin.HeldStatus{{Member: "eks-eu-west-1", Reason: "MemberUnreachable",
				Since: ago(95 * time.Second)}},
			Records: []admin.RRsetStatus{
				{Name: "nginx.mynamespace.myfederation.svc.example.com.", Type: "A",
					TTL: 180, Data: []string{"203.0.113.17"}, Reason: "HealthyShards"},
				{
					Name: "nginx.mynamespace.myfederation.svc.eu-west-1.example.com.", Type: "CNAME", TTL: 180,
					Data: []string{"nginx.mynamespace.myfederation.svc.example.com."}, Reason: "NoHealthyShard",
				},
			},
			Refused: []admin.RefusedStatus{{Name: "nginx.mynamespace.myfederation.svc.us-central1-a.example.com.",
				Error: "REFUSED: the key may not write here"}},
		}}
	}
	return &admin.Status{Federations: []admin.FederationStatus{f}}
}

// tables begin with these lines: that of records is wider, as its names are.
var tables = regexp.MustCompile(`^(MEMBER|SERVICE) `)

func TestStatusGolden(t *testing.T) {
	for _, c := range []struct {
		name, file string
		columns    int
		services   bool
	}{
		{"C1 the table of members fits a terminal of 120 columns, whatever a cloud calls them", "status.golden",
			120, false},
		{"C1 so does the table of services", "status-services.golden", 120, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			if err := printStatus(&out, goldenStatus(c.services)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", c.file)
			if *update {
				if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("-want +got (go test -update writes it anew):\n%s", diff)
			}
			inTable := false
			for line := range strings.Lines(out.String()) {
				line = strings.TrimRight(line, "\n")
				inTable = tables.MatchString(line) || inTable && line != ""
				if inTable && len(line) > c.columns {
					t.Errorf("%d columns:\n%s", len(line), line)
				}
			}
		})
	}
}
