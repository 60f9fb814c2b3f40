// Package join tests how clusters become members, and leave: real API servers for the host and the member, the real
// syncer with exactly the shipped rights, and the real kubectl-federation.
package join

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/route53"
)

func TestMain(m *testing.M) {
	programs.Main(m, "API servers, which are built in minutes, and a private network namespace")
}

const (
	root      = "../.."
	namespace = "federation-system"
	zoneID    = "Z0123456789ABCDEFGHIJ"
)

// system is a host with a syncer, and a cluster that may become its member.
type system struct {
	*testing.T
	dir          string
	host, member *kube.Cluster
	cloud        *route53.Server
	syncer       *proc.Process
	kubeconfig   string // with the contexts host and member of their admins
}

func newSystem(t *testing.T) *system {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // binaries may have to be built
	defer cancel()
	dir, err := os.MkdirTemp("", "join")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &system{T: t, dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig")}
	s.host = s.cluster(ctx, 1, kube.Options{Name: "host", Nodes: -1})
	s.member = s.cluster(ctx, 2, kube.Options{Name: "member", Region: "fra", Zones: []string{"fra-a"}, Nodes: 1})
	s.mergeKubeconfigs(s.host, s.member)
	if s.cloud, err = route53.Start(fakecloud.Zone{ID: zoneID, Name: "example.com."}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cloud.Close)
	return s
}

// cluster starts an API server at an address that is not one of loopback.
func (s *system) cluster(ctx context.Context, n int, o kube.Options) *kube.Cluster {
	address := netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
	if err := netns.AddLocal(netip.PrefixFrom(address, 32)); err != nil {
		s.Fatal(err)
	}
	o.Dir = filepath.Join(s.dir, o.Name)
	o.Args = append(o.Args, "--addr", address.String())
	o.PodCIDRs = []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", n))}
	o.ServiceCIDRs = []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.10%d.0.0/16", n))}
	c, err := kube.Start(ctx, o)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(c.Kill)
	return c
}

// mergeKubeconfigs writes a kubeconfig with a context for each cluster.
func (s *system) mergeKubeconfigs(clusters ...*kube.Cluster) {
	s.Helper()
	if err := kube.MergeKubeconfigs(s.kubeconfig, clusters...); err != nil {
		s.Fatal(err)
	}
}

// in returns the system for a subtest.
func (s *system) in(t *testing.T) *system {
	sub := *s
	sub.T = t
	return &sub
}

// kubectl runs kubectl as the administrator of a cluster, and fails the test with it.
func (s *system) kubectl(c *kube.Cluster, stdin string, args ...string) string {
	s.Helper()
	out, err := c.Kubectl(s.Context(), stdin, args...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// install installs what the host needs.
func (s *system) install() {
	s.Helper()
	s.kubectl(s.host, "", "apply", "-f", filepath.Join(root, "deploy/crds"), "-f",
		filepath.Join(root, "deploy/host-rbac.yaml"))
	s.kubectl(s.host, "", "wait", "--for=condition=Established", "crd/memberclusters.federation-dns.io",
		"--timeout=20s")
}

// start starts the syncer, with the rights of deploy/host-rbac.yaml and these entries of clusters.
func (s *system) start(clusters string) {
	s.Helper()
	path := filepath.Join(s.dir, "host.kubeconfig")
	if err := s.host.AccountKubeconfig(s.Context(), namespace, "federation-syncer", s.host.Server(), path); err != nil {
		s.Fatal(err)
	}
	config := filepath.Join(s.dir, "c.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: us
federations:
- name: fed
  domain: example.com
  ttl: 1
  provider: {route53: {hostedZoneID: %s, endpoint: %q}}
clusters: %s
host: {kubeconfig: {path: %s}, namespace: %s}
metrics: {address: "127.0.0.1:0"}
admin: {socket: admin.sock}
timers: {emptyGrace: 1s, holdFor: 1s}
`, zoneID, s.cloud.URL, clusters, path, namespace), 0o600); err != nil {
		s.Fatal(err)
	}
	log := filepath.Join(s.dir, "syncer.log")
	p, err := proc.Start("syncer", log, route53.Env(), programs.Syncer(), "--config", config)
	if err != nil {
		s.Fatal(err)
	}
	s.syncer = p
	s.Cleanup(func() {
		if s.Failed() {
			text, _ := os.ReadFile(log)
			s.Logf("the syncer:\n%s", text)
		}
		s.stop()
	})
	poll(s, "the syncer to write", func() error {
		if _, _, err := s.run("clusters"); err != nil {
			return err
		}
		out := s.kubectl(s.host, "", "get", "lease", "-n", namespace, "-o", "name")
		if !strings.Contains(out, "federation-syncer") {
			return fmt.Errorf("leases: %q", out)
		}
		return nil
	})
}

func (s *system) stop() {
	p := s.syncer
	s.syncer = nil
	if err := p.Stop(20 * time.Second); err != nil {
		s.Error(err)
	}
}

func (s *system) socket() string { return filepath.Join(s.dir, "admin.sock") }

// run runs kubectl-federation with the contexts of both clusters, and returns what it prints and its exit code.
func (s *system) run(args ...string) (out string, code int, err error) {
	args = append(args, "--socket", s.socket(), "--kubeconfig", s.kubeconfig)
	cmd := exec.CommandContext(s.Context(), programs.Kubectl(), args...)
	cmd.Stdin = strings.NewReader("n\n") // to what it asks
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), cmd.ProcessState.ExitCode(), err
}

// good runs kubectl-federation, which has to succeed.
func (s *system) good(args ...string) string {
	s.Helper()
	out, _, err := s.run(args...)
	if err != nil {
		s.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func poll(t testing.TB, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := proc.Poll(ctx, what, f); err != nil {
		t.Fatal(err)
	}
}
