package reconcile

import (
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
)

// roster is what the members show, and what the records said of them when this run began.
type roster struct {
	*env
	reach   *policy.Roster
	members map[string]*memberState
	order   []*memberState // by name
	levels  *federation.Levels
	// allLevels are the levels also where they are not ours, or not claimed: those of the mirrors (M1).
	allLevels    *federation.Levels
	startRecords *startRecords
	// mirrored is what the mirrors said when this run began, if the records could not be read; nil if they could.
	mirrored map[federation.ServiceName]*policy.Answer
	// earlierUntil is until when the topology zones that an earlier run listed count (H6); zero if none do.
	earlierUntil time.Time
}

// observe applies e and every event already queued behind it.
func (l *Loop) observe(e member.Event) {
	observer{l}.apply(e)
	for range len(l.events) { // nobody else receives
		observer{l}.apply(<-l.events)
	}
	if l.quietAt.IsZero() && len(l.dirty) > 0 {
		l.quietAt = time.Now().Add(debounce)
	}
	if l.told.quietAt.IsZero() && len(l.told.waiting) > 0 {
		l.told.quietAt = time.Now().Add(debounce)
	}
}

// observer applies what the members show.
type observer struct{ *Loop }

// apply applies one event; it ignores members that are not, or no longer, configured.
func (o observer) apply(e member.Event) {
	switch e := e.(type) {
	case member.ProbeEvent:
		if ms := o.configured(e.Member); ms != nil {
			o.applyProbe(ms, e)
		}
	case member.ListEvent:
		if ms := o.configured(e.Member); ms != nil {
			o.applyList(ms, e)
		}
	case member.TopologyEvent:
		if ms := o.configured(e.Member); ms != nil {
			o.setProblems(ms, e.Problems)
			mover(o).update(ms, e.Topology)
		}
	case member.ShardEvent:
		if ms := o.configured(e.Member); ms != nil && ms.shards != nil {
			if e.Key.Federation == o.config.Name {
				if e.Shard != nil {
					o.startRecords.account(e.Member, e.Key.Service, e.Shard.Known)
				}
				if _, had := ms.shards[e.Key.Service]; had || e.Shard != nil {
					ms.losses.Event(e.Key.Service, e.Shard != nil && e.Shard.Healthy, watchedLoss(e.Shard))
				}
				o.setShard(ms, e.Key.Service, e.Shard)
				o.enqueueSeen(e.Key.Service, e.Seen)
			}
		}
	}
}

func (r *roster) applyProbe(ms *memberState, e member.ProbeEvent) {
	if (e.Err == nil) != (ms.probeErr == nil) {
		if e.Err != nil {
			r.log.Warn("probe of a member failed", "member", e.Member, "error", e.Err)
		} else {
			r.log.Info("probe of a member works again", "member", e.Member)
		}
	}
	ms.probeErr = e.Err
	r.reach.Pause(e.Member, e.Idle)
	r.reach.Watch(e.Member, e.Unwatched)
	if r.reach.Probe(e.At, e.Member, e.Err == nil) {
		r.relist(e.Member)
	}
}

// applyList applies the complete content of a member: what is not in it is gone (X2b).
func (o observer) applyList(ms *memberState, e member.ListEvent) {
	now := time.Now()
	ms.version, ms.clusterUID = e.Version, e.ClusterUID
	o.setProblems(ms, e.Problems)
	missing := maps.Clone(ms.shards)
	if ms.shards == nil {
		ms.shards = map[federation.ServiceName]member.Shard{}
	}
	for key, shard := range e.Shards {
		if key.Federation == o.config.Name {
			o.startRecords.account(e.Member, key.Service, shard.Known)
			ms.losses.Listed(key.Service, shard.Healthy)
			o.setShard(ms, key.Service, &shard)
			delete(missing, key.Service)
			o.enqueueSeen(key.Service, now)
		}
	}
	for name := range missing {
		ms.losses.Missing(name)
		o.setShard(ms, name, nil)
		o.enqueueSeen(name, now)
	}
	o.levelsStale = o.levelsStale || !ms.seen
	ms.seen = true
	o.reach.List(e.Member)
	mover(o).update(ms, e.Topology)
}

func (o observer) setShard(ms *memberState, name federation.ServiceName, shard *member.Shard) {
	old, had := ms.shards[name]
	if had {
		ms.trackUnresolved(time.Now(), name, &old, shard)
	} else {
		ms.trackUnresolved(time.Now(), name, nil, shard)
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
		s := o.ensureService(name)
		if had {
			s.shards--
		} else {
			s.shards++
		}
	}
}

// setProblems keeps the member's problems that belong to no service, and logs new ones (X7).
func (r *roster) setProblems(ms *memberState, problems []federation.Problem) {
	for _, p := range problems {
		if !slices.Contains(ms.problems, p) {
			r.log.Warn("member", "member", ms.topology.Name, "reason", string(p.Reason), "detail", p.Detail)
		}
	}
	ms.problems = problems
}

func (r *roster) orderMembers() {
	r.order = make([]*memberState, 0, len(r.members))
	for _, name := range slices.Sorted(maps.Keys(r.members)) {
		r.order = append(r.order, r.members[name])
	}
}

// tick re-evaluates members and services at now.
func (l *Loop) tick(now time.Time) {
	before := l.reach.Panic()
	v := l.reach.Step(now, l.answers(now))
	for _, name := range v.Lost {
		if l.reach.Get(name).Unwatched {
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
		l.log.Info("member is present",
			"member", name, "version", ms.version, "services", len(ms.shards), "region", string(ms.topology.Region),
			"zones", ms.topology.Zones)
	}
	switch after := l.reach.Panic(); {
	case before.IsZero() && !after.IsZero():
		l.log.Error("most members became unreachable at once: assuming that the syncer is isolated, "+
			"withdrawing nothing of theirs", "reason", string(federation.ReasonSyncerCutOff))
	case !before.IsZero() && after.IsZero():
		l.log.Info("the syncer is no longer assumed to be isolated", "after", now.Sub(before).Round(time.Second))
	}
	if v.Changed {
		if l.holding != nil && l.reach.Summary().Observed {
			l.dropStartRecords()
		}
		l.enqueueAll()
	}
	for _, name := range l.timers.Due(now) {
		l.enqueue(name)
	}
	if l.earlierExpired(now) {
		mover{l}.moveWaiting(now)
	}
	if !l.tidyAt.IsZero() && !now.Before(l.tidyAt) {
		l.tidy(now)
	}
}

// relevel computes the levels, and has claims and list compared with them.
func (l *Loop) relevel() {
	mover{l}.computeLevels()
	l.levelsStale = true
}

// computeLevels computes the levels of the members, and enqueues every service.
func (m mover) computeLevels() {
	m.keepUnresolved()
	members := make([]federation.Member, 0, len(m.members))
	for _, ms := range m.members {
		members = append(members, ms.topology)
	}
	before := m.levels
	m.levels = federation.NewLevels(m.config.Federation, members, m.config.Options)
	m.allLevels = m.levels
	if unclaimed := m.unclaimed(m.levels); len(unclaimed) > 0 {
		opt := m.config.Options
		opt.Foreign = unclaimed
		m.levels = federation.NewLevels(m.config.Federation, members, opt)
	}
	for name, ms := range m.members {
		ms.places, ms.above = policy.PlacesOf(m.recordedLevels(m.levels.MemberLevels(name)))
	}
	for _, p := range m.levels.Problems() {
		if before == nil || !slices.Contains(before.Problems(), p) {
			m.log.Warn("topology", "reason", string(p.Reason), "detail", p.Detail)
		}
	}
	m.enqueueAll()
}

// report keeps the problems of a service for the status, and logs new ones.
func (r *roster) report(name federation.ServiceName, s *service, problems []federation.Problem) {
	for _, ms := range r.order {
		problems = append(problems, ms.shards[name].Problems...)
	}
	for _, p := range problems {
		if !slices.Contains(s.problems, p) {
			r.log.Warn("service",
				"service", name.String(), "member", p.Member, "reason", string(p.Reason), "detail", p.Detail)
		}
	}
	s.problems = problems
}

// shards returns the shards of a service as the members show them, or as they were before where the members cannot tell
// (X1b, H4).
func (r *roster) shards(name federation.ServiceName) []policy.ShardState {
	out := make([]policy.ShardState, 0, len(r.order))
	for _, ms := range r.order {
		observed, listed := ms.shards[name]
		if shard, since, ok := r.shard(ms, name, observed, listed); ok {
			out = append(out, policy.ShardState{
				Reach: r.reach.Get(ms.topology.Name), Drained: ms.drained, Shard: shard, Unresolved: since,
			})
		}
	}
	return out
}

// shard returns a member's shard of a service as the member shows it (observed, if it is listed), or as it was before
// if the member cannot tell, and since when it cannot (X1b, H4).
func (r *roster) shard(
	ms *memberState, name federation.ServiceName, observed member.Shard, listed bool,
) (shard federation.Shard, since time.Time, ok bool) {
	if ms.shards == nil {
		shard, ok = r.recordedShard(ms.topology.Name, name)
		return shard, since, ok
	}
	if listed {
		if before, since, known := r.beforeUnresolved(ms, name); known {
			before.Ports = observed.Ports
			return before, since, true
		}
	}
	return observed.Shard, since, listed
}

// watchedAt is watched for the shards at one level of the service (P2c).
func (r *roster) watchedAt(name federation.ServiceName, lv federation.Level) (watched bool) {
	for _, m := range lv.Members {
		if seen, lost := r.members[m].losses[name]; lost {
			if !seen || r.reach.Get(m).Standing != policy.Present {
				return false
			}
			watched = true
		}
	}
	return watched
}

// clusterState is what is known of a member as a cluster.
type clusterState struct {
	version    string
	clusterUID string
	// object reports that it is a MemberCluster of the host, and no entry of the file.
	object bool
}

// memberState is what is known of one member.
type memberState struct {
	topology federation.Member
	place    place
	places   []federation.Level // where an address in the records may be its (X1b)
	above    []federation.Level // its further levels
	shards   map[federation.ServiceName]member.Shard
	healthy  int // how many of the shards are
	// drained is when the member was drained; zero if it is not (H5).
	drained time.Time
	// departed: it is not configured (any more), and is kept until that is confirmed (X4d).
	departed bool
	// seen: this run has listed it, or the list of levels has it. Until then nothing in the records can be its, except
	// at the levels of a configured topology.
	seen bool
	// losses are the shards that are no longer healthy, and how that was seen (X4c).
	losses policy.Losses
	// unresolved are the shards whose host names have not resolved since the start (H4).
	unresolved map[federation.ServiceName]unresolvedShard
	clusterState
	problems []federation.Problem
	probeErr error
}
