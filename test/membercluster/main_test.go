// Package membercluster tests MemberClusters as a whole: a real API server with the shipped CRD and exactly the shipped
// rights, the real program, and stand-ins for the API servers of the members.
package membercluster

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/kube"
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
	global    = "nginx.shop.fed.svc.example.com."
)

// system is a host cluster with everything that the syncer needs there.
type system struct {
	*testing.T
	dir   string
	host  *kube.Cluster
	cloud *route53.Server
	via   *counter // the syncer's way to the host; nil for the direct one
	// timers are those of the syncer's configuration; "" for the defaults.
	timers string
}

func newSystem(t *testing.T, args ...string) *system {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // binaries may have to be built
	defer cancel()
	dir, err := os.MkdirTemp("", "mc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &system{T: t, dir: dir}
	s.host, err = kube.Start(ctx, kube.Options{
		Name: "host", Dir: filepath.Join(dir, "host"), Nodes: -1, Args: args,
		PodCIDRs:     []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.101.0.0/16")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.host.Kill)
	s.kubectl("", "apply", "-f", filepath.Join(root, "deploy/host-rbac.yaml"))
	if s.cloud, err = route53.Start(fakecloud.Zone{ID: zoneID, Name: "example.com."}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cloud.Close)
	return s
}

// in returns the system for a subtest.
func (s *system) in(t *testing.T) *system {
	sub := *s
	sub.T = t
	return &sub
}

func (s *system) installCRD() {
	s.Helper()
	s.kubectl("", "apply", "-f", filepath.Join(root, "deploy/crds"))
	s.kubectl("", "wait", "--for=condition=Established", "crd/memberclusters.federation-dns.io",
		"crd/federatedservices.federation-dns.io", "--timeout=20s")
}

// kubectl runs kubectl as the administrator, and fails the test with it.
func (s *system) kubectl(stdin string, args ...string) string {
	s.Helper()
	out, err := s.host.Kubectl(s.Context(), stdin, args...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// run starts the syncer with the rights of deploy/host-rbac.yaml and these entries of clusters, and ends it with the
// test.
func (s *system) run(name, clusters string) *running {
	s.Helper()
	token := strings.TrimSpace(s.kubectl("", "create", "token", "federation-syncer", "-n", namespace, "--duration=2h"))
	r := &running{system: s, dir: filepath.Join(s.dir, name)}
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		s.Fatal(err)
	}
	server, ca := s.host.Server(), s.ca()
	if s.via != nil {
		server, ca = s.via.URL, s.via.ca()
	}
	r.write("host.kubeconfig", kubeconfig(server, ca, token))
	r.configure(clusters)
	p, err := proc.Start(name, filepath.Join(r.dir, "log"), route53.Env(),
		programs.Syncer(), "--config", filepath.Join(r.dir, "c.yaml"))
	if err != nil {
		s.Fatal(err)
	}
	r.process = p
	s.Cleanup(func() {
		if s.Failed() {
			s.Logf("%s\n%s", name, r.log())
		}
		r.stop()
	})
	return r
}

// ca returns the certificates by which the host is trusted.
func (s *system) ca() string {
	config := s.host.Config()
	if len(config.CAData) > 0 {
		return string(config.CAData)
	}
	data, err := os.ReadFile(config.CAFile)
	if err != nil {
		s.Fatal(err)
	}
	return string(data)
}

// running is a running syncer.
type running struct {
	*system
	dir     string
	process *proc.Process
}

func (r *running) write(name, text string) {
	r.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path+".next", []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		r.Fatal(err)
	}
}

// configure writes the configuration file with these entries of clusters.
func (r *running) configure(clusters string) {
	r.Helper()
	r.write("c.yaml", fmt.Sprintf(`apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: us
federations:
- name: fed
  domain: example.com
  provider: {route53: {hostedZoneID: %s, endpoint: %q}}
clusters: %s
host: {kubeconfig: {path: host.kubeconfig}, namespace: %s}
metrics: {address: "127.0.0.1:0"}
admin: {socket: admin.sock}
timers: %s
`, zoneID, r.cloud.URL, clusters, namespace, cmp.Or(r.timers, "{}")))
}

func (r *running) log() string {
	text, _ := os.ReadFile(filepath.Join(r.dir, "log")) // it may not be there yet
	return string(text)
}

func (r *running) stop() {
	if err := r.process.Stop(20 * time.Second); err != nil {
		r.Error(err)
	}
}
