// Package reconcile keeps the records of one federation true. A Loop receives what the members show, decides what to
// publish (packages federation and policy), and asks the provider for the difference (package plan). One goroutine owns
// all state; requests to the provider run beside it and hand their results back; readers see snapshots.
//
// Start reading with Loop.turn, the way from an event to the outlets.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/metrics"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/retry"
	"github.com/federation-dns/federation/federation/snapshot"
)

// The bounds of the loop.
const (
	// debounce lets related events come together: a rollout changes several slices, a load balancer gets its addresses
	// one by one.
	debounce = 5 * time.Millisecond
	// maxBatch bounds how many services are planned at once, so that the first of many changes is soon under way.
	maxBatch = 200
	// foreignRetry is how often a foreign claim is re-checked (O1c).
	foreignRetry = time.Minute
	// StopTimeout bounds how long a change under way may take after a stop.
	StopTimeout = 5 * time.Second
	// requestsPerSecond keeps a provider from throttling us; audits get a fifth of it (X5b).
	requestsPerSecond = 50
	auditsPerSecond   = requestsPerSecond / 5
	// tidyEvery is how often state that is no longer needed is dropped.
	tidyEvery = time.Minute
)

// Loop keeps the records of one federation true. One goroutine, that of Run, owns all its state; requests to the
// provider run beside it, one in each lane, and hand their results back. The exported methods may be called from any
// goroutine.
//
// The state is in parts that know nothing of each other: what the members show (roster), what the provider has (zone),
// the work to do (queue), and the requests under way (requests). What concerns more than one part is a method of Loop.
type Loop struct {
	*env
	roster
	zone
	queue
	requests
	brake *policy.Brake
	views snapshot.Views

	inbox  *inbox // from which events are delivered
	events chan member.Event
	calls  chan func()
	done   chan struct{} // closed when Run has ended
}

// env is what all parts of a loop share.
type env struct {
	config      config.Federation
	policy      policy.Config
	log         *slog.Logger
	metrics     *metrics.Federation
	relist      func(member string)
	abstain     func() // see Options
	tellMirrors func() // Options.Mirrors
}

// Options are the dependencies of a Loop.
type Options struct {
	Config     *config.Config
	Federation config.Federation
	// Provider must outlive the loop.
	Provider provider.Provider
	// Adopt takes over names that another owner, or nobody, has claimed (O1c).
	Adopt   bool
	Log     *slog.Logger
	Metrics *metrics.Metrics
	// Relist lists a member again. It must not block.
	Relist func(member string)
	// Abstain gives the Lease to another replica, which then starts over (O1e). It must not block; nil without a host.
	Abstain func()
	// Mirrors is told that services may have other answers, for the members' mirrors. It must not block; nil without
	// mirrors.
	Mirrors func()
	// Deposed is why an earlier loop of the federation stopped writing; then this one writes nothing either (O3c). Nil
	// if it may write.
	Deposed error
}

// New returns a loop with a first snapshot. It does nothing until Run.
func New(o Options) *Loop {
	c, f := o.Config, o.Federation
	e := &env{
		config: f, policy: c.Policy, metrics: o.Metrics.ForFederation(f), relist: o.Relist, abstain: o.Abstain,
		tellMirrors: o.Mirrors,
		log:         o.Log.With("federation", string(f.Name), "domain", string(f.Domain)),
	}
	l := &Loop{
		env:    e,
		roster: roster{env: e, reach: policy.NewRoster(c.Policy), members: map[string]*memberState{}},
		zone: zone{
			env: e, adopt: o.Adopt, records: claim.NewRecords(f.Federation), deposed: o.Deposed,
			levelState: levelState{
				foreign: map[federation.FQDN]*retry.Backoff{}, dropping: map[federation.FQDN]*retry.Backoff{},
				unlisted: map[federation.FQDN]*retry.Backoff{},
			},
			rereads: rereads{reread: map[federation.FQDN]*unread{}},
			auditor: auditor{auditInterval: c.AuditInterval},
		},
		queue: queue{
			env: e, services: map[federation.ServiceName]*service{}, dirty: map[federation.ServiceName]bool{},
			unpublished: map[federation.ServiceName]bool{}, names: map[federation.FQDN]*retry.Name{},
			retries: retry.NewNames(),
		},
		requests: requests{
			env: e, results: make(chan ended, lanes), budget: rate.NewLimiter(requestsPerSecond, requestsPerSecond),
		},
		brake:  policy.NewBrake(c.Policy),
		inbox:  newInbox(),
		events: make(chan member.Event, 1024),
		calls:  make(chan func()),
		done:   make(chan struct{}),
	}
	l.provider = l.metrics.Measured(o.Provider)
	l.served.bySuffix = map[federation.FQDN]*evidence{}
	if _, ok := o.Provider.(provider.ClientView); ok {
		l.served.view, _ = l.provider.(provider.ClientView)
	}
	l.claims = claim.Keeper{Provider: l.provider, Federation: f.Federation, Owner: c.Owner}
	if f.NameProblem != "" {
		l.claims.Refuse = errors.New(f.NameProblem)
	}
	l.configure(c, f)
	viewer{l}.publish(time.Now(), 0)
	return l
}

// Run works until ctx ends; call it once. After ctx ends no request starts, and one under way may take up to
// StopTimeout. Nothing is written after Run returns.
func (l *Loop) Run(ctx context.Context) {
	defer close(l.done)
	var delivery sync.WaitGroup
	delivery.Go(func() { l.inbox.deliver(ctx, l.events) })
	l.run(ctx)
	delivery.Wait()
}

// Add hands a member's event to the loop; events are applied in the order of the calls. It never blocks.
func (l *Loop) Add(e member.Event) { l.inbox.add(e) }

// Configure applies the options of f and the members of c (P4). It waits for the loop, and returns false if ctx or the
// loop ended first.
func (l *Loop) Configure(ctx context.Context, c *config.Config, f config.Federation) bool {
	return l.call(ctx, func() { l.configure(c, f) })
}

// Confirm releases everything in list that belongs to this federation and still waits, and returns how many entries
// that were (X4c). It waits for the loop; ok is false if ctx or the loop ended first.
func (l *Loop) Confirm(ctx context.Context, list []admin.Waiting) (n int, ok bool) {
	ok = l.call(ctx, func() { n = confirmer{l}.confirm(list) })
	return n, ok
}

// Snapshot returns the state published last, which is immutable (S1). It is never nil, and never waits for the loop.
func (l *Loop) Snapshot() *snapshot.Federation { return l.views.Current() }

// Stuck reports whether one turn of the loop has taken longer than limit.
func (l *Loop) Stuck(limit time.Duration) bool { return l.views.Stuck(limit) }

// SetGauges sets the federation's gauges from the snapshot. Calls must not overlap.
func (l *Loop) SetGauges() { l.metrics.Observe(l.Snapshot()) }

// ForgetGauges removes the federation's gauges.
func (l *Loop) ForgetGauges() { l.metrics.Forget() }

// configure applies a configuration, at start and when it changes: the federation's options, and everything about
// members (P4).
func (l *Loop) configure(c *config.Config, f config.Federation) {
	now := time.Now()
	l.config.Options, l.policy, l.auditInterval = f.Options, c.Policy, c.AuditInterval
	l.reach.Configure(c.Policy)
	l.brake.Configure(c.Policy)
	stay := map[string]bool{}
	for _, cl := range c.Clusters {
		name := cl.Member.Name
		stay[name] = true
		l.reach.Add(now, name, cl.UnreachableAfter)
		ms := l.ensureMember(name)
		ms.departed, ms.object = false, cl.Kubeconfig.Secret.Name != ""
		if !cl.Drain {
			ms.drained = time.Time{}
		} else if ms.drained.IsZero() {
			ms.drained = now
		}
		ms.place.fixed = cl.Member.Topology != nil
		if ms.place.fixed {
			ms.topology = *cl.Member.Topology
		}
	}
	for name := range l.members {
		if !stay[name] {
			l.depart(now, name)
		}
	}
	l.orderMembers()
	if l.told.turn(f.Mirror && l.tellMirrors != nil) {
		for _, s := range l.services {
			s.answer = nil
		}
	}
	l.relevel()
}

// run works until ctx ends; then no request starts, and one under way may take up to StopTimeout.
func (l *Loop) run(ctx context.Context) {
	defer l.running.Wait()
	requestCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var happened func()
		select {
		case <-ctx.Done():
			late := time.AfterFunc(StopTimeout, cancel)
			defer late.Stop()
			for l.busy[publishing] || l.busy[maintaining] { // an audit is not waited for
				l.finish(<-l.results)
			}
			return
		case e := <-l.events:
			happened = func() { l.observe(e) }
		case e := <-l.results:
			happened = func() { l.finish(e) }
		case happened = <-l.calls:
		case <-timer.C:
			happened = func() {}
		}
		l.views.BeginTurn()
		looked := l.turn(ctx, requestCtx, happened)
		l.views.EndTurn()
		timer.Reset(max(time.Until(l.nextDeadline(looked)), 0))
	}
}

// turn is the write path, from an event to the two outlets. What a member shows, or what came of a request, becomes
// state; time passes for that state; the services concerned are planned, most urgent first; and the changes they need
// go to the provider, one request at a time, ahead of everything else that it is asked for (X5a). What readers see
// comes last (S1). Requests run under requestCtx and may outlive ctx; audits may not.
//
// It returns the time by which it decided what is due: what has become due since is for the next turn.
func (l *Loop) turn(ctx, requestCtx context.Context, happened func()) (now time.Time) {
	happened()
	now = time.Now()
	if ctx.Err() != nil {
		return now // no request starts now (X5a)
	}
	l.tick(now)
	answerer{l}.startFromMirrors(now)
	answerer{l}.answer(now)
	if l.deposed == nil && !now.Before(l.retryAt) {
		up := l.holding != nil && l.backoff == 0
		if up && !l.busy[publishing] && l.affordable(now) {
			if changes := (planner{l}).changes(now); len(changes) > 0 {
				l.start(requestCtx, publishing, l.change(now, changes, false))
				l.maintained = false
			}
		}
		if !l.busy[maintaining] && l.affordable(now) {
			if r := (maintainer{l}).next(now, up); r != nil {
				l.start(requestCtx, maintaining, r)
				l.maintained = true
			}
		}
		if up && l.changedInAudit == nil && !now.Before(l.auditAt) {
			l.start(ctx, auditing, l.beginAudit(l.inFlight()))
		}
	}
	viewer{l}.publish(now, maxViews)
	if l.told.on && l.told.news {
		l.told.news = false
		l.tellMirrors()
	}
	return now
}

// call runs f in the loop's goroutine and waits for it; it returns false if ctx or the loop has ended.
func (l *Loop) call(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	select {
	case l.calls <- func() { f(); close(done) }:
		<-done
		return true
	case <-l.done:
		return false
	case <-ctx.Done():
		return false
	}
}

// nextDeadline returns the earliest time the loop must act without a new event. looked is when the last turn decided
// what is due: what was due then has been done, or waits for something else.
func (l *Loop) nextDeadline(looked time.Time) time.Time {
	if len(l.unpublished) > 0 {
		return looked // to publish the rest
	}
	next := looked.Add(time.Hour)
	wake := func(t time.Time) {
		if t.After(looked) && t.Before(next) {
			next = t
		}
	}
	wake(l.reach.Next(looked))
	wake(l.timers.Next())
	wake(l.tidyAt)
	wake(l.earlierUntil)
	if l.deposed != nil {
		return next
	}
	if l.told.on {
		wake(l.told.turnAt)
		wake(l.told.quietAt)
		if len(l.told.waiting) > 0 && !looked.Before(l.told.quietAt) {
			return looked // to answer the rest
		}
	}
	for _, t := range []time.Time{
		l.retryAt, l.checkAt, l.notBefore, l.quietAt, l.auditAt, l.answered.Add(answerValid), l.formerBackoff.Until,
		l.retries.Next(), l.reads.Next(), l.served.next(),
	} {
		wake(t)
	}
	for _, levels := range []map[federation.FQDN]*retry.Backoff{l.foreign, l.unlisted, l.dropping} {
		for _, s := range levels {
			wake(s.Until)
		}
	}
	return next
}

// inbox holds the events that a loop has not received yet. It is unbounded: a dropped event would cost another list of
// its member, and a loop that is stuck fails /healthz (Stuck).
type inbox struct {
	mu     sync.Mutex
	events []member.Event
	more   chan struct{} // holds a token while there may be events
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
func (b *inbox) deliver(ctx context.Context, out chan<- member.Event) {
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
			case out <- e:
			case <-ctx.Done():
				return
			}
		}
	}
}
