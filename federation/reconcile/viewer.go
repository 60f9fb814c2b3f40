package reconcile

import (
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/snapshot"
)

// maxViews bounds of how many services a turn publishes views, so that a change of all of them does not delay what is
// urgent. The others follow in the next turns.
const maxViews = 200

// viewer publishes what readers see of a loop.
type viewer struct{ *Loop }

// publish publishes the federation's snapshot, and the views of up to limit services that have changed.
func (v viewer) publish(now time.Time, limit int) {
	for name, shards := range v.unpublished {
		if limit--; limit < 0 {
			break
		}
		delete(v.unpublished, name)
		s := v.services[name]
		if s == nil {
			v.views.RemoveService(name)
			continue
		}
		view := &snapshot.Service{
			Name: name, Records: v.records.ByService(name), Held: s.held, Problems: s.problems,
			EmptySince: s.emptySince, HealthyAt: s.healthyAt, Names: v.nameViews(now, name, s),
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
	old := v.views.Current()
	s := &snapshot.Federation{
		Views: &v.views, Config: v.config, Policy: v.policy, Levels: v.levels, Summary: v.reach.Summary(),
		PanicSince: v.reach.Panic(), Members: v.viewMembers(old),
		Problems: slices.Concat(v.levels.Problems(), v.federationProblems()),
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
