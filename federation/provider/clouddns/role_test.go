package clouddns_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	sdk "google.golang.org/api/dns/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	"github.com/federation-dns/federation/test/fakecloud"
)

// permissions are those that Google's description of its access control has for the request.
func permissions(t *testing.T, e fakecloud.Exchange) []string {
	t.Helper()
	if e.Action != "changes.create" {
		return []string{"dns." + e.Action}
	}
	var c sdk.Change
	if err := json.Unmarshal(e.Body, &c); err != nil {
		t.Error(err)
	}
	need := map[string]bool{"dns.changes.create": true}
	gone := map[string]bool{}
	for _, set := range c.Deletions {
		gone[set.Name+" "+set.Type] = true
		need["dns.resourceRecordSets.delete"] = true
	}
	for _, set := range c.Additions {
		need["dns.resourceRecordSets.create"] = true
		if gone[set.Name+" "+set.Type] {
			need["dns.resourceRecordSets.update"] = true
		}
	}
	return slices.Collect(maps.Keys(need))
}

// role returns the permissions that the file has.
func role(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/providers/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Title, Description, Stage string
		IncludedPermissions       []string `yaml:"includedPermissions"`
	}
	if err := yaml.Unmarshal(text, &r); err != nil || r.Title == "" || r.Stage != "GA" {
		t.Fatalf("%s: %v", file, err)
	}
	return r.IncludedPermissions
}

// used runs everything that the syncer does of a provider, and returns the permissions that it took.
func used(t *testing.T, managedZone string) []string {
	t.Helper()
	s := start(t)
	check := checker(t)
	var mu sync.Mutex
	took := map[string]bool{}
	s.Observe(func(e fakecloud.Exchange) {
		check(e)
		mu.Lock()
		defer mu.Unlock()
		for _, p := range permissions(t, e) {
			took[p] = true
		}
	})
	p := connect(t, s.Server, func(c *clouddns.Config) { c.ManagedZone = managedZone })
	cloudtest.Must(t, p, nil, plan.Change{Name: cloudtest.Claim.Name, To: []federation.RRset{cloudtest.Claim}})
	all := cloudtest.Create(3)
	cloudtest.Must(t, p, &cloudtest.Claim, all...)
	for i := range all {
		all[i].From, all[i].To = all[i].To, nil
	}
	cloudtest.Must(t, p, &cloudtest.Claim, all...)
	cloudtest.List(t, p, cloudtest.Subtree)
	if _, err := p.NegativeTTL(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := p.Get(t.Context(), cloudtest.Claim.Name); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.Sorted(maps.Keys(took))
}

func TestRole(t *testing.T) {
	t.Run("O2 it allows what the syncer does, and nothing else", func(t *testing.T) {
		if diff := cmp.Diff(role(t, "clouddns-role.yaml"), used(t, zoneName)); diff != "" {
			t.Errorf("(-role +used):\n%s", diff)
		}
	})
	t.Run("O2 with that of finding the managed zone", func(t *testing.T) {
		both := slices.DeleteFunc(role(t, "clouddns-role.yaml"),
			func(p string) bool { return p == "dns.managedZones.get" })
		both = slices.Sorted(slices.Values(append(both, role(t, "clouddns-find-role.yaml")...)))
		if diff := cmp.Diff(both, used(t, "")); diff != "" {
			t.Errorf("(-roles +used):\n%s", diff)
		}
	})
}
