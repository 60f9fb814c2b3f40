package reconcile

import (
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/mirror/content"
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
		return r.mirroredShard(m, name)
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

// mirrorsWait is how long a start without records waits for what the mirrors say. A member that cannot be reached then
// is one of those that X1 waits for.
const mirrorsWait = 10 * time.Second

// toldBefore is a start at which the provider does not answer: what the mirrors said stands for the records (M1).
type toldBefore struct {
	until   time.Time // when the wait for the mirrors ends; zero if there is none
	done    bool      // what they say is taken over
	foreign bool      // the claim is known to be another owner's
}

// unclaimed reports whether this run has no claim because the provider does not answer. Then mirrors go on all the
// same: they do not need it.
func (a answerer) unclaimed() bool {
	t := &a.told.start
	return a.told.on && a.holding == nil && a.lostHolding == nil && a.deposed == nil && !t.foreign &&
		(a.backoff > 0 || t.done)
}

// startFromMirrors takes over what the mirrors say as soon as all are read that can be.
func (a answerer) startFromMirrors(now time.Time) {
	t := &a.told.start
	t.foreign = t.foreign || a.holding == nil && a.isForeign()
	if t.done || !a.unclaimed() {
		return
	}
	if t.until.IsZero() {
		t.until, a.told.news = now.Add(mirrorsWait), true // the writers see that they are asked
	}
	found := a.views.FoundMirrors()
	for name, ms := range a.members {
		if _, ok := found[name]; !ok && !ms.departed && now.Before(t.until) {
			return
		}
	}
	t.done = true
	a.views.ForgetFound()
	var read []*mirror.Contents
	for _, c := range found {
		if c != nil {
			read = append(read, c)
		}
	}
	a.mirrored = content.Union(a.config.Federation, mirror.Servable(now, read))
	members := a.recallMirrored(now)
	a.rememberDeparted(now, []federation.LevelEntry{{Members: members}})
	a.reach.Begin(now, members)
	a.relevel()
	a.log.Warn("the provider does not answer: mirrors go on from what they said before", "mirrors", len(read),
		"services", len(a.mirrored))
}

// recallMirrored has the services of the mirrors decided from what they had, as recall does by the records. It returns
// the members that have something of any.
func (a answerer) recallMirrored(now time.Time) (members []string) {
	for name, before := range a.mirrored {
		s := a.ensureService(name)
		s.answer = before
		if policy.HasAddress(a.config.Federation, name, before.RRsets) {
			s.healthyAt = now
		}
		names := map[federation.FQDN]bool{}
		for _, set := range before.RRsets {
			names[set.Name] = true
		}
		s.members = healthyMembers(before.Shards)
		a.brake.Observe(name, policy.Published{
			Address: names[a.config.OwnerName(name, a.config.Domain)], Members: s.members, Names: len(names),
			Has: func(name federation.FQDN) bool { return names[name] },
		})
		for _, m := range s.members {
			if !slices.Contains(members, m) {
				members = append(members, m)
			}
		}
		a.enqueue(name)
	}
	return members
}

// mirroredShard returns the shard of a member as the mirrors said it.
func (r *roster) mirroredShard(m string, name federation.ServiceName) (shard federation.Shard, ok bool) {
	if before := r.mirrored[name]; before != nil {
		for _, s := range before.Shards {
			if s.Member == m {
				return s, true
			}
		}
	}
	return shard, false
}

// endMirrored lets the records speak, which are known now.
func (o opener) endMirrored() {
	before := o.mirrored
	o.mirrored, o.told.start = nil, toldBefore{}
	o.views.ForgetFound()
	for name := range before {
		o.updateBrake(name)
	}
}
