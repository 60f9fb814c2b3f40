package reconcile

import (
	"errors"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/retry"
)

// queue is the work to do, for each service and each name.
type queue struct {
	*env
	services map[federation.ServiceName]*service
	dirty    map[federation.ServiceName]bool
	// unpublished are the services that have changed since their views were published (S1); true: their shards may
	// have too.
	unpublished map[federation.ServiceName]bool
	// brakeChanged: what waits for the brake may have changed since it was last published.
	brakeChanged bool
	timers       retry.Timers[federation.ServiceName]
	quietAt      time.Time // the end of debounce
	names        map[federation.FQDN]*retry.Name
	retries      retry.Names
	tidyAt       time.Time
	told         told
}

// told is the work of the second outlet, the members' mirrors (M1).
type told struct {
	on      bool
	waiting map[federation.ServiceName]bool
	quietAt time.Time // the end of debounce
	turnAt  time.Time // when the loop turns at the latest, so that mirrors are renewed
	// settledAt is when nothing waited last (snapshot.Mirror.At).
	settledAt time.Time
	// generation is that of the main claim.
	generation uint64
	news       bool // views were published since the mirrors were told
	start      toldBefore
}

// turn turns mirrors on or off; it reports whether that is new.
func (a *told) turn(on bool) (changed bool) {
	changed = a.on != on
	a.on, a.waiting = on, map[federation.ServiceName]bool{}
	return changed
}

func (a *told) add(name federation.ServiceName) {
	if a.on {
		a.waiting[name] = true
	}
}

// service is what is remembered of a service.
type service struct {
	shards     int      // how many members show one
	members    []string // whose addresses the records have, by the last plan
	emptySince time.Time
	healthyAt  time.Time     // when it was last planned with a healthy or held shard
	parts      int           // how many shards the last verdict was about
	held       []policy.Held // what it held
	problems   []federation.Problem
	// brakedSince is since when it has waited for the brake; zero if it does not.
	brakedSince time.Time
	since       time.Time // the oldest event not yet written
	pacedUntil  time.Time // when the last of its changes that came too early may be made (X5c)
	// answer is what mirrors say of it; nil if there are none, or it is not decided yet.
	answer *policy.Answer
}

// tidy drops names with nothing left to remember, including those of services that are gone.
func (q *queue) tidy(now time.Time) {
	for name, n := range q.names {
		if n.Quiet(now) {
			delete(q.names, name)
		}
	}
	q.tidyAt = time.Time{}
	if len(q.names) > 0 {
		q.tidyAt = now.Add(tidyEvery)
	}
}

// ensureName returns the state of a name, and creates it if there is none.
func (q *queue) ensureName(n federation.FQDN) *retry.Name {
	s := q.names[n]
	if s == nil {
		s = &retry.Name{}
		q.names[n] = s
	}
	return s
}

// inFlight returns the names whose changes are under way.
func (q *queue) inFlight() map[federation.FQDN]bool {
	names := map[federation.FQDN]bool{}
	for name, n := range q.names {
		if n.InFlight {
			names[name] = true
		}
	}
	return names
}

// ensureService returns the state of a service, and creates it if there is none.
func (q *queue) ensureService(name federation.ServiceName) *service {
	s := q.services[name]
	if s == nil {
		s = &service{}
		q.services[name] = s
	}
	return s
}

// enqueue has a service planned.
func (q *queue) enqueue(name federation.ServiceName) { q.enqueueSeen(name, time.Time{}) }

// enqueueSeen has a service planned; seen is when the cause was seen, from which the latency counts.
func (q *queue) enqueueSeen(name federation.ServiceName, seen time.Time) {
	if s := q.ensureService(name); s.since.IsZero() {
		s.since = seen
	}
	q.dirty[name], q.unpublished[name] = true, true
	q.told.add(name)
}

func (q *queue) enqueueAll() {
	for name := range q.services {
		q.dirty[name], q.unpublished[name] = true, true
		q.told.add(name)
	}
}

// refreshView has the view of a service published again; its shards are what they were.
func (q *queue) refreshView(name federation.ServiceName) {
	if _, waits := q.unpublished[name]; !waits {
		q.unpublished[name] = false
	}
}

// refreshViewOf has the view of a name's service published again; its shards are what they were.
func (q *queue) refreshViewOf(name federation.FQDN) {
	if svc, _, ok := q.config.ParseOwner(name); ok {
		q.refreshView(svc)
	}
}

func (q *queue) enqueueName(name federation.FQDN) {
	if svc, _, ok := q.config.ParseOwner(name); ok {
		q.enqueue(svc)
	}
}

// rememberOutcome keeps what the next decision on the service needs, and when that is due.
func (q *queue) rememberOutcome(now time.Time, name federation.ServiceName, out policy.Outcome) {
	s := q.ensureService(name)
	s.parts, s.held, s.emptySince, s.healthyAt = len(out.Shards), out.Held, out.EmptySince, out.HealthyAt
	q.timers.Set(name, out.Next)
	q.setBraked(now, name, out.Waits)
}

// brakeRecheck is how often what waits for the brake is decided again.
const brakeRecheck = 15 * time.Second

// setBraked notes which names of the service wait for the brake (X4).
func (q *queue) setBraked(now time.Time, name federation.ServiceName, names []federation.FQDN) {
	s := q.ensureService(name)
	if len(names) == 0 {
		q.brakeChanged = q.brakeChanged || !s.brakedSince.IsZero()
		s.brakedSince = time.Time{}
		return
	}
	q.brakeChanged = true
	if s.brakedSince.IsZero() {
		s.brakedSince = now
		q.log.Warn("too many withdrawals or deletions at once: they wait",
			"service", name.String(), "reason", string(federation.ReasonTooMuchAtOnce), "names", len(names),
			"confirm", "federation-syncer confirm")
	}
	s.held = append(s.held, policy.Held{Reason: federation.ReasonTooMuchAtOnce, Since: s.brakedSince})
	q.timers.Set(name, now.Add(brakeRecheck)) // others may have come back
}

// dropUnwanted stops retrying changes that the services' new plan does not contain.
func (q *queue) dropUnwanted(services []federation.ServiceName, changes []plan.Change) {
	if q.retries.Len() == 0 ||
		!slices.ContainsFunc(services, func(s federation.ServiceName) bool { return q.retries.Count(s) > 0 }) {
		return
	}
	wanted, planned := map[federation.FQDN]bool{}, map[federation.ServiceName]bool{}
	for _, c := range changes {
		wanted[c.Name] = true
	}
	for _, svc := range services {
		planned[svc] = true
	}
	for name, n := range q.retries.All() {
		if svc, _, _ := q.config.ParseOwner(name); planned[svc] && !wanted[name] {
			n.Wanted = false
			q.retries.Remove(svc, name)
		}
	}
}

// writeFailed notes that a change of the name failed.
func (q *queue) writeFailed(now time.Time, svc federation.ServiceName, c plan.Change, err error) {
	n := q.ensureName(c.Name)
	if n.Failure.IsNews(err) {
		q.log.Error("a name could not be changed: retrying it, others are not affected",
			"name", string(c.Name), "error", err)
	}
	n.Failure.WriteFailed(now, err)
	n.Refused, n.Wanted = nil, true
	if errors.Is(err, provider.ErrRefused) {
		n.Refused = c.To
	}
	q.retries.Add(svc, c.Name, n) // the next plan says when it is due
}

// writeSucceeded notes that the provider made the change; it returns whether the previous one had failed.
func (q *queue) writeSucceeded(now time.Time, svc federation.ServiceName, name federation.FQDN) (failed bool) {
	n := q.ensureName(name)
	failed = n.Failure.Err != nil
	n.Failure, n.Refused, n.Wanted = retry.Backoff{}, nil, false
	n.Pace.Changed(now)
	q.retries.Remove(svc, name)
	return failed
}
