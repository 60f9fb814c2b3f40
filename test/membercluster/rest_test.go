package membercluster

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/proc"
)

// counter counts the requests that pass through it to an API server, by method and resource.
type counter struct {
	*httptest.Server
	mu     sync.Mutex
	counts map[string]int
}

func (s *system) count() *counter {
	s.Helper()
	proxy, err := kube.Proxy(s.host.Server(), s.host.Config())
	if err != nil {
		s.Fatal(err)
	}
	c := &counter{counts: map[string]int{}}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.counts[request(r)]++
		c.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	s.Cleanup(func() {
		c.CloseClientConnections()
		c.Close()
	})
	return c
}

// request returns what a request asks for, such as "GET leases" or "WATCH secrets".
func request(r *http.Request) string {
	verb := r.Method
	if r.FormValue("watch") != "" {
		verb = "WATCH"
	}
	for _, resource := range []string{"leases", "secrets", "memberclusters"} {
		if strings.Contains(r.URL.Path, "/"+resource) {
			return verb + " " + resource
		}
	}
	return verb + " " + r.URL.Path
}

// take returns the counts, and begins anew.
func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := maps.Clone(c.counts)
	clear(c.counts)
	return counts
}

func (c *counter) ca() string {
	return string(kube.CertificateOf(c.Server))
}

var size = flag.Int("members", 100, "how many MemberClusters TestRest has")

// TestRest counts what a syncer of many members sends when nothing changes. docs/performance.md has its figures.
func TestRest(t *testing.T) {
	t.Parallel()
	const rest = time.Minute
	members := *size
	s := newSystem(t)
	s.installCRD()
	m := startMembers(t)
	s.create(members, m)
	c := s.count()
	s.via = c
	began := time.Now()
	r := s.run("syncer", "[]")
	proc.Eventually(t, 2*time.Minute, func() error {
		out := s.kubectl("", "get", "mc", "-o", `jsonpath={range .items[*]}`+
			`{.status.conditions[?(@.type=="Ready")].reason} {.status.shards.summary}{"\n"}{end}`)
		if n := strings.Count(out, "Ready 1/1\n"); n < members {
			return fmt.Errorf("%d of %d members are ready", n, members)
		}
		return nil
	})
	started := time.Since(began)
	t.Logf("%d members were ready after %.1f s; %s; %v to the host, %v to the members", members, started.Seconds(),
		r.usage(), c.take(), m.take())
	t.Run("K3 a status is written on a change of its content only", func(t *testing.T) {
		if n := s.writes(); n > 4*members {
			t.Errorf("%d writes of a status at the start of %d members", n, members)
		}
	})
	t.Run("K4 a member costs less than a mebibyte", func(t *testing.T) {
		if have, bound := r.usage().resident, 100+members; have > bound {
			t.Errorf("%d MiB are resident with %d members, more than %d", have, members, bound)
		}
	})
	t.Run("K4 nothing is written at rest", func(t *testing.T) {
		// Counts may still change when the last member has become ready.
		proc.Eventually(t, time.Minute, func() error {
			c.take()
			<-time.After(5 * time.Second)
			if n := c.take()["PATCH memberclusters"]; n > 0 {
				return fmt.Errorf("%d writes within 5 s", n)
			}
			return nil
		})
		m.take()
		written := s.writes()
		<-time.After(rest) // what is measured
		host, toMembers := c.take(), m.take()
		t.Logf("%d members in %s at rest: %v to the host, %v to the members; %s", members, rest, host, toMembers,
			r.usage())
		for what, n := range host {
			if what != "GET leases" && what != "PUT leases" && !strings.HasPrefix(what, "WATCH ") {
				t.Errorf("%d requests %s to the host", n, what)
			}
		}
		for what, n := range toMembers {
			if what == "mirror" && n <= members*(int(rest/(15*time.Second))+1) { // is the right there now?
				continue
			}
			if what != "probe" && what != "watch" {
				t.Errorf("%d requests %s to the members", n, what)
			}
		}
		if n := s.writes() - written; n != 0 {
			t.Errorf("the API server counts %d writes of a status", n)
		}
	})
}

// usage is what the syncer has used so far.
type usage struct {
	resident, most int // MiB
	cpu            time.Duration
}

// String implements fmt.Stringer.
func (u usage) String() string {
	return fmt.Sprintf("resident %d MiB, at most %d MiB; %.1f s of CPU", u.resident, u.most, u.cpu.Seconds())
}

func (r *running) usage() usage {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.process.PID()))
	if err != nil {
		r.Fatal(err)
	}
	cpu, err := proc.CPU(r.process.PID())
	if err != nil {
		r.Fatal(err)
	}
	field := func(name string) int {
		_, text, _ := strings.Cut(string(status), name+":")
		var kB int
		if _, err := fmt.Sscan(text, &kB); err != nil {
			r.Fatalf("%s in %s: %v", name, status, err)
		}
		return kB / 1024
	}
	return usage{field("VmRSS"), field("VmHWM"), cpu}
}

// create creates MemberClusters with their Secrets.
func (s *system) create(n int, m *members) {
	s.Helper()
	config := s.host.Config()
	config.QPS = -1
	core, dyn := kubernetes.NewForConfigOrDie(config), dynamic.NewForConfigOrDie(config)
	resource := v1alpha1.GroupVersion.WithResource("memberclusters")
	for i := range n {
		name := fmt.Sprintf("m-%d", i)
		m.add(name)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "member-" + name},
			Data: map[string][]byte{"kubeconfig": []byte(m.kubeconfig(name, "token-1"))}}
		if _, err := core.CoreV1().Secrets(namespace).Create(s.Context(), secret, metav1.CreateOptions{}); err != nil {
			s.Fatal(err)
		}
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(), "kind": "MemberCluster",
			"metadata": map[string]any{"name": name},
			"spec": map[string]any{
				"kubeconfigSecret": map[string]any{"name": "member-" + name},
				"topology":         map[string]any{"region": "eu", "zones": []any{fmt.Sprintf("eu-%d", i%100)}},
			},
		}}
		if _, err := dyn.Resource(resource).Create(s.Context(), object, metav1.CreateOptions{}); err != nil {
			s.Fatal(err)
		}
	}
}

// writes returns how many writes of a status the API server has counted.
func (s *system) writes() (n int) {
	s.Helper()
	for line := range strings.Lines(s.kubectl("", "get", "--raw", "/metrics")) {
		if !strings.HasPrefix(line, "apiserver_request_total{") ||
			!strings.Contains(line, `resource="memberclusters"`) || !strings.Contains(line, `subresource="status"`) {
			continue
		}
		var count float64
		if _, err := fmt.Sscan(line[strings.LastIndex(line, " ")+1:], &count); err != nil {
			s.Fatal(err)
		}
		n += int(count)
	}
	return n
}
