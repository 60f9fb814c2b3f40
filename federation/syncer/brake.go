package syncer

import (
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/policy"
)

// decide returns what becomes of the records of the service, by what the members show of it and what the zone has.
func (p planner) decide(now time.Time, name federation.ServiceName, all policy.Summary, have []federation.RRset) policy.Outcome {
	s := p.service(name)
	return p.brake.Publish(now, p.levels, policy.Publishing{
		Service: policy.Service{Shards: p.shards(name), AllMembers: all, Had: len(have) > 0, EmptySince: s.emptySince, HealthyAt: s.healthyAt},
		Name:    name, Have: have,
		Watched:   func() bool { return p.watched(name) },
		WatchedAt: func(lv federation.Level) bool { return p.watchedAt(name, lv) },
	})
}

// remember keeps what the next decision on the service needs of this one, and when that is due.
func (q *queue) remember(now time.Time, name federation.ServiceName, out policy.Outcome) {
	s := q.service(name)
	s.parts, s.held, s.emptySince, s.healthyAt = len(out.Shards), out.Held, out.EmptySince, out.HealthyAt
	if members := healthyMembers(out.Shards); out.Write && len(members) > 0 {
		s.members = members
	}
	q.timers.set(name, out.Next)
	q.braked(now, name, out.Waits)
}

// brakeRecheck is how often what waits for the brake is looked at again.
const brakeRecheck = 15 * time.Second

// braked shows that names of the service have to wait (X4).
func (q *queue) braked(now time.Time, name federation.ServiceName, waits []federation.FQDN) {
	s := q.service(name)
	if len(waits) == 0 {
		q.brakeMoved = q.brakeMoved || !s.brakedSince.IsZero()
		s.brakedSince = time.Time{}
		return
	}
	q.brakeMoved = true
	if s.brakedSince.IsZero() {
		s.brakedSince = now
		q.log.Warn("too much would be withdrawn or deleted at once: it waits", "service", name.String(), "reason", string(federation.ReasonTooMuchAtOnce),
			"names", len(waits), "confirm", "federation-syncer confirm")
	}
	s.held = append(s.held, policy.Held{Reason: federation.ReasonTooMuchAtOnce, Since: s.brakedSince})
	q.timers.set(name, now.Add(brakeRecheck)) // others may have come back
}

// watched reports whether the shards whose addresses the service had last went by events of watches of members that are
// present (X4c).
func (p planner) watched(name federation.ServiceName) bool {
	for _, m := range p.service(name).members {
		ms := p.members[m]
		if ms == nil || !ms.losses[name] || p.standing.Get(m).Standing != policy.Present {
			return false
		}
	}
	return len(p.service(name).members) > 0
}

// watchedAt reports the same of the shards that a level of the service had (P2c).
func (r *roster) watchedAt(name federation.ServiceName, lv federation.Level) (watched bool) {
	for _, m := range lv.Members {
		if seen, lost := r.members[m].losses[name]; lost {
			if !seen || r.standing.Get(m).Standing != policy.Present {
				return false
			}
			watched = true
		}
	}
	return watched
}

// forget drops what members are remembered to have shown of a service that nobody has any more.
func (p planner) forget(name federation.ServiceName) {
	delete(p.services, name)
	p.unshown[name], p.brakeMoved = true, true
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

// confirmer lets go what waits for a confirmation.
type confirmer struct{ *loop }

// confirmNames lets those of a service's names go that wait, and reports whether any does (X4c).
func (c confirmer) confirmNames(name federation.ServiceName, names []federation.FQDN) bool {
	ok := c.brake.Confirm(name, names)
	if ok {
		c.brakeMoved = true
		c.log.Info("confirmed", "service", name.String(), "names", len(names))
		c.touch(name)
	}
	return ok
}

// confirm confirms those of the list that are this loop's, and counts them: what has grown since it was shown waits
// again (X4c).
func (c confirmer) confirm(list []admin.Waiting) (n int) {
	for _, w := range list {
		if w.Federation != string(c.config.Name) || w.Domain != string(c.config.Domain) {
			continue
		}
		if w.Member != "" && c.confirmDeparture(w) || w.Member == "" && c.confirmNames(federation.ServiceName{Namespace: w.Namespace, Name: w.Service}, w.Deletes) {
			n++
		}
	}
	return n
}
