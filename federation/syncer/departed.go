package syncer

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

func (r *roster) memberState(name string) *memberState {
	ms := r.members[name]
	if ms == nil {
		ms = &memberState{
			topology: federation.Member{Name: name}, losses: policy.Losses{}, unresolved: map[federation.ServiceName]unresolved{},
		}
		r.members[name] = ms
	}
	return ms
}

// present returns what is known of a member of the configuration; nil if it is
// none.
func (r *roster) present(name string) *memberState {
	if ms := r.members[name]; ms != nil && !ms.departed {
		return ms
	}
	return nil
}

// depart takes in that a member is not in the configuration any more.
func (l *loop) depart(now time.Time, name string) {
	ms := l.members[name]
	switch {
	case ms.departed:
	case l.held == nil: // the records tell when they are read
		l.removeMember(name)
	case !ms.mayHaveRecords(): // there is nothing of it
		l.log.Info("member is not in the configuration any more, and was never seen", "member", name)
		l.removeMember(name)
	default:
		ms.departed, ms.probeErr = true, nil
		l.standing.Depart(now, name)
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
			ms := r.memberState(name)
			ms.departed, ms.seen = true, true
			r.standing.Add(now, name, 0)
			r.standing.Depart(now, name)
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
func (l *loop) removeMember(name string) {
	for svc := range l.members[name].shards {
		l.service(svc).shards--
	}
	delete(l.members, name)
	l.standing.Remove(name)
	l.orderMembers()
	l.relevel()
}

// waitingMembers are the departed members, with what goes with each when those before it have gone.
func (s *snapshot) waitingMembers() (list []admin.Waiting) {
	before := map[string]bool{}
	for _, m := range s.members {
		if !m.departed {
			continue
		}
		d := s.departure(m.name, before)
		before[m.name] = true
		list = append(list, admin.Waiting{
			Federation: string(s.config.Name), Domain: string(s.config.Domain), Member: m.name,
			Services: len(d.emptied), Names: d.count(), Emptied: d.emptied, Levels: d.levels,
		})
	}
	return list
}

// departure is what goes with a member: the levels that only it has, with all names there, and all names of the
// services of which no other member has a shard that counts.
type departure struct {
	levels  []federation.FQDN
	emptied []string // services that lose their last address
	names   map[federation.ServiceName][]federation.FQDN
}

func (d departure) count() (n int) {
	for _, names := range d.names {
		n += len(names)
	}
	return n
}

// departure returns what goes with a member after those before it.
func (s *snapshot) departure(name string, before map[string]bool) departure {
	d := departure{names: map[federation.ServiceName][]federation.FQDN{}}
	sooner := map[federation.FQDN]bool{} // levels that go with those before
	for _, lv := range s.levels.All() {
		switch rest := slices.DeleteFunc(slices.Clone(lv.Members), func(m string) bool { return before[m] }); {
		case slices.Equal(rest, []string{name}):
			d.levels = append(d.levels, lv.Name)
		case len(rest) == 0 && len(lv.Members) > 0:
			sooner[lv.Name] = true
		}
	}
	for _, v := range s.views.list() {
		all := s.onlyOn(name, v, before) // its names go, whatever the level
		if all && policy.HasAddress(s.config.Federation, v.name, v.records) {
			d.emptied = append(d.emptied, v.name.String())
		}
		for owner := range v.owners() {
			if _, level, _ := s.config.ParseOwner(owner); all && !sooner[level] || !all && slices.Contains(d.levels, level) {
				d.names[v.name] = append(d.names[v.name], owner)
			}
		}
	}
	slices.Sort(d.emptied)
	return d
}

// onlyOn reports whether the member's shard of a service is the only one that was healthy when it was last seen, but for
// those of the members before it.
func (s *snapshot) onlyOn(name string, v *serviceView, before map[string]bool) (only bool) {
	for _, st := range s.states(v) {
		switch {
		case !st.Healthy || !st.Drained.IsZero() || before[st.Member]:
		case st.Member == name:
			only = true
		default:
			return false
		}
	}
	return only
}

// confirmDeparture removes a departed member with all that it has; what its services lose with it is confirmed too. It
// reports whether the member waits, and nothing more goes with it than was shown: other levels, or services that have
// come to depend on it since (X4c).
func (c confirmer) confirmDeparture(shown admin.Waiting) bool {
	name := shown.Member
	if ms := c.members[name]; ms == nil || !ms.departed {
		return false
	}
	viewer{c.loop}.publish(time.Now(), len(c.unshown)) // decided on what is so now
	d := c.view().departure(name, nil)
	if !subset(d.emptied, shown.Emptied) || !subset(d.levels, shown.Levels) {
		c.log.Warn("not confirmed: more goes with the member now than was shown", "member", name, "confirm", "federation-syncer confirm")
		return false
	}
	for svc, names := range d.names {
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
