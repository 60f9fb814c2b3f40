package reconcile

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/metrics"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

var scaleMembers = flag.Int("members", 0,
	"members of BenchmarkScale, each with a shard of each service; 0 leaves it out")
var scaleServices = flag.Int("services", 10000, "services of BenchmarkScale")
var scaleChanges = flag.Int("changes", 1000, "changes of BenchmarkScale")

// BenchmarkScale measures a loop with many members and services at a provider that takes everything at once and keeps
// only claims: what the syncer itself needs. `make bench-scale` runs it for several sizes; docs/performance.md has
// results.
func BenchmarkScale(b *testing.B) {
	if *scaleMembers == 0 {
		return
	}
	s := newScale(*scaleMembers, *scaleServices)
	before := liveHeap()
	startup := s.start(b)
	bytes := float64(liveHeap()-before) / float64(*scaleMembers**scaleServices)
	rrsets, requests := s.sink.counts()

	var memBefore, memAfter runtime.MemStats
	runtime.ReadMemStats(&memBefore)
	took := s.changes(rand.New(rand.NewPCG(1, 1)), *scaleChanges, 0)
	runtime.ReadMemStats(&memAfter)
	fmt.Printf("%7d %8d %9d %9d %9.1f %9d %9.0f %8.1f %8.1f %8.1f %9d %9d\n", *scaleMembers, *scaleServices,
		*scaleMembers**scaleServices, rrsets,
		startup.Seconds(), requests, bytes, percentile(took, 50), percentile(took, 99), percentile(took, 100),
		(memAfter.Mallocs-memBefore.Mallocs)/uint64(len(took)),
		(memAfter.TotalAlloc-memBefore.TotalAlloc)/uint64(len(took)))
}

// BenchmarkReaders measures changes while nobody reads, and while one client reads the full status over a socket
// without pause (S2). `make bench-readers` runs it; docs/performance.md has results.
func BenchmarkReaders(b *testing.B) {
	if *scaleMembers == 0 {
		return
	}
	s := newScale(*scaleMembers, *scaleServices)
	s.start(b)
	rng := rand.New(rand.NewPCG(1, 1))
	quiet := s.changes(rng, *scaleChanges, 0)

	listener, err := admin.Listen(filepath.Join(b.TempDir(), "admin.sock"))
	if err != nil {
		b.Fatal(err)
	}
	srv := admin.NewServer(admin.Handler(socket{s.loop}))
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(listener) })
	reads, octets := 0, int64(0)
	reading, stop := context.WithCancel(b.Context())
	wg.Go(func() {
		for {
			n, err := readStatus(reading, listener.Addr().String())
			if reading.Err() != nil {
				return
			}
			if err != nil {
				b.Error(err)
				return
			}
			reads, octets = reads+1, n
		}
	})
	read := s.changes(rng, *scaleChanges, 1)
	stop()
	srv.Close()
	wg.Wait()
	fmt.Printf("%7d %8d %9.1f %9.1f %9.1f %9.1f %9.1f %7d %9d\n", *scaleMembers, *scaleServices, percentile(quiet, 99),
		percentile(read, 50),
		percentile(read, 99), percentile(read, 100), percentile(read, 99)/percentile(quiet, 99), reads, octets>>10)
}

// readStatus reads the full status without looking at it, as a client in another process would cost nothing here.
func readStatus(ctx context.Context, socket string) (octets int64, err error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://syncer/status?services=1", nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return io.Copy(io.Discard, res.Body)
}

// start runs the loop, lists all members, and returns how long it took until all RRsets were handed to the provider.
func (s *scale) start(b *testing.B) time.Duration {
	start := time.Now()
	s.run(b)
	s.listAll()
	all := s.services * (s.members + (s.members+4)/5 + 1)
	for rrsets, _ := s.sink.counts(); rrsets < all || !s.idle(b); rrsets, _ = s.sink.counts() {
		time.Sleep(time.Millisecond)
	}
	return time.Since(start)
}

// changes makes up to n shards fail, one after the other and each of another service, and returns how long each took,
// sorted. Two rounds have shards of different members.
func (s *scale) changes(rng *rand.Rand, n, round int) (took []time.Duration) {
	for _, i := range rng.Perm(s.services)[:min(n, s.services)] {
		time.Sleep(2 * time.Second / requestsPerSecond) // so that none waits for the provider's budget
		took = append(took, s.change(i, (2*rng.IntN(s.members)+round)%s.members))
	}
	slices.Sort(took)
	return took
}

// percentile returns one of sorted durations, in milliseconds.
func percentile(sorted []time.Duration, percent int) float64 {
	return float64(sorted[max((len(sorted)*percent+99)/100-1, 0)].Microseconds()) / 1000
}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// scale is a loop and its members, which are events that are sent to it.
type scale struct {
	loop              *Loop
	sink              *sink
	members, services int
}

func newScale(members, services int) *scale {
	c := &config.Config{
		Owner: "us", AuditInterval: 24 * time.Hour,
		Federations: []config.Federation{{Federation: federation.Federation{Name: "fed", Domain: domain,
			Naming: federation.Flat}}},
		Policy: policy.Config{
			UnreachableAfter: time.Hour, StartupTimeout: time.Hour, EmptyGrace: 30 * time.Second,
			HeldMax: 24 * time.Hour, PanicThreshold: 50, PanicHold: 5 * time.Minute, HoldFor: 5 * time.Minute,
			MaxDeletePercent: 30,
		},
	}
	for i := range members {
		c.Clusters = append(c.Clusters, config.Cluster{Member: member.Config{Name: scaleMember(i)}})
	}
	s := &scale{members: members, services: services, sink: &sink{Provider: inmem.New(domain)}}
	s.loop = New(Options{
		Config: c, Federation: c.Federations[0], Provider: s.sink, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Metrics: metrics.New(noAccounts, nil), Relist: func(string) {},
	})
	return s
}

func (s *scale) run(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.loop.run(ctx) })
	b.Cleanup(func() { cancel(); wg.Wait() })
}

// idle reports whether nothing waits to be planned.
func (s *scale) idle(b *testing.B) (idle bool) {
	s.loop.call(b.Context(), func() {
		idle = len(s.loop.dirty) == 0 && len(s.loop.unpublished) == 0 && s.loop.busy == [lanes]bool{}
	})
	return idle
}

func scaleMember(i int) string { return fmt.Sprintf("member-%d", i) }

func scaleService(i int) federation.ServiceName {
	return federation.ServiceName{Namespace: fmt.Sprintf("namespace-%d", i%100), Name: fmt.Sprintf("service-%d", i)}
}

// shard is the shard of a service in a member, as its watcher makes it.
func (s *scale) shard(i, m int, healthy bool) member.Shard {
	a := netip.AddrFrom4([4]byte{198, byte(18 + m/256), byte(m), byte(i%250 + 1)})
	return member.Shard{
		Shard: federation.Shard{Member: scaleMember(m), Healthy: healthy, Addresses: []netip.Addr{a}},
		Known: []string{a.String()}, ReadyEndpoints: 2,
	}
}

func scaleKey(i int) member.ShardKey {
	return member.ShardKey{Federation: "fed", Service: scaleService(i)}
}

// listAll lists every member, five to a region, each in a topology zone of its own.
func (s *scale) listAll() {
	keys := make([]member.ShardKey, s.services)
	for i := range keys {
		keys[i] = scaleKey(i)
	}
	for m := range s.members {
		e := member.ListEvent{
			Member: scaleMember(m), Shards: make(map[member.ShardKey]member.Shard, s.services), Version: "v1.37.2",
			Topology: federation.Member{Name: scaleMember(m), Region: federation.Label(fmt.Sprintf("region-%d", m/5)),
				Zones: []federation.Label{federation.Label(fmt.Sprintf("zone-%d", m))}},
		}
		for i, key := range keys {
			e.Shards[key] = s.shard(i, m, true)
		}
		s.loop.events <- member.ProbeEvent{Member: e.Member, At: time.Now()}
		s.loop.events <- e
	}
}

// change makes one shard unhealthy and returns how long it took until the plan was handed to the provider.
func (s *scale) change(i, m int) time.Duration {
	planned := s.sink.expect(scaleService(i))
	shard := s.shard(i, m, false)
	start := time.Now()
	s.loop.events <- member.ShardEvent{Member: scaleMember(m), Key: scaleKey(i), Shard: &shard, Seen: start}
	return (<-planned).Sub(start)
}

// sink is a provider that takes everything, and keeps what is TXT.
type sink struct {
	provider.Provider

	mu       sync.Mutex
	rrsets   int
	requests int
	awaited  federation.ServiceName
	planned  chan time.Time
}

func (s *sink) Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	now := time.Now()
	f := federation.Federation{Name: "fed", Domain: domain, Naming: federation.Flat}
	errs := make([]error, len(changes))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	for i, c := range changes {
		if provider.HasTXT(c) {
			errs[i] = s.Provider.Apply(ctx, claim, changes[i:i+1])[0]
			continue
		}
		svc, _, _ := f.ParseOwner(c.Name)
		s.rrsets += len(c.To) - len(c.From)
		if s.planned != nil && svc == s.awaited {
			s.planned <- now
			s.planned = nil
		}
	}
	return errs
}

func (s *sink) expect(svc federation.ServiceName) <-chan time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awaited, s.planned = svc, make(chan time.Time, 1)
	return s.planned
}

func (s *sink) counts() (rrsets, requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rrsets, s.requests
}
