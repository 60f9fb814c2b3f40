package syncer

import (
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
)

// A member that is taken out of the configuration, or that an earlier run knew
// and this one does not, departs: it counts as lost, keeps its levels, and is
// removed with all that it has when somebody says so (X4d).

func (l *loop) memberState(name string) *memberState {
	ms := l.members[name]
	if ms == nil {
		ms = &memberState{
			topology: federation.Member{Name: name}, gone: map[federation.ServiceName]bool{}, unresolved: map[federation.ServiceName]unresolved{},
		}
		l.members[name] = ms
	}
	return ms
}

// present returns what is known of a member of the configuration; nil if it is
// none.
func (l *loop) present(name string) *memberState {
	if ms := l.members[name]; ms != nil && !ms.departed {
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
		l.standing.Leave(now, name)
		l.logDeparted(name)
	}
}

// rememberDeparted adds the members that an earlier run knew and that are not
// in the configuration.
func (l *loop) rememberDeparted(now time.Time, entries []federation.LevelEntry) {
	for _, e := range entries {
		for _, name := range e.Members {
			if l.members[name] != nil {
				continue
			}
			ms := l.memberState(name)
			ms.departed, ms.seen = true, true
			l.standing.Add(now, name, 0)
			l.standing.Leave(now, name)
			l.logDeparted(name)
		}
	}
	l.orderMembers()
}

func (l *loop) logDeparted(name string) {
	l.log.Warn("member is not in the configuration any more: it counts as unreachable, and what it has is removed after a confirmation",
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

// waitingMembers are the departed members, with what goes with them.
func (l *loop) waitingMembers() (list []Waiting) {
	for _, name := range l.order {
		if !l.members[name].departed {
			continue
		}
		w := Waiting{Federation: string(l.config.Name), Domain: string(l.config.Domain), Member: name}
		for _, loss := range l.lossWith(name) {
			w.Names += loss.Names
			if loss.Empties {
				w.Services++
			}
		}
		list = append(list, w)
	}
	return list
}

// lossWith is what the services lose with a member: the names at levels that
// only it has, and all of them if no other member has a shard that counts.
func (l *loop) lossWith(name string) map[federation.ServiceName]policy.Loss {
	losses := map[federation.ServiceName]policy.Loss{}
	for svc, names := range l.shadow.Services {
		var loss policy.Loss
		for _, lv := range l.levels.All() {
			if slices.Equal(lv.Members, []string{name}) && len(names[lv.OwnerName(svc)]) > 0 {
				loss.Names++
			}
		}
		if l.onlyOn(name, svc) {
			loss = policy.Loss{Empties: policy.HasAddress(l.config.Federation, svc, l.shadow.Of(svc)), Names: len(names)}
		}
		if loss != (policy.Loss{}) {
			losses[svc] = loss
		}
	}
	return losses
}

// onlyOn reports whether the member's shard of a service is the only one that
// was healthy when it was last seen.
func (l *loop) onlyOn(name string, svc federation.ServiceName) (only bool) {
	for _, st := range l.shards(svc) {
		switch {
		case !st.Healthy || !st.Drained.IsZero():
		case st.Shard.Member == name:
			only = true
		default:
			return false
		}
	}
	return only
}

// confirmDeparture removes a departed member with all that it has; what its
// services lose with it is confirmed too. It reports whether the member waits.
func (l *loop) confirmDeparture(name string) bool {
	if ms := l.members[name]; ms == nil || !ms.departed {
		return false
	}
	for svc, loss := range l.lossWith(name) {
		l.brake.Expect(svc, loss)
	}
	l.log.Info("confirmed: what the member has is removed from the records", "member", name)
	l.removeMember(name)
	return true
}
