package syncer

import (
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
)

// desired is what the service's records are to be; write is false if they
// stay as they are.
func (l *loop) desired(now time.Time, name federation.ServiceName, all policy.Summary, have []federation.RRset) (want []federation.RRset, write bool) {
	s := l.service(name)
	v := policy.Decide(now, l.policy, policy.Service{
		Shards: l.shards(name), AllMembers: all, Had: len(have) > 0, EmptySince: s.emptySince, HealthyAt: s.healthyAt,
	})
	s.parts, s.held, s.emptySince, s.healthyAt = len(v.Shards), v.Held, v.EmptySince, v.HealthyAt
	l.timers.set(name, v.Next)
	var problems []federation.Problem
	if !v.Keep && !v.Gone {
		want, problems = l.levels.RRsets(name, v.Shards, len(have) > 0)
	}
	l.report(name, s, problems)
	if v.Keep {
		l.braked(now, name, policy.Wish{Loss: l.lossInGrace(v, name, have), Pending: true})
		return nil, false
	}
	wish := policy.Wish{Loss: policy.LossOf(l.config.Federation, name, have, want), Watched: l.watched(name), Since: now}
	if l.braked(now, name, wish) {
		if wish.Empties {
			return nil, false
		}
		return policy.Kept(have, want), true
	}
	if members := healthyMembers(v.Shards); len(members) > 0 {
		s.members = members
	}
	return want, true
}

// lossInGrace is what the service will lose when emptyGrace has run out.
func (l *loop) lossInGrace(v policy.Verdict, name federation.ServiceName, have []federation.RRset) (loss policy.Loss) {
	if !v.EmptySince.IsZero() && policy.HasAddress(l.config.Federation, name, have) {
		loss = policy.Loss{Empties: true, Names: 1}
	}
	return loss
}

// brakeRecheck is how often what waits for the brake is looked at again.
const brakeRecheck = 15 * time.Second

// braked reports whether the service has to keep what it is to lose (X4).
func (l *loop) braked(now time.Time, name federation.ServiceName, wish policy.Wish) bool {
	held, next := l.brake.Wish(now, name, wish)
	s := l.service(name)
	if !held {
		s.brakedSince = time.Time{}
		return false
	}
	if s.brakedSince.IsZero() {
		s.brakedSince = now
		l.log.Warn("too much would be withdrawn or deleted at once: it waits", "service", name.String(), "reason", string(policy.ReasonBrake),
			"watched", wish.Watched, "confirm", "federation-syncer confirm")
	}
	s.held = append(s.held, policy.Held{Reason: policy.ReasonBrake, Since: s.brakedSince})
	l.timers.set(name, next)
	l.timers.set(name, now.Add(brakeRecheck)) // others may have come back
	return true
}

// watched reports whether the shards of the service went by events of watches
// of members that are present (X4c).
func (l *loop) watched(name federation.ServiceName) bool {
	for _, m := range l.service(name).members {
		ms := l.members[m]
		if ms == nil || !ms.gone[name] || l.standing.Get(m).Standing != policy.Present {
			return false
		}
	}
	return len(l.service(name).members) > 0
}

func healthyMembers(shards []federation.Shard) (members []string) {
	for _, s := range shards {
		if s.Healthy {
			members = append(members, s.Member)
		}
	}
	return members
}

// confirm lets what waits for a service happen, and reports whether anything
// does (X4c).
func (l *loop) confirm(name federation.ServiceName) bool {
	ok := l.brake.Confirm(name)
	if ok {
		l.log.Info("confirmed", "service", name.String())
		l.touch(name)
	}
	return ok
}
