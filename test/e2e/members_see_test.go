package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/world"
)

const (
	inCluster = world.Name + ".svc.cluster.local."
	fedLabel  = "federation-dns.io/federation"
)

// memberService is a Service with the backends of the walk-through.
const memberService = `apiVersion: v1
kind: Service
metadata:
  name: %s
  namespace: ` + world.Namespace + `
  labels: {` + fedLabel + `: ` + world.FederationName + `}
spec:
%s  selector: {app: nginx}
  ports: [{name: http, port: 80, targetPort: http}]
`

func serviceOf(name, spec string) string { return fmt.Sprintf(memberService, name, spec) }

func serve(ctx context.Context, c *world.Member, name string) error {
	_, err := c.Kubectl(ctx, serviceOf(name, "  type: LoadBalancer\n  ipFamilyPolicy: PreferDualStack\n"), "apply",
		"-f", "-")
	return err
}

// soon looks until diff finds none, for as long as a CoreDNS may remember that
// a name does not exist, and longer.
func soon(t *testing.T, what string, diff func() (string, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		d, err := diff()
		if err == nil && d == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v (-want +got)\n%s", what, err, d)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// digs compares an answer as dig shows it.
func (m *members) digs(t *testing.T, server, name string, typ uint16, want ...string) {
	t.Helper()
	soon(t, fmt.Sprintf("%s %s at %s", name, dns.TypeToString[typ], server), func() (string, error) {
		got, err := world.Dig(t.Context(), server, name, typ)
		var lines []string
		for line := range strings.Lines(got) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		return cmp.Diff(want, lines), err
	})
}

// nodata is digs for an answer without records of the type, which has to carry
// a SOA record.
func (m *members) nodata(t *testing.T, server, name string, typ uint16, chain ...string) {
	t.Helper()
	m.digs(t, server, name, typ, append([]string{";; status: NOERROR"}, chain...)...)
	r, err := world.Ask(t.Context(), server, name, typ)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(r.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA }) {
		t.Errorf("%s %s at %s: no SOA record in\n%s", name, dns.TypeToString[typ], server, r)
	}
}

// resolves compares what a pod of a cluster gets for the federated name, in the
// order of addresses.
func (m *members) resolves(t *testing.T, cluster string, want ...string) {
	t.Helper()
	soon(t, "a pod of "+cluster, func() (string, error) {
		addrs, err := m.Resolve(t.Context(), cluster, world.Name)
		var got []string
		for _, a := range addrs {
			got = append(got, a.String())
		}
		return cmp.Diff(want, got), err
	})
}

// testIPv6Only looks at a member without IPv4: at the server, for its own pods,
// and for those of the other member of the region, whose shard fails.
func testIPv6Only(t *testing.T, m *members) {
	level := func(name string) string { return world.Name + ".svc." + name + "." + world.Domain + "." }
	own := m.Member(eastB).DNS.String()
	t.Run("the server", func(t *testing.T) {
		m.nodata(t, world.Authority, level("us-east1-b"), dns.TypeA)
		m.digs(t, world.Authority, level("us-east1-b"), dns.TypeAAAA, ";; status: NOERROR",
			level("us-east1-b")+" 180 IN AAAA 2001:db8:0:4::1")
	})
	t.Run("its own pods", func(t *testing.T) {
		ip, err := m.Member(eastB).Kubectl(t.Context(), "", "get", "service", world.Service, "--namespace",
			world.Namespace, "-o", "jsonpath={.spec.clusterIP}")
		if err != nil {
			t.Fatal(err)
		}
		m.nodata(t, own, inCluster, dns.TypeA)
		m.digs(t, own, inCluster, dns.TypeAAAA, ";; status: NOERROR", inCluster+" 5 IN AAAA "+ip)
		m.resolves(t, eastB, ip)
	})
	t.Run("pods of its region that fail over to it", func(t *testing.T) {
		m.change(t, "without-east-c", func(ctx context.Context) error {
			return m.Member(eastC).Cluster.KillBackends(ctx, world.Namespace, "app=nginx")
		})
		other := m.Member(eastC).DNS.String()
		chain := []string{
			inCluster + " 5 IN CNAME " + level("us-east1-c"),
			level("us-east1-c") + " 5 IN CNAME " + level("us-east1"),
		}
		m.nodata(t, other, inCluster, dns.TypeA, chain...)
		m.digs(t, other, inCluster, dns.TypeAAAA,
			append(append([]string{";; status: NOERROR"}, chain...), level("us-east1")+" 5 IN AAAA 2001:db8:0:4::1")...)
		m.resolves(t, eastC, "2001:db8:0:4::1")
		m.change(t, "all", func(ctx context.Context) error {
			return m.Member(eastC).Cluster.StartBackends(ctx, world.Namespace, "app=nginx")
		})
	})
}
