package reconcile

import (
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/policy"
)

// A member that is removed from the configuration, or that only an earlier run knew, departs: it counts as lost, keeps
// its levels, and is removed with all that it has once that is confirmed (X4d).

// ensureMember returns the state of a member, and creates it if there is none.
func (r *roster) ensureMember(name string) *memberState {
	ms := r.members[name]
	if ms == nil {
		ms = &memberState{
			topology: federation.Member{Name: name}, losses: policy.Losses{},
			unresolved: map[federation.ServiceName]unresolvedShard{},
		}
		r.members[name] = ms
	}
	return ms
}

// configured returns the state of a member; nil if it is not configured.
func (r *roster) configured(name string) *memberState {
	if ms := r.members[name]; ms != nil && !ms.departed {
		return ms
	}
	return nil
}

// depart handles the removal of a member from the configuration.
func (l *Loop) depart(now time.Time, name string) {
	ms := l.members[name]
	switch {
	case ms.departed:
	case l.holding == nil: // the records will tell, once read
		l.removeMember(name)
	case !ms.mayHaveRecords(): // it has nothing
		l.log.Info("member was removed from the configuration, and was never seen", "member", name)
		l.removeMember(name)
	default:
		ms.departed, ms.probeErr = true, nil
		l.reach.Depart(now, name)
		l.logDeparted(name)
	}
}

// rememberDeparted adds the members that an earlier run knew and that are not configured.
func (r *roster) rememberDeparted(now time.Time, entries []federation.LevelEntry) {
	for _, e := range entries {
		for _, name := range e.Members {
			if r.members[name] != nil {
				continue
			}
			ms := r.ensureMember(name)
			ms.departed, ms.seen = true, true
			r.reach.Add(now, name, 0)
			r.reach.Depart(now, name)
			r.logDeparted(name)
		}
	}
	r.orderMembers()
}

func (r *roster) logDeparted(name string) {
	r.log.Warn("member is not in the configuration: it counts as unreachable, and keeps what it has until its "+
		"removal is confirmed",
		"member", name, "confirm", "federation-syncer confirm")
}

// removeMember forgets a member and its shards.
func (l *Loop) removeMember(name string) {
	for svc := range l.members[name].shards {
		l.ensureService(svc).shards--
	}
	delete(l.members, name)
	l.reach.Remove(name)
	l.orderMembers()
	l.relevel()
}

// confirmer releases what waits for a confirmation.
type confirmer struct{ *Loop }

// confirmNames releases those of a service's names that wait, and reports whether any does (X4c).
func (c confirmer) confirmNames(name federation.ServiceName, names []federation.FQDN) bool {
	ok := c.brake.Confirm(name, names)
	if ok {
		c.brakeChanged = true
		c.log.Info("confirmed", "service", name.String(), "names", len(names))
		c.enqueue(name)
	}
	return ok
}

// confirm releases what is this loop's in list, and returns how many entries that were. What has grown since it was
// shown waits again (X4c).
func (c confirmer) confirm(list []admin.Waiting) (n int) {
	for _, w := range list {
		if w.Federation != string(c.config.Name) || w.Domain != string(c.config.Domain) {
			continue
		}
		var ok bool
		if w.Member != "" {
			ok = c.confirmDeparture(w)
		} else {
			ok = c.confirmNames(federation.ServiceName{Namespace: w.Namespace, Name: w.Service}, w.Deletes)
		}
		if ok {
			n++
		}
	}
	return n
}

// confirmDeparture removes a departed member with all that it has; what its services lose with it is confirmed too. It
// reports whether the member waits and no more goes with it than was shown: no other levels, and no services that have
// come to depend on it since (X4c).
func (c confirmer) confirmDeparture(shown admin.Waiting) bool {
	name := shown.Member
	if ms := c.members[name]; ms == nil || !ms.departed {
		return false
	}
	viewer(c).publish(time.Now(), len(c.unpublished)) // to decide on the current state
	d := c.Snapshot().Departure(name, nil)
	if !subset(d.Emptied, shown.Emptied) || !subset(d.Levels, shown.Levels) {
		c.log.Warn("not confirmed: more goes with the member now than was shown",
			"member", name, "confirm", "federation-syncer confirm")
		return false
	}
	for svc, names := range d.Names {
		c.brake.Expect(svc, names)
	}
	c.log.Info("confirmed: what the member has is removed from the records", "member", name)
	c.removeMember(name)
	return true
}

// subset reports whether every element of part is in whole.
func subset[T comparable](part, whole []T) bool {
	contains := map[T]bool{}
	for _, x := range whole {
		contains[x] = true
	}
	return !slices.ContainsFunc(part, func(x T) bool { return !contains[x] })
}
