//go:build live

package clouddns_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	sdk "google.golang.org/api/dns/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	"github.com/federation-dns/federation/federation/provider/providertest"
)

// The managed zone that the tests write to, below names of their own. README.md says how to run them.
const (
	liveProject = "FEDERATION_DNS_LIVE_CLOUDDNS_PROJECT" // its project's id
	liveZone    = "FEDERATION_DNS_LIVE_CLOUDDNS_ZONE"    // its name
	liveDomain  = "FEDERATION_DNS_LIVE_CLOUDDNS_DOMAIN"  // its DNS name
)

// environment is that of whom runs the tests.
var environment map[string]string

// live returns a part of the managed zone of the test's own, and the provider.
func live(t *testing.T) (managed, *clouddns.Provider) {
	t.Helper()
	project, name, domain := os.Getenv(liveProject), os.Getenv(liveZone), os.Getenv(liveDomain)
	if project == "" || name == "" || domain == "" {
		t.Fatalf("set %s, %s and %s to the project, the name and the DNS name of a managed zone for tests", liveProject,
			liveZone, liveDomain)
	}
	p, err := clouddns.New(clouddns.Config{Domain: federation.FQDN(domain), Project: project, ManagedZone: name,
		Budget: shared})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	suffix := fmt.Sprintf("t%s.%s.", strings.ToLower(rand.Text()[:12]), strings.TrimSuffix(domain, "."))
	m := managed{newClient(t), project, name, suffix}
	t.Cleanup(func() { m.Clear(t) })
	return m, p
}

// shared keeps all tests together below the project's quota.
var shared = budget.New(0)

func TestLiveFacts(t *testing.T) {
	m, _ := live(t)
	testFacts(t, m)
}

func TestLiveProvider(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Target {
		m, p := live(t)
		return providertest.Target{
			Provider: p, Zone: federation.FQDN(m.suffix), Slow: true,
			Put: func(set federation.RRset) { m.place(t, set) },
		}
	})
}

// place writes an RRset as another client would, in place of that of its name and type.
func (m managed) place(t *testing.T, set federation.RRset) {
	t.Helper()
	next := resource(set)
	c := &sdk.Change{Additions: []*sdk.ResourceRecordSet{next}}
	for _, old := range m.all(t) {
		if old.Name == next.Name && old.Type == next.Type {
			old.ForceSendFields = []string{"Ttl"}
			c.Deletions = append(c.Deletions, old)
		}
	}
	if _, err := m.api.Changes.Create(m.project, m.zone, c).Context(t.Context()).Do(); err != nil {
		t.Fatal(err)
	}
}

func TestLiveLarge(t *testing.T) {
	m, p := live(t)
	cloudtest.Large(t, p, federation.FQDN(m.suffix), func(set federation.RRset) { m.place(t, set) })
}

// TestLivePages shows how long the pages of a list are.
func TestLivePages(t *testing.T) {
	m, _ := live(t)
	for part := range slices.Chunk(cloudtest.Many("+s%d A 60 192.0.2.1", 2000), 1000) {
		if err := m.Apply(t.Context(), part...); err != nil {
			t.Fatal(err)
		}
	}
	page, err := m.api.ResourceRecordSets.List(m.project, m.zone).MaxResults(1000).Context(t.Context()).Do()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a page of 1000 has %d RRsets", len(page.Rrsets))
}

// TestLiveSuffix shows whether a list can be of a subtree only: the API's description has a filter for it. If this
// passes, List may use it.
func TestLiveSuffix(t *testing.T) {
	m, _ := live(t)
	if _, err := m.apply(t.Context(), "+x A 60 192.0.2.1", "+y.x AAAA 60 2001:db8::1",
		"+yx A 60 192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := m.api.ResourceRecordSets.List(m.project, m.zone).Filter(fmt.Sprintf("name=has_suffix(%q)",
		"x."+m.suffix)).Pages(context.WithoutCancel(t.Context()), func(page *sdk.ResourceRecordSetsListResponse) error {
		for _, set := range page.Rrsets {
			got = append(got, strings.TrimSuffix(set.Name, "."+m.suffix))
		}
		return nil
	})
	slices.Sort(got)
	// By name it is two; by text, which the provider would have to sort out, three.
	if err != nil || !slices.Contains(got, "x") || !slices.Contains(got, "y.x") {
		t.Errorf("%q, %v", got, err)
	}
	t.Logf("it returns %q", got)
}
