package pods

import (
	"context"
	"embed"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/node"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

//go:embed testdata
var testdata embed.FS

// text is a file of testdata, filled in: pairs of a word and what stands in its place.
func text(name string, fill ...string) string {
	b, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		panic(err) // embedded: a wrong name is a mistake in the test
	}
	return strings.NewReplacer(fill...).Replace(string(b))
}

// The two clusters: pods are real here, and simulated elsewhere.
var (
	here, elsewhere = world.Places[2], world.Places[1]

	hereAddress, elsewhereAddress = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
)

const podImage = "localhost/pod:test"

// system is everything that runs.
type system struct {
	t       *testing.T
	node    *node.Node
	here    *kube.Cluster
	members map[*world.Place]*kube.Cluster
	images  map[string]string // names, by program
}

// start starts the DNS server, two clusters, and the machine of one of them.
func start(t *testing.T) *system {
	t.Helper()
	s := &system{t: t, members: map[*world.Place]*kube.Cluster{}, images: map[string]string{}}
	began := time.Now()
	for _, prefix := range append(here.LBCIDRs[:1:1], elsewhere.LBCIDRs[0], elsewhere.PodCIDRs[0],
		netip.MustParsePrefix("192.0.2.0/24")) {
		s.must(netns.AddLocal(prefix))
	}
	named, err := startNameServer(t.Context(), filepath.Join(dir, "dns"))
	s.must(err)
	t.Cleanup(func() { s.stopped(named.Stop(10 * time.Second)) })
	s.must(netns.ResolvConf("nameserver " + world.Authority + "\n"))
	s.startClusters()
	s.startNode()
	t.Logf("DNS server, clusters and Node: %.1f s", time.Since(began).Seconds())
	return s
}

func (s *system) startClusters() {
	s.t.Helper()
	var g errgroup.Group
	found := make([]*kube.Cluster, 2)
	for i, c := range []struct {
		place   *world.Place
		nodes   int
		address netip.Addr
	}{{here, -1, hereAddress}, {elsewhere, 2, elsewhereAddress}} {
		g.Go(func() (err error) {
			found[i], err = kube.Start(s.t.Context(), kube.Options{
				Name: c.place.Name, Dir: filepath.Join(dir, c.place.Region), Region: c.place.Region,
				Zones: []string{c.place.Zone}, Nodes: c.nodes, PodCIDRs: c.place.PodCIDRs[:1],
				ServiceCIDRs: c.place.ServiceCIDRs[:1], LBCIDRs: c.place.LBCIDRs[:1], Args: node.ClusterArgs(c.address),
			})
			return err
		})
	}
	s.must(g.Wait())
	s.here = found[0]
	s.members[here], s.members[elsewhere] = found[0], found[1]
	for _, c := range found {
		s.t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			s.stopped(c.Stop(ctx))
		})
	}
}

func (s *system) startNode() {
	s.t.Helper()
	ctx := s.t.Context()
	programs, err := kube.BuildNode(ctx, os.Stderr)
	s.must(err)
	s.node, err = node.Start(ctx, node.Options{
		Name: "node-1", Dir: filepath.Join(dir, "node"), Cluster: s.here, Programs: programs, Address: hereAddress,
		PodCIDR: here.PodCIDRs[0], Region: here.Region, Zone: here.Zone, ClusterDNS: here.DNS,
		Resolv: "nameserver " + world.Authority + "\n",
	})
	s.must(err)
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.node.Log(s.t.Output())
		}
		s.stopped(s.node.Stop())
	})
	pods := filepath.Join(dir, "pod.tar")
	s.must(buildPodImage(ctx, pods, podImage))
	pause := filepath.Join(dir, "pause.tar")
	s.must(node.WriteImage(pause, node.PauseImage, []string{"/pod", "pause"},
		node.File{Path: "pod", Source: filepath.Join(dir, "pod", "pod")}))
	archives := []string{pods, pause}
	for _, program := range []string{"coredns", "federation-syncer"} {
		archive, err := imageOf(program)
		s.must(err)
		_, rest, _ := strings.Cut(filepath.Base(archive), "_")
		version, _, _ := strings.Cut(rest, "_image.tar")
		s.images[program] = "ghcr.io/federation-dns/" + program + ":" + version
		archives = append(archives, archive)
	}
	s.must(s.node.Import(ctx, archives...))
}

func (s *system) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) stopped(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Errorf("stopping: %v", err)
	}
}

// kubectl runs kubectl in the cluster with real pods, as its administrator.
func (s *system) kubectl(stdin string, args ...string) string {
	s.t.Helper()
	out, err := s.here.Kubectl(s.t.Context(), stdin, args...)
	if err != nil {
		s.describe()
		s.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// describe logs the pods that are not ready, and what happened.
func (s *system) describe() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, args := range [][]string{{"get", "pods", "-A", "-o", "wide"}, {"get", "events", "-A"}} {
		out, err := s.here.Kubectl(ctx, "", args...)
		s.t.Logf("%s %v", out, err)
	}
}

// rollout waits until a Deployment is ready.
func (s *system) rollout(namespace, name string) {
	s.t.Helper()
	s.kubectl("", "rollout", "status", "deployment/"+name, "--namespace", namespace, "--timeout=60s")
}

// eventually polls until f gives no error, and returns how long it took.
func (s *system) eventually(what string, f func() error) time.Duration {
	s.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	err := proc.Poll(ctx, what, func() error {
		if err := s.node.Alive(); err != nil {
			return err
		}
		return f()
	})
	if err != nil {
		s.describe()
		s.t.Fatal(err)
	}
	return time.Since(began)
}

// configMap makes a ConfigMap of one file.
func (s *system) configMap(name, file, content string) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), file)
	s.must(os.WriteFile(path, []byte(content), 0o644))
	object := s.kubectl("", "create", "configmap", name, "--namespace", "kube-system", "--from-file", path,
		"--dry-run=client", "--output=yaml")
	s.kubectl(object, "apply", "--server-side", "--force-conflicts", "-f", "-")
}
