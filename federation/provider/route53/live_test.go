//go:build live

package route53_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/providertest"
	"github.com/federation-dns/federation/federation/provider/route53"
)

// The hosted zone that the tests write to, below names of their own. README.md
// says how to run them.
const (
	liveZone   = "FEDERATION_DNS_LIVE_ROUTE53_ZONE"   // its id
	liveDomain = "FEDERATION_DNS_LIVE_ROUTE53_DOMAIN" // its name
)

// environment is that of whom runs the tests.
var environment map[string]string

// live returns a part of the hosted zone of the test's own, and the provider.
func live(t *testing.T) (hosted, *route53.Provider) {
	t.Helper()
	id, domain := os.Getenv(liveZone), os.Getenv(liveDomain)
	if id == "" || domain == "" {
		t.Fatalf("set %s and %s to the id and the name of a hosted zone for tests", liveZone, liveDomain)
	}
	p, err := route53.New(route53.Config{Domain: federation.FQDN(domain), HostedZoneID: id, Budget: shared})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	suffix := fmt.Sprintf("t%s.%s.", strings.ToLower(rand.Text()[:12]), strings.TrimSuffix(domain, "."))
	h := hosted{newClient(t), id, suffix}
	t.Cleanup(func() { h.clear(t) })
	return h, p
}

// shared keeps all tests together below the account's limit.
var shared = budget.New(0)

func TestLiveFacts(t *testing.T) {
	h, _ := live(t)
	testFacts(t, h)
}

func TestLiveProvider(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Target {
		h, p := live(t)
		return providertest.Target{
			Provider: p, Zone: federation.FQDN(h.suffix), Slow: true,
			Put: func(set federation.RRset) { place(t, h, set) },
		}
	})
}

// place places an RRset as somebody else would, in place of that of its name
// and type.
func place(t *testing.T, h hosted, set federation.RRset) {
	t.Helper()
	next := &types.ResourceRecordSet{Name: aws.String(string(set.Name)), Type: types.RRType(set.Type), TTL: aws.Int64(int64(set.TTL))}
	for _, data := range set.Data {
		next.ResourceRecords = append(next.ResourceRecords, types.ResourceRecord{Value: aws.String(data)})
	}
	var batch []types.Change
	for _, old := range h.all(t) {
		if *old.Name == *next.Name && old.Type == next.Type {
			batch = append(batch, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &old})
		}
	}
	batch = append(batch, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: next})
	_, err := h.api.ChangeResourceRecordSets(t.Context(), &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &h.id, ChangeBatch: &types.ChangeBatch{Changes: batch}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLiveLarge makes a thousand names with one refused, lists and deletes
// them: it shows how the account throttles large batches.
func TestLiveLarge(t *testing.T) {
	const bad = 678
	h, p := live(t)
	var changes, back []plan.Change
	for i := range 1000 {
		n := federation.FQDN(fmt.Sprintf("s%d.%s", i, h.suffix))
		changes = append(changes, plan.Change{Name: n, To: []federation.RRset{set(n, "A", "192.0.2.1"), set(n, "AAAA", "2001:db8::1")}})
	}
	foreign := set(changes[bad].Name, "MX", "10 mail.example.org.")
	place(t, h, foreign)
	changes[bad].To = []federation.RRset{set(foreign.Name, "CNAME", "nginx.example.org.")}
	begin := time.Now()
	errs := p.Apply(t.Context(), nil, changes)
	t.Logf("%d changes took %v", len(changes), time.Since(begin))
	for i, err := range errs {
		if i == bad && !errors.Is(err, provider.ErrRefused) || i != bad && err != nil {
			t.Errorf("change %d: %v", i, err)
		}
		if i != bad {
			back = append(back, plan.Change{Name: changes[i].Name, From: changes[i].To})
		}
	}
	if got := len(list(t, p, federation.FQDN(h.suffix))); got != 2*(len(changes)-1) {
		t.Errorf("List yields %d RRsets", got)
	}
	must(t, p, nil, back...)
}
