package federation

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes"
	"github.com/coredns/coredns/plugin/test"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var benchRounds = flag.Int("rounds", 0, "rounds of BenchmarkCompare; 0 leaves it out")

// What the kubernetes plugin has in BenchmarkCompare.
const (
	benchServices   = 5000
	benchNamespaces = 50
	benchAddresses  = 4 // of each Service
)

// BenchmarkCompare compares, in one process and interleaved, what a federated
// name costs with what the kubernetes plugin needs for the plain one: one
// goroutine a query, as in a server, on the plugin's real informers and indexes.
// `make bench` runs it; docs/performance.md has results.
func BenchmarkCompare(b *testing.B) {
	if *benchRounds == 0 {
		return
	}
	k := benchKubernetes(b)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	f := &Federation{config: config{noChase: true}}
	c, err := parse(caddy.NewTestController("dns", "federation {\n myfed example.com\n topology region1 zone1\n no_chase\n}"))
	if err == nil {
		f.config = c
		err = f.attach(k)
	}
	if err != nil {
		b.Fatal(err)
	}
	f.setTopology(*c.topology)
	f.Next = k
	empty := &emptyPlugin{next: k}
	fmt.Printf("%d Services with %d endpoints each, %d rounds of %d queries, a goroutine a query, GOMAXPROCS=1\n",
		benchServices, benchAddresses, *benchRounds, benchBatch)
	for _, c := range []struct {
		name, limit string
		above       func(plugin.Handler) plugin.Handler
		count       int
	}{
		{"the bare chain", "0.35", nil, 0},
		{"behind 4 plugins with 300 bytes on the stack", "0.5", func(h plugin.Handler) plugin.Handler { return &framePlugin{next: h} }, 4},
		{"behind 4 plugins that call plugin.NextOrFailure", "0.5", func(h plugin.Handler) plugin.Handler { return &emptyPlugin{next: h} }, 4},
	} {
		chain := func(h plugin.Handler) plugin.Handler {
			for range c.count {
				h = c.above(h)
			}
			return h
		}
		ours, plain, none, limit := chain(f), chain(k), chain(empty), c.limit
		fmt.Printf("\n%-48s %8s %8s %7s %7s %8s %7s %8s\n", c.name, "base ns", "ns", "ratio", "raw", "figure", "allocs", "bytes")
		compare("A/A: kubernetes, A", subject{plain, benchQuestions("", "svc", dns.TypeA)}, subject{plain, benchQuestions("", "svc", dns.TypeA)}, "1.03")
		compare("hit, A", subject{plain, benchQuestions("", "svc", dns.TypeA)}, subject{ours, benchQuestions("myfed.", "svc", dns.TypeA)}, limit)
		compare("hit, AAAA of a dual-stack Service", subject{plain, benchQuestions("", "dual", dns.TypeAAAA)}, subject{ours, benchQuestions("myfed.", "dual", dns.TypeAAAA)}, limit)
		compare("hit, AAAA of an IPv4-only Service (NODATA)", subject{plain, benchQuestions("", "svc", dns.TypeAAAA)}, subject{ours, benchQuestions("myfed.", "svc", dns.TypeAAAA)}, "1.0")
		compare("hit, A of a headless Service", subject{plain, benchQuestions("", "headless", dns.TypeA)}, subject{ours, benchQuestions("myfed.", "headless", dns.TypeA)}, "1.0")
		compare("hit, SRV", subject{plain, benchQuestions("", "_http._tcp.svc", dns.TypeSRV)}, subject{ours, benchQuestions("myfed.", "_http._tcp.svc", dns.TypeSRV)}, "-")
		compare("miss: the CNAME, against a hit of kubernetes", subject{plain, benchQuestions("", "svc", dns.TypeA)}, subject{ours, benchQuestions("myfed.", "gone", dns.TypeA)}, "0.25")
		compare("not ours, against an empty plugin", subject{none, benchQuestions("", "svc", dns.TypeA)}, subject{ours, benchQuestions("", "svc", dns.TypeA)}, "1.03")
		compare("not ours, against no plugin", subject{plain, benchQuestions("", "svc", dns.TypeA)}, subject{ours, benchQuestions("", "svc", dns.TypeA)}, "-")
	}
}

// benchBatch is how many queries are timed together.
const benchBatch = 200

// subject is a chain and what it is asked.
type subject struct {
	handler   plugin.Handler
	questions []*dns.Msg
}

// benchQuestions ask for Services of a kind, "gone" for such as are not there.
func benchQuestions(federation, kind string, qtype uint16) []*dns.Msg {
	out := make([]*dns.Msg, benchBatch)
	for i := range out {
		n := i * benchServices / benchBatch / 10 * 10 // an IPv4-only ClusterIP
		name := kind
		switch kind {
		case "dual":
			n, name = n+1, "svc"
		case "headless":
			n, name = n+2, "svc"
		}
		out[i] = new(dns.Msg).SetQuestion(fmt.Sprintf("%s-%d.ns-%d.%ssvc.cluster.local.", name, n, n%benchNamespaces, federation), qtype)
	}
	return out
}

// batch asks all questions once.
func (s subject) batch() time.Duration {
	ctx := context.Background()
	w := &discard{}
	done := make(chan struct{})
	start := cpuTime()
	for _, q := range s.questions {
		go func() {
			_, _ = s.handler.ServeDNS(ctx, w, q)
			done <- struct{}{}
		}()
		<-done
	}
	return cpuTime() - start
}

// cpuTime is what this process has used, garbage collection included: what
// else the machine does is not measured with it.
func cpuTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// allocations are those of one query.
func (s subject) allocations() (n, bytes uint64) {
	var before, after runtime.MemStats
	ctx, w := context.Background(), &discard{}
	runtime.ReadMemStats(&before)
	for _, q := range s.questions {
		_, _ = s.handler.ServeDNS(ctx, w, q)
	}
	runtime.ReadMemStats(&after)
	return (after.Mallocs - before.Mallocs) / benchBatch, (after.TotalAlloc - before.TotalAlloc) / benchBatch
}

// compare prints the median ratio of pairs of batches, in either order; raw
// with what the harness itself takes in both, which is measured beside them.
func compare(name string, base, ours subject, figure string) {
	var ratios, raw, baseTimes, times []float64
	harness := subject{nothing{}, base.questions}
	for round := range *benchRounds + 5 {
		var a, b, h time.Duration
		if rand.IntN(2) == 0 {
			a, h, b = base.batch(), harness.batch(), ours.batch()
		} else {
			b, h, a = ours.batch(), harness.batch(), base.batch()
		}
		if round < 5 { // cold
			continue
		}
		ratios, raw = append(ratios, float64(b-h)/float64(a-h)), append(raw, float64(b)/float64(a))
		baseTimes, times = append(baseTimes, float64(a-h)/benchBatch), append(times, float64(b-h)/benchBatch)
	}
	allocs, bytes := ours.allocations()
	fmt.Printf("%-48s %8.0f %8.0f %7.2f %7.2f %8s %7d %8d\n", name, median(baseTimes), median(times), median(ratios), median(raw), figure, allocs, bytes)
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// discard takes replies, and checks nothing: the tests do.
type discard struct{ test.ResponseWriter }

func (*discard) WriteMsg(*dns.Msg) error { return nil }

// emptyPlugin does nothing.
type emptyPlugin struct{ next plugin.Handler }

func (*emptyPlugin) Name() string { return "empty" }

func (e *emptyPlugin) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	return plugin.NextOrFailure(e.Name(), e.next, ctx, w, r)
}

// nothing answers nothing.
type nothing struct{}

func (nothing) Name() string { return "nothing" }

func (nothing) ServeDNS(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) { return 0, nil }

// framePlugin is one of the plugins above: it holds 300 bytes on the stack.
type framePlugin struct{ next plugin.Handler }

func (*framePlugin) Name() string { return "frame" }

func (p *framePlugin) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	var frame [300]byte
	frame[len(r.Question)] = byte(r.Id)
	rcode, err := p.next.ServeDNS(ctx, w, r)
	if frame[0] != 0 {
		rcode++ // keeps the frame
	}
	return rcode, err
}

// benchKubernetes is a kubernetes plugin that has synced with an API server of
// benchServices. Of each ten Services one is dual-stack, one headless.
func benchKubernetes(b *testing.B) *kubernetes.Kubernetes {
	b.Helper()
	api := benchAPI(b)
	k := stanza(b, nil, "kubernetes cluster.local {\n endpoint "+api.URL+"\n}")
	start, stop, err := k.InitKubeCache(b.Context())
	if err == nil {
		err = start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stop() })
	for !k.APIConn.HasSynced() {
		if b.Context().Err() != nil {
			b.Fatal("not synced")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return k
}

func benchAPI(b *testing.B) *httptest.Server {
	b.Helper()
	lists := map[string]any{}
	meta := metav1.ListMeta{ResourceVersion: "1"}
	namespaces := corev1.NamespaceList{TypeMeta: metav1.TypeMeta{Kind: "NamespaceList", APIVersion: "v1"}, ListMeta: meta}
	for i := range benchNamespaces {
		namespaces.Items = append(namespaces.Items, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("ns-%d", i), ResourceVersion: "1"}})
	}
	services := corev1.ServiceList{TypeMeta: metav1.TypeMeta{Kind: "ServiceList", APIVersion: "v1"}, ListMeta: meta}
	slicesList := discoveryv1.EndpointSliceList{TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList", APIVersion: "discovery.k8s.io/v1"}, ListMeta: meta}
	port, name, proto, ready := int32(80), "http", corev1.ProtocolTCP, true
	for i := range benchServices {
		o := metav1.ObjectMeta{Name: fmt.Sprintf("svc-%d", i), Namespace: fmt.Sprintf("ns-%d", i%benchNamespaces), ResourceVersion: "1"}
		ips := []string{fmt.Sprintf("10.96.%d.%d", i/250, i%250+1)}
		switch i % 10 {
		case 1:
			ips = append(ips, fmt.Sprintf("fd00::%x", i+1))
		case 2:
			ips = []string{corev1.ClusterIPNone}
		}
		services.Items = append(services.Items, corev1.Service{ObjectMeta: o, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: ips[0], ClusterIPs: ips,
			Ports: []corev1.ServicePort{{Name: name, Port: port, Protocol: proto}}}})
		slice := discoveryv1.EndpointSlice{ObjectMeta: o, AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &proto}}}
		slice.Name += "-abcde"
		slice.Labels = map[string]string{discoveryv1.LabelServiceName: o.Name}
		for j := range benchAddresses {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{fmt.Sprintf("10.%d.%d.%d", 128+i/2500, i/10%250, i%10*benchAddresses+j+1)}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}})
		}
		slicesList.Items = append(slicesList.Items, slice)
	}
	lists["/api/v1/namespaces"], lists["/api/v1/services"], lists["/apis/discovery.k8s.io/v1/endpointslices"] = namespaces, services, slicesList
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch list, ok := lists[r.URL.Path]; {
		case !ok:
			http.NotFound(w, r)
		case strings.Contains(r.URL.RawQuery, "sendInitialEvents"): // as servers that only know lists
			status := apierrors.NewInvalid(schema.GroupKind{}, "", nil).Status()
			w.WriteHeader(int(status.Code))
			_ = json.NewEncoder(w).Encode(status)
		case r.FormValue("watch") != "":
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			_ = json.NewEncoder(w).Encode(list)
		}
	}))
	b.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv
}
