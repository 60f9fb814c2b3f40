// Package syncer keeps the records of federations true. A Syncer runs one loop for each federation, which receives the
// members' events and asks the provider for changes, and one watcher for each member.
package syncer

import (
	"cmp"
	"context"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/admin/web"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/host"
	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/metrics"
	"github.com/federation-dns/federation/federation/reconcile"
	"github.com/federation-dns/federation/federation/snapshot"
)

// Options are the dependencies of a Syncer.
type Options struct {
	// Adopt takes over names that another owner, or nobody, has claimed (O1c).
	Adopt bool
	// Secrets has the kubeconfigs of the members that have theirs in a Secret; nil if none has.
	Secrets *kubeconfig.Secrets
	// Log must not block.
	Log *slog.Logger
	// Version is what the status says.
	Version string
	// LogDropped returns the number of dropped log lines; nil if none are ever dropped.
	LogDropped func() uint64
}

// Syncer keeps the records of the federations in a configuration true. Its methods are for one goroutine, but for
// Snapshots and Leader; the handlers of Listen run concurrently with them.
type Syncer struct {
	opt     Options
	log     *slog.Logger
	metrics *metrics.Metrics
	config  *config.Config // nil before Apply
	file    atomic.Pointer[admin.ConfigStatus]
	replica
	loops    *loopSet
	mirrors  *mirrorSet
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
	s.metrics = metrics.New(s.budgets.stats, opt.LogDropped)
	s.mirrors = newMirrorSet(s.log, s.metrics, s.Snapshots)
	s.fleet = newFleet(s.log, s.events, opt.Secrets, s.mirrors)
	s.clusters = newClusterSet(s.log, s.fleet.relist)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.fanOut.Go(func() { s.loops.fanOut(ctx, s.events, s.clusters.filter) })
	s.leads = true
	return s
}

// Listen serves metrics and health, the page, and the admin socket, until closed is called. All are open when it
// returns.
func (s *Syncer) Listen(a Addresses) (closed func(), err error) {
	return (&listener{
		version: s.opt.Version, loops: s.loops, metrics: s.metrics, leader: s.Leader, file: &s.file,
		page: web.NewServer(s, s.opt.Version),
	}).listen(a)
}

// Leader returns the replica that holds the Lease if that is another one, or else "". Any goroutine may call it.
func (s *Syncer) Leader() string {
	leader, _ := s.leader.Load().(string)
	return leader
}

// JoinElection makes this replica one of several (O4): it writes only while it holds the Lease, as Elected reports. A
// federation that is deposed calls e.Abstain (O1e). Call it before Apply.
func (s *Syncer) JoinElection(e *host.Election) {
	s.identity, s.abstain = e.Identity, e.Abstain
	s.setLeads(false)
}

// ConfigRead says which configuration file is in use, and whether that is the current one, for the status and a metric.
func (s *Syncer) ConfigRead(c admin.ConfigStatus) {
	s.file.Store(&c)
	s.metrics.SetReload(c.Error == "")
}

// Snapshots returns what is known of each federation that runs here: none while another replica has the Lease. Any
// goroutine may call it.
func (s *Syncer) Snapshots() []*snapshot.Federation {
	var all []*snapshot.Federation
	for _, l := range s.loops.list() {
		all = append(all, l.Snapshot())
	}
	return all
}

// Apply makes c, which must have an owner, the configuration in use: it starts, changes and stops whatever differs from
// the previous one. A replica without the Lease only keeps c. What runs ends with ctx, or with Close.
func (s *Syncer) Apply(ctx context.Context, c *config.Config) {
	old := s.config
	s.config = c
	s.setLeads(s.leads)
	if s.leads {
		s.apply(ctx, cmp.Or(old, c))
	}
}

// Elected reports that t is the current tenure of the Lease. The replica that gets the Lease starts to write; its
// deposed federations start again (O3c), and so does everything if another replica has held the Lease, and thus the
// claims, since. A replica that sees another holder stops.
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
		s.loops.removeDeposed()
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

// Close stops everything and waits for it: up to reconcile.StopTimeout for changes in flight, and up to stopWait for
// members. Nothing is written after Close returns.
func (s *Syncer) Close() {
	s.cancel()
	s.loops.stop()
	s.fleet.stop()
	s.fanOut.Wait()
}

func (s *Syncer) setLeads(leads bool) {
	s.leads = leads
	s.metrics.SetLeads(leads)
}

// apply makes what runs match s.config; old is the configuration that it was started with.
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

// applyFederation configures the federation's loop, or starts another one if there is none for the same zone, server,
// key, naming and owner. It reports whether the loop is new; then all members have to be listed for it.
func (s *Syncer) applyFederation(ctx context.Context, old *config.Config, f config.Federation) (fresh bool) {
	var deposed error
	if running := s.loops.find(f.Key()); running != nil {
		same := running.config.Naming == f.Naming && old.Owner == s.config.Owner &&
			reflect.DeepEqual(running.config.Provider, f.Provider)
		if same {
			running.Configure(ctx, s.config, f)
			running.config = f
			return false
		}
		deposed = running.Snapshot().Claim.Deposed
		s.loops.remove(f.Key())
	}
	p, err := f.Provider.Open(s.budgets.forProvider(f.Provider))
	if err != nil { // validated with the configuration
		s.log.Error("the provider cannot be used", "federation", f.Key(), "error", err)
		return false
	}
	l := reconcile.New(reconcile.Options{
		Config: s.config, Federation: f, Provider: p, Adopt: s.opt.Adopt, Log: s.log, Metrics: s.metrics,
		Relist: s.fleet.relist, Abstain: s.abstain, Deposed: deposed, Mirrors: s.mirrors.wake,
	})
	s.loops.run(ctx, l, f, func() { p.Close() })
	return true
}
