// Package syncer keeps the records of federations true. A Syncer runs one loop for each federation, which receives the
// members' events and asks the provider for changes, and one watcher for each member.
package syncer

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/host"
	"github.com/federation-dns/federation/federation/member"
)

// Options are the dependencies of a Syncer.
type Options struct {
	// Adopt takes over names that another owner, or nobody, has claimed (O1c).
	Adopt bool
	// Log must not block.
	Log *slog.Logger
	// LogDropped returns the number of dropped log lines; nil if none are ever dropped.
	LogDropped func() uint64
}

// Syncer keeps the records of the federations in a configuration true. Its methods are for one goroutine; only the
// handlers of Listen run concurrently with them.
type Syncer struct {
	opt     Options
	log     *slog.Logger
	metrics *metrics
	config  *config.Config // nil before Apply
	replica
	loops    *loopSet
	fleet    *fleet
	clusters *clusterSet
	budgets  budgets
	events   chan member.Event
	fanOut   sync.WaitGroup
	cancel   context.CancelFunc // ends fanOut
}

// replica is this process among those of the host cluster (O4). Without a host it is the only one.
type replica struct {
	leads    bool // this replica writes
	identity string
	abstain  func()       // gives the Lease back (O1e); nil without a host
	tenure   host.Tenure  // the last one of this replica
	leader   atomic.Value // the holder of the Lease, a string; "" for this replica
}

// New returns a Syncer that runs nothing until Apply. The caller has to close it.
func New(opt Options) *Syncer {
	s := &Syncer{opt: opt, log: opt.Log, loops: &loopSet{}, events: make(chan member.Event, 1024)}
	s.metrics = newMetrics(&s.budgets)
	s.metrics.dropped.count = opt.LogDropped
	s.fleet = newFleet(s.log, s.events)
	s.clusters = newClusterSet(s.log, s.fleet.relist)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.fanOut.Go(func() { s.loops.fanOut(ctx, s.events, s.clusters.filter) })
	s.leads = true
	return s
}

// Listen serves metrics and health at a TCP address, and the admin socket at a path, until closed is called.
func (s *Syncer) Listen(address, socket string) (closed func(), err error) {
	return (&listener{loops: s.loops, metrics: s.metrics, leader: &s.leader}).listen(address, socket)
}

// JoinElection makes this replica one of several (O4): it writes only while it holds the Lease, as Elected reports. A
// federation that is deposed calls Abstain of the election (O1e). It is called before Apply.
func (s *Syncer) JoinElection(e *host.Election) {
	s.identity, s.abstain = e.Identity, e.Abstain
	s.setLeads(false)
}

// ConfigRead sets the metric that tells whether the configuration file, as it is now, is in use.
func (s *Syncer) ConfigRead(good bool) { s.metrics.reload.Set(map[bool]float64{true: 1}[good]) }

// Apply makes c, which must have an owner, the configuration in use: it starts, changes and stops what differs from the one
// before. A replica without the Lease only keeps it. What runs ends with ctx, or with Close.
func (s *Syncer) Apply(ctx context.Context, c *config.Config) {
	old := s.config
	s.config = c
	s.setLeads(s.leads)
	if s.leads {
		s.apply(ctx, cmp.Or(old, c))
	}
}

// Elected reports a change of the Lease's holder. The replica that gets the Lease starts to write; its deposed federations
// start again (O3c), and so does everything if another replica has held the Lease since, and thus the claims. A replica
// that sees another holder stops.
func (s *Syncer) Elected(ctx context.Context, t host.Tenure) {
	if t.Holder == s.identity {
		s.log.Info("this replica has the Lease: it writes", "identity", t.Holder)
		s.leader.Store("")
		if s.leads && t.Interrupted(s.tenure) {
			s.log.Info("another replica has had the Lease meanwhile: starting again")
			s.loops.retain(nil)
		}
		s.tenure = t
		s.setLeads(true)
		s.loops.removeDeposed(ctx)
		s.apply(ctx, s.config)
		return
	}
	s.log.Info("another replica has the Lease: this one stands by", "leader", t.Holder)
	s.leader.Store(t.Holder)
	if s.leads {
		s.setLeads(false)
		s.loops.retain(nil)
		s.fleet.stop()
	}
}

// Close stops everything and waits for it. Changes in flight may end first, within stopTimeout; members are waited for
// for stopWait. Nothing is written after Close returns.
func (s *Syncer) Close() {
	s.cancel()
	s.loops.stop()
	s.fleet.stop()
	s.fanOut.Wait()
}

func (s *Syncer) setLeads(leads bool) {
	s.leads = leads
	s.metrics.leads.Set(map[bool]float64{true: 1}[leads])
}

// apply makes what runs match s.config; old is the configuration it was started with.
func (s *Syncer) apply(ctx context.Context, old *config.Config) {
	next := s.config
	s.fleet.retain(next.Clusters)
	s.clusters.retain(next.Clusters, next.Policy.StartupTimeout)
	fresh := false
	for _, f := range next.Federations {
		fresh = s.applyFederation(ctx, old, f) || fresh
	}
	for _, key := range s.loops.retain(next.Federations) {
		s.log.Warn("the federation was removed from the configuration: its records stay as they are", "federation", key)
	}
	s.fleet.start(ctx, next.Clusters, fresh)
}

// applyFederation configures the federation's loop, or starts another one if there is none for the same zone, server, key,
// naming and owner. It reports whether the loop is new: then all members have to be listed for it.
func (s *Syncer) applyFederation(ctx context.Context, old *config.Config, f config.Federation) (fresh bool) {
	var deposed error
	if running := s.loops.find(f.Key()); running != nil {
		same := running.config.Naming == f.Naming && old.Owner == s.config.Owner &&
			reflect.DeepEqual(running.config.Provider, f.Provider)
		if same {
			running.ask(ctx, func() { running.configure(s.config, f) })
			return false
		}
		running.ask(ctx, func() { deposed = running.deposed })
		s.loops.remove(f.Key())
	}
	p, err := f.Provider.Open(s.budgets.of(f.Provider))
	if err != nil { // validated with the configuration
		s.log.Error("the provider cannot be used", "federation", f.Key(), "error", err)
		return false
	}
	l := newLoop(s.config, f, p, s.opt.Adopt, s.log, s.metrics, s.fleet.relist)
	l.deposed = deposed // until a restart (O3c)
	l.giveBack = s.abstain
	s.loops.run(ctx, l, func() { p.Close() })
	return true
}

// loopSet is the loops that run. Its methods may be called by several
// goroutines.
type loopSet struct {
	mu    sync.Mutex
	loops []*runningLoop
}

type runningLoop struct {
	*loop
	stop func() // ends it and waits
}

func (s *loopSet) all() []*loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*loop, len(s.loops))
	for i, r := range s.loops {
		all[i] = r.loop
	}
	return all
}

func (s *loopSet) find(key string) *loop {
	for _, l := range s.all() {
		if l.config.Key() == key {
			return l
		}
	}
	return nil
}

func (s *loopSet) run(ctx context.Context, l *loop, closed func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	l.done = done
	go func() {
		defer close(done)
		var delivery sync.WaitGroup
		delivery.Go(func() { l.inbox.deliver(ctx, l.events) })
		l.run(ctx)
		closed()
		delivery.Wait()
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loops = append(s.loops, &runningLoop{loop: l, stop: func() { cancel(); <-done }})
}

func (s *loopSet) remove(key string) {
	s.mu.Lock()
	at := slices.IndexFunc(s.loops, func(r *runningLoop) bool { return r.config.Key() == key })
	r := s.loops[at]
	s.loops = slices.Delete(s.loops, at, at+1)
	s.mu.Unlock()
	r.stop()
	r.metrics.forget()
}

// retain stops the loops of all federations but these, and returns their keys.
func (s *loopSet) retain(federations []config.Federation) (gone []string) {
	for _, l := range s.all() {
		if key := l.config.Key(); !slices.ContainsFunc(federations, func(f config.Federation) bool { return f.Key() == key }) {
			s.remove(key)
			gone = append(gone, key)
		}
	}
	return gone
}

// removeDeposed ends the loops that may not write any more.
func (s *loopSet) removeDeposed(ctx context.Context) {
	for _, l := range s.all() {
		deposed := false
		if l.ask(ctx, func() { deposed = l.deposed != nil }) && deposed {
			s.remove(l.config.Key())
		}
	}
}

// stop ends all at once and waits for them.
func (s *loopSet) stop() {
	s.mu.Lock()
	loops := s.loops
	s.loops = nil
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, r := range loops {
		wg.Go(r.stop)
	}
	wg.Wait()
}

// fanOut hands every event to every loop until ctx ends, as filter returns it, or not at all if that is nil: all members
// belong to all federations. A loop that is busy, or stuck, delays no other one (S3).
func (s *loopSet) fanOut(ctx context.Context, events <-chan member.Event, filter func(time.Time, member.Event) member.Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			if e = filter(time.Now(), e); e == nil {
				continue
			}
			for _, l := range s.all() {
				l.inbox.add(e)
			}
		}
	}
}

// inbox holds the events that a loop has not received yet. It has no bound: what would be dropped would have to be listed
// again, and a loop that receives nothing for askTimeout fails /healthz.
type inbox struct {
	mu     sync.Mutex
	events []member.Event
	more   chan struct{} // has a token if there may be events
}

func newInbox() *inbox { return &inbox{more: make(chan struct{}, 1)} }

// add never blocks.
func (b *inbox) add(e member.Event) {
	b.mu.Lock()
	b.events = append(b.events, e)
	b.mu.Unlock()
	select {
	case b.more <- struct{}{}:
	default:
	}
}

// deliver sends the events to the loop, in their order, until ctx ends.
func (b *inbox) deliver(ctx context.Context, to chan<- member.Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.more:
		}
		b.mu.Lock()
		events := b.events
		b.events = nil
		b.mu.Unlock()
		for _, e := range events {
			select {
			case to <- e:
			case <-ctx.Done():
				return
			}
		}
	}
}

// each runs f in each loop in turn; an error names the one that did not answer
// in time.
func (s *loopSet) each(ctx context.Context, f func(*loop)) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, l := range s.all() {
		if !l.ask(ctx, func() { f(l) }) {
			return fmt.Errorf("the loop of federation %s does not answer", l.config.Key())
		}
	}
	return nil
}
