package syncer

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/reconcile"
	"github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/cloudzone"
	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/route53"
)

// clouds are the stand-ins of both clouds, and a configuration in which one federation has two domains: a public one on
// Route 53, a private one on Cloud DNS.
type clouds struct {
	*testing.T
	route53  *route53.Server
	clouddns *clouddns.Server
	config   *config.Config
}

const (
	cloudsID      = "Z0123456789ABCDEFGHIJ"
	cloudsPublic  = "example.com."
	cloudsPrivate = "internal.example.org."
)

func newClouds(t *testing.T) clouds {
	t.Helper()
	dir := t.TempDir()
	amazon, err := route53.Start(fakecloud.Zone{ID: cloudsID, Name: cloudsPublic})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(amazon.Close)
	google, err := clouddns.Start(fakecloud.Zone{ID: "internal", Name: cloudsPrivate, Private: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(google.Close)
	account, err := google.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "account.json")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE000000000", "AWS_SECRET_ACCESS_KEY": "of the tests", "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "none"),
		"GOOGLE_APPLICATION_CREDENTIALS": key,
	} {
		t.Setenv(name, value)
	}
	path := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: us
federations:
- {name: fed, domain: %s, provider: {route53: {hostedZoneID: %s, endpoint: %q, requestsPerSecond: 100}}}
- {name: fed, domain: %s, provider: {cloudDNS: {visibility: private, endpoint: %q, requestsPerSecond: 100}}}
clusters: [{name: a, kubeconfig: {path: none}}]
`, cloudsPublic, cloudsID, amazon.URL, cloudsPrivate, google.URL)
	for name, data := range map[string][]byte{path: []byte(text), key: account} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return clouds{t, amazon, google, config}
}

// shards has member a seen with healthy shards of that many services.
func shards(s *Syncer, count int) {
	e := member.ListEvent{
		Member:   "a",
		Topology: federation.Member{Name: "a", Region: "us-central1", Zones: []federation.Label{"us-central1-a"}},
		Shards:   map[member.ShardKey]member.Shard{},
	}
	for i := range count {
		name := federation.ServiceName{Namespace: "ns", Name: fmt.Sprintf("service-%d", i)}
		address := netip.AddrFrom4([4]byte{203, 0, 113, byte(i + 1)})
		e.Shards[member.ShardKey{Federation: "fed", Service: name}] = member.Shard{
			Shard: federation.Shard{Member: "a", Healthy: true, Addresses: []netip.Addr{address}},
			Known: []string{address.String()},
		}
	}
	s.events <- member.ProbeEvent{Member: "a", At: time.Now()}
	s.events <- e
}

// names counts the names with addresses.
func names(sets []cloudzone.Set) (n int) {
	for _, set := range sets {
		if set.Type == "A" {
			n++
		}
	}
	return n
}

// becomes waits until a zone has that many.
func (c clouds) becomes(what string, want int, sets func() []cloudzone.Set) {
	c.Helper()
	c.await(fmt.Sprintf("%s to have %d names", what, want), func() bool { return names(sets()) == want })
}

func (c clouds) await(what string, done func() bool) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 20*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			c.Fatalf("waited for %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestProviders(t *testing.T) {
	const services, levels = 3, 3
	public := func(c clouds) func() []cloudzone.Set {
		return func() []cloudzone.Set { return c.route53.RRsets(cloudsID) }
	}
	private := func(c clouds) func() []cloudzone.Set {
		return func() []cloudzone.Set { return c.clouddns.RRsets("internal") }
	}
	t.Run("C1 one federation name has two domains, each at its own provider", func(t *testing.T) {
		s, ctx := newSyncer(t)
		c := newClouds(t)
		s.Apply(ctx, c.config)
		shards(s, services)
		c.becomes("the public zone", services*levels, public(c))
		c.becomes("the private zone", services*levels, private(c))
		for domain, sets := range map[string][]cloudzone.Set{cloudsPublic: public(c)(), cloudsPrivate: private(c)()} {
			want := "service-0.ns.fed.svc.us-central1-a." + domain
			if !slices.ContainsFunc(sets, func(set cloudzone.Set) bool {
				return set.Name == want && set.Data[0] == "203.0.113.1"
			}) {
				t.Errorf("no %s", want)
			}
		}
	})
	t.Run("X5a a provider that hangs delays no other", func(t *testing.T) {
		needs.Long(t, "a request under way is given its time to end")
		s, ctx := newSyncer(t)
		c := newClouds(t)
		c.route53.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			return fakecloud.Fate{Delay: time.Minute}
		}})
		s.Apply(ctx, c.config)
		shards(s, services)
		c.becomes("the private zone", services*levels, private(c))
		if n := names(public(c)()); n != 0 {
			t.Errorf("the public zone has %d names", n)
		}
		begin := time.Now()
		s.loops.stop() // what is under way may take stopTimeout
		if took := time.Since(begin); took > reconcile.StopTimeout+2*time.Second {
			t.Errorf("X5b stopping took %s", took)
		}
	})
	t.Run("X5a a provider that fails heals, and delays no other", func(t *testing.T) {
		needs.Long(t, "the SDK repeats what failed")
		s, ctx := newSyncer(t)
		c := newClouds(t)
		c.clouddns.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			return fakecloud.Fate{Status: 503, Code: "backendError"}
		}})
		s.Apply(ctx, c.config)
		shards(s, services)
		c.becomes("the public zone", services*levels, public(c))
		l := s.loops.find("fed in " + cloudsPrivate)
		last := ""
		c.await("the status to tell the error", func() bool {
			last = l.Snapshot().Status().Error
			return last != ""
		})
		if !strings.Contains(last, "503") || strings.Contains(last, "\n") {
			t.Errorf("the status says %q", last)
		}
		c.clouddns.SetFaults(fakecloud.Faults{})
		c.becomes("the private zone", services*levels, private(c))
	})
	t.Run("X5b the federations of an account share its budget, and keep it over a reload", func(t *testing.T) {
		s, _ := newSyncer(t)
		c := newClouds(t)
		one, other := c.config.Federations[0].Provider, c.config.Federations[1].Provider
		again := one
		moved := *one.Route53
		moved.Domain, moved.HostedZoneID = "example.net.", ""
		again.Route53 = &moved
		if s.budgets.forProvider(one) != s.budgets.forProvider(again) {
			t.Error("another hosted zone of the account has another budget")
		}
		if s.budgets.forProvider(one) == s.budgets.forProvider(other) {
			t.Error("two accounts share a budget")
		}
	})
}
