// Package mirror tests the mirrors of members as a whole: real API servers with exactly the shipped rights, the real
// syncer, and a stand-in for the DNS provider.
package mirror

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
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
	root   = "../.."
	zoneID = "Z0123456789ABCDEFGHIJ"

	startupTimeout = 20 * time.Second
)

var (
	id    = mirror.IdentityOf(federation.Federation{Name: "fed", Domain: "example.com."})
	nginx = federation.ServiceName{Namespace: "default", Name: "nginx"}
)

// system is two members, the provider, and a syncer.
type system struct {
	*testing.T
	dir     string
	members map[string]*member
	cloud   *route53.Server
	syncer  *running
}

// running is the process that is the syncer now; subtests share it.
type running struct{ *proc.Process }

// member is a real API server.
type member struct {
	*kube.Cluster
	client  *kubernetes.Clientset
	address string // of its shard
}

func newSystem(t *testing.T) *system {
	dir, err := os.MkdirTemp("", "mi")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &system{T: t, dir: dir, members: map[string]*member{}}
	if s.cloud, err = route53.Start(fakecloud.Zone{ID: zoneID, Name: "example.com."}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cloud.Close)
	for i, name := range []string{"a", "b"} {
		s.startMember(name, i+1)
	}
	return s
}

func (s *system) startMember(name string, n int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 15*time.Minute) // binaries may have to be built
	defer cancel()
	cluster, err := kube.Start(ctx, kube.Options{
		Name: name, Dir: filepath.Join(s.dir, name), Nodes: -1,
		PodCIDRs:     []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", n))},
		ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.10%d.0.0/16", n))},
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(cluster.Kill)
	m := &member{Cluster: cluster, address: fmt.Sprintf("203.0.113.%d", n)}
	s.members[name] = m
	if m.client, err = kubernetes.NewForConfig(cluster.Config()); err != nil {
		s.Fatal(err)
	}
	s.apply(name, fmt.Sprintf(`{apiVersion: v1, kind: Node, metadata: {name: node-1, labels: {
topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-%s}}}`, name))
	s.kubectl(name, "", "apply", "-f", filepath.Join(root, "deploy/member-rbac.yaml"))
	if err := cluster.AccountKubeconfig(s.Context(), "federation-system", "federation-syncer", cluster.Server(),
		filepath.Join(s.dir, name+".kubeconfig")); err != nil {
		s.Fatal(err)
	}
	s.addShard(name, nginx.Name)
}

// grant gives the rights of the mirror in a member.
func (s *system) grant(name string) {
	s.Helper()
	s.kubectl(name, "", "apply", "-f", filepath.Join(root, "deploy/member-mirror-rbac.yaml"))
}

// addShard gives a member a healthy shard of a service.
func (s *system) addShard(name, service string) {
	s.Helper()
	s.apply(name, fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %[1]s, labels: {federation-dns.io/federation: fed}}
spec: {type: LoadBalancer, ports: [{name: http, port: 80}]}
`, service))
	s.kubectl(name, "", "patch", "service", service, "--subresource=status", "--type=merge", "-p",
		fmt.Sprintf(`{"status": {"loadBalancer": {"ingress": [{"ip": %q}]}}}`, s.members[name].address))
	s.setReady(name, service, true)
}

// setReady makes the only endpoint of a member's shard ready, or not.
func (s *system) setReady(name, service string, ready bool) {
	s.Helper()
	s.apply(name, fmt.Sprintf(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: %[1]s
  labels: {kubernetes.io/service-name: %[1]s, federation-dns.io/federation: fed}
addressType: IPv4
ports: [{name: http, port: 80}]
endpoints: [{addresses: [10.1.0.9], conditions: {ready: %[2]t}}]
`, service, ready))
}

// kubectl runs kubectl as the administrator of a member.
func (s *system) kubectl(name, stdin string, args ...string) string {
	s.Helper()
	out, err := s.members[name].Kubectl(s.Context(), stdin, args...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

func (s *system) apply(name, object string) {
	s.Helper()
	s.kubectl(name, object, "apply", "--server-side", "--force-conflicts", "-f", "-")
}

// in returns the system for a subtest.
func (s *system) in(t *testing.T) *system {
	sub := *s
	sub.T = t
	return &sub
}

// configure writes the configuration of the syncer, with these members.
func (s *system) configure(members ...string) {
	s.Helper()
	var clusters strings.Builder
	for _, name := range members {
		fmt.Fprintf(&clusters, "- {name: %[1]s, kubeconfig: {path: %[1]s.kubeconfig}}\n", name)
	}
	config := filepath.Join(s.dir, "c.yaml")
	if err := os.WriteFile(config+".next", []byte(fmt.Sprintf(`apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: us
federations:
- name: fed
  domain: example.com
  provider: {route53: {hostedZoneID: %s, endpoint: %q}}
clusters:
%stimers: {startupTimeout: %s}
metrics: {address: "127.0.0.1:0"}
admin: {socket: admin.sock}
`, zoneID, s.cloud.URL, clusters.String(), startupTimeout)), 0o600); err != nil {
		s.Fatal(err)
	}
	if err := os.Rename(config+".next", config); err != nil {
		s.Fatal(err)
	}
}

// start starts the syncer, and ends it with the test.
func (s *system) start() {
	s.Helper()
	s.configure("a", "b")
	s.syncer = &running{}
	s.run()
	s.Cleanup(func() {
		if s.Failed() {
			s.Logf("%s", s.log())
		}
		s.stop()
	})
}

// run starts the syncer, after a stop too.
func (s *system) run() {
	s.Helper()
	p, err := proc.Start("syncer", filepath.Join(s.dir, "log"), route53.Env(), programs.Syncer(), "--config",
		filepath.Join(s.dir, "c.yaml"))
	if err != nil {
		s.Fatal(err)
	}
	s.syncer.Process = p
}

func (s *system) stop() {
	if err := s.syncer.Stop(20 * time.Second); err != nil {
		s.Error(err)
	}
}

func (s *system) log() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log")) // it may not be there yet
	return string(text)
}

// heartbeat returns that of a member's mirror.
func (s *system) heartbeat(name string) (*mirror.Heartbeat, error) {
	cm, err := s.members[name].client.CoreV1().ConfigMaps(mirror.Namespace).Get(s.Context(), id.HeartbeatName(),
		metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return mirror.DecodeHeartbeat(cm.Data)
}

// told returns what a member's mirror says of a service, as its plugin would take it: the heartbeat has to vouch for
// the bucket.
func (s *system) told(name string, svc federation.ServiceName) (*mirror.Service, error) {
	h, err := s.heartbeat(name)
	if err != nil {
		return nil, err
	}
	i := mirror.BucketOf(h.Set, len(h.Buckets), svc)
	var cm *corev1.ConfigMap
	if cm, err = s.members[name].client.CoreV1().ConfigMaps(mirror.Namespace).Get(s.Context(),
		id.BucketName(i, len(h.Buckets)), metav1.GetOptions{}); err != nil {
		return nil, err
	}
	if have := mirror.Hash(cm.Data); have != h.Buckets[i].Hash {
		return nil, fmt.Errorf("bucket %d has hash %s, and the heartbeat vouches for %q", i, have, h.Buckets[i].Hash)
	}
	_, services, err := mirror.DecodeBucket(cm.Data)
	if err != nil {
		return nil, err
	}
	for _, one := range services {
		if one.ServiceName() == svc {
			return &one, nil
		}
	}
	return nil, nil
}

// describe puts what a mirror says of a service into one line.
func describe(s *mirror.Service) string {
	if s == nil {
		return "nothing"
	}
	var parts []string
	for _, lv := range s.Levels {
		part := strings.TrimSuffix(string(lv.Level), ".")
		for _, a := range lv.Addresses {
			part += fmt.Sprintf(" %s(%s)", a.Address, strings.Join(a.Members, ","))
		}
		if lv.Up != "" {
			part += " ^" + strings.TrimSuffix(string(lv.Up), ".")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// becomes waits until a member is told this of a service.
func (s *system) becomes(within time.Duration, name string, svc federation.ServiceName, want string) {
	s.Helper()
	proc.Eventually(s, within, func() error {
		is, err := s.told(name, svc)
		if err != nil {
			return err
		}
		if have := describe(is); have != want {
			return fmt.Errorf("member %s is told %q, want %q", name, have, want)
		}
		return nil
	})
}
