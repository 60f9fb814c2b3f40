// Package stage is a host and members for tests of FederatedServices: real API servers with exactly the shipped rights,
// a proxy in front of each member that can be cut, a stand-in for the DNS provider, and the real syncer.
package stage

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/route53"
)

const (
	// Namespace is that of the syncer, in the host and in the members.
	Namespace = "federation-system"
	// ZoneID is the zone of the records, for Cloud.
	ZoneID = "Z0123456789ABCDEFGHIJ"
	// Federation is the federation that the syncer keeps, in example.com.
	Federation = "fed"
	// Owner is the syncer's owner id.
	Owner = "us"
	// Soon is how long anything may take that is no figure of a contract: machines are slow, and busy with other tests.
	Soon = time.Minute
	// EnvOlder names the binary of API servers of another version of Kubernetes (test/kube/build): the last member of a
	// stage has that one, and all others the version of the tests.
	EnvOlder = "FEDERATION_DNS_OLDER"
)

// networks counts the members of all stages of a process: they share a network namespace, so each needs addresses of
// its own for its load balancers.
var networks atomic.Int32

// Options describe a stage.
type Options struct {
	// Root is the way to the module's root.
	Root string
	// Members are the names of the members.
	Members []string
	// Timers are those of the syncer's configuration; "" for the defaults.
	Timers string
	// Wires has the syncer's requests pass through a Wire each, to the host and to the members.
	Wires bool
}

// Stage is a host with its members.
type Stage struct {
	testing.TB
	opt     Options
	dir     string
	Host    *kube.Cluster
	Wire    *Wire // the syncer's way to the host; nil if it is direct
	Cloud   *route53.Server
	Members []*Member
	objects rest.Interface // of our group, in the host
	HostAPI kubernetes.Interface
	run     *run
}

// run is the running syncer; all views of a stage share it.
type run struct {
	whole testing.TB // ends it

	mu      sync.Mutex
	process *proc.Process // nil if none runs
	number  int           // of those that were started
}

// take returns the process, which is the caller's to end, and from now on nobody else's.
func (r *run) take() *proc.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.process
	r.process = nil
	return p
}

func (r *run) started(p *proc.Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process = p
}

func (r *run) next() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	return r.number
}

func (r *run) last() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.number
}

// Member is a member with its proxy.
type Member struct {
	Name    string
	Cluster *kube.Cluster
	API     kubernetes.Interface // as its administrator, and not through the proxy
	Proxy   *cutproxy.Proxy
	Wire    *Wire // behind the Proxy; nil if there is none
}

// New starts all API servers. The members are not joined yet, and no syncer runs.
func New(t testing.TB, o Options) *Stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // binaries may have to be built
	defer cancel()
	dir, err := os.MkdirTemp("", "fsvc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Stage{TB: t, opt: o, dir: dir, Members: make([]*Member, len(o.Members)), run: &run{whole: t}}
	var starting sync.WaitGroup
	errs := make([]error, len(o.Members)+1)
	starting.Go(func() { s.Host, errs[0] = s.start(ctx, 0, "host") })
	for i, name := range o.Members {
		starting.Go(func() {
			m := &Member{Name: name}
			m.Cluster, errs[i+1] = s.start(ctx, i+1, name)
			s.Members[i] = m
		})
	}
	starting.Wait()
	if s.Host != nil {
		t.Cleanup(s.Host.Kill)
	}
	for i, m := range s.Members {
		if m.Cluster != nil {
			t.Cleanup(m.Cluster.Kill)
		}
		if errs[0] == nil {
			errs[0] = errs[i+1]
		}
	}
	if errs[0] != nil {
		t.Fatal(errs[0])
	}
	s.prepare()
	return s
}

// In returns the stage for a subtest.
func (s *Stage) In(t testing.TB) *Stage {
	sub := *s
	sub.TB = t
	return &sub
}

func (s *Stage) start(ctx context.Context, i int, name string) (*kube.Cluster, error) {
	prefix := func(format string) []netip.Prefix {
		return []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf(format, i))}
	}
	o := kube.Options{
		Name: name, Dir: filepath.Join(s.dir, name), Nodes: -1,
		PodCIDRs: prefix("10.%d.0.0/16"), ServiceCIDRs: prefix("10.10%d.0.0/16"),
	}
	if i == len(s.opt.Members) {
		o.Binary = os.Getenv(EnvOlder)
	}
	if i > 0 {
		n := networks.Add(1) - 1 // 2,046 addresses each
		o.LBCIDRs = []netip.Prefix{netip.PrefixFrom(
			netip.AddrFrom4([4]byte{198, byte(18 + n/32), byte(n % 32 * 8), 0}), 21)}
		if err := netns.AddLocal(o.LBCIDRs[0]); err != nil { // the load balancer listens there
			return nil, err
		}
	}
	return kube.Start(ctx, o)
}

func (s *Stage) prepare() {
	s.Helper()
	var err error
	if s.Cloud, err = route53.Start(fakecloud.Zone{ID: ZoneID, Name: "example.com."}); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(s.Cloud.Close)
	deploy := filepath.Join(s.opt.Root, "deploy")
	s.Kubectl(s.Host, "", "apply", "-f", filepath.Join(deploy, "host-rbac.yaml"), "-f", filepath.Join(deploy, "crds"))
	s.Kubectl(s.Host, "", "wait", "--for=condition=Established", "--timeout=60s",
		"crd/memberclusters.federation-dns.io", "crd/federatedservices.federation-dns.io")
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		s.Fatal(err)
	}
	config := s.Host.Config()
	if s.HostAPI, err = kubernetes.NewForConfig(config); err != nil {
		s.Fatal(err)
	}
	config.GroupVersion, config.APIPath = &v1alpha1.GroupVersion, "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.QPS, config.Burst = -1, 0
	if s.objects, err = rest.RESTClientFor(config); err != nil {
		s.Fatal(err)
	}
	if s.opt.Wires {
		s.Wire = newWire(s, s.Host)
	}
	for _, m := range s.Members {
		config := m.Cluster.Config()
		config.QPS, config.Burst = -1, 0
		if m.API, err = kubernetes.NewForConfig(config); err != nil {
			s.Fatal(err)
		}
		upstream := strings.TrimPrefix(m.Cluster.Server(), "https://")
		if s.opt.Wires {
			m.Wire = newWire(s, m.Cluster)
			upstream = m.Wire.addr()
		}
		if m.Proxy, err = cutproxy.New(upstream); err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { m.Proxy.Close() })
		s.Kubectl(m.Cluster, "", "apply", "-f", filepath.Join(deploy, "member-rbac.yaml"), "-f",
			filepath.Join(deploy, "member-propagation-rbac.yaml"))
	}
}

// Kubectl runs kubectl as the administrator of a cluster, and fails the test with it.
func (s *Stage) Kubectl(c *kube.Cluster, stdin string, args ...string) string {
	s.Helper()
	out, err := c.Kubectl(s.Context(), stdin, args...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// Start starts the syncer, with the rights of deploy/host-rbac.yaml, and ends it with the test.
func (s *Stage) Start() {
	s.Helper()
	number := s.run.next()
	dir := filepath.Join(s.dir, fmt.Sprintf("syncer-%d", number))
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.Fatal(err)
	}
	server, kubeconfig := s.Host.Server(), filepath.Join(dir, "host.kubeconfig")
	if s.Wire != nil {
		server = "https://" + s.Wire.addr()
	}
	if err := s.Host.AccountKubeconfig(s.Context(), Namespace, "federation-syncer", server, kubeconfig); err != nil {
		s.Fatal(err)
	}
	if s.Wire != nil {
		s.Wire.trusted(kubeconfig)
	}
	timers := s.opt.Timers
	if timers == "" {
		timers = "{}"
	}
	config := fmt.Sprintf(`apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: %s
federations:
- name: %s
  domain: example.com
  provider: {route53: {hostedZoneID: %s, endpoint: %q}}
host: {kubeconfig: {path: host.kubeconfig}, namespace: %s}
metrics: {address: "127.0.0.1:0"}
admin: {socket: admin.sock}
timers: %s
`, Owner, Federation, ZoneID, s.Cloud.URL, Namespace, timers)
	if err := os.WriteFile(filepath.Join(dir, "c.yaml"), []byte(config), 0o600); err != nil {
		s.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	p, err := proc.Start("syncer", log, route53.Env(), programs.Syncer(), "--config", filepath.Join(dir, "c.yaml"))
	if err != nil {
		s.Fatal(err)
	}
	s.run.started(p)
	whole := s.run.whole
	whole.Cleanup(func() {
		if p.Ended() == nil { // the last one, which was not stopped
			s.In(whole).Stop()
		}
		if whole.Failed() && number >= s.run.last()-1 { // those before are no cause any more
			whole.Logf("the log of the %d. syncer, of %d, ends with\n%s", number, s.run.last(), proc.Tail(log, 80))
		}
	})
}

// Running says why no syncer runs; nil if one does.
func Running(s *Stage) error {
	s.run.mu.Lock()
	defer s.run.mu.Unlock()
	if s.run.process == nil {
		return fmt.Errorf("no syncer runs")
	}
	return s.run.process.Ended()
}

// SyncerLog returns what the running syncer has logged.
func (s *Stage) SyncerLog() string {
	dir := fmt.Sprintf("syncer-%d", s.run.last())
	text, _ := os.ReadFile(filepath.Join(s.dir, dir, "log")) // it may not be there yet
	return string(text)
}

// Stop ends the syncer.
func (s *Stage) Stop() {
	s.Helper()
	if p := s.run.take(); p != nil {
		if err := p.Stop(Soon); err != nil {
			s.Error(err)
		}
	}
}

// Kill kills the syncer.
func (s *Stage) Kill() {
	if p := s.run.take(); p != nil {
		p.Kill()
	}
}

// Restart starts a syncer after Kill, and does not have it wait until the Lease of the killed one has run out.
func (s *Stage) Restart() {
	s.Helper()
	err := s.HostAPI.CoordinationV1().Leases(Namespace).Delete(s.Context(), "federation-syncer", metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		s.Fatal(err)
	}
	s.Start()
}

// Eventually polls until f gives no error, which must be Soon.
func (s *Stage) Eventually(f func() error) {
	s.Helper()
	proc.Eventually(s, Soon, f)
}

// Held logs how long something took of which a contract says how long it may. A test fails only where it is far from
// that, as other tests run beside it: figures are made by the bench targets.
func Held(s *Stage, what string, took, contract time.Duration) {
	s.Helper()
	s.Logf("%s: %s; the contract is %s", what, took.Round(time.Millisecond), contract)
	if took > 10*contract {
		s.Errorf("%s it took %s", what, took)
	}
}
