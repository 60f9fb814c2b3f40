package reconcile

import (
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
)

// startRecords are what the records said when this run began. They speak for the members that have not been listed yet
// (X1b), and are dropped when all have been. A nil one says nothing.
type startRecords struct {
	records *claim.Records
	// holders are, for each address or host name in a service's records, the listed members that have, or have had, it
	// on that service. None is ever removed: an address that a member has since given up is nobody else's.
	holders map[federation.ServiceName]map[string][]string
}

func newStartRecords(s *claim.Records) *startRecords {
	b := &startRecords{
		records: claim.NewRecords(s.Federation), holders: map[federation.ServiceName]map[string][]string{},
	}
	for svc, names := range s.Services {
		b.records.Services[svc] = maps.Clone(names)
		b.holders[svc] = map[string][]string{}
		for _, sets := range names {
			for _, set := range sets {
				for _, d := range set.Data {
					b.holders[svc][d] = nil
				}
			}
		}
	}
	return b
}

// account notes what a listed member has on a service.
func (b *startRecords) account(name string, svc federation.ServiceName, known []string) {
	if b == nil {
		return
	}
	for _, d := range known {
		if had, ok := b.holders[svc][d]; ok && !slices.Contains(had, name) {
			b.holders[svc][d] = append(had, name)
		}
	}
}

// accounted reports whether a listed member at the level has, or has had, the address or host name on the service.
func (b *startRecords) accounted(svc federation.ServiceName, lv federation.Level, data string) bool {
	return slices.ContainsFunc(b.holders[svc][data], func(m string) bool { return slices.Contains(lv.Members, m) })
}

// atLevels returns what the records of a service had at the levels.
func (b *startRecords) atLevels(svc federation.ServiceName, places []federation.Level) (sets []federation.RRset) {
	if b == nil {
		return nil
	}
	for _, lv := range places {
		sets = append(sets, b.records.ByName(lv.OwnerName(svc))...)
	}
	return sets
}

// forMember returns what the records had where a member may have something of a service.
func (b *startRecords) forMember(m string, svc federation.ServiceName, members map[string]*memberState) policy.Records {
	ms := members[m]
	r := policy.Records{
		At: b.atLevels(svc, ms.places),
		Accounted: func(name federation.FQDN, d string) bool {
			matches := func(lv federation.Level) bool { return lv.OwnerName(svc) == name && b.accounted(svc, lv, d) }
			return slices.ContainsFunc(ms.places, matches) || slices.ContainsFunc(ms.above, matches)
		},
		Elsewhere: func(d string) bool { return b.elsewhere(m, svc, members, d) },
	}
	for _, lv := range ms.above {
		r.Above = append(r.Above, b.atLevels(svc, []federation.Level{lv}))
	}
	return r
}

// elsewhere reports whether the service had the address or host name at a place of another member than m.
func (b *startRecords) elsewhere(
	m string, svc federation.ServiceName, members map[string]*memberState, data string,
) bool {
	for name, ms := range members {
		if name == m {
			continue
		}
		for _, set := range b.atLevels(svc, ms.places) {
			if slices.Contains(set.Data, data) {
				return true
			}
		}
	}
	return false
}

// Until its load balancer's host name first resolves, a shard keeps its previous state (H4): the one last watched or,
// after a restart, the one in the records (X1b). The member bounds for how long (member.Shard.Unresolved).

// unresolvedShard is what is remembered of such a shard.
type unresolvedShard struct {
	since time.Time
	// before is its previous state; nil: what the start records say, if anything.
	before *federation.Shard
}

// trackUnresolved notes that a shard changes; old is nil if there was none, shard if there is none now.
func (ms *memberState) trackUnresolved(now time.Time, name federation.ServiceName, old, shard *member.Shard) {
	if shard == nil || len(shard.Unresolved) == 0 {
		delete(ms.unresolved, name)
		return
	}
	if _, known := ms.unresolved[name]; known {
		return
	}
	u := unresolvedShard{since: now}
	sameHost := func(host string) bool { return old != nil && slices.Contains(old.Known, host) }
	if slices.ContainsFunc(shard.Unresolved, sameHost) && old.Healthy {
		before := old.Shard
		u.before = &before
	}
	ms.unresolved[name] = u
}

// beforeUnresolved returns the previous state of an unresolved shard, and since when it is unresolved; ok is false if
// that state is unknown.
func (r *roster) beforeUnresolved(
	ms *memberState, name federation.ServiceName,
) (shard federation.Shard, since time.Time, ok bool) {
	u, ok := ms.unresolved[name]
	if ok && u.before != nil {
		return *u.before, u.since, true
	}
	if ok {
		shard, ok = r.recordedShard(ms.topology.Name, name)
	}
	return shard, u.since, ok
}

// recordedShard returns the shard of a member as the start records have it (X1b).
func (r *roster) recordedShard(m string, name federation.ServiceName) (federation.Shard, bool) {
	if r.startRecords == nil {
		return federation.Shard{}, false
	}
	return policy.Recorded(r.config.Federation, m, r.startRecords.forMember(m, name, r.members))
}

// dropStartRecords drops the start records, as they need not speak for members any longer. What they say of unresolved
// shards is kept.
func (r *roster) dropStartRecords() {
	r.keepUnresolved()
	r.startRecords = nil
}

// keepUnresolved keeps what the start records say of unresolved shards, at the current places of their members. It has
// to be called before a member moves, as the records have nothing of it at its new place.
func (r *roster) keepUnresolved() {
	for m, ms := range r.members {
		for name, u := range ms.unresolved {
			if shard, ok := r.recordedShard(m, name); ok && u.before == nil {
				u.before = &shard
				ms.unresolved[name] = u
			}
		}
	}
}

// keepMoved keeps what the start records say of unresolved shards whose members were listed before the records were
// read, and have moved since an earlier run: it is at the places that the list of levels names.
func (r *roster) keepMoved(entries []federation.LevelEntry) {
	former := map[string]federation.Member{}
	for _, e := range entries {
		for _, name := range e.Members {
			m := former[name]
			m.Name = name
			placeAt(&m, e)
			former[name] = m
		}
	}
	levels := federation.NewLevels(r.config.Federation, slices.Collect(maps.Values(former)), r.config.Options)
	for m, ms := range r.members {
		now := *ms
		for name, u := range ms.unresolved {
			if _, ok := r.recordedShard(m, name); ok || u.before != nil {
				continue
			}
			ms.places, ms.above = policy.PlacesOf(levels.MemberLevels(m))
			if shard, ok := r.recordedShard(m, name); ok {
				u.before = &shard
				ms.unresolved[name] = u
			}
			ms.places, ms.above = now.places, now.above
		}
	}
}

// watchedLoss reports whether a shard was lost by what its member shows. A host name that does not resolve is no change
// of a single Service (X4c).
func watchedLoss(shard *member.Shard) bool {
	return shard == nil || shard.ReadyEndpoints == 0 ||
		!slices.ContainsFunc(shard.Problems, func(p federation.Problem) bool {
			return p.Reason == federation.ReasonHostUnresolved
		})
}
