package reconcile

import (
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/policy"
)

// A member that is taken out of the configuration, or that an earlier run knew
// and this one does not, departs: it counts as lost, keeps its levels, and is
// removed with all that it has when somebody says so (X4d).

func (r *roster) ensureMember(name string) *memberState {
	ms := r.members[name]
	if ms == nil {
		ms = &memberState{
			topology: federation.Member{Name: name}, losses: policy.Losses{}, unresolved: map[federation.ServiceName]unresolvedShard{},
		}
		r.members[name] = ms
	}
	return ms
}

// present returns what is known of a member of the configuration; nil if it is
// none.
func (r *roster) configured(name string) *memberState {
	if ms := r.members[name]; ms != nil && !ms.departed {
		return ms
	}
	return nil
}

// depart takes in that a member is not in the configuration any more.
func (l *Loop) depart(now time.Time, name string) {
	ms := l.members[name]
	switch {
	case ms.departed:
	case l.holding == nil: // the records tell when they are read
		l.removeMember(name)
	case !ms.mayHaveRecords(): // there is nothing of it
		l.log.Info("member is not in the configuration any more, and was never seen", "member", name)
		l.removeMember(name)
	default:
		ms.departed, ms.probeErr = true, nil
		l.reach.Depart(now, name)
		l.logDeparted(name)
	}
}

// rememberDeparted adds the members that an earlier run knew and that are not
// in the configuration.
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
	r.log.Warn("member is not in the configuration any more: it counts as unreachable, and what it has is removed after a confirmation",
		"member", name, "confirm", "federation-syncer confirm")
}

// removeMember forgets a member with its shards.
func (l *Loop) removeMember(name string) {
	for svc := range l.members[name].shards {
		l.ensureService(svc).shards--
	}
	delete(l.members, name)
	l.reach.Remove(name)
	l.orderMembers()
	l.relevel()
}

// confirmer lets go what waits for a confirmation.
type confirmer struct{ *Loop }

// confirmNames lets those of a service's names go that wait, and reports whether any does (X4c).
func (c confirmer) confirmNames(name federation.ServiceName, names []federation.FQDN) bool {
	ok := c.brake.Confirm(name, names)
	if ok {
		c.brakeChanged = true
		c.log.Info("confirmed", "service", name.String(), "names", len(names))
		c.enqueue(name)
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

// confirmDeparture removes a departed member with all that it has; what its services lose with it is confirmed too. It
// reports whether the member waits, and nothing more goes with it than was shown: other levels, or services that have
// come to depend on it since (X4c).
func (c confirmer) confirmDeparture(shown admin.Waiting) bool {
	name := shown.Member
	if ms := c.members[name]; ms == nil || !ms.departed {
		return false
	}
	viewer(c).publish(time.Now(), len(c.unpublished)) // decided on what is so now
	d := c.Snapshot().Departure(name, nil)
	if !subset(d.Emptied, shown.Emptied) || !subset(d.Levels, shown.Levels) {
		c.log.Warn("not confirmed: more goes with the member now than was shown", "member", name, "confirm", "federation-syncer confirm")
		return false
	}
	for svc, names := range d.Names {
		c.brake.Expect(svc, names)
	}
	c.log.Info("confirmed: what the member has is removed from the records", "member", name)
	c.removeMember(name)
	return true
}

// subset reports whether all of part are among all.
func subset[T comparable](part, all []T) bool {
	has := map[T]bool{}
	for _, x := range all {
		has[x] = true
	}
	return !slices.ContainsFunc(part, func(x T) bool { return !has[x] })
}
