//go:build live

package route53_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	"github.com/federation-dns/federation/federation/provider/providertest"
	"github.com/federation-dns/federation/federation/provider/route53"
)

// The hosted zone that the tests write to, below names of their own. README.md says how to run them.
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
	t.Cleanup(func() { h.Clear(t) })
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
			Put: func(set federation.RRset) { h.place(t, set) },
		}
	})
}

// place writes an RRset as another client would, in place of that of its name and type.
func (h hosted) place(t *testing.T, set federation.RRset) {
	t.Helper()
	next := resource(set)
	var batch []types.Change
	for _, old := range h.all(t) {
		if *old.Name == *next.Name && old.Type == next.Type {
			batch = append(batch, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &old})
		}
	}
	batch = append(batch, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: next})
	in := &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &h.id, ChangeBatch: &types.ChangeBatch{Changes: batch}}
	if _, err := h.api.ChangeResourceRecordSets(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func TestLiveLarge(t *testing.T) {
	h, p := live(t)
	cloudtest.Large(t, p, federation.FQDN(h.suffix), func(set federation.RRset) { h.place(t, set) })
}
