package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/retry"
)

// auditor is when the records, as we know them, are compared with the zone (X6).
type auditor struct {
	auditInterval  time.Duration
	auditAt        time.Time
	changedInAudit map[federation.FQDN]bool // the names; nil: no audit is under way
}

// beginAudit returns the request that compares everything at the levels with the records as we know them (X6). inFlight
// are the names whose changes may be made before or after they are read.
func (z *zone) beginAudit(inFlight map[federation.FQDN]bool) request {
	z.changedInAudit = inFlight
	slow := z.claims
	slow.Provider = throttled{z.provider, rate.NewLimiter(auditsPerSecond, 1)}
	return auditRequest{claims: slow, holding: z.holding}
}

type auditRequest struct {
	claims  claim.Keeper
	holding *claim.Holding
}

type auditResult struct {
	began *claim.Holding
	state claim.State
	found claim.Survey
	err   error
}

func (r auditRequest) do(ctx context.Context) result {
	res := auditResult{began: r.holding}
	if res.state, _, res.err = r.claims.State(ctx, r.holding); res.err == nil && res.state == claim.Current {
		res.found, res.err = r.claims.Survey(ctx, r.holding, false)
	}
	return res
}

// apply has what others changed repaired; what this syncer changed meanwhile is no drift.
func (r auditResult) apply(l *Loop, now time.Time) {
	touched := l.changedInAudit
	l.changedInAudit = nil
	l.auditAt = now.Add(retry.Jitter(l.auditInterval))
	switch {
	case r.err != nil:
		l.log.Warn("audit failed", "error", r.err)
		l.auditAt = now.Add(retry.Jitter(min(l.auditInterval, foreignRetry)))
		return
	case r.state != claim.Current || l.holding == nil:
		l.suspect = true
		return
	}
	l.metrics.Audits.Inc()
	repairer{l}.repairLevels(r.began, r.found)
	for level := range l.foreign { // what is there stays as it is
		r.found.Records.ForgetLevel(level)
	}
	repairer{l}.repairNames(r.found.Records, touched)
	l.auditServed(now)
}

// repairer has what an audit found changed repaired.
type repairer struct{ *Loop }

// repairLevels has claims and list entries that are not as we left them made again, and excludes levels that are now
// somebody else's. What this syncer changed during the audit is as it left it.
func (r repairer) repairLevels(began *claim.Holding, found claim.Survey) {
	listed := intersect(began.Drift(found), r.holding.Drift(found))
	for _, level := range listed {
		r.log.Warn("audit: a level is not in the list as it was left", "level", string(level))
	}
	claims := intersect(began.LostClaims(found), r.holding.LostClaims(found))
	for _, level := range claims {
		r.log.Warn("audit: the claim of a level is gone", "level", string(level))
	}
	if began.FormerDrift(r.config.Federation, found) && r.holding.FormerDrift(r.config.Federation, found) {
		r.log.Warn("audit: the list of levels of earlier releases is not as it was left",
			"name", string(r.config.LevelsName()))
		r.metrics.Drift.Inc()
		r.keepFormer = true
	}
	r.metrics.Drift.Add(float64(len(listed) + len(claims)))
	r.holding = r.holding.Reopen(listed...).Without(claims...)
	if len(listed)+len(claims) > 0 {
		r.levelsStale = true
	}
	if len(found.Foreign) > 0 { // lost since
		r.holding = r.holding.Without(slices.Collect(maps.Keys(found.Foreign))...)
		r.excludeLevels(time.Now(), found.Foreign)
	}
	if len(claims)+len(found.Foreign) > 0 {
		r.relevel()
	}
}

// intersect returns the levels that are in a and in b.
func intersect(a, b []federation.FQDN) []federation.FQDN {
	return slices.DeleteFunc(slices.Clone(a), func(level federation.FQDN) bool { return !slices.Contains(b, level) })
}

// repairNames notes what an audit found at the names that differ, except for those changed meanwhile, and has their
// services planned.
func (r repairer) repairNames(found *claim.Records, touched map[federation.FQDN]bool) {
	drift := map[federation.FQDN]bool{}
	for _, s := range []*claim.Records{r.records, found} {
		for _, names := range s.Services {
			for name := range names {
				if !touched[name] && r.reread[name] == nil &&
					!federation.EqualRRsets(r.records.ByName(name), found.ByName(name)) {
					drift[name] = true
				}
			}
		}
	}
	for name := range drift {
		r.log.Warn("audit: a name is not as it was left",
			"name", string(name), "was", described(r.records.ByName(name)), "is", described(found.ByName(name)))
		r.setRecords(name, found.ByName(name))
		r.enqueueName(name)
	}
	r.metrics.Drift.Add(float64(len(drift)))
}

// throttled is a provider whose reads keep to a budget of their own (X5b).
type throttled struct {
	provider.Provider
	budget *rate.Limiter
}

// Get waits for the budget.
func (t throttled) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	if err := t.budget.Wait(ctx); err != nil {
		return nil, err
	}
	return t.Provider.Get(provider.ForAudit(ctx), name)
}

// List waits for the budget.
func (t throttled) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	if err := t.budget.Wait(ctx); err != nil {
		return err
	}
	return t.Provider.List(provider.ForAudit(ctx), suffix, yield)
}

const (
	// maxReads bounds how many names are read between two publications.
	maxReads = 4
	// listFrom is from how many names of a level on they are read with one List rather than one by one.
	listFrom = 8
)

// unread is a name whose state at the provider is unknown: the reply to a change was lost, or somebody else changed it.
// Nothing is published there until it has been read; one that cannot be read has a backoff of its own (X5a).
type unread struct {
	retry.Backoff
	conflict bool // the main claim has to be read first (O3c)
	single   bool // a List of it failed: it is read alone
}

// rereads are the names, and the main claim, whose state at the provider is unknown.
type rereads struct {
	reread  map[federation.FQDN]*unread
	reads   retry.Timers[federation.FQDN] // when they are read
	suspect bool                          // the main claim has to be read: the provider may fail, or not be ours
	checkAt time.Time                     // not before (see checkEvery)
	// claimUnread: the main claim could not be read, though the provider answers.
	claimUnread retry.Backoff
}

// scheduleReread has the name read after a delay; with conflict, after the main claim.
func (d *rereads) scheduleReread(now time.Time, name federation.FQDN, conflict bool, after time.Duration) {
	u := d.reread[name]
	if u == nil {
		u = &unread{}
		d.reread[name] = u
	}
	u.conflict = u.conflict || conflict
	u.Until = now.Add(after)
	d.reads.Set(name, u.Until)
}

// readNames returns a request that reads a few of the names whose state is unknown, or many of one level with one List;
// nil if there is nothing to read now.
func (z *zone) readNames(now time.Time, retries *retry.Names) request {
	names, suffix := z.nextReads(now, retries)
	if len(names) == 0 {
		return nil
	}
	return readRequest{provider: z.provider, names: names, suffix: suffix}
}

// nextReads dequeues the names to read now; with a suffix, by one List of it.
func (z *zone) nextReads(now time.Time, retries *retry.Names) (names []federation.FQDN, suffix federation.FQDN) {
	name, ok := z.popRead(now, retries)
	if !ok {
		return nil, ""
	}
	names = []federation.FQDN{name}
	if u := z.reread[name]; !u.single {
		sameList, suffix := z.listedWith(name)
		together := z.dueReads(now, func(n federation.FQDN, u *unread) bool {
			return n != name && !u.single && sameList(n)
		})
		if len(together)+1 >= listFrom {
			return z.unscheduleReads(append(names, together...)), suffix
		}
	}
	others := z.dueReads(now, func(n federation.FQDN, u *unread) bool { return n != name && u.Tries == 0 })
	return z.unscheduleReads(append(names, others[:min(len(others), maxReads-1)]...)), ""
}

// popRead dequeues the name that is due first. One that could not be read before shares the rate of all that failed.
func (d *rereads) popRead(now time.Time, retries *retry.Names) (first federation.FQDN, ok bool) {
	var later []federation.FQDN
	until := retries.NotBefore()
	for next := d.reads.Next(); !next.IsZero() && !now.Before(next) && len(later) < 100; next = d.reads.Next() {
		name := d.reads.Pop()
		switch u := d.reread[name]; {
		case u.conflict && d.suspect:
			until = d.checkAt
		case u.Tries == 0 || retries.Admit(now, len(d.reread)):
			first, ok = name, true
		default:
			until = retries.NotBefore()
		}
		if ok {
			break
		}
		later = append(later, name)
	}
	for _, name := range later {
		d.reads.Set(name, maxTime(until, now.Add(time.Millisecond)))
	}
	return first, ok
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// listedWith returns which other names a List that has this one returns too, and the suffix of that List.
func (z *zone) listedWith(name federation.FQDN) (sameList func(federation.FQDN) bool, suffix federation.FQDN) {
	if z.provider.Caps().ListsWholeZone {
		return func(federation.FQDN) bool { return true }, z.config.Domain
	}
	_, level, _ := z.config.ParseOwner(name)
	return func(other federation.FQDN) bool {
		_, itsLevel, _ := z.config.ParseOwner(other)
		return itsLevel == level
	}, z.config.Suffix(level)
}

// dueReads returns the names that may be read now and for which cond holds, sorted.
func (d *rereads) dueReads(now time.Time, cond func(federation.FQDN, *unread) bool) (names []federation.FQDN) {
	for name, u := range d.reread {
		if d.reads.Has(name) && !now.Before(u.Until) && (!u.conflict || !d.suspect) && cond(name, u) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// unscheduleReads takes the names out of those to read, and returns them.
func (d *rereads) unscheduleReads(names []federation.FQDN) []federation.FQDN {
	for _, name := range names {
		d.reads.Unset(name)
	}
	return names
}

// readRequest reads names, each with Get or all with one List of a suffix.
type readRequest struct {
	provider provider.Provider
	names    []federation.FQDN
	suffix   federation.FQDN
}

type readResult struct {
	readRequest
	sets map[federation.FQDN][]federation.RRset
	errs map[federation.FQDN]error
}

func (r readRequest) do(ctx context.Context) result {
	res := readResult{r, map[federation.FQDN][]federation.RRset{}, map[federation.FQDN]error{}}
	if r.suffix == "" {
		for _, n := range r.names {
			res.sets[n], res.errs[n] = r.provider.Get(ctx, n)
		}
		return res
	}
	for _, n := range r.names {
		res.sets[n] = nil
	}
	err := r.provider.List(ctx, r.suffix, func(set federation.RRset) error {
		if sets, asked := res.sets[set.Name]; asked {
			res.sets[set.Name] = append(sets, set)
		}
		return nil
	})
	for _, n := range r.names {
		res.errs[n] = err
	}
	return res
}

// apply notes each name by itself: one that could not be read waits, whatever the error (X5a). If a List failed, its
// names are read one by one.
func (r readResult) apply(l *Loop, now time.Time) {
	for _, name := range r.names {
		u, err := l.reread[name], r.errs[name]
		switch {
		case u == nil:
		case err == nil:
			delete(l.reread, name)
			l.setRecords(name, r.sets[name])
			l.enqueueName(name)
			l.providerAnswered()
		case r.suffix != "":
			u.single, u.Until = true, now
			l.reads.Set(name, now)
		default:
			if u.IsNews(err) {
				l.log.Error("a name could not be read: leaving it as it is and retrying, others are not affected",
					"name", string(name), "error", err)
			}
			u.Failed(now, err, retry.MinUnread, retry.MaxUnread)
			l.reads.Set(name, u.Until)
			l.refreshViewOf(name)
		}
	}
}
