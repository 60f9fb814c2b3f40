package syncer

import (
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
)

// roster is what the members show, and what the records showed of them when this run began.
type roster struct {
	*env
	standing  *policy.Roster
	members   map[string]*memberState
	order     []string // their names, sorted
	levels    *federation.Levels
	beginning *beginning
	// formerUntil is until when the topology zones that an earlier run listed count (H6); zero if none do.
	formerUntil time.Time
}

// observe applies e and every event already queued behind it.
func (l *loop) observe(e member.Event) {
	observer{l}.apply(e)
	for range len(l.events) { // nobody else receives
		observer{l}.apply(<-l.events)
	}
	if l.quietAt.IsZero() && len(l.dirty) > 0 {
		l.quietAt = time.Now().Add(debounce)
	}
}

// observer applies what the members show.
type observer struct{ *loop }

// apply takes one event of a member in; those of members that are not ours (any
// more) are passed over.
func (o observer) apply(e member.Event) {
	switch e := e.(type) {
	case member.ProbeEvent:
		if ms := o.present(e.Member); ms != nil {
			o.takeProbe(ms, e)
		}
	case member.ListEvent:
		if ms := o.present(e.Member); ms != nil {
			o.applyList(ms, e)
		}
	case member.TopologyEvent:
		if ms := o.present(e.Member); ms != nil {
			o.setProblems(ms, e.Problems)
			mover{o.loop}.update(ms, e.Topology)
		}
	case member.ShardEvent:
		if ms := o.present(e.Member); ms != nil && ms.shards != nil {
			if e.Key.Federation == o.config.Name {
				if e.Shard != nil {
					o.beginning.account(e.Member, e.Key.Service, e.Shard.Known)
				}
				if _, had := ms.shards[e.Key.Service]; had || e.Shard != nil {
					ms.losses.Event(e.Key.Service, e.Shard != nil && e.Shard.Healthy, watchedLoss(e.Shard))
				}
				o.setShard(ms, e.Key.Service, e.Shard)
				o.touchAt(e.Key.Service, e.Seen)
			}
		}
	}
}

func (r *roster) takeProbe(ms *memberState, e member.ProbeEvent) {
	if (e.Err == nil) != (ms.probeErr == nil) {
		if e.Err != nil {
			r.log.Warn("probe of a member failed", "member", e.Member, "error", e.Err)
		} else {
			r.log.Info("probe of a member works again", "member", e.Member)
		}
	}
	ms.probeErr = e.Err
	r.standing.Pause(e.Member, e.Idle)
	r.standing.Watch(e.Member, e.Unwatched)
	if r.standing.Probe(e.At, e.Member, e.Err == nil) {
		r.relist(e.Member)
	}
}

// applyList takes the complete content of a member in: what is not in it is
// gone (X2b).
func (o observer) applyList(ms *memberState, e member.ListEvent) {
	now := time.Now()
	ms.version, ms.clusterUID = e.Version, e.ClusterUID
	o.setProblems(ms, e.Problems)
	gone := maps.Clone(ms.shards)
	if ms.shards == nil {
		ms.shards = map[federation.ServiceName]member.Shard{}
	}
	for key, shard := range e.Shards {
		if key.Federation == o.config.Name {
			o.beginning.account(e.Member, key.Service, shard.Known)
			ms.losses.Listed(key.Service, shard.Healthy)
			o.setShard(ms, key.Service, &shard)
			delete(gone, key.Service)
			o.touchAt(key.Service, now)
		}
	}
	for name := range gone {
		ms.losses.Missing(name)
		o.setShard(ms, name, nil)
		o.touchAt(name, now)
	}
	o.stale = o.stale || !ms.seen
	ms.seen = true
	o.standing.List(e.Member)
	mover{o.loop}.update(ms, e.Topology)
}

func (o observer) setShard(ms *memberState, name federation.ServiceName, shard *member.Shard) {
	old, had := ms.shards[name]
	if had {
		ms.remember(time.Now(), name, &old, shard)
	} else {
		ms.remember(time.Now(), name, nil, shard)
	}
	if had && old.Healthy {
		ms.healthy--
	}
	if shard == nil {
		delete(ms.shards, name)
	} else {
		ms.shards[name] = *shard
		if shard.Healthy {
			ms.healthy++
		}
	}
	if had != (shard != nil) {
		s := o.service(name)
		if had {
			s.shards--
		} else {
			s.shards++
		}
	}
}

// setProblems keeps the problems of a member that belong to no service, and
// logs new ones (X7).
func (r *roster) setProblems(ms *memberState, problems []federation.Problem) {
	for _, p := range problems {
		if !slices.Contains(ms.problems, p) {
			r.log.Warn("member", "member", ms.topology.Name, "reason", string(p.Reason), "detail", p.Detail)
		}
	}
	ms.problems = problems
}

func (r *roster) orderMembers() { r.order = slices.Sorted(maps.Keys(r.members)) }

// tick re-evaluates members and services at now.
func (l *loop) tick(now time.Time) {
	before := l.standing.Panic()
	v := l.standing.Step(now, l.answers(now))
	for _, name := range v.Lost {
		if l.standing.Get(name).Unwatched {
			l.log.Warn("member answers, but its Services or EndpointSlices cannot be listed or watched", "member", name)
			continue
		}
		l.log.Warn("member is unreachable", "member", name, "error", l.members[name].probeErr)
	}
	for _, name := range v.Relist {
		l.relist(name)
	}
	for _, name := range v.Back {
		ms := l.members[name]
		l.log.Info("member is present", "member", name, "version", ms.version, "services", len(ms.shards),
			"region", string(ms.topology.Region), "zones", ms.topology.Zones)
	}
	switch after := l.standing.Panic(); {
	case before.IsZero() && !after.IsZero():
		l.log.Error("most members are lost at once: taken for a cut of the syncer's own, nothing of theirs is withdrawn", "reason", string(federation.ReasonSyncerCutOff))
	case !before.IsZero() && after.IsZero():
		l.log.Info("the cut is taken to have ended", "after", now.Sub(before).Round(time.Second))
	}
	if v.Changed {
		if l.held != nil && l.standing.Summary().Observed {
			l.endBeginning()
		}
		l.touchAll()
	}
	for _, name := range l.timers.due(now) {
		l.touch(name)
	}
	if l.formerExpired(now) {
		mover{l}.moveWaiting(now)
	}
	if !l.tidyAt.IsZero() && !now.Before(l.tidyAt) {
		l.tidy(now)
	}
}

// relevel computes the levels anew, and has every service planned again.
func (l *loop) relevel() {
	l.keepUnresolved()
	members := make([]federation.Member, 0, len(l.members))
	for _, ms := range l.members {
		members = append(members, ms.topology)
	}
	before := l.levels
	l.levels = federation.NewLevels(l.config.Federation, members, l.config.Options)
	if not := l.unclaimed(l.levels); len(not) > 0 {
		opt := l.config.Options
		opt.Foreign = not
		l.levels = federation.NewLevels(l.config.Federation, members, opt)
	}
	for name, ms := range l.members {
		ms.places, ms.above = policy.PlacesOf(l.recordedLevels(l.levels.MemberLevels(name)))
	}
	for _, p := range l.levels.Problems() {
		if before == nil || !slices.Contains(before.Problems(), p) {
			l.log.Warn("topology", "reason", string(p.Reason), "detail", p.Detail)
		}
	}
	l.stale = true
	l.touchAll()
}

func (q *queue) service(name federation.ServiceName) *service {
	s := q.services[name]
	if s == nil {
		s = &service{}
		q.services[name] = s
	}
	return s
}

func (q *queue) touch(name federation.ServiceName) { q.touchAt(name, time.Time{}) }

// touchAt has a service planned again; seen is when the reason was seen.
func (q *queue) touchAt(name federation.ServiceName, seen time.Time) {
	if s := q.service(name); s.since.IsZero() {
		s.since = seen
	}
	q.dirty[name], q.unshown[name] = true, true
}

func (q *queue) touchAll() {
	for name := range q.services {
		q.dirty[name], q.unshown[name] = true, true
	}
}

// show has the view of a name's service published.
func (q *queue) show(name federation.FQDN) {
	if svc, _, ok := q.config.ParseOwner(name); ok {
		q.unshown[svc] = true
	}
}

func (q *queue) touchName(name federation.FQDN) {
	if svc, _, ok := q.config.ParseOwner(name); ok {
		q.touch(svc)
	}
}
