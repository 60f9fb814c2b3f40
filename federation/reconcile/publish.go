package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/retry"
	"github.com/federation-dns/federation/federation/snapshot"
)

// planner plans the changes that services need.
type planner struct{ *Loop }

// changes returns the first changes that may be made now, of the most urgent services that need any. A service none of
// whose changes may be made now is planned again when one may.
func (p planner) changes(now time.Time) []plan.Change {
	for batch := p.due(now); len(batch) > 0; batch = p.due(now) {
		changes := slices.DeleteFunc(p.diff(now, batch), func(c plan.Change) bool { return !p.allowed(now, c) })
		if len(changes) > 0 {
			return changes
		}
	}
	return nil
}

// due dequeues the most urgent services to plan, unless more related events may follow: first those with records, then
// new ones, then those that nobody has any more (X5b).
func (p planner) due(now time.Time) []federation.ServiceName {
	if len(p.dirty) > 0 && now.Before(p.quietAt) {
		return nil
	}
	var rows [3][]federation.ServiceName
	for name := range p.dirty {
		row := p.urgency(name)
		rows[row] = append(rows[row], name)
		if len(rows[0]) == maxBatch {
			break
		}
	}
	for _, row := range rows {
		if len(row) > 0 {
			batch := row[:min(len(row), maxBatch)]
			for _, name := range batch {
				delete(p.dirty, name)
				p.unpublished[name] = true
			}
			return batch
		}
	}
	p.quietAt = time.Time{}
	return nil
}

// urgency returns the row of a service; 0 is the most urgent.
func (p planner) urgency(name federation.ServiceName) int {
	if len(p.records.Services[name]) == 0 {
		return 1
	}
	if s := p.services[name]; s == nil || s.shards == 0 {
		return 2
	}
	return 0
}

// diff returns the changes that the services need, whether or not they may be made now. It is the way of a service from
// what the members show to the zone: decide by the policy and the brake, remember and report the outcome, and compare
// what the zone should have with what it has.
func (p planner) diff(now time.Time, batch []federation.ServiceName) []plan.Change {
	var current, desired []federation.RRset
	summary := p.reach.Summary()
	for _, name := range batch {
		have := p.claimed(p.records.ByService(name))
		out := p.decide(now, name, summary, have)
		p.rememberOutcome(now, name, out)
		if members := healthyMembers(out.Shards); out.Write && len(members) > 0 {
			p.services[name].members = members
		}
		p.reportOutcome(name, out)
		if !out.Write || federation.EqualRRsets(have, out.Want) {
			p.settled(name)
			continue
		}
		current, desired = append(current, have...), append(desired, out.Want...)
	}
	changes := plan.Diff(current, desired)
	p.dropUnwanted(batch, changes)
	return changes
}

// reportOutcome reports what cannot be published of a service, and with mirrors what cannot be told (M9).
func (p planner) reportOutcome(name federation.ServiceName, out policy.Outcome) {
	problems := out.Problems
	if p.told.on {
		problems = append(problems, policy.PortsProblems(name, out.Shards)...)
	}
	p.report(name, p.ensureService(name), problems)
}

// claimed returns the RRsets at levels that are claimed. Those at another level of ours, whose claim was lost, stay as
// they are until it is claimed again (O1e); then the service is planned again.
func (p planner) claimed(sets []federation.RRset) []federation.RRset {
	return slices.DeleteFunc(sets, func(s federation.RRset) bool {
		_, level, ok := p.config.ParseOwner(s.Name)
		return ok && level != p.config.Domain && !p.holding.Claimed[level]
	})
}

// allowed reports whether the change may be published now; otherwise its service is planned again when it may (X5). A
// name whose state is unknown waits until it is read, and one that failed is retried by a request of its own (X5a).
func (p planner) allowed(now time.Time, c plan.Change) bool {
	svc, _, ok := p.config.ParseOwner(c.Name)
	if !ok || p.reread[c.Name] != nil {
		return false
	}
	n := p.names[c.Name]
	if n == nil {
		return true
	}
	switch {
	case n.InFlight: // the service is planned again when that has ended
		return false
	case n.Blocked(now, c):
		n.Wanted = true
		p.retries.Add(svc, c.Name, n)
		p.retries.Schedule(c.Name, n.Failure.Until)
		return false
	}
	if notBefore := n.Pace.NotBefore(now, policy.Withdraws(p.config.Federation, c)); notBefore.After(now) {
		p.ensureService(svc).pacedUntil = notBefore
		p.timers.Set(svc, notBefore)
		return false
	}
	return true
}

// change returns the request that makes changes; again reports that they have failed before.
func (l *Loop) change(now time.Time, changes []plan.Change, again bool) request {
	for _, c := range changes {
		n := l.ensureName(c.Name)
		n.InFlight, n.Tried = true, now
		if l.changedInAudit != nil { // what it reads may be older or newer than the change
			l.changedInAudit[c.Name] = true
		}
	}
	return changeRequest{provider: l.provider, claim: l.holding.Claim, changes: changes, again: again}
}

// changeRequest makes changes.
type changeRequest struct {
	provider provider.Provider
	claim    federation.RRset
	changes  []plan.Change
	again    bool // they have failed before
}

type changeResult struct {
	changeRequest
	errs []error
}

func (r changeRequest) do(ctx context.Context) result {
	return changeResult{r, r.provider.Apply(ctx, &r.claim, r.changes)}
}

// settled notes that the records of the service are as they should be for now.
func (p planner) settled(name federation.ServiceName) {
	p.services[name].since = time.Time{}
	p.forgetEmpty(name)
}

// forgetEmpty forgets a service of which there is nothing to remember.
func (p planner) forgetEmpty(name federation.ServiceName) {
	s := p.services[name]
	if s.shards == 0 && len(p.records.Services[name]) == 0 && s.parts == 0 && s.answer.None() {
		p.forget(name)
	}
}

// apply applies the result of each change by itself, by its kind (X5a).
func (r changeResult) apply(l *Loop, now time.Time) {
	var t tally
	changed := map[federation.ServiceName]bool{}
	unsent := !slices.ContainsFunc(r.errs, func(err error) bool { return !errors.Is(err, provider.ErrNotSent) })
	for i, c := range r.changes {
		svc, _, _ := l.config.ParseOwner(c.Name)
		l.refreshView(svc)
		l.ensureName(c.Name).InFlight = false
		if err := r.errs[i]; err == nil {
			applier{l}.changeMade(now, svc, c, &t)
			changed[svc] = true
		} else {
			applier{l}.changeFailed(now, svc, c, err, unsent, &t)
		}
		if r.errs[i] != nil || r.again || l.ensureService(svc).shards == 0 {
			l.enqueue(svc)
		}
	}
	for svc := range changed {
		l.updateBrake(svc)
	}
	if t.made > 0 || t.conflicts > 0 {
		l.providerAnswered()
	}
	if l.retries.RequestEnded(now, t.made, t.recovered, t.failed > 0) {
		applier{l}.clearBackoffs(now)
	}
	l.suspect = l.suspect || t.made == 0 && t.failed > 0 // is it the names, or the provider?
	if l.tidyAt.IsZero() {
		l.tidyAt = now.Add(tidyEvery)
	}
}

// tally counts how the changes of a request ended.
type tally struct{ made, recovered, conflicts, failed int }

// applier applies the result of a request with changes.
type applier struct{ *Loop }

// changeFailed notes a change that was not made, as far as is known.
func (a applier) changeFailed(
	now time.Time, svc federation.ServiceName, c plan.Change, err error, unsent bool, t *tally,
) {
	a.metrics.Change(err)
	switch {
	case errors.Is(err, provider.ErrNotSent) && !unsent:
		return // planned again with the next request, without those that failed
	case errors.Is(err, provider.ErrConflict):
		t.conflicts++
		a.conflicted(now, svc, c, err)
		return
	}
	t.failed++
	a.writeFailed(now, svc, c, err)
	for _, untouched := range []error{provider.ErrNotSent, provider.ErrRefused, provider.ErrUnavailable} {
		if errors.Is(err, untouched) {
			return
		}
	}
	a.scheduleReread(now, c.Name, false, 0)
}

// conflicted has a name that somebody else changed read again, after the main claim (O3c). If it conflicts again within
// a minute, the read is delayed.
func (a applier) conflicted(now time.Time, svc federation.ServiceName, c plan.Change, err error) {
	n := a.ensureName(c.Name)
	wait := n.Conflict(now)
	a.log.Warn("another writer has changed a name: reading it again", "name", string(c.Name), "error", err, "in", wait)
	a.metrics.Conflicts.Inc()
	a.scheduleReread(now, c.Name, true, wait)
	a.suspect = true
	if wait == 0 {
		return
	}
	u := a.reread[c.Name]
	u.Err, u.Tries = err, u.Tries+1
	n.Failure = retry.Backoff{Err: err, Tries: n.Failure.Tries + 1, Wait: wait, Until: u.Until}
	n.Refused, n.Wanted = nil, true
	a.retries.Add(svc, c.Name, n)
}

// changeMade notes a change that the provider has confirmed.
func (a applier) changeMade(now time.Time, svc federation.ServiceName, c plan.Change, t *tally) {
	t.made++
	if a.writeSucceeded(now, svc, c.Name) {
		t.recovered++
	}
	a.noteRecords(c.Name, c.To)
	a.metrics.Change(nil)
	a.log.Debug("changed", "name", string(c.Name), "from", described(c.From), "to", described(c.To))
	done := snapshot.Change{At: now, Service: svc, Name: c.Name, From: c.From, To: c.To}
	if s := a.ensureService(svc); !s.since.IsZero() {
		done.Latency = now.Sub(s.since)
		a.metrics.Latency.Observe(done.Latency.Seconds())
		s.since = time.Time{}
	}
	a.views.AddChange(done)
}

// described is RRsets in the log. Most changes are logged at a level that is off: then they are not put into words.
type described []federation.RRset

// LogValue implements slog.LogValuer.
func (d described) LogValue() slog.Value { return slog.StringValue(snapshot.Describe(d)) }

// clearBackoffs retries everything that failed at once: the provider works again.
func (a applier) clearBackoffs(now time.Time) {
	for name, n := range a.retries.All() {
		n.Failure = retry.Backoff{}
		svc, _, _ := a.config.ParseOwner(name)
		a.retries.Remove(svc, name)
		a.enqueue(svc)
	}
	a.retryNow(now)
}

// retryNow retries everything that failed soon, but remembers that it did.
func (l *Loop) retryNow(now time.Time) {
	l.retries.RetryAll(now)
	for name, u := range l.reread {
		u.Until = now
		l.reads.Set(name, now)
	}
	for _, levels := range []map[federation.FQDN]*retry.Backoff{l.foreign, l.unlisted, l.dropping} {
		for _, s := range levels {
			s.Until = now
		}
	}
	l.formerBackoff.Until = now
}

// decide returns what becomes of the service's records, given what the members show of it and what the zone has.
func (p planner) decide(
	now time.Time, name federation.ServiceName, summary policy.Summary, have []federation.RRset,
) policy.Outcome {
	s := p.ensureService(name)
	return p.brake.Publish(now, p.levels, policy.Publishing{
		Service: policy.Service{
			Shards: p.shards(name), AllMembers: summary, Had: len(have) > 0,
			EmptySince: s.emptySince, HealthyAt: s.healthyAt,
		},
		Name: name, Have: have,
		Watched:   func() bool { return p.watched(name) },
		WatchedAt: func(lv federation.Level) bool { return p.watchedAt(name, lv) },
	})
}

// watched reports whether watches of members that are present saw the loss of the shards whose addresses the service
// had last (X4c).
func (p planner) watched(name federation.ServiceName) bool {
	for _, m := range p.ensureService(name).members {
		ms := p.members[m]
		if ms == nil || !ms.losses[name] || p.reach.Get(m).Standing != policy.Present {
			return false
		}
	}
	return len(p.ensureService(name).members) > 0
}

// forget drops what is remembered of a service that nobody has any more.
func (p planner) forget(name federation.ServiceName) {
	delete(p.services, name)
	p.unpublished[name], p.brakeChanged = true, true
	for _, ms := range p.members {
		delete(ms.losses, name)
	}
}

func healthyMembers(shards []federation.Shard) (members []string) {
	for _, s := range shards {
		if s.Healthy {
			members = append(members, s.Member)
		}
	}
	return members
}
