// Package syncer keeps the records of federations true: a loop for each federation, which hears of the members' shards
// and asks the provider for changes, and what starts, reloads and stops them.
package syncer

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/host"
	"github.com/federation-dns/federation/federation/member"
)

// Options are what the command line says.
type Options struct {
	// ConfigPath is the configuration file.
	ConfigPath string
	// Adopt takes over names that somebody else holds, as they are found at
	// start (O1c).
	Adopt bool
	// Logger makes the logger that the configuration asks for. It must not block.
	Logger func(level slog.Leveler, format string) *slog.Logger
	// LogDropped returns how many lines of the log were dropped; nil if none can be.
	LogDropped func() uint64
	// Reload has the configuration read again at once; nil never does.
	Reload <-chan os.Signal
}

// Run keeps the records of all federations true until ctx ends. The configuration is read again when its file changes: a
// good one is taken as far as it differs, a bad one is reported, and the old one stays. An error is returned only if the
// first configuration is bad or what it asks for cannot be opened.
func Run(ctx context.Context, opt Options) error {
	file := &configFile{path: opt.ConfigPath}
	config, err := file.load()
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	s := &syncer{adopt: opt.Adopt, file: file, reload: opt.Reload, loops: &loopSet{}, events: make(chan member.Event, 1024)}
	s.metrics = newMetrics(&s.budgets)
	s.metrics.dropped.count = opt.LogDropped
	s.setLevel(config)
	s.log = opt.Logger(&s.level, config.LogFormat)
	file.log, file.good = s.log, s.metrics.reload
	s.members = newMemberSet(s.log, s.events)
	s.clusters = newClusterSet(s.log, s.members.relist)
	ctx, cancel := context.WithCancel(ctx)
	defer s.stop(cancel)
	stopListening, err := (&listener{loops: s.loops, metrics: s.metrics, leader: &s.leader}).listen(config.MetricsAddress, config.AdminSocket)
	if err != nil {
		return err
	}
	defer stopListening()
	if config, err = s.awaitOwner(ctx, config); err != nil {
		return nil // ctx has ended
	}
	s.fanOut.Go(func() { s.loops.fanOut(ctx, s.events, s.clusters.filter) })
	s.setLeads(config.Host == nil)
	s.take(ctx, config)
	s.log.Info("started", "federations", len(config.Federations), "members", len(config.Clusters), "owner", config.Owner)
	if config.Host == nil {
		s.follow(ctx, nil)
	} else {
		e := host.NewElection(hostOf(*config.Host), s.log)
		electing, resign := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan struct{})
		go func() { defer close(done); e.Run(electing) }()
		defer func() { s.loops.stop(); resign(); s.resigned(done) }() // nothing is written after that
		s.identity, s.abstain = e.Identity, e.Abstain
		s.follow(ctx, e.Changed)
	}
	s.log.Info("stopping")
	return nil
}

// resignWait is how long a stop waits for the Lease to be given back: a request to the host may hang.
const resignWait = 5 * time.Second

// resigned waits until the Lease was given back, for a while.
func (s *syncer) resigned(done <-chan struct{}) {
	late := time.NewTimer(resignWait)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		s.log.Warn("the host cluster does not answer: the Lease is not given back, another replica gets it when it expires")
	}
}

// syncer is everything that runs. Its fields belong to Run's goroutine.
type syncer struct {
	adopt   bool
	file    *configFile
	reload  <-chan os.Signal
	log     *slog.Logger
	level   slog.LevelVar
	metrics *metrics
	config  *config.Config
	replica
	loops    *loopSet
	members  *memberSet
	clusters *clusterSet
	budgets  budgets
	events   chan member.Event
	fanOut   sync.WaitGroup
}

// replica is this process among those of the host cluster (O4). Without a host it is the only one.
type replica struct {
	// leads: this is the replica that writes.
	leads    bool
	identity string       // in the Lease
	abstain  func()       // gives the Lease back (O1e); nil without a host
	tenure   host.Tenure  // the last one of this replica
	leader   atomic.Value // who has the Lease, a string, if it is another one
}

// stop ends everything and waits for it. No watch has to be waited for with
// the records: changes under way end first, within stopTimeout.
func (s *syncer) stop(cancel context.CancelFunc) {
	cancel()
	s.loops.stop()
	s.members.stop()
	s.fanOut.Wait()
}

// follow takes each new good configuration of the file, and what the election says, until ctx ends.
func (s *syncer) follow(ctx context.Context, leader <-chan host.Tenure) {
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case t := <-leader:
			s.elected(ctx, t)
			continue
		case <-s.reload:
			asked = true
		case <-tick.C:
		}
		next := s.file.check(time.Now(), asked)
		if next == nil {
			continue
		}
		next.Owner = cmp.Or(next.Owner, s.config.Owner)
		s.take(ctx, next)
		s.log.Info("the new configuration is in use", "federations", len(next.Federations), "members", len(next.Clusters))
	}
}

func (s *syncer) setLevel(c *config.Config) { _ = s.level.UnmarshalText([]byte(c.LogLevel)) } // validated with the rest

// take takes a configuration over; while another replica leads it is only kept.
func (s *syncer) take(ctx context.Context, next *config.Config) {
	old := s.config
	s.config = next
	if old != nil {
		s.setLevel(next)
		if old.MetricsAddress != next.MetricsAddress || old.AdminSocket != next.AdminSocket || old.LogFormat != next.LogFormat || !reflect.DeepEqual(old.Host, next.Host) {
			s.log.Warn("host, metrics.address, admin.socket and log.format are taken over at the next start only")
		}
	}
	if s.leads {
		s.apply(ctx, cmp.Or(old, next))
	}
}

// elected takes in who has the Lease now. The replica that gets it begins, and
// what was deposed begins anew (O3c), as does all if another one had it since:
// the claims are that one's then. One that sees another with it ends.
func (s *syncer) elected(ctx context.Context, t host.Tenure) {
	if t.Holder == s.identity {
		s.log.Info("this replica has the Lease: it writes", "identity", t.Holder)
		s.leader.Store("")
		if s.leads && t.Interrupted(s.tenure) {
			s.log.Info("another replica has had the Lease meanwhile: all is begun anew")
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
		s.members.stop()
	}
}

func (s *syncer) setLeads(leads bool) {
	s.leads = leads
	s.metrics.leads.Set(map[bool]float64{true: 1}[leads])
}

// apply starts, changes and stops what differs from what runs; old is what was
// in use.
func (s *syncer) apply(ctx context.Context, old *config.Config) {
	next := s.config
	s.members.retain(next.Clusters)
	s.clusters.retain(next.Clusters, next.Policy.StartupTimeout)
	fresh := false
	for _, f := range next.Federations {
		fresh = s.takeFederation(ctx, old, f) || fresh
	}
	for _, key := range s.loops.retain(next.Federations) {
		s.log.Warn("federation is gone from the configuration: its records stay as they are", "federation", key)
	}
	s.members.start(ctx, next.Clusters, fresh)
}

// takeFederation has the federation's loop go on with what is new, or starts
// another one if it is not the same zone, server, key, naming or owner any
// more. It reports whether there is a new loop, which has to see all members.
func (s *syncer) takeFederation(ctx context.Context, old *config.Config, f config.Federation) (fresh bool) {
	var deposed error
	if running := s.loops.find(f.Key()); running != nil {
		same := running.config.Naming == f.Naming && old.Owner == s.config.Owner && reflect.DeepEqual(running.config.Provider, f.Provider)
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
	l := newLoop(s.config, f, p, s.adopt, s.log, s.metrics, s.members.relist)
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
		l.run(ctx)
		closed()
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
// belong to all federations.
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
				select {
				case l.events <- e:
				case <-l.done:
				case <-ctx.Done():
					return
				}
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
