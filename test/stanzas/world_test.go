package stanzas

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"k8s.io/client-go/kubernetes"
	typedappsv1 "k8s.io/client-go/kubernetes/typed/apps/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/federation-dns/federation/test/helm"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/programs"
	networld "github.com/federation-dns/federation/test/world"
)

// The addresses of the world.
const (
	authority   = "198.51.100.53" // the server of the federations' domains, and of the rest of the world
	clusterDNS  = "10.101.0.10"   // Services
	dnsUpstream = "10.101.0.11"
	beside      = "10.101.0.53"
	besidePod   = "10.1.200.1" // pods
	dnsPod      = "10.1.200.2"
	upstreamPod = "10.1.200.3"
	nodeLocal   = "169.254.20.10"
)

const (
	release   = "federation-dns"
	namespace = "dns"
	chart     = "federation-dns"
)

// values are those of the release.
const values = `
federations:
- {name: myfederation, domain: example.com, servers: [` + authority + `]}
- {name: other, domain: example.net}
service: {clusterIP: ` + beside + `}
test: {names: [nginx.mynamespace.myfederation, cart.mynamespace.myfederation]}
`

// objects are a Service with a ready endpoint and one without.
const objects = `
apiVersion: v1
kind: Namespace
metadata: {name: mynamespace}
---
apiVersion: v1
kind: Service
metadata: {name: nginx, namespace: mynamespace}
spec: {clusterIP: 10.101.0.80, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: nginx-1, namespace: mynamespace, labels: {kubernetes.io/service-name: nginx}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [10.1.9.1], conditions: {ready: true}}]
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: mynamespace}
spec: {clusterIP: 10.101.0.81, ports: [{port: 80}]}
`

// zones are the records of the federations' domains: other has none but global's.
var zones = map[string]string{
	"example.com": `@ 60 IN SOA ns host 1 7200 1800 86400 30
@ 60 IN NS ns
ns 60 IN A 198.51.100.53
www 60 IN A 192.0.2.80
cart.mynamespace.myfederation.svc.us-central1-b 180 IN CNAME cart.mynamespace.myfederation.svc.us-central1
cart.mynamespace.myfederation.svc.us-central1 180 IN CNAME cart.mynamespace.myfederation.svc
cart.mynamespace.myfederation.svc 180 IN A 203.0.113.7
`,
	"example.net": `@ 60 IN SOA ns.example.com. host.example.com. 1 7200 1800 86400 30
@ 60 IN NS ns.example.com.
cart.mynamespace.other.svc 180 IN A 203.0.113.8
`,
}

// world is a cluster with the chart installed and its CoreDNS running.
type world struct {
	cluster              *kube.Cluster
	testcluster, coredns string // programs
	helm                 helm.Helm
	configMaps           typedcorev1.ConfigMapInterface  // of kube-system
	deployments          typedappsv1.DeploymentInterface // of kube-system
	dir                  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{helm: helm.New(t), coredns: programs.CoreDNS()}
	for _, prefix := range []string{"10.1.0.0/16", "fd00:0:0:1::/64", authority + "/32", clusterDNS + "/32",
		dnsUpstream + "/32", beside + "/32", nodeLocal + "/32"} {
		if err := netns.AddLocal(netip.MustParsePrefix(prefix)); err != nil {
			t.Fatal(err)
		}
	}
	if err := netns.ResolvConf("nameserver " + authority + "\n"); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.dir, err = os.MkdirTemp("", "dns"); err != nil { // a short path, as Unix sockets stand in it
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(w.dir) })
	if w.testcluster, err = kube.Binary(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	w.cluster, err = kube.Start(t.Context(), kube.Options{Name: "a", Dir: filepath.Join(w.dir, "c"),
		Region: "us-central1", Zones: []string{"us-central1-b"}, Binary: w.testcluster,
		PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:0:0:1::/64")},
		ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.101.0.0/16"),
			netip.MustParsePrefix("fd00:0:0:101::/112")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.cluster.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	clients, err := kubernetes.NewForConfig(w.cluster.Config())
	if err != nil {
		t.Fatal(err)
	}
	w.configMaps = clients.CoreV1().ConfigMaps("kube-system")
	w.deployments = clients.AppsV1().Deployments("kube-system")
	w.kubectl(t, objects, "apply", "--filename", "-")
	w.startAuthority(t)
	w.install(t)
	return w
}

func (w *world) startAuthority(t *testing.T) {
	t.Helper()
	var corefile strings.Builder
	for zone, records := range zones {
		path := filepath.Join(w.dir, zone)
		if err := os.WriteFile(path, []byte("$ORIGIN "+zone+".\n"+records), 0o644); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&corefile, "%s:53 {\n    bind %s\n    file %s\n}\n", zone, authority, path)
	}
	path := filepath.Join(w.dir, "authority.Corefile")
	if err := os.WriteFile(path, []byte(corefile.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	w.startCoreDNS(t, "authority", path, net.JoinHostPort(authority, "53"))
}

// install installs the chart, and runs CoreDNS with its Corefile and as its account.
func (w *world) install(t *testing.T) {
	t.Helper()
	path := filepath.Join(w.dir, "values.yaml")
	if err := os.WriteFile(path, []byte(values), 0o644); err != nil {
		t.Fatal(err)
	}
	w.runHelm(t, "install", release, helm.Chart(t, chart), "--create-namespace", "--values", path)
	kubeconfig := w.kubeconfig(t, namespace, release)
	path = w.chartCorefile(t, listener{address: besidePod, kubeconfig: kubeconfig})
	w.startCoreDNS(t, "beside", path, besidePod+":1053")
	w.ready(t, besidePod)
	serviceOf(t, beside, besidePod+":1053")
}

// chartCorefile writes the Corefile that the release has in the cluster.
func (w *world) chartCorefile(t *testing.T, at listener) (path string) {
	t.Helper()
	corefile := w.kubectl(t, "", "get", "configmap", release, "--namespace", namespace, "--output",
		"jsonpath={.data.Corefile}")
	path = filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(path, []byte(at.apply(corefile)), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// ready waits as the readiness probe of a pod does.
func (w *world) ready(t *testing.T, pod string) {
	t.Helper()
	w.eventually(t, pod+" to be ready", func(ctx context.Context) error {
		_, err := networld.Get(ctx, "http://"+pod+":8181/ready")
		return err
	})
}

// kubeconfig is one with the rights of an account.
func (w *world) kubeconfig(t *testing.T, namespace, account string) string {
	t.Helper()
	token := w.kubectl(t, "", "create", "token", "--namespace", namespace, account)
	path := filepath.Join(w.dir, account+".kubeconfig")
	config := clientcmdapi.NewConfig()
	config.Clusters["a"] = &clientcmdapi.Cluster{Server: w.cluster.Server(),
		CertificateAuthorityData: w.cluster.Config().CAData}
	config.AuthInfos["a"] = &clientcmdapi.AuthInfo{Token: strings.TrimSpace(token)}
	config.Contexts["a"] = &clientcmdapi.Context{Cluster: "a", AuthInfo: "a"}
	config.CurrentContext = "a"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// listener is where a Corefile is to listen, and which API server it is to watch.
type listener struct{ address, kubeconfig, dir string }

// apply changes a Corefile so that a process can load it which has no network, mounts and account of its own: addresses
// to listen on, a kubeconfig, and the folder of /etc/coredns.
func (l listener) apply(corefile string) string {
	var out strings.Builder
	lines := strings.SplitAfter(corefile, "\n")
	for i, line := range lines {
		out.WriteString(line)
		if opens := strings.HasSuffix(strings.TrimSpace(line), "{"); !opens || strings.TrimLeft(line, " \t") != line {
			continue
		}
		bound := false
		for _, l := range lines[i+1:] {
			if strings.HasSuffix(strings.TrimSpace(l), "{") && strings.TrimLeft(l, " \t") == l {
				break // the next block
			}
			bound = bound || strings.HasPrefix(strings.TrimSpace(l), "bind ")
		}
		if !bound {
			out.WriteString("    bind " + l.address + "\n")
		}
	}
	text := out.String()
	for _, change := range [][2]string{
		{`(?m)^(\s*)health( \{)?$`, "${1}health " + l.address + ":8080$2"},
		{`(?m)^(\s*)ready\b.*$`, "${1}ready " + l.address + ":8181"},
		{`(?m)^(\s*)prometheus (?:0\.0\.0\.0)?:`, "${1}prometheus " + l.address + ":"},
		{`(?m)^(\s*kubernetes .*\{)$`, "${1}\n    kubeconfig " + l.kubeconfig},
		{`/etc/coredns/`, l.dir + "/"},
	} {
		text = regexp.MustCompile(change[0]).ReplaceAllString(text, change[1])
	}
	return text
}

// startCoreDNS runs CoreDNS until the end of the test, and waits until it answers.
func (w *world) startCoreDNS(t *testing.T, name, corefile, address string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), name+".log")
	p, err := proc.Start(name, log, []string{"NODE_NAME=a-node-1"}, w.coredns, "-conf", corefile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(corefile)
			t.Logf("%s logged:\n%s\nwith the Corefile\n%s", name, proc.Tail(log, 30), text)
		}
		p.Kill() // it would wait for its lameduck time, 20 s on OpenShift
	})
	w.eventually(t, name+" to answer", func(ctx context.Context) error {
		if err := p.Ended(); err != nil {
			t.Fatalf("%v:\n%s", err, proc.Tail(log, 30))
		}
		r, _, err := (&dns.Client{Timeout: time.Second}).ExchangeContext(ctx,
			new(dns.Msg).SetQuestion("kubernetes.default.svc.cluster.local.", dns.TypeA), address)
		if err == nil && len(r.Answer) == 0 && name != "authority" {
			err = fmt.Errorf("%s", dns.RcodeToString[r.Rcode])
		}
		return err
	})
}

// serviceOf is the Service of a pod until the end of the test: a message to port 53 of the one goes to the other, by
// the same transport.
func serviceOf(t *testing.T, clusterIP, pod string) {
	t.Helper()
	for _, network := range []string{"udp", "tcp"} {
		client := &dns.Client{Net: network, Timeout: 5 * time.Second, UDPSize: dns.MaxMsgSize}
		started := make(chan struct{})
		ended := make(chan error, 1)
		server := &dns.Server{Addr: clusterIP + ":53", Net: network, NotifyStartedFunc: func() { close(started) },
			Handler: dns.HandlerFunc(func(to dns.ResponseWriter, r *dns.Msg) {
				if reply, _, err := client.Exchange(r, pod); err == nil {
					_ = to.WriteMsg(reply) // who has gone asks again
				}
			})}
		go func() { ended <- server.ListenAndServe() }()
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-started:
		}
		t.Cleanup(func() {
			_ = server.Shutdown()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func (w *world) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := w.cluster.Kubectl(t.Context(), stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) runHelm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := w.helm.Run(t.Context(), w.cluster.Kubeconfig(), append(args, "--namespace", namespace)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

func (w *world) eventually(t *testing.T, what string, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := proc.Poll(ctx, what, func() error { return f(ctx) }); err != nil {
		t.Fatal(err)
	}
}
