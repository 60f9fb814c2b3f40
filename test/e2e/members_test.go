package e2e

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"golang.org/x/tools/txtar"

	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

// The members in us-east1, which has no other: eastB has IPv6 only, eastC is
// dual-stack as all others are.
const eastB, eastC = "gce-us-east1-b", "gce-us-east1-c"

// memberPlaces are three dual-stack clusters and one with IPv6 only, which
// shares its region with the third.
func memberPlaces() []*world.Place {
	first, second, third, fourth := *world.Places[0], *world.Places[1], *world.Places[2], *world.Places[3]
	third.Name, third.Region, third.Zone = eastC, "us-east1", "us-east1-c"
	fourth.Name = eastB
	for _, list := range []*[]netip.Prefix{&fourth.PodCIDRs, &fourth.ServiceCIDRs, &fourth.LBCIDRs} {
		*list = (*list)[1:]
	}
	fourth.DNS = netip.MustParseAddr("fd00:0:0:104::a")
	fourth.ClusterIPs, fourth.Published = fourth.ClusterIPs[1:], fourth.Published[1:]
	return []*world.Place{&first, &second, &third, &fourth}
}

// members is a running World of memberPlaces.
type members struct {
	*scenario.Play
	zones map[string][]string // of testdata/members.txtar, by name
}

// TestMembers has members that come, go and change, one after the other, in
// one World: all the time every name is asked for, and no answer may be mixed,
// empty, or of a shard that no longer exists.
func TestMembers(t *testing.T) {
	m := startMembers(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *members)
	}{
		{"P1 dual stack and IPv6-only", testIPv6Only},
		{"O1b P4 X4d a member leaves and joins while the syncer runs", testLeaveRunning},
		{"H6 topology zones of a member", testTopologyZones},
		{"O1b P4 X4d a member leaves and joins while the syncer is stopped", testLeaveStopped},
		{"H1 labels", testLabels},
		{"H2 types of a Service", testServiceTypes},
		{"O4 replicas with a Lease", testReplicas},
		{"X2b a cluster restored from a backup", testRestored},
		{"X2b a cluster replaced by another", testReplaced},
		{"H5 a namespace is deleted", testNamespace},
		{"H1 P3a another federation", testOtherFederation},
	} {
		start := time.Now()
		if !t.Run(part.name, func(t *testing.T) { part.test(t, m) }) {
			return // the next part begins where it ends
		}
		t.Logf("%s: %.1f s", part.name, time.Since(start).Seconds())
	}
	watched(t, m.Play)
	m.Watch().Stop()
	t.Run("O1b cleanup", func(t *testing.T) { testCleanup(t, m) })
}

// startMembers starts all, with a healthy shard in each member.
func startMembers(t *testing.T) *members {
	t.Helper()
	zones, err := txtar.ParseFile("testdata/members.txtar")
	if err != nil {
		t.Fatal(err)
	}
	m := &members{zones: map[string][]string{}}
	for _, f := range zones.Files {
		m.zones[f.Name] = linesOf(string(f.Data))
	}
	m.Play = newWorld(t, func(o *world.Options) { o.Places = memberPlaces() })
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := m.Start(ctx); err != nil {
		t.Fatalf("%v\n%s", err, m.Tails(15))
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, c := range m.Members() {
		g.Go(func() error { return errors.Join(serve(gctx, c, world.Service), c.Deploy(gctx)) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	m.wantZone(t, "all")
	m.WatchAnew(world.TableOf(m.zones["all-zones"]).Names(), world.TableOf(m.zones["all"]))
	return m
}

// change does something after which the records are those of the zone of that
// name.
func (m *members) change(t *testing.T, zone string, do func(context.Context) error) {
	t.Helper()
	if m.zones[zone] == nil {
		t.Fatalf("testdata/members.txtar has no %q", zone)
	}
	if err := m.Change(t.Context(), world.TableOf(m.zones[zone]), do); err != nil {
		t.Fatalf("to %q: %v\n%s", zone, err, m.Tails(15))
	}
}

// kubectl is change by kubectl in one cluster.
func (m *members) kubectl(t *testing.T, zone, cluster, stdin string, args ...string) {
	t.Helper()
	m.change(t, zone, func(ctx context.Context) error {
		_, err := m.Member(cluster).Kubectl(ctx, stdin, append(args, "--namespace", world.Namespace)...)
		return err
	})
}

// wantZone compares everything in the zone, the claims and the list of levels
// too, but for what each start raises. The claims of levels may follow the
// records.
func (m *members) wantZone(t *testing.T, zone string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		lines, err := m.Zone(ctx)
		lines = comparable(lines)
		if err == nil && slices.Equal(lines, m.zones[zone]) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("zone %q: %v (-want +got)\n%s\n%s", zone, err, cmp.Diff(m.zones[zone], lines), m.Tails(15))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func linesOf(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	slices.Sort(lines)
	return lines
}
