package stanzas

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
)

const (
	svc  = ".svc.cluster.local."
	cart = "cart.mynamespace.myfederation"
)

// questions are what pods ask, and what they get with the stanza.
var questions = []struct {
	what  string
	name  string
	qtype uint16
	want  string
}{
	{"a healthy local shard", "nginx.mynamespace.myfederation" + svc, dns.TypeA,
		"NOERROR\nnginx.mynamespace.myfederation" + svc + " A 10.101.0.80"},
	{"NODATA", "nginx.mynamespace.myfederation" + svc, dns.TypeAAAA, "NOERROR"},
	{"no healthy local shard", cart + svc, dns.TypeA, "NOERROR\n" +
		cart + svc + " CNAME " + cart + ".svc.us-central1-b.example.com.\n" +
		cart + ".svc.us-central1-b.example.com. CNAME " + cart + ".svc.us-central1.example.com.\n" +
		cart + ".svc.us-central1.example.com. CNAME " + cart + ".svc.example.com.\n" +
		cart + ".svc.example.com. A 203.0.113.7"},
	{"another federation", "cart.mynamespace.other" + svc, dns.TypeA, "NOERROR\n" +
		"cart.mynamespace.other" + svc + " CNAME cart.mynamespace.other.svc.example.net.\n" +
		"cart.mynamespace.other.svc.example.net. A 203.0.113.8"},
	{"a Service of no cluster", "nothing.mynamespace.myfederation" + svc, dns.TypeA, "NXDOMAIN\n" +
		"nothing.mynamespace.myfederation" + svc + " CNAME " +
		"nothing.mynamespace.myfederation.svc.us-central1-b.example.com."},
	{"the federation itself", "myfederation" + svc, dns.TypeA, "NOERROR"},
	{"the first search domain", "nginx.mynamespace.myfederation.mynamespace" + svc, dns.TypeA, "NXDOMAIN"},
	{"the last search domain", "nginx.mynamespace.myfederation.cluster.local.", dns.TypeA, "NXDOMAIN"},
	{"a plain Service", "nginx.mynamespace" + svc, dns.TypeA, "NOERROR\nnginx.mynamespace" + svc + " A 10.101.0.80"},
	{"a plain Service without endpoints", "cart.mynamespace" + svc, dns.TypeA,
		"NOERROR\ncart.mynamespace" + svc + " A 10.101.0.81"},
	{"the API server", "kubernetes.default" + svc, dns.TypeA, "NOERROR\nkubernetes.default" + svc + " A 10.101.0.1"},
	{"a reverse name", "80.0.101.10.in-addr.arpa.", dns.TypePTR,
		"NOERROR\n80.0.101.10.in-addr.arpa. PTR nginx.mynamespace" + svc},
	{"a name of the Internet", "www.example.com.", dns.TypeA, "NOERROR\nwww.example.com. A 192.0.2.80"},
}

// TestMember is one start of a cluster, which its parts share.
func TestMember(t *testing.T) {
	needs.Program(t, "dig", "bind9-dnsutils")
	w := newWorld(t)
	t.Run("beside", w.testBeside)
	t.Run("in place", w.testInPlace)
	t.Run("rights", w.testRights)
	t.Run("release", w.testRelease) // it ends the release
}

func (w *world) testBeside(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) < 5 {
		t.Fatalf("%v: %q", err, paths)
	}
	for _, path := range paths {
		p := readPlatform(t, path)
		t.Run("D1 "+p.name, func(t *testing.T) {
			w.prepare(t, p)
			before := w.everything(t, p)
			commands := w.notes(t, p.name)
			w.runCommands(t, commands)
			once := w.everything(t, p)
			if cmp.Equal(before, once) {
				t.Fatalf("the commands change nothing:\n%s", commands)
			}
			w.runCommands(t, commands)
			if d := cmp.Diff(once, w.everything(t, p)); d != "" {
				t.Errorf("run again, the commands change something (-once +twice):\n%s", d)
			}
			if !p.tried {
				w.checkStubDomains(t)
				return
			}
			w.serve(t, p)
			check(t, questions)
			w.checkPod(t)
		})
	}
	t.Run("D1 without the stanza", func(t *testing.T) {
		p := readPlatform(t, "testdata/kubeadm.txtar")
		w.prepare(t, p)
		w.serve(t, p)
		r := ask(t, "udp", "nginx.mynamespace.myfederation"+svc, dns.TypeA)
		if r.Rcode != dns.RcodeNameError {
			t.Errorf("a federated name is %s, want NXDOMAIN: does the test ask the platform's DNS?",
				dns.RcodeToString[r.Rcode])
		}
		out, err := w.helmTest(t)
		if err == nil || !strings.Contains(out, "FAIL  the cluster's DNS does not forward myfederation") {
			t.Errorf("helm test says (error %v):\n%s", err, out)
		}
	})
}

// everything is what the commands may change. Blank lines do not count.
func (w *world) everything(t *testing.T, p platform) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range everyConfigMap {
		for key, text := range w.configMap(t, name) {
			lines := slices.DeleteFunc(strings.Split(text, "\n"),
				func(line string) bool { return strings.TrimSpace(line) == "" })
			all[name+"/"+key] = strings.Join(lines, "\n")
		}
	}
	if p.files["object.yaml"] != "" {
		all["object"] = w.kubectl(t, "", "get", "dns.operator/default", "--output", "jsonpath={.spec}")
	}
	return all
}

// serve runs the platform's DNS behind its Service until the end of the test. NodeLocal DNS has an address of the Node,
// and the Service's; it asks the cluster's DNS, here kubeadm's, by another Service.
func (w *world) serve(t *testing.T, p platform) {
	t.Helper()
	admin := w.cluster.Kubeconfig()
	if p.files["node-local-dns/Corefile"] != "" {
		behind := readPlatform(t, "testdata/kubeadm.txtar")
		w.apply(t, "coredns", behind.configMaps()["coredns"])
		w.startCoreDNS(t, "upstream", w.load(t, behind, listener{address: upstreamPod, kubeconfig: admin}),
			upstreamPod+":53")
		serviceOf(t, dnsUpstream, upstreamPod+":53")
		w.startCoreDNS(t, "platform", w.load(t, p, listener{address: nodeLocal, kubeconfig: admin}),
			clusterDNS+":53")
		return
	}
	port := "53"
	for line := range strings.Lines(p.files["coredns/Corefile"]) {
		if rest, ok := strings.CutPrefix(line, ".:"); ok {
			port, _, _ = strings.Cut(rest, " ")
		}
	}
	w.startCoreDNS(t, "platform", w.load(t, p, listener{address: dnsPod, kubeconfig: admin}), dnsPod+":"+port)
	serviceOf(t, clusterDNS, dnsPod+":"+port)
}

func ask(t *testing.T, network, name string, qtype uint16) *dns.Msg {
	t.Helper()
	q := new(dns.Msg).SetQuestion(name, qtype)
	q.SetEdns0(1232, false)
	r, _, err := (&dns.Client{Net: network}).ExchangeContext(t.Context(), q, clusterDNS+":53")
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// check asks everything, by both transports and twice, so that the second answer is a cache's if there is one.
func check(t *testing.T, all []struct {
	what  string
	name  string
	qtype uint16
	want  string
}) {
	t.Helper()
	for _, q := range all {
		for _, network := range []string{"udp", "udp", "tcp"} {
			r := ask(t, network, q.name, q.qtype)
			got := dns.RcodeToString[r.Rcode]
			for _, rr := range r.Answer {
				h := rr.Header()
				got += fmt.Sprintf("\n%s %s %s", h.Name, dns.TypeToString[h.Rrtype], strings.TrimPrefix(rr.String(),
					h.String()))
				if strings.Contains(q.name, ".myfederation.svc.") && h.Ttl > 5 {
					t.Errorf("%s, %s: TTL %d, want 5 at most: %s", q.what, network, h.Ttl, rr)
				}
			}
			if d := cmp.Diff(q.want, got); d != "" {
				t.Errorf("%s, %s (-want +got):\n%s", q.what, network, d)
			}
		}
	}
}

// checkPod asks as pods do: the C library with a pod's resolv.conf, and the pod of helm test.
func (w *world) checkPod(t *testing.T) {
	t.Helper()
	for name, want := range map[string]string{"nginx.mynamespace.myfederation": "10.101.0.80", cart: "203.0.113.7"} {
		out, err := proc.Output(netns.Command(t.Context(), w.resolv(t), "getent", "ahosts", name), "getent "+name)
		if err != nil || !strings.HasPrefix(out, want+" ") {
			t.Errorf("getent %s: %v: %q, want %s", name, err, out, want)
		}
	}
	if out, err := w.helmTest(t); err != nil {
		t.Errorf("helm test: %v\n%s", err, out)
	}
}

// resolv is a pod's resolv.conf.
func (w *world) resolv(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	const text = "nameserver " + clusterDNS + "\n" +
		"search mynamespace.svc.cluster.local svc.cluster.local cluster.local\n" +
		"options ndots:5\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// helmTest runs what the pod of helm test runs.
func (w *world) helmTest(t *testing.T) (string, error) {
	t.Helper()
	for document := range strings.SplitSeq(w.runHelm(t, "get", "hooks", release), "\n---\n") {
		var manifest map[string]any
		if err := yaml.Unmarshal([]byte(document), &manifest); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(manifest)
		if err != nil {
			t.Fatal(err)
		}
		var pod corev1.Pod
		if err := json.Unmarshal(text, &pod); err != nil {
			t.Fatal(err)
		}
		if pod.Kind != "Pod" {
			continue
		}
		c := pod.Spec.Containers[0]
		return proc.Output(netns.Command(t.Context(), w.resolv(t), append(c.Command, c.Args...)...), "helm test")
	}
	t.Fatal("the release has no pod for helm test")
	return "", nil
}

// checkStubDomains reads the stub domains as kube-dns does, which cannot be run here.
func (w *world) checkStubDomains(t *testing.T) {
	t.Helper()
	var stubs map[string][]string
	if err := json.Unmarshal([]byte(w.configMap(t, "kube-dns")["stubDomains"]), &stubs); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"myfederation.svc.cluster.local": {beside}, "other.svc.cluster.local": {beside}}
	if d := cmp.Diff(want, stubs); d != "" {
		t.Errorf("stubDomains (-want +got):\n%s", d)
	}
}
