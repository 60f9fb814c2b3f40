//go:build live

package clouddns_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	sdk "google.golang.org/api/dns/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	"github.com/federation-dns/federation/federation/provider/providertest"
)

// The managed zone that the tests write to, below names of their own. README.md
// says how to run them.
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
		t.Fatalf("set %s, %s and %s to the project, the name and the DNS name of a managed zone for tests", liveProject, liveZone, liveDomain)
	}
	p, err := clouddns.New(clouddns.Config{Domain: federation.FQDN(domain), Project: project, ManagedZone: name, Budget: shared})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	suffix := fmt.Sprintf("t%s.%s.", strings.ToLower(rand.Text()[:12]), strings.TrimSuffix(domain, "."))
	m := managed{newClient(t), project, name, suffix}
	t.Cleanup(func() { m.clear(t) })
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
			Put: func(set federation.RRset) { place(t, m, set) },
		}
	})
}

// place places an RRset as somebody else would, in place of that of its name
// and type.
func place(t *testing.T, m managed, set federation.RRset) {
	t.Helper()
	next := &sdk.ResourceRecordSet{Name: string(set.Name), Type: set.Type, Ttl: int64(set.TTL), Rrdatas: set.Data, ForceSendFields: []string{"Ttl"}}
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

// TestLiveLarge makes a thousand names with one refused, lists and deletes
// them: it shows how the project throttles large Changes, and how long the
// pages of a list are.
func TestLiveLarge(t *testing.T) {
	const bad = 678
	m, p := live(t)
	var changes, back []plan.Change
	for i := range 1000 {
		n := federation.FQDN(fmt.Sprintf("s%d.%s", i, m.suffix))
		changes = append(changes, plan.Change{Name: n, To: []federation.RRset{set(n, "A", "192.0.2.1"), set(n, "AAAA", "2001:db8::1")}})
	}
	foreign := set(changes[bad].Name, "MX", "10 mail.example.org.")
	place(t, m, foreign)
	changes[bad].To = []federation.RRset{set(foreign.Name, "CNAME", "nginx.example.org.")}
	for i, err := range p.Apply(t.Context(), nil, changes) {
		if i == bad && !errors.Is(err, provider.ErrRefused) || i != bad && err != nil {
			t.Errorf("change %d: %v", i, err)
		}
		if i != bad {
			back = append(back, plan.Change{Name: changes[i].Name, From: changes[i].To})
		}
	}
	if got := len(list(t, p, federation.FQDN(m.suffix))); got != 2*(len(changes)-1) {
		t.Errorf("List yields %d RRsets", got)
	}
	page, err := m.api.ResourceRecordSets.List(m.project, m.zone).MaxResults(1000).Context(t.Context()).Do()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a page of 1000 has %d RRsets", len(page.Rrsets))
	must(t, p, nil, back...)
}

// TestLiveSuffix shows whether a list can be of a subtree only: the API's
// description has a filter for it. If this passes, List may use it.
func TestLiveSuffix(t *testing.T) {
	m, _ := live(t)
	if _, err := m.apply(t.Context(), "+x A 60 192.0.2.1", "+y.x AAAA 60 2001:db8::1", "+yx A 60 192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := m.api.ResourceRecordSets.List(m.project, m.zone).Filter(fmt.Sprintf("name=has_suffix(%q)", "x."+m.suffix)).Pages(context.WithoutCancel(t.Context()), func(page *sdk.ResourceRecordSetsListResponse) error {
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
