package e2e

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/world"
)

func testLabels(t *testing.T, m *members) {
	label := func(value string) []string {
		return []string{"label", "service", world.Service, fedLabel + value, "--overwrite"}
	}
	for _, c := range []struct{ what, value string }{
		{"taken away", "-"}, {"of a federation that is not ours", "=somebody-elses"},
		{"of none at all", "=No.Federation"},
	} {
		t.Run(c.what+", and back", func(t *testing.T) {
			m.kubectl(t, "without-europe", europe, "", label(c.value)...)
			m.kubectl(t, "all", europe, "", label("="+world.FederationName)...)
		})
	}
	m.wantZone(t, "all")
}

// restart has the syncer forget how restless names are (X5c).
func (m *members) restart(t *testing.T, zone string) {
	t.Helper()
	m.change(t, zone, func(ctx context.Context) error {
		if err := m.Syncer.Stop(); err != nil {
			return err
		}
		return m.Syncer.Start(ctx)
	})
}

// testServiceTypes changes what a Service is; its pods are ready all the time.
// Where it has no published address, other clusters do not go there, and its
// own pods do as Kubernetes says.
func testServiceTypes(t *testing.T, m *members) {
	m.restart(t, "all")
	patch := func(typ string) []string {
		return []string{"patch", "service", world.Service, "--type", "merge", "--patch",
			`{"spec":{"type":"` + typ + `"}}`}
	}
	recreate := func(t *testing.T, zone, spec string) {
		t.Helper()
		m.change(t, zone, func(ctx context.Context) error {
			if _, err := m.Member(europe).Kubectl(ctx, "", "delete", "service", world.Service, "--namespace",
				world.Namespace); err != nil {
				return err
			}
			_, err := m.Member(europe).Kubectl(ctx, serviceOf(world.Service, spec), "apply", "-f", "-")
			return err
		})
	}
	t.Run("ClusterIP", func(t *testing.T) { m.kubectl(t, "without-europe", europe, "", patch("ClusterIP")...) })
	t.Run("LoadBalancer again", func(t *testing.T) { m.kubectl(t, "all", europe, "", patch("LoadBalancer")...) })
	t.Run("deleted", func(t *testing.T) {
		m.kubectl(t, "without-europe", europe, "", "delete", "service", world.Service)
		m.resolves(t, europe, "203.0.113.17", "203.0.113.49", "2001:db8:0:1::1", "2001:db8:0:3::1", "2001:db8:0:4::1")
	})
	t.Run("made again", func(t *testing.T) {
		m.change(t, "all", func(ctx context.Context) error { return serve(ctx, m.Member(europe), world.Service) })
	})
	t.Run("headless", func(t *testing.T) {
		// Its slices, one a family, are made one after the other: in between
		// Kubernetes itself has no addresses of the second.
		m.Watch().Pass(europe, true)
		defer m.Watch().Pass(europe, false)
		recreate(t, "without-europe", "  clusterIP: None\n  ipFamilyPolicy: PreferDualStack\n")
		ips, err := m.Member(europe).Kubectl(t.Context(), "", "get", "pods", "--namespace", world.Namespace, "-o",
			"jsonpath={.items[*].status.podIPs[*].ip}")
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Fields(ips)
		slices.SortFunc(want, func(a, b string) int { return netip.MustParseAddr(a).Compare(netip.MustParseAddr(b)) })
		m.resolves(t, europe, want...)
	})
	t.Run("ExternalName", func(t *testing.T) {
		level := world.Name + ".svc.asia-east1." + world.Domain
		recreate(t, "without-europe", "  type: ExternalName\n  externalName: "+level+"\n")
		m.resolves(t, europe, "203.0.113.17", "2001:db8:0:1::1")
	})
	t.Run("LoadBalancer in the end", func(t *testing.T) {
		recreate(t, "all", "  type: LoadBalancer\n  ipFamilyPolicy: PreferDualStack\n")
	})
	m.wantZone(t, "all")
}

// testNamespace deletes a namespace with all that is in it: a shard of a
// Service that others have too, and one of a Service that nobody else has.
func testNamespace(t *testing.T, m *members) {
	defer confirmAll(t, m.Play)() // the names of two of two Services go
	m.kubectl(t, "without-east-b", eastB, "", "delete", "namespace", world.Namespace, "--wait=false")
	m.resolves(t, eastB, "203.0.113.49", "2001:db8:0:3::1")
	m.wantZone(t, "without-east-b")
}

// testOtherFederation moves a Service with one shard from one federation to
// another of the same syncer.
func testOtherFederation(t *testing.T, m *members) {
	defer confirmAll(t, m.Play)() // the only Service of the federation goes
	c := m.Member(asia)
	m.change(t, "single", func(ctx context.Context) error {
		if err := m.Syncer.RewriteConfig(func(c *world.SyncerConfig) {
			other := c.Federations[0]
			other.Name = "other"
			c.Federations = append(slices.Clone(c.Federations), other)
		}); err != nil {
			return err
		}
		return serve(ctx, c, "single")
	})
	start := time.Now()
	m.kubectl(t, "single-in-both", asia, "", "label", "service", "single", fedLabel+"=other", "--overwrite")
	m.change(t, "single-in-other", func(context.Context) error { return nil })
	if d := time.Since(start); d < world.EmptyGrace {
		t.Errorf("its records in the first federation went after %s, before emptyGrace", d)
	}
	m.wantZone(t, "single-in-other")
}
