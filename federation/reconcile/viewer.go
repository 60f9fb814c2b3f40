package reconcile

import (
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/snapshot"
)

// maxViews bounds of how many services a turn publishes views, so that a change of all of them does not delay what is
// urgent. The others follow in the next turns.
const maxViews = 200

// turnEvery is how often a loop with mirrors turns at least: their renewals say that it does (M4).
const turnEvery = 2 * time.Second

// answerer decides what the members' mirrors say (M1): the same verdict, by the same brake, whether or not the provider
// answers.
type answerer struct{ *Loop }

// answer decides on the first services that wait for it, those with an answer first, and publishes their views.
func (a answerer) answer(now time.Time) {
	if a.deposed != nil || now.Before(a.told.quietAt) {
		return
	}
	var batch, others []federation.ServiceName
	for name := range a.told.waiting {
		if s := a.services[name]; s != nil && s.answer.None() {
			others = append(others, name)
			continue
		}
		if batch = append(batch, name); len(batch) == maxBatch {
			break
		}
	}
	batch = append(batch, others[:min(len(others), maxBatch-len(batch))]...)
	summary := a.reach.Summary()
	for _, name := range batch {
		delete(a.told.waiting, name)
		if a.services[name] != nil {
			a.answerOne(now, name, summary)
		}
		delete(a.unpublished, name)
		viewer(a).view(now, name, true)
	}
	if len(a.told.waiting) == 0 {
		a.told.quietAt = time.Time{}
	}
}

// answerOne decides on a service. While the provider does not answer, what it had is both what was answered last and
// what the zone has still.
func (a answerer) answerOne(now time.Time, name federation.ServiceName, summary policy.Summary) {
	s := a.services[name]
	records := a.records.ByService(name)
	if a.holding != nil {
		records = planner(a).claimed(records)
	}
	have := records
	if a.holding == nil || a.backoff > 0 {
		have = s.answer.With(records)
	}
	out := planner(a).decide(now, name, summary, have)
	a.rememberOutcome(now, name, out)
	planner(a).reportOutcome(name, out)
	for _, m := range healthyMembers(out.Shards) { // what the zone has is that of the last plan too
		if out.Write && !slices.Contains(s.members, m) {
			s.members = append(slices.Clip(s.members), m)
		}
	}
	s.answer = out.Answer(a.allLevels, name, s.answer, have, len(have) > 0 || !s.answer.None())
	if !a.dirty[name] {
		planner(a).forgetEmpty(name)
	}
}

// state returns what mirrors need to know of the federation; nil without mirrors.
func (a answerer) state(now time.Time) *snapshot.Mirror {
	if !a.told.on {
		return nil
	}
	settled := len(a.told.waiting) == 0 && len(a.unpublished) == 0
	if settled {
		a.told.settledAt = now
	}
	a.told.turnAt = now.Add(turnEvery)
	decided := a.holding != nil || a.lostHolding != nil || a.told.start.done && a.unclaimed()
	return &snapshot.Mirror{
		Levels: a.allLevels, Settled: settled, At: a.told.settledAt, Generation: a.told.generation,
		Ready:     a.deposed == nil && decided && !a.reach.Summary().Starting,
		Unclaimed: a.unclaimed(),
	}
}

// viewer publishes what readers see of a loop.
type viewer struct{ *Loop }

// publish publishes the federation's snapshot, and the views of up to limit services that have changed.
func (v viewer) publish(now time.Time, limit int) {
	for name, shards := range v.unpublished {
		if limit--; limit < 0 {
			break
		}
		delete(v.unpublished, name)
		v.view(now, name, shards)
	}
	old := v.views.Current()
	s := &snapshot.Federation{
		Views: &v.views, Config: v.config, Policy: v.policy, Levels: v.levels, Summary: v.reach.Summary(),
		PanicSince: v.reach.Panic(), Members: v.viewMembers(old),
		Problems: slices.Concat(v.levels.Problems(), v.federationProblems()), Mirror: answerer(v).state(now),
		Claim: snapshot.Claim{
			Owner: v.claims.Owner, Held: v.holding != nil, Foreign: v.isForeign(), ProviderDown: v.backoff > 0,
			Deposed: v.deposed, Err: v.lastErr,
		},
	}
	s.Leaving = v.leavingLevels()
	if len(v.foreign) > 0 {
		s.Foreign = map[federation.FQDN]string{}
		for level, f := range v.foreign {
			s.Foreign[level] = f.Err.Error()
		}
	}
	if v.brakeChanged || old == nil {
		s.Braked, v.brakeChanged = v.brake.Waiting(), false
	} else {
		s.Braked = old.Braked
	}
	v.views.Set(s)
}

// view publishes the state of a service; shards: those may have changed too.
func (v viewer) view(now time.Time, name federation.ServiceName, shards bool) {
	v.told.news = true
	s := v.services[name]
	if s == nil {
		v.views.RemoveService(name)
		return
	}
	view := &snapshot.Service{
		Name: name, Records: v.records.ByService(name), Held: s.held, Problems: s.problems,
		EmptySince: s.emptySince, HealthyAt: s.healthyAt, Names: v.nameViews(now, name, s), Answer: s.answer,
	}
	before := v.views.Service(name)
	if before != nil && !shards {
		view.Shards = before.Shards // nobody changes them
	} else {
		view.Shards = v.viewShards(name, s.shards)
		sinceWhen(now, before, view.Shards)
	}
	v.views.SetService(view)
}

// leavingLevels returns the levels of ours that no member has any more.
func (v viewer) leavingLevels() (list []federation.FQDN) {
	if v.holding == nil {
		return nil
	}
	for _, e := range v.holding.Entries {
		if _, ok := v.levels.Level(e.Name); !ok {
			list = append(list, e.Name)
		}
	}
	return list
}

// viewMembers returns the members. Those that have not changed are those of the snapshot before, as nobody changes
// them: a probe of one of a thousand members must not cost a copy of all.
func (v viewer) viewMembers(before *snapshot.Federation) []*snapshot.Member {
	out := make([]*snapshot.Member, 0, len(v.order))
	for i, ms := range v.order {
		m := snapshot.Member{
			Name: ms.topology.Name, Topology: ms.topology, Version: ms.version, ClusterUID: ms.clusterUID,
			Shards: len(ms.shards), Healthy: ms.healthy,
			Drained: ms.drained, Object: ms.object, Departed: ms.departed, Problems: ms.allProblems(),
			ProbeErr: ms.probeErr,
		}
		m.Reach, m.Contact = v.reach.State(m.Name)
		if before != nil && i < len(before.Members) && m.Equal(before.Members[i]) {
			out = append(out, before.Members[i])
			continue
		}
		changed := m // on the heap, where m is not
		out = append(out, &changed)
	}
	return out
}

// viewShards returns the shards of a service; n members show one.
func (r *roster) viewShards(name federation.ServiceName, n int) []snapshot.Shard {
	out := make([]snapshot.Shard, 0, n)
	for _, ms := range r.order {
		observed, listed := ms.shards[name]
		shard, since, ok := r.shard(ms, name, observed, listed)
		if !ok {
			continue
		}
		v := snapshot.Shard{Shard: shard, Unresolved: since}
		if listed {
			v.Listed, v.Reason, v.Ready = true, observed.Reason, observed.ReadyEndpoints
			if !since.IsZero() {
				v.Shown = &observed.Shard
			}
		}
		out = append(out, v)
	}
	return out
}

// sinceWhen sets since when the shards have their reasons: for as long as the view before had them, or from now on.
func sinceWhen(now time.Time, before *snapshot.Service, shards []snapshot.Shard) {
	for i := range shards {
		shards[i].Since = now.Unix()
		if before == nil {
			continue
		}
		j := slices.IndexFunc(before.Shards, func(s snapshot.Shard) bool { return s.Member == shards[i].Member })
		if j >= 0 && before.Shards[j].Reason == shards[i].Reason {
			shards[i].Since = before.Shards[j].Since
		}
	}
}

// nameViews returns the service's names whose change failed or waits. Most services have none, and cost nothing.
func (v viewer) nameViews(now time.Time, name federation.ServiceName, s *service) map[federation.FQDN]snapshot.Name {
	if v.retries.Count(name) == 0 && len(v.reread) == 0 && !s.pacedUntil.After(now) {
		return nil
	}
	names := map[federation.FQDN]snapshot.Name{}
	for _, lv := range v.levels.All() {
		owner := lv.OwnerName(name)
		one := snapshot.Name{}
		one.Retry, one.Open = v.failing(owner)
		if n := v.names[owner]; n != nil {
			one.Failure, one.Pace = n.Failure.Err, n.Pace.NotBefore(now, false)
		}
		if one.Open != nil || one.Failure != nil || one.Pace.After(now) {
			names[owner] = one
		}
	}
	return names
}

// failing returns why a name is not as it should be, and when it is retried; nil if it is, or is about to be.
func (v viewer) failing(name federation.FQDN) (retryAt time.Time, err error) {
	if u := v.reread[name]; u != nil && u.Err != nil {
		return u.Until, u.Err
	}
	if n := v.names[name]; n != nil && n.Wanted {
		return n.Failure.Until, n.Failure.Err
	}
	return time.Time{}, nil
}
