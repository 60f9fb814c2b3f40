package reconcile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/metrics"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

const (
	domain     federation.FQDN = "example.com."
	global                     = "web.shop.fed.svc.example.com."
	probeEvery                 = 5 * time.Second
)

var web = federation.ServiceName{Namespace: "shop", Name: "web"}

// world is members, a provider, and a loop between them, in a synctest bubble.
type world struct {
	t        *testing.T
	config   *config.Config
	provider *inmem.Provider
	members  map[string]*fakeMember
	log      *syncBuffer
	adopt    bool
	abstain  func()
	// wholeZone: a List of the provider reads the whole zone.
	wholeZone bool
	listLag   atomic.Int64 // nanoseconds after each list, before its result is seen

	// applied are the requests with changes, of all runs.
	appliedMu sync.Mutex
	applied   []applied

	// mirrors: members have mirrors.
	mirrors bool

	began time.Time

	loop    *Loop
	metrics *metrics.Metrics // of the running loop
	kill    func()           // cuts the running loop off from the provider at once, and ends it
	term    func()           // SIGTERM; waits
}

// applied is one request with changes.
type applied struct {
	claim   *federation.RRset
	changes []plan.Change
}

// noAccounts are the accounts of providers that have none.
func noAccounts() map[string]budget.Stats { return nil }

// socket serves a loop as the Syncer does its own.
type socket struct{ loop *Loop }

func (s socket) Status(_ context.Context, services bool) (admin.Status, error) {
	st := s.loop.Snapshot().Status()
	if services {
		st.Stream = s.loop.Snapshot().Services()
	}
	return admin.Status{Federations: []admin.FederationStatus{st}}, nil
}

func (s socket) StatusIf(_ context.Context, a admin.Assumption) (admin.Status, error) {
	v := s.loop.Snapshot().Assume(time.Now(), a)
	st := v.Status()
	st.Stream, a.Braked = v.Services(), []int{v.CountBraked(time.Now())}
	return admin.Status{If: &a, Federations: []admin.FederationStatus{st}}, nil
}

func (s socket) Waiting(context.Context) ([]admin.Waiting, error) {
	return s.loop.Snapshot().Waiting(), nil
}

func (s socket) Confirm(ctx context.Context, list []admin.Waiting) (n int, err error) {
	n, ok := s.loop.Confirm(ctx, list)
	if !ok {
		return n, errors.New("the loop does not answer")
	}
	return n, nil
}

// newWorld has a member for each place "name region zone".
func newWorld(t *testing.T, places ...string) *world {
	t.Helper()
	w := &world{t: t, began: time.Now(), provider: inmem.New(domain), members: map[string]*fakeMember{},
		log: &syncBuffer{}}
	w.config = &config.Config{
		Owner: "us", AuditInterval: 10 * time.Minute,
		Federations: []config.Federation{{Federation: federation.Federation{Name: "fed", Domain: domain,
			Naming: federation.Flat}}},
		Policy: policy.Config{
			UnreachableAfter: 45 * time.Second, StartupTimeout: time.Minute, EmptyGrace: 30 * time.Second,
			HeldMax: 24 * time.Hour, PanicThreshold: 50, PanicHold: 5 * time.Minute, HoldFor: 5 * time.Minute,
			MaxDeletePercent: 30,
		},
	}
	for i, p := range places {
		f := strings.Fields(p)
		m := &fakeMember{
			place: federation.Member{Name: f[0], Region: federation.Label(f[1]),
				Zones: []federation.Label{federation.Label(f[2])}},
			up: true, shards: map[federation.ServiceName]member.Shard{}, kick: make(chan struct{}, 1),
			address: netip.AddrFrom4([4]byte{203, 0, 113, byte(i + 1)}),
		}
		w.members[f[0]] = m
		w.config.Clusters = append(w.config.Clusters, config.Cluster{Member: member.Config{Name: f[0]}})
	}
	return w
}

// three is a world of three members, each with a healthy shard of web.
func three(t *testing.T) *world {
	w := newWorld(t, "a east east-1", "b west west-1", "c west west-2")
	for _, name := range []string{"a", "b", "c"} {
		w.set(name, web, true)
	}
	return w
}

// start starts a syncer whose changes pass through gate, if there is one.
func (w *world) start(gates ...func(plan.Change) error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	p := &mortal{Provider: w.provider, world: w, gates: gates, turn: make(chan struct{}, 1),
		killed: make(chan struct{})}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.metrics = metrics.New(noAccounts, nil)
	w.config.Federations[0].Mirror = w.mirrors
	l := New(Options{
		Config: w.config, Federation: w.config.Federations[0], Provider: p, Adopt: w.adopt, Log: log,
		Metrics: w.metrics,
		Relist:  func(name string) { w.members[name].relist() }, Abstain: w.abstain,
		Mirrors: func() {},
	})
	w.loop = l
	var wg sync.WaitGroup
	for _, m := range w.members {
		wg.Go(func() { m.run(ctx, l) })
	}
	wg.Go(func() { l.run(ctx) })
	w.term = sync.OnceFunc(func() { cancel(); wg.Wait() })
	term := w.term
	w.kill = sync.OnceFunc(func() { close(p.killed); term() })
	w.t.Cleanup(term)
}

// after lets time pass.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// set gives a member a shard of a service, healthy or not.
func (w *world) set(name string, svc federation.ServiceName, healthy bool) {
	m := w.members[name]
	shard := member.Shard{
		Shard: federation.Shard{Member: name, Healthy: healthy, Addresses: []netip.Addr{m.address}},
		Known: []string{m.address.String()},
	}
	m.change(svc, &shard)
}

// unset takes the shard away.
func (w *world) unset(name string, svc federation.ServiceName) { w.members[name].change(svc, nil) }

// moved gives a member's Nodes other labels.
func (w *world) moved(name string, region federation.Label, zones ...federation.Label) {
	m := w.members[name]
	m.mu.Lock()
	defer m.mu.Unlock()
	m.place = federation.Member{Name: name, Region: region, Zones: zones}
	m.send(member.TopologyEvent{Member: name, Topology: m.place})
}

// records are those of the zone without claims, a line each, sorted.
func (w *world) records() (lines []string) {
	for _, set := range w.provider.RRsets() {
		if set.Type != federation.TypeTXT {
			lines = append(lines, fmt.Sprintf("%s %s %s", strings.TrimSuffix(string(set.Name), "."+string(domain)),
				set.Type, strings.Join(set.Data, " ")))
		}
	}
	slices.Sort(lines)
	return lines
}

// want compares the records.
func (w *world) want(lines ...string) {
	w.t.Helper()
	if d := cmp.Diff(slices.Sorted(slices.Values(lines)), w.records()); d != "" {
		w.t.Fatalf("records (-want +got):\n%s\nlog:\n%s", d, w.log)
	}
}

// wantAt compares the data at one name, "" for none.
func (w *world) wantAt(name federation.FQDN, want string) {
	w.t.Helper()
	if got := w.at(name); got != want {
		w.t.Fatalf("at %q: %q, want %q\nlog:\n%s", name, got, want, w.log)
	}
}

func (w *world) at(name federation.FQDN) string {
	sets, err := w.provider.Get(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	var data []string
	for _, s := range sets {
		data = append(data, s.Data...)
	}
	return strings.Join(data, " ")
}

// neverEmpty fails if a name of a service was ever empty after it had records.
func (w *world) neverEmpty() {
	w.t.Helper()
	for _, name := range w.provider.Names() {
		if _, _, ok := w.config.Federations[0].ParseOwner(name); !ok {
			continue
		}
		for i, sets := range w.provider.History(name) {
			if len(sets) == 0 {
				w.t.Fatalf("%q was empty at change %d of %v\nlog:\n%s", name, i, w.provider.History(name), w.log)
			}
		}
	}
}

func (w *world) logged(text string) {
	w.t.Helper()
	if !strings.Contains(w.log.String(), text) {
		w.t.Fatalf("the log does not say %q:\n%s", text, w.log)
	}
}

// confirm confirms all that waits, and counts it.
func (w *world) confirm() (n int) {
	w.loop.call(w.t.Context(), func() { n = confirmer{w.loop}.confirm(w.loop.Snapshot().Waiting()) })
	return n
}

// waits is what waits for a confirmation, or for holdFor.
func (w *world) waits() []admin.Waiting {
	return w.loop.Snapshot().Waiting()
}

func (w *world) status() admin.FederationStatus {
	v := w.loop.Snapshot()
	st := v.Status()
	st.Services = slices.Collect(v.Services())
	return st
}

// fakeMember is a member that can be cut off.
type fakeMember struct {
	place   federation.Member
	address netip.Addr
	kick    chan struct{} // Relist

	mu     sync.Mutex
	up     bool
	slow   bool          // probes are answered, lists are not
	lag    time.Duration // until the first list after a start
	lists  time.Time     // not before
	shards map[federation.ServiceName]member.Shard
	loop   *Loop
	listed bool
}

func (m *fakeMember) change(svc federation.ServiceName, shard *member.Shard) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if shard == nil {
		delete(m.shards, svc)
	} else {
		m.shards[svc] = *shard
	}
	if m.up && m.listed {
		m.send(member.ShardEvent{Member: m.place.Name, Key: member.ShardKey{Federation: "fed", Service: svc},
			Shard: shard, Seen: time.Now()})
	} else {
		m.listed = false // the watch has missed it, and lists afresh when it can
	}
}

// cut is a link that passes nothing.
func (m *fakeMember) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.up = false
}

// heal ends a cut; a watch that has missed nothing goes on.
func (m *fakeMember) heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.up = true
}

func (m *fakeMember) relist() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

func (m *fakeMember) send(e member.Event) {
	if m.loop != nil {
		m.loop.events <- e
	}
}

// run is a Watcher.
func (m *fakeMember) run(ctx context.Context, l *Loop) {
	m.mu.Lock()
	m.loop, m.listed = l, false
	m.lists = time.Now().Add(m.lag)
	lag := m.lag
	m.mu.Unlock()
	if lag > 0 {
		defer time.AfterFunc(lag, m.relist).Stop()
	}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	defer func() {
		m.mu.Lock()
		m.loop = nil
		m.mu.Unlock()
	}()
	for {
		m.probe()
		m.list()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-m.kick:
			m.mu.Lock()
			m.listed = false
			m.mu.Unlock()
		}
	}
}

func (m *fakeMember) probe() {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := member.ProbeEvent{Member: m.place.Name, At: time.Now()}
	if !m.up {
		e.Err = errors.New("no answer")
	}
	m.send(e)
}

func (m *fakeMember) list() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.up || m.listed || m.slow || time.Now().Before(m.lists) {
		return
	}
	e := member.ListEvent{Member: m.place.Name, Topology: m.place, Shards: map[member.ShardKey]member.Shard{},
		Version: "v1.37.2"}
	for svc, shard := range m.shards {
		e.Shards[member.ShardKey{Federation: "fed", Service: svc}] = shard
	}
	m.listed = true
	m.send(e)
}

// requests are the requests with changes so far, of all runs.
func (w *world) requests() []applied {
	w.appliedMu.Lock()
	defer w.appliedMu.Unlock()
	return slices.Clone(w.applied)
}

// mortal is one process's way to the provider. Each change passes the gates, one after the other, so that a process may
// die between any two.
type mortal struct {
	provider.Provider
	world  *world
	gates  []func(plan.Change) error
	turn   chan struct{} // one change passes at a time
	killed chan struct{}
}

func (p *mortal) Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	p.world.appliedMu.Lock()
	p.world.applied = append(p.world.applied, applied{claim, changes})
	p.world.appliedMu.Unlock()
	if len(p.gates) == 0 {
		if err := p.dead(ctx); err != nil {
			return slices.Repeat([]error{err}, len(changes))
		}
		return p.Provider.Apply(ctx, claim, changes)
	}
	errs := make([]error, len(changes))
	for i, c := range changes {
		if errs[i] = p.dead(ctx); errs[i] != nil {
			continue
		}
		p.turn <- struct{}{}
		for _, gate := range p.gates {
			errs[i] = errors.Join(errs[i], gate(c))
		}
		<-p.turn
		if errs[i] == nil {
			errs[i] = p.Provider.Apply(ctx, claim, changes[i:i+1])[0]
		}
	}
	return errs
}

func (p *mortal) Caps() provider.Caps {
	caps := p.Provider.Caps()
	caps.ListsWholeZone = p.world.wholeZone
	return caps
}

func (p *mortal) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	if err := p.dead(ctx); err != nil {
		return nil, err
	}
	return p.Provider.Get(ctx, name)
}

func (p *mortal) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	if err := p.dead(ctx); err != nil {
		return err
	}
	err := p.Provider.List(ctx, suffix, yield)
	if lag := p.world.listLag.Load(); lag > 0 {
		time.Sleep(time.Duration(lag))
	}
	return err
}

func (p *mortal) NegativeTTL(ctx context.Context) (uint32, error) {
	if err := p.dead(ctx); err != nil {
		return 0, err
	}
	return p.Provider.NegativeTTL(ctx)
}

func (p *mortal) Serves(ctx context.Context, suffix federation.FQDN) (provider.Served, error) {
	if err := p.dead(ctx); err != nil {
		return provider.Served{}, err
	}
	return p.Provider.(provider.ClientView).Serves(ctx, suffix)
}

// dead blocks for ever in a killed process.
func (p *mortal) dead(ctx context.Context) error {
	select {
	case <-p.killed:
		<-ctx.Done()
		return ctx.Err()
	default:
		return nil
	}
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
	// lag, if set, is how long a line takes.
	lag func(line string) time.Duration
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	if b.lag != nil {
		time.Sleep(b.lag(string(p)))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func heldReasons(s admin.FederationStatus) []string {
	reasons := map[string]bool{}
	for _, svc := range s.Services {
		for _, h := range svc.Held {
			reasons[strings.TrimSpace(h.Member+" "+h.Reason)] = true
		}
	}
	return slices.Sorted(maps.Keys(reasons))
}
