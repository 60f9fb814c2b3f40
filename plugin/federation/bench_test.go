package federation

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
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

	"github.com/federation-dns/federation/test/fakeapi"
)

var benchRounds = flag.Int("rounds", 0, "rounds of BenchmarkCompare; 0 leaves it out")

// benchServices is the number of Services in BenchmarkCompare.
const benchServices = 5000

// BenchmarkCompare compares, in one process and interleaved, what a federated name costs with what the kubernetes
// plugin needs for the plain one: one goroutine a query, as in a server, on the plugin's real informers and indexes.
// `make bench` runs it; docs/performance.md has results.
func BenchmarkCompare(b *testing.B) {
	if *benchRounds == 0 {
		return
	}
	k := benchKubernetes(b)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	f := &Federation{config: config{noChase: true}}
	c, err := parse(caddy.NewTestController("dns", "federation {\n myfed example.com\n topology region1 zone1\n"+
		" no_chase\n}"))
	if err == nil {
		f.config = c
		err = f.attach(k)
	}
	if err != nil {
		b.Fatal(err)
	}
	f.setTopology(*c.topology)
	f.Next = k
	mirroring := benchMirror(b, k)
	empty := &emptyPlugin{next: k}
	fmt.Printf("%d Services with %d endpoints each, %d rounds of %d queries, a goroutine a query, GOMAXPROCS=1\n",
		benchServices, fakeapi.Endpoints, *benchRounds, benchBatch)
	for _, c := range []struct {
		name, limit string
		above       func(plugin.Handler) plugin.Handler
		count       int
	}{
		{"the bare chain", "0.35", nil, 0},
		{"behind 4 plugins with 300 bytes on the stack", "0.5",
			func(h plugin.Handler) plugin.Handler { return &framePlugin{next: h} }, 4},
		{"behind 4 plugins that call plugin.NextOrFailure", "0.5",
			func(h plugin.Handler) plugin.Handler { return &emptyPlugin{next: h} }, 4},
	} {
		chain := func(h plugin.Handler) plugin.Handler {
			for range c.count {
				h = c.above(h)
			}
			return h
		}
		ours, plain, none, limit, mirror := chain(f), chain(k), chain(empty), c.limit, chain(mirroring)
		fmt.Printf("\n%-48s %8s %8s %7s %7s %8s %7s %8s\n", c.name, "base ns", "ns", "ratio", "raw", "figure", "allocs",
			"bytes")
		compare("A/A: kubernetes, A", subject{plain, benchQuestions("", "svc", dns.TypeA)},
			subject{plain, benchQuestions("", "svc", dns.TypeA)}, "1.03")
		compare("hit, A", subject{plain, benchQuestions("", "svc", dns.TypeA)},
			subject{ours, benchQuestions("myfed.", "svc", dns.TypeA)}, limit)
		compare("hit, AAAA of a dual-stack Service", subject{plain, benchQuestions("", "dual", dns.TypeAAAA)},
			subject{ours, benchQuestions("myfed.", "dual", dns.TypeAAAA)}, limit)
		compare("hit, AAAA of an IPv4-only Service (NODATA)", subject{plain, benchQuestions("", "svc", dns.TypeAAAA)},
			subject{ours, benchQuestions("myfed.", "svc", dns.TypeAAAA)}, "1.0")
		compare("hit, A of a headless Service", subject{plain, benchQuestions("", "headless", dns.TypeA)},
			subject{ours, benchQuestions("myfed.", "headless", dns.TypeA)}, "1.0")
		compare("hit, SRV", subject{plain, benchQuestions("", "srv", dns.TypeSRV)},
			subject{ours, benchQuestions("myfed.", "srv", dns.TypeSRV)}, "-")
		compare("miss: the CNAME, against a hit of kubernetes", subject{plain, benchQuestions("", "svc", dns.TypeA)},
			subject{ours, benchQuestions("myfed.", "gone", dns.TypeA)}, "0.25")
		compare("miss from the mirror, A: CNAME and address", subject{plain, benchQuestions("", "svc", dns.TypeA)},
			subject{mirror, benchQuestions("myfed.", "gone", dns.TypeA)}, "0.5")
		compare("miss from the mirror, AAAA: CNAME and NODATA", subject{plain, benchQuestions("", "svc", dns.TypeA)},
			subject{mirror, benchQuestions("myfed.", "gone", dns.TypeAAAA)}, "0.5")
		compare("miss from the mirror: NXDOMAIN", subject{plain, benchQuestions("", "svc", dns.TypeA)},
			subject{mirror, benchQuestions("myfed.", "nowhere", dns.TypeA)}, "0.5")
		compare("miss from the mirror, SRV, against that", subject{plain, benchQuestions("", "srv", dns.TypeSRV)},
			subject{mirror, benchQuestions("myfed.", "gone-srv", dns.TypeSRV)}, "0.5")
		compare("not ours, against an empty plugin", subject{none, benchQuestions("", "svc", dns.TypeA)},
			subject{ours, benchQuestions("", "svc", dns.TypeA)}, "1.03")
		compare("not ours, against no plugin", subject{plain, benchQuestions("", "svc", dns.TypeA)},
			subject{ours, benchQuestions("", "svc", dns.TypeA)}, "-")
	}
}

var benchMemory = flag.Int("memory", 0, "Services of BenchmarkMemory; 0 leaves it out")

// BenchmarkMemory measures what the plugin adds to the kubernetes plugin's memory and watches: after every name was
// asked for, shard here or not.
func BenchmarkMemory(b *testing.B) {
	if *benchMemory == 0 {
		return
	}
	api := fakeapi.Start(*benchMemory)
	b.Cleanup(api.Close)
	k := synced(b, api.URL)
	watches := api.Watches()
	before := liveHeap()
	f := &Federation{}
	c, err := parse(caddy.NewTestController("dns", "federation {\n myfed example.com\n topology region1 zone1\n"+
		" no_chase\n mirror off\n}"))
	if err == nil {
		f.config = c
		err = f.attach(k)
	}
	if err != nil {
		b.Fatal(err)
	}
	f.start(k)
	defer f.stop()
	for i := range *benchMemory {
		for _, name := range []string{fakeapi.ServiceName(i), "gone-" + fakeapi.ServiceName(i)} {
			r := new(dns.Msg).SetQuestion(name+".myfed.svc.cluster.local.", dns.TypeA)
			if _, err := f.ServeDNS(b.Context(), &discard{}, r); err != nil {
				b.Fatal(err)
			}
		}
	}
	fmt.Printf("%d Services, each asked for: %d watches and %d bytes more than without the plugin (figures: 0, "+
		"1,000,000)\n",
		*benchMemory, api.Watches()-watches, int64(liveHeap())-int64(before))
	runtime.KeepAlive(f)
}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// benchBatch is the number of queries that are timed together.
const benchBatch = 200

// subject is a chain of plugins and the questions for it.
type subject struct {
	handler   plugin.Handler
	questions []*dns.Msg
}

// benchQuestions ask for Services of a kind, "gone" for ones that do not exist.
func benchQuestions(federation, kind string, qtype uint16) []*dns.Msg {
	out := make([]*dns.Msg, benchBatch)
	for i := range out {
		n := i * benchServices / benchBatch / 10 * 10 // an IPv4-only ClusterIP
		name := fakeapi.ServiceName(n)
		switch kind {
		case "dual":
			name = fakeapi.ServiceName(n + fakeapi.DualStack)
		case "headless":
			name = fakeapi.ServiceName(n + fakeapi.Headless)
		case "gone":
			name = "gone-" + name
		case "nowhere":
			name = "nowhere-" + name
		case "srv":
			name = "_http._tcp." + name
		case "gone-srv":
			name = "_http._tcp.gone-" + name
		}
		out[i] = new(dns.Msg).SetQuestion(name+"."+federation+"svc.cluster.local.", qtype)
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

// cpuTime is what this process has used, garbage collection included: what else the machine does is not measured with
// it.
func cpuTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// allocations returns the number and the bytes of the allocations of one query.
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

// compare prints the median ratio of pairs of batches, in either order; raw with what the harness itself takes in both,
// which is measured beside them.
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
	fmt.Printf("%-48s %8.0f %8.0f %7.2f %7.2f %8s %7d %8d\n", name, median(baseTimes), median(times), median(ratios),
		median(raw), figure, allocs, bytes)
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// discard drops replies; the tests check them.
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

// benchMirror is a plugin with a fresh mirror of a service for each one of benchKubernetes, whose names begin with
// "gone-": a CNAME at the topology zone, and an address at global.
func benchMirror(b *testing.B, k *kubernetes.Kubernetes) *Federation {
	b.Helper()
	w := newMirrored()
	for i := range benchServices {
		s := mirroredService("gone", "zone1 up .", ". 203.0.113.1@there")
		s.Name, s.Namespace, _ = strings.Cut("gone-"+fakeapi.ServiceName(i), ".")
		w.services = append(w.services, s)
	}
	w.hb.StaleUntil = time.Now().Add(24 * time.Hour)
	f := &Federation{}
	c, err := parse(caddy.NewTestController("dns", usualFederation))
	if err == nil {
		f.config = c
		err = f.attach(k)
	}
	if err != nil {
		b.Fatal(err)
	}
	f.setTopology(*c.topology)
	f.Next = k
	w.into(b, f, true)
	beat, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	go func() { // it stays fresh
		for beat.Err() == nil {
			w.hb.Snapshot++
			_ = f.feds[0].mirror.Change(time.Now(), w.hb.HeartbeatName(), w.hb.Encode())
			time.Sleep(5 * time.Second)
		}
	}()
	return f
}

// benchKubernetes is a kubernetes plugin that has synced with an API server of benchServices. Of each ten Services one
// is dual-stack, one headless.
func benchKubernetes(b *testing.B) *kubernetes.Kubernetes {
	b.Helper()
	api := fakeapi.Start(benchServices)
	b.Cleanup(api.Close)
	return synced(b, api.URL)
}

// synced is a kubernetes plugin that has synced with that API server.
func synced(b *testing.B, url string) *kubernetes.Kubernetes {
	b.Helper()
	k := stanza(b, nil, "kubernetes cluster.local {\n endpoint "+url+"\n}")
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
