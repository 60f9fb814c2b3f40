package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// The bounds of the loop.
const (
	// maxBatch is how many services are planned for at once, so that the first
	// change of many is on its way soon.
	maxBatch = 200
	// The backoff of a provider that does not answer (X5a).
	minBackoff, maxBackoff = 500 * time.Millisecond, 30 * time.Second
	// The backoff of a name that the provider refuses.
	minRefused, maxRefused = 10 * time.Second, 10 * time.Minute
	// foreignRetry is how often a foreign claim is looked at again (O1c).
	foreignRetry = time.Minute
	// stopTimeout is how long a change under way may take after a stop.
	stopTimeout = 5 * time.Second
)

// loop keeps the records of one federation true. One goroutine owns all its
// state; requests to the provider run one at a time beside it, and hand their
// results back to it.
type loop struct {
	config   Federation
	policy   policy.Config
	audit    time.Duration
	provider provider.Provider
	claims   claims
	log      *slog.Logger
	metrics  *loopMetrics
	relist   func(member string)

	events  chan member.Event
	asks    chan func()
	results chan func()

	// What the members show.
	standing *policy.Members
	members  map[string]*memberState
	known    map[string]int // addresses on any observed Service -> how many shards have it (X1b)
	levels   *federation.Levels

	// What the provider has.
	held    *holding // nil until the claim is taken
	shadow  *shadow
	initial *shadow // what it was at the start of this run
	foreign map[federation.FQDN]error
	deposed error

	// What is to be done.
	services map[federation.ServiceName]*service
	dirty    map[federation.ServiceName]bool
	names    map[federation.FQDN]*nameState
	reread   map[federation.FQDN]bool // names whose state at the provider is open
	stale    bool                     // the list of levels is to be compared
	busy     bool
	retryAt  time.Time
	backoff  time.Duration
	lastErr  error
	auditAt  time.Time
}

// memberState is what is known of one member.
type memberState struct {
	topology   federation.Member
	fixed      bool // the topology is the configuration's
	shards     map[federation.ServiceName]member.Shard
	version    string
	clusterUID string
	problems   []federation.Problem
	probeErr   error
}

// service is what is remembered of one service.
type service struct {
	emptySince time.Time
	next       time.Time // when time alone may change the verdict
	verdict    policy.Verdict
	problems   []federation.Problem
	since      time.Time // the oldest event not yet written
}

func newLoop(c *Config, f Federation, p provider.Provider, adopt bool, log *slog.Logger, m *metrics, relist func(string)) *loop {
	l := &loop{
		config: f, policy: c.Policy, audit: c.AuditInterval, provider: p,
		claims:   claims{provider: p, federation: f.Federation, owner: c.Owner, adopt: adopt},
		log:      log.With("federation", string(f.Name), "domain", string(f.Domain)),
		metrics:  m.forLoop(f),
		relist:   relist,
		events:   make(chan member.Event, 1024),
		asks:     make(chan func()),
		results:  make(chan func(), 1),
		standing: policy.NewMembers(c.Policy),
		members:  map[string]*memberState{}, known: map[string]int{},
		shadow: newShadow(f.Federation), initial: newShadow(f.Federation), foreign: map[federation.FQDN]error{},
		services: map[federation.ServiceName]*service{}, dirty: map[federation.ServiceName]bool{},
		names: map[federation.FQDN]*nameState{}, reread: map[federation.FQDN]bool{},
	}
	now := time.Now()
	for _, cl := range c.Clusters {
		ms := &memberState{topology: federation.Member{Name: cl.Member.Name}}
		if cl.Member.Topology != nil {
			ms.topology, ms.fixed = *cl.Member.Topology, true
		}
		l.members[cl.Member.Name] = ms
		l.standing.Add(now, cl.Member.Name, cl.UnreachableAfter, false)
	}
	l.relevel()
	return l
}

// run works until ctx ends; then no request starts, and one that is under way
// may end within stopTimeout.
func (l *loop) run(ctx context.Context) {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			l.stop(cancel)
			return
		case e := <-l.events:
			l.take(e)
			for drained := false; !drained; {
				select {
				case e := <-l.events:
					l.take(e)
				default:
					drained = true
				}
			}
		case f := <-l.results:
			l.busy = false
			f()
		case f := <-l.asks:
			f()
		case <-timer.C:
		}
		now := time.Now()
		l.judge(now)
		l.work(requests, now)
		timer.Reset(max(time.Until(l.next(now)), 0))
	}
}

// stop waits for the request under way.
func (l *loop) stop(cancel context.CancelFunc) {
	if !l.busy {
		return
	}
	late := time.AfterFunc(stopTimeout, cancel)
	defer late.Stop()
	(<-l.results)()
	l.busy = false
}

// ask runs f in the loop's goroutine and waits for it; false if ctx ended.
func (l *loop) ask(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	select {
	case l.asks <- func() { f(); close(done) }:
		<-done
		return true
	case <-ctx.Done():
		return false
	}
}

// judge lets time pass for the members.
func (l *loop) judge(now time.Time) {
	before := l.standing.Panic()
	lost, changed := l.standing.Step(now, l.backoff == 0 && l.held != nil)
	for _, name := range lost {
		l.log.Warn("member is unreachable", "member", name, "error", l.members[name].probeErr)
		l.relist(name)
	}
	if after := l.standing.Panic(); before.IsZero() != after.IsZero() {
		l.log.Warn("most members are lost at once: taken for a cut of the syncer's own", "holding", !after.IsZero())
	}
	if changed {
		l.touchAll()
	}
	for name, s := range l.services {
		if !s.next.IsZero() && !now.Before(s.next) {
			s.next = time.Time{}
			l.dirty[name] = true
		}
	}
}

// next is when there is something to do without an event.
func (l *loop) next(now time.Time) time.Time {
	next := now.Add(time.Hour)
	at := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	at(l.standing.Next())
	for _, s := range l.services {
		at(s.next)
	}
	if !l.busy && l.deposed == nil {
		at(l.retryAt)
		if l.held != nil {
			at(l.auditAt)
		}
	}
	if !next.After(now) {
		return now.Add(10 * time.Millisecond) // never spin on what cannot be done yet
	}
	return next
}

// start runs one piece of work with the provider beside the loop; what it
// returns is run in the loop.
func (l *loop) start(ctx context.Context, work func(context.Context) func()) {
	l.busy = true
	go func() { l.results <- work(ctx) }()
}

// work starts the most urgent request, if one is due and none is under way.
func (l *loop) work(ctx context.Context, now time.Time) {
	if l.busy || l.deposed != nil || now.Before(l.retryAt) {
		return
	}
	switch {
	case l.held == nil:
		l.open(ctx)
	case len(l.reread) > 0:
		l.readAgain(ctx)
	case l.stale && l.syncLevels(ctx):
	case l.publish(ctx, now):
	case !now.Before(l.auditAt):
		l.runAudit(ctx)
	case l.dropLevel(ctx):
	}
}

// failed takes the error of a request that has to be tried again (X5a).
func (l *loop) failed(what string, err error) {
	wait := foreignRetry
	if !errors.Is(err, errForeign) {
		l.backoff = min(max(2*l.backoff, minBackoff), maxBackoff)
		wait = l.backoff/2 + rand.N(l.backoff/2+1)
	}
	l.retryAt = time.Now().Add(wait)
	if l.lastErr == nil || l.lastErr.Error() != err.Error() {
		l.log.Error(what+" failed, trying again", "error", err, "in", wait.Round(time.Millisecond))
	}
	l.lastErr = err
	l.metrics.providerErrors.Inc()
}

// succeeded ends a row of failures.
func (l *loop) succeeded() {
	if l.lastErr != nil {
		l.log.Info("the provider answers again")
	}
	l.backoff, l.retryAt, l.lastErr = 0, time.Time{}, nil
}

// open takes the claim and reads what is there (O1, O3b, X1).
func (l *loop) open(ctx context.Context) {
	l.start(ctx, func(ctx context.Context) func() {
		held, shadow, err := l.claims.take(ctx)
		return func() {
			if err != nil {
				l.failed("claiming the names of the federation", err)
				return
			}
			l.succeeded()
			l.held, l.shadow, l.initial = held, shadow, l.copyOf(shadow)
			l.placeByLevels(held.entries)
			l.auditAt = time.Now().Add(jitter(l.audit))
			l.stale = true
			l.relevel()
			for name := range shadow.services {
				l.touch(name)
			}
			l.warnNegativeTTL()
			l.log.Info("claimed", "claim", held.claim.Data[0], "levels", len(held.entries), "services", len(shadow.services))
		}
	})
}

func (l *loop) copyOf(s *shadow) *shadow {
	c := newShadow(s.federation)
	for _, names := range s.services {
		for name, sets := range names {
			c.set(name, slices.Clone(sets))
		}
	}
	return c
}

// warnNegativeTTL says at start if resolvers would remember longer that a name
// is missing than that it is there (P3d).
func (l *loop) warnNegativeTTL() {
	asker, ok := l.provider.(provider.NegativeTTL)
	if !ok {
		return
	}
	ttl := l.config.Options.TTL
	if ttl == 0 {
		ttl = federation.DefaultTTL
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if negative, err := asker.SOA(ctx); err == nil && negative > ttl {
			l.log.Warn("resolvers remember a missing name longer than a record: lower the last field of the zone's SOA to 30 or less",
				"negativeTTL", negative, "ttl", ttl)
		}
	}()
}

// syncLevels brings the list of levels and their claims to the levels that
// there are now, and reports whether that takes a request.
func (l *loop) syncLevels(ctx context.Context) bool {
	want := l.wantedEntries()
	if l.claimedAll(want) && l.config.LevelsRRset(want).SameData(l.held.levels) {
		l.stale = false
		return false
	}
	held := l.held
	l.start(ctx, func(ctx context.Context) func() {
		next, foreign, err := l.claims.write(ctx, held, want)
		return func() {
			if errors.Is(err, provider.ErrConflict) {
				l.conflict(l.held.levels.Name)
				return
			}
			if err != nil {
				l.failed("claiming levels", err)
				return
			}
			l.succeeded()
			l.held = next
			for level, why := range foreign {
				l.log.Error("level is not ours, nothing is written there", "level", string(level), "error", why)
			}
			l.foreign = foreign
			l.stale = false
			l.relevel()
		}
	})
	return true
}

func (l *loop) claimedAll(entries []federation.LevelEntry) bool {
	return !slices.ContainsFunc(entries, func(e federation.LevelEntry) bool { return !l.held.claimed[e.Name] })
}

// wantedEntries are the levels of now, and those of before that have not been
// dropped yet.
func (l *loop) wantedEntries() []federation.LevelEntry {
	var want []federation.LevelEntry
	has := map[federation.FQDN]bool{}
	for _, lv := range l.levels.All() {
		if !lv.Foreign {
			want = append(want, federation.LevelEntry{Name: lv.Name, Kind: lv.Kind, Region: lv.Region, Zone: lv.Zone, Members: lv.Members})
		}
		has[lv.Name] = true
	}
	for _, e := range l.held.entries {
		if !has[e.Name] {
			e.Members = nil
			want = append(want, e)
		}
	}
	slices.SortFunc(want, func(a, b federation.LevelEntry) int { return compareNames(a.Name, b.Name) })
	return want
}

// dropLevel gives one level up at which nothing is left and that no member
// has any more (P4, O1b), and reports whether that takes a request.
func (l *loop) dropLevel(ctx context.Context) bool {
	here := map[federation.FQDN]bool{}
	for _, lv := range l.levels.All() {
		here[lv.Name] = true
	}
	at := slices.IndexFunc(l.held.entries, func(e federation.LevelEntry) bool {
		return !here[e.Name] && !l.shadow.below(l.config.Suffix(e.Name))
	})
	if at < 0 || len(l.dirty) > 0 {
		return false
	}
	held, gone := l.held, l.held.entries[at]
	want := slices.DeleteFunc(l.wantedEntries(), func(e federation.LevelEntry) bool { return e.Name == gone.Name })
	l.start(ctx, func(ctx context.Context) func() {
		err := l.claims.drop(ctx, held, gone.Name)
		next := held
		if err == nil {
			next, _, err = l.claims.write(ctx, held, want)
		}
		return func() {
			if errors.Is(err, provider.ErrConflict) {
				l.conflict(l.held.levels.Name)
				return
			}
			if err != nil {
				l.failed("giving up a level", err)
				return
			}
			l.succeeded()
			l.held = next
			l.log.Info("level given up", "level", string(gone.Name))
		}
	})
	return true
}

// conflict has the claim, and then the names, read again (O3c).
func (l *loop) conflict(names ...federation.FQDN) {
	for _, n := range names {
		l.reread[n] = true
	}
	l.metrics.conflicts.Add(float64(len(names)))
}

// readAgain reads the main claim and then the names whose state is open.
func (l *loop) readAgain(ctx context.Context) {
	held := l.held
	names := make([]federation.FQDN, 0, len(l.reread))
	for n := range l.reread {
		names = append(names, n)
	}
	slices.Sort(names)
	l.start(ctx, func(ctx context.Context) func() {
		ok, err := l.claims.held(ctx, held)
		read := map[federation.FQDN][]federation.RRset{}
		var levels *holding
		if err == nil && ok {
			for _, n := range names {
				if n == held.levels.Name {
					levels = &holding{claim: held.claim, claimed: held.claimed}
					err = l.claims.readLevels(ctx, levels)
				} else {
					read[n], err = l.provider.Get(ctx, n)
				}
				if err != nil {
					break
				}
			}
		}
		return func() {
			switch {
			case err != nil:
				l.failed("reading names again", err)
				return
			case !ok:
				l.deposed = fmt.Errorf("the claim %q is not ours any more: another syncer has taken over", held.claim.Name)
				l.log.Error("deposed: nothing more is written until a restart", "error", l.deposed)
				return
			}
			l.succeeded()
			if levels != nil {
				l.held, l.stale = levels, true
				delete(l.reread, held.levels.Name)
			}
			for n, sets := range read {
				l.shadow.set(n, sets)
				delete(l.reread, n)
				l.touchName(n)
			}
		}
	})
}

// runAudit compares everything at the levels with the shadow (X6).
func (l *loop) runAudit(ctx context.Context) {
	held := l.held
	l.start(ctx, func(ctx context.Context) func() {
		ok, err := l.claims.held(ctx, held)
		var found *shadow
		if err == nil && ok {
			found, err = l.claims.list(ctx, held.entries)
		}
		return func() {
			l.auditAt = time.Now().Add(jitter(l.audit))
			if err != nil {
				l.failed("audit", err)
				return
			}
			l.succeeded()
			if !ok {
				l.conflict(held.claim.Name)
				return
			}
			l.adoptFound(found)
			l.forgetNames(time.Now())
			if len(l.foreign) > 0 { // look again whether they still are
				clear(l.foreign)
				l.relevel()
			}
		}
	})
}

// adoptFound takes what an audit found for the truth, and has what differs
// planned again.
func (l *loop) adoptFound(found *shadow) {
	drift := 0
	for _, s := range []*shadow{l.shadow, found} {
		for _, names := range s.services {
			for name := range names {
				if !federation.EqualRRsets(l.shadow.at(name), found.at(name)) {
					drift++
					l.log.Warn("audit: a name is not as we left it", "name", string(name))
					l.shadow.set(name, found.at(name))
					l.touchName(name)
				}
			}
		}
	}
	l.metrics.drift.Add(float64(drift))
	l.metrics.audits.Inc()
}

func jitter(d time.Duration) time.Duration { return d*9/10 + rand.N(d/5+1) }

func compareNames(a, b federation.FQDN) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

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
