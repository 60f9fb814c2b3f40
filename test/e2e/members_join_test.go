package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/federation-dns/federation/test/world"
)

// leaves takes a member out of the configuration.
func leaves(name string) func(*world.SyncerConfig) {
	return func(c *world.SyncerConfig) {
		c.Clusters = slices.DeleteFunc(slices.Clone(c.Clusters),
			func(c world.SyncerCluster) bool { return c.Name == name })
	}
}

// joins puts a member into it.
func joins(m *world.Member) func(*world.SyncerConfig) {
	return func(c *world.SyncerConfig) { c.Clusters = append(slices.Clone(c.Clusters), m.Entry()) }
}

// placed puts the topology of a member into it, "" for that of its Nodes.
func placed(name, topology string) func(*world.SyncerConfig) {
	return func(c *world.SyncerConfig) {
		c.Clusters = slices.Clone(c.Clusters)
		for i := range c.Clusters {
			if c.Clusters[i].Name == name {
				c.Clusters[i].Topology = topology
			}
		}
	}
}

// confirmDeparture confirms that asia has departed.
func confirmDeparture(t *testing.T, m *members) {
	t.Helper()
	m.wantZone(t, "asia-departed")
	eventually(t, m.Play, func(s *seen) error {
		return contains("status", s.status.federation(world.FederationName).member(asia).Status, "departed")
	})
	confirmed := confirmAll(t, m.Play)
	m.change(t, "without-asia", func(context.Context) error { return nil })
	m.wantZone(t, "without-asia")
	confirmed()
}

func testLeaveRunning(t *testing.T, m *members) {
	m.change(t, "asia-departed", func(context.Context) error { return m.Syncer.RewriteConfig(leaves(asia)) })
	confirmDeparture(t, m)
	eventually(t, m.Play, func(s *seen) error {
		if f := s.status.federation(world.FederationName); len(f.Members) != 3 || f.member(asia).Name != "" {
			return fmt.Errorf("members in the status: %v", f.Members)
		}
		return nil
	})
	m.change(t, "all", func(context.Context) error { return m.Syncer.RewriteConfig(joins(m.Member(asia))) })
	m.wantZone(t, "all")
}

// zoneOf labels a Node.
func zoneOf(node, zone string) []string {
	return []string{"label", "node", node, "topology.kubernetes.io/zone=" + zone, "--overwrite"}
}

func testTopologyZones(t *testing.T, m *members) {
	t.Run("another one is there", func(t *testing.T) {
		m.kubectl(t, "two-zones", europe, "", zoneOf(europe+"-node-2", "europe-west1-c")...)
		m.wantZone(t, "two-zones")
	})
	t.Run("a label is changed: the old one is kept", func(t *testing.T) {
		m.kubectl(t, "all-zones", europe, "", zoneOf(europe+"-node-2", "europe-west1-d")...)
		m.wantZone(t, "all-zones")
	})
	t.Run("P2a all of them lead to the region", func(t *testing.T) {
		m.change(t, "all-zones-without-europe", func(ctx context.Context) error {
			return m.Member(europe).Cluster.KillBackends(ctx, world.Namespace, "app=nginx")
		})
		m.change(t, "all-zones", func(ctx context.Context) error {
			return m.Member(europe).Cluster.StartBackends(ctx, world.Namespace, "app=nginx")
		})
	})
}

// testLeaveStopped begins with three topology zones in europe. While nobody
// looks, two of them go, and a member. As a topology zone is remembered for a day
// (H6), the file says that they are gone.
func testLeaveStopped(t *testing.T, m *members) {
	m.change(t, "asia-departed", func(ctx context.Context) error {
		if err := m.Syncer.Stop(); err != nil {
			return err
		}
		if _, err := m.Member(europe).Kubectl(ctx, "", zoneOf(europe+"-node-2", "europe-west1-b")...); err != nil {
			return err
		}
		if err := m.Syncer.RewriteConfig(leaves(asia)); err != nil {
			return err
		}
		if err := m.Syncer.RewriteConfig(placed(europe,
			"{region: europe-west1, zones: [europe-west1-b]}")); err != nil {
			return err
		}
		return m.Syncer.Start(ctx)
	})
	confirmDeparture(t, m)
	m.change(t, "all", func(ctx context.Context) error {
		if err := m.Syncer.Stop(); err != nil {
			return err
		}
		if err := m.Syncer.RewriteConfig(joins(m.Member(asia))); err != nil {
			return err
		}
		if err := m.Syncer.RewriteConfig(placed(europe, "")); err != nil {
			return err
		}
		return m.Syncer.Start(ctx)
	})
	m.wantZone(t, "all")
}
