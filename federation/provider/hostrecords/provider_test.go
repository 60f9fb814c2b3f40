package hostrecords

import (
	"testing"

	"golang.org/x/time/rate"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/hostrecords/hostrecordstest"
	"github.com/federation-dns/federation/federation/provider/providertest"
)

// tiny are limits by which a few records fill several buckets.
var tiny = limits{head: 1500, bucket: 1000, maxBuckets: 256, object: 960 << 10}

// TestProvider runs the suite of all providers; test/hostrecords runs it against a real API server.
func TestProvider(t *testing.T) {
	for name, l := range map[string]limits{"head": usualLimits, "buckets": tiny} {
		t.Run("M7 "+name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Target {
				c := startFake(t).config(t)
				return providertest.Target{Provider: open(t, c, l), Zone: c.Domain, Put: putting(t, c)}
			})
		})
	}
}

// open returns a provider that writes as fast as it can.
func open(t testing.TB, c Config, l limits) *Provider {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	p.limits, p.pace = l, rate.NewLimiter(rate.Inf, burstBytes)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// putting returns how somebody writes an RRset by hand.
func putting(t *testing.T, c Config) func(federation.RRset) {
	config, err := c.Host.Load()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	where := hostrecordstest.Records{
		Namespace: c.Host.Namespace, Head: c.HeadName(), Federation: c.Federation, Domain: c.Domain,
	}
	return func(set federation.RRset) {
		t.Helper()
		if err := hostrecordstest.Put(t.Context(), client, where, set); err != nil {
			t.Fatal(err)
		}
	}
}
