package syncer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// The bounds of the loop.
const (
	// debounce lets the events of one happening come together: a rollout
	// changes several slices, a load balancer gets its addresses one by one.
	debounce = 5 * time.Millisecond
	// maxBatch is how many services are planned for at once, so that the first
	// change of many is on its way soon.
	maxBatch = 200
	// The backoff of a provider that does not answer (X5a).
	minBackoff, maxBackoff = 500 * time.Millisecond, 30 * time.Second
	// foreignRetry is how often a foreign claim is looked at again (O1c).
	foreignRetry = time.Minute
	// stopTimeout is how long a change under way may take after a stop.
	stopTimeout = 5 * time.Second
	// requestsPerSecond keeps a provider from refusing us; a fifth is the
	// audit's (X5b).
	requestsPerSecond = 50
	auditsPerSecond   = requestsPerSecond / 5
	// answerValid is how long an answer of the provider shows that it answers
	// (X3c).
	answerValid = 30 * time.Second
	// tidyEvery is how often what need not be remembered is dropped.
	tidyEvery = time.Minute
)

// loop keeps the records of one federation true. One goroutine owns all its state; the requests to the provider run
// beside it, one in each lane, and hand their results back to it. So does an audit, beside the requests.
//
// The state is in parts, each of which knows nothing of the others: what the members show, what the provider has, what is
// to be done, and the requests under way. What concerns more than one of them is the loop's.
type loop struct {
	*env
	roster
	zone
	queue
	requests
	brake *policy.Brake
	views views

	inbox  *inbox // from which events are delivered
	events chan member.Event
	asks   chan func()
	done   <-chan struct{} // closed when run has ended; nil if nobody asks
}

// env is what all parts of a loop have in common.
type env struct {
	config  config.Federation
	policy  policy.Config
	log     *slog.Logger
	metrics *loopMetrics
	relist  func(member string)
	// giveBack gives the Lease to another replica, which may begin anew (O1e). It does not block; nil without a host.
	giveBack func()
}

// queue is what is to be done, for each service and each name.
type queue struct {
	*env
	services map[federation.ServiceName]*service
	dirty    map[federation.ServiceName]bool
	unshown  map[federation.ServiceName]bool // since their views were published (S1)
	// brakeMoved: what waits for the brake may be other than was published last.
	brakeMoved bool
	timers     timers[federation.ServiceName]
	quietAt    time.Time // the end of debounce
	names      map[federation.FQDN]*nameState
	retries    retries
	tidyAt     time.Time
}

// memberState is what is known of one member.
type memberState struct {
	topology federation.Member
	place    place
	places   []federation.Level // where an address in the records may be its (X1b)
	above    []federation.Level // its further levels
	shards   map[federation.ServiceName]member.Shard
	healthy  int // of them
	// drained is when the member was drained; zero if it is not (H5).
	drained time.Time
	// departed: it is not in the configuration (any more), and is kept until that
	// is confirmed (X4d).
	departed bool
	// seen: this run has listed it, or the list of levels has it. Before, nothing
	// in the records can be its, but the levels of a configured topology.
	seen bool
	// losses are the shards that are not healthy any more, and how that was seen (X4c).
	losses policy.Losses
	// unresolved are the shards of whose host names nothing is known (H4).
	unresolved map[federation.ServiceName]unresolved
	version    string
	clusterUID string
	problems   []federation.Problem
	probeErr   error
}

// service is what is remembered of one service.
type service struct {
	shards     int      // how many members show one
	members    []string // whose addresses are in the records, as it was planned last
	emptySince time.Time
	healthyAt  time.Time     // when it was planned last with a healthy or held shard
	parts      int           // how many shards the last verdict was about
	held       []policy.Held // what it held
	problems   []federation.Problem
	// brakedSince is when it had to wait for the brake; zero if it has not.
	brakedSince time.Time
	since       time.Time // the oldest event not yet written
	pacedUntil  time.Time // when the last change of one of its names that came too early may be made (X5c)
}

func newLoop(c *config.Config, f config.Federation, p provider.Provider, adopt bool, log *slog.Logger, m *metrics, relist func(string)) *loop {
	e := &env{
		config: f, policy: c.Policy, metrics: m.forLoop(f), relist: relist,
		log: log.With("federation", string(f.Name), "domain", string(f.Domain)),
	}
	l := &loop{
		env:    e,
		roster: roster{env: e, standing: policy.NewRoster(c.Policy), members: map[string]*memberState{}},
		zone: zone{
			env: e, adopt: adopt, shadow: claim.NewRecords(f.Federation),
			book: book{
				foreign: map[federation.FQDN]*setback{}, dropping: map[federation.FQDN]*setback{},
				unlisted: map[federation.FQDN]*setback{},
			},
			doubts:  doubts{reread: map[federation.FQDN]*unread{}},
			auditor: auditor{audit: c.AuditInterval},
		},
		queue: queue{
			env: e, services: map[federation.ServiceName]*service{}, dirty: map[federation.ServiceName]bool{}, unshown: map[federation.ServiceName]bool{},
			names: map[federation.FQDN]*nameState{}, retries: newRetries(),
		},
		requests: requests{
			env: e, results: make(chan ended, lanes), budget: rate.NewLimiter(requestsPerSecond, requestsPerSecond),
		},
		brake:  policy.NewBrake(c.Policy),
		inbox:  newInbox(),
		events: make(chan member.Event, 1024),
		asks:   make(chan func()),
	}
	l.provider = m.measured(p, l.metrics.labels)
	l.served.at = map[federation.FQDN]*evidence{}
	if _, ok := p.(provider.ClientView); ok {
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

// configure takes a configuration over, at start and when the file changes: of
// the federation the options, and all that concerns members (P4).
func (l *loop) configure(c *config.Config, f config.Federation) {
	now := time.Now()
	l.config.Options, l.policy, l.audit = f.Options, c.Policy, c.AuditInterval
	l.standing.Configure(c.Policy)
	l.brake.Configure(c.Policy)
	stay := map[string]bool{}
	for _, cl := range c.Clusters {
		name := cl.Member.Name
		stay[name] = true
		l.standing.Add(now, name, cl.UnreachableAfter)
		ms := l.memberState(name)
		ms.departed = false
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
	l.relevel()
}

// run works until ctx ends; then no request starts, and one that is under way may end within stopTimeout.
func (l *loop) run(ctx context.Context) {
	defer l.aside.Wait()
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var happened func()
		select {
		case <-ctx.Done():
			late := time.AfterFunc(stopTimeout, cancel)
			defer late.Stop()
			l.finish()
			return
		case e := <-l.events:
			happened = func() { l.observe(e) }
		case e := <-l.results:
			happened = func() { l.end(e) }
		case happened = <-l.asks:
		case <-timer.C:
			happened = func() {}
		}
		l.views.beginTurn()
		l.turn(ctx, requests, happened)
		l.views.endTurn()
		timer.Reset(max(time.Until(l.next(time.Now())), 0))
	}
}

// turn is the write path, from what happened to the two outlets. What a member shows, or what came of a request, becomes
// state; time passes for that state; the services that this concerns are planned, most urgent first; and what they need
// goes to the provider, one request at a time, before anything else that the provider is asked for (X5a). What readers see
// comes last (S1). Requests may end after ctx, audits not.
func (l *loop) turn(ctx, requests context.Context, happened func()) {
	happened()
	if ctx.Err() != nil {
		return // no request starts any more (X5a)
	}
	now := time.Now()
	l.tick(now)
	if l.deposed == nil && !now.Before(l.retryAt) {
		up := l.held != nil && l.backoff == 0
		if up && !l.busy[publishing] && l.affordable(now) {
			if changes := (planner{l}).changes(now); len(changes) > 0 {
				l.start(requests, publishing, l.change(now, changes, false))
				l.kept = false
			}
		}
		if !l.busy[keeping] && l.affordable(now) {
			if r := (keeper{l}).next(now, up); r != nil {
				l.start(requests, keeping, r)
				l.kept = true
			}
		}
		if up && l.auditing == nil && !now.Before(l.auditAt) {
			l.start(ctx, auditing, l.beginAudit(l.inFlight()))
		}
	}
	viewer{l}.publish(now, maxViews)
}

// ask runs f in the loop's goroutine and waits for it; false if ctx or the loop
// has ended.
func (l *loop) ask(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	select {
	case l.asks <- func() { f(); close(done) }:
		<-done
		return true
	case <-l.done:
		return false
	case <-ctx.Done():
		return false
	}
}

// next is when there is something to do though nothing happens.
func (l *loop) next(now time.Time) time.Time {
	if len(l.unshown) > 0 {
		return now // their views are to be published
	}
	next := now.Add(time.Hour)
	at := func(t time.Time) {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	at(l.standing.Next(now))
	at(l.timers.next())
	at(l.tidyAt)
	at(l.formerUntil)
	if l.deposed != nil {
		return next
	}
	for _, t := range []time.Time{
		l.retryAt, l.checkAt, l.notBefore, l.quietAt, l.auditAt, l.answered.Add(answerValid), l.former.until, l.retries.next(), l.reads.next(), l.served.next(),
	} {
		at(t)
	}
	for _, levels := range []map[federation.FQDN]*setback{l.foreign, l.unlisted, l.dropping} {
		for _, s := range levels {
			at(s.until)
		}
	}
	return next
}

// failed takes the error of a neutral request: the provider as a whole does not answer, or the federation's names are
// somebody else's. Nothing is asked but that until it is answered (X5a).
func (rq *requests) failed(what string, err error) {
	wait := foreignRetry
	if !errors.Is(err, claim.ErrForeign) {
		rq.backoff = min(max(2*rq.backoff, minBackoff), maxBackoff)
		wait = rq.backoff/2 + rand.N(rq.backoff/2+1)
	}
	rq.retryAt = time.Now().Add(wait)
	if rq.lastErr == nil || rq.lastErr.Error() != err.Error() {
		rq.log.Error(what+" failed, trying again", "error", err, "in", wait.Round(time.Millisecond))
	}
	rq.lastErr = err
}

// succeeded notes that the provider has answered, which ends a row of failures.
func (l *loop) succeeded() {
	now := time.Now()
	if l.lastErr != nil {
		l.log.Info("the provider answers again")
		l.retryNow(now)
	}
	l.backoff, l.retryAt, l.lastErr = 0, time.Time{}, nil
	l.answered = now
}

// tidy drops what need not be remembered of names, those of services that are gone among them.
func (q *queue) tidy(now time.Time) {
	for name, n := range q.names {
		if n.quiet(now) {
			delete(q.names, name)
		}
	}
	q.tidyAt = time.Time{}
	if len(q.names) > 0 {
		q.tidyAt = now.Add(tidyEvery)
	}
}

func jitter(d time.Duration) time.Duration { return d*9/10 + rand.N(d/5+1) }

func compareNames(a, b federation.LevelEntry) int { return cmp.Compare(a.Name, b.Name) }

// changesOf keeps the changes for which keep holds.
func changesOf(changes []plan.Change, keep func(plan.Change) bool) []plan.Change {
	out := make([]plan.Change, 0, len(changes))
	for _, c := range changes {
		if keep(c) {
			out = append(out, c)
		}
	}
	return out
}
