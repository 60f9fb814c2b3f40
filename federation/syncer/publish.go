package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// take takes one event of a member in.
func (l *loop) take(e member.Event) {
	now := time.Now()
	switch e := e.(type) {
	case member.ProbeEvent:
		l.takeProbe(e)
	case member.ListEvent:
		l.takeList(now, e)
	case member.TopologyEvent:
		if ms := l.members[e.Member]; ms != nil {
			ms.problems = e.Problems
			l.place(ms, e.Topology)
		}
	case member.ShardEvent:
		ms := l.members[e.Member]
		if ms == nil || ms.shards == nil || e.Key.Federation != l.config.Name {
			return
		}
		l.setShard(ms, e.Key.Service, e.Shard)
		l.touchAt(e.Key.Service, e.Seen)
	}
}

func (l *loop) takeProbe(e member.ProbeEvent) {
	ms := l.members[e.Member]
	if ms == nil {
		return
	}
	if (e.Err == nil) != (ms.probeErr == nil) {
		if e.Err != nil {
			l.log.Warn("probe of a member failed", "member", e.Member, "error", e.Err)
		} else {
			l.log.Info("probe of a member works again", "member", e.Member)
		}
	}
	ms.probeErr = e.Err
	l.standing.Probe(e.At, e.Member, e.Err == nil)
}

// takeList takes the complete content of a member in: what is not in it is
// gone (X2b).
func (l *loop) takeList(now time.Time, e member.ListEvent) {
	ms := l.members[e.Member]
	if ms == nil {
		return
	}
	before := l.standing.Get(e.Member)
	ms.version, ms.clusterUID, ms.problems, ms.probeErr = e.Version, e.ClusterUID, e.Problems, nil
	gone := maps.Clone(ms.shards)
	if ms.shards == nil {
		ms.shards = map[federation.ServiceName]member.Shard{}
	}
	for key, shard := range e.Shards {
		if key.Federation == l.config.Name {
			l.setShard(ms, key.Service, &shard)
			delete(gone, key.Service)
			l.touchAt(key.Service, now)
		}
	}
	for name := range gone {
		l.setShard(ms, name, nil)
		l.touchAt(name, now)
	}
	l.standing.List(now, e.Member)
	if !slices.ContainsFunc(slices.Collect(maps.Values(l.members)), func(ms *memberState) bool { return ms.shards == nil }) {
		l.initial = newShadow(l.config.Federation) // all is seen: the records of the start need not speak for anyone
	}
	if before.Standing != policy.Present {
		l.log.Info("member is present", "member", e.Member, "version", e.Version, "services", len(ms.shards),
			"region", string(e.Topology.Region), "zones", e.Topology.Zones)
		l.touchAll()
	}
	l.place(ms, e.Topology)
}

func (l *loop) setShard(ms *memberState, name federation.ServiceName, shard *member.Shard) {
	for _, a := range ms.shards[name].Known {
		if l.known[a]--; l.known[a] == 0 {
			delete(l.known, a)
		}
	}
	if shard == nil {
		delete(ms.shards, name)
		return
	}
	for _, a := range shard.Known {
		l.known[a]++
	}
	ms.shards[name] = *shard
}

func (l *loop) place(ms *memberState, t federation.Member) {
	if ms.fixed || ms.topology.Region == t.Region && slices.Equal(ms.topology.Zones, t.Zones) {
		return
	}
	if t.Region == "" && len(t.Zones) == 0 {
		return // a member that shows no labelled Node keeps the place it had
	}
	ms.topology = t
	l.relevel()
}

// placeByLevels gives the members that have not been listed yet the topology
// that an earlier run knew (X1c).
func (l *loop) placeByLevels(entries []federation.LevelEntry) {
	for _, e := range entries {
		for _, name := range e.Members {
			ms := l.members[name]
			if ms == nil {
				continue
			}
			l.standing.Listed(name)
			if ms.fixed || ms.shards != nil {
				continue
			}
			if e.Region != "" {
				ms.topology.Region = e.Region
			}
			if e.Zone != "" && !slices.Contains(ms.topology.Zones, e.Zone) {
				ms.topology.Zones = append(ms.topology.Zones, e.Zone)
				slices.Sort(ms.topology.Zones)
			}
		}
	}
}

// relevel computes the levels anew, and has every service planned again.
func (l *loop) relevel() {
	members := make([]federation.Member, 0, len(l.members))
	for _, ms := range l.members {
		members = append(members, ms.topology)
	}
	opt := l.config.Options
	opt.Foreign = map[federation.FQDN]bool{}
	for level := range l.foreign {
		opt.Foreign[level] = true
	}
	before := l.levels
	l.levels = federation.NewLevels(l.config.Federation, members, opt)
	for _, p := range l.levels.Problems() {
		if before == nil || !slices.Contains(before.Problems(), p) {
			l.log.Warn("topology", "reason", string(p.Reason), "detail", p.Detail)
		}
	}
	l.stale = true
	l.touchAll()
}

func (l *loop) touch(name federation.ServiceName) { l.touchAt(name, time.Time{}) }

// touchAt has a service planned again; seen is when the reason was seen.
func (l *loop) touchAt(name federation.ServiceName, seen time.Time) {
	s := l.services[name]
	if s == nil {
		s = &service{}
		l.services[name] = s
	}
	if s.since.IsZero() {
		s.since = seen
	}
	l.dirty[name] = true
}

func (l *loop) touchAll() {
	for name := range l.services {
		l.dirty[name] = true
	}
}

func (l *loop) touchName(name federation.FQDN) {
	if svc, _, ok := l.config.ParseOwner(name); ok {
		l.touch(svc)
	}
}

// publish plans for the services that need it and starts the changes; it
// reports whether there are any to make now.
func (l *loop) publish(ctx context.Context, now time.Time) bool {
	var current, desired []federation.RRset
	planned := 0
	for name := range l.dirty {
		if planned == maxBatch {
			break
		}
		have := l.shadow.of(name)
		want, write := l.desired(now, name, have)
		if !write || federation.EqualRRsets(have, want) {
			l.settled(name)
			continue
		}
		planned++
		current, desired = append(current, have...), append(desired, want...)
	}
	changes := l.allowed(now, plan.Diff(current, desired))
	if len(changes) == 0 {
		return false
	}
	claim := l.held.claim
	l.start(ctx, func(ctx context.Context) func() {
		errs := l.provider.Apply(ctx, &claim, changes)
		return func() { l.applied(changes, errs) }
	})
	return true
}

// settled: the records of the service are what they are to be.
func (l *loop) settled(name federation.ServiceName) {
	delete(l.dirty, name)
	s := l.services[name]
	s.since = time.Time{}
	if len(l.shadow.services[name]) == 0 && len(s.verdict.Shards) == 0 {
		delete(l.services, name) // nothing to remember
	}
}

// desired is what the service's records are to be; write is false if they
// stay as they are.
func (l *loop) desired(now time.Time, name federation.ServiceName, have []federation.RRset) (want []federation.RRset, write bool) {
	s := l.services[name]
	shards, all := l.shards(name)
	s.verdict = policy.Decide(now, l.policy, policy.Service{Shards: shards, AllObserved: all, Had: len(have) > 0, EmptySince: s.emptySince})
	s.emptySince, s.next = s.verdict.EmptySince, s.verdict.Next
	switch {
	case s.verdict.Keep:
		return nil, false
	case s.verdict.Gone:
		return nil, true
	}
	want, problems := l.levels.RRsets(name, s.verdict.Shards, len(have) > 0)
	l.report(name, s, problems)
	return want, true
}

// report keeps the problems of a service for the status, and logs new ones.
func (l *loop) report(name federation.ServiceName, s *service, problems []federation.Problem) {
	for _, m := range slices.Sorted(maps.Keys(l.members)) {
		problems = append(problems, l.members[m].shards[name].Problems...)
	}
	for _, p := range problems {
		if !slices.Contains(s.problems, p) {
			l.log.Warn("service", "service", name.String(), "member", p.Member, "reason", string(p.Reason), "detail", p.Detail)
		}
	}
	s.problems = problems
}

// shards are the shards of a service as the members show them, or the records
// of the start for members that have not been listed yet (X1b). all says that
// every member has been.
func (l *loop) shards(name federation.ServiceName) (out []policy.ShardState, all bool) {
	all = true
	for _, m := range slices.Sorted(maps.Keys(l.members)) {
		ms := l.members[m]
		standing := l.standing.Get(m)
		if ms.shards == nil {
			all = false
			if shard, ok := l.recorded(name, ms.topology); ok {
				out = append(out, policy.ShardState{Shard: shard, Member: standing})
			}
			continue
		}
		if shard, ok := ms.shards[name]; ok {
			out = append(out, policy.ShardState{Shard: shard.Shard, Member: standing})
		}
	}
	return out, all
}

// recorded is the shard of a member that has not been listed yet, as the
// records of the start show it: the addresses at its topology zones, or at its
// region if it has none, that no listed member accounts for (X1b).
func (l *loop) recorded(name federation.ServiceName, at federation.Member) (federation.Shard, bool) {
	places := []federation.Topology{{Region: at.Region}}
	if len(at.Zones) > 0 {
		places = places[:0]
		for _, z := range at.Zones {
			places = append(places, federation.Topology{Region: at.Region, Zone: z})
		}
	}
	shard := federation.Shard{Member: at.Name, Healthy: true}
	for _, place := range places {
		level := l.config.LevelName(place)
		if level == "" || level == l.config.Domain {
			continue
		}
		owner := federation.FQDN(name.Name + "." + name.Namespace + "." + string(l.config.Suffix(level)))
		for _, set := range l.initial.at(owner) {
			l.addRecorded(&shard, set)
		}
	}
	slices.SortFunc(shard.Addresses, netip.Addr.Compare)
	shard.Addresses = slices.Compact(shard.Addresses)
	return shard, len(shard.Addresses) > 0 || shard.Host != ""
}

func (l *loop) addRecorded(shard *federation.Shard, set federation.RRset) {
	for _, d := range set.Data {
		if l.known[d] > 0 {
			continue // accounted for
		}
		if set.Type == federation.TypeCNAME {
			if _, _, own := l.config.ParseOwner(federation.FQDN(d)); own {
				continue // leads to a level up
			}
			shard.Host = federation.FQDN(d)
		} else if a, err := netip.ParseAddr(d); err == nil {
			shard.Addresses = append(shard.Addresses, a)
		}
		if shard.TTL == 0 || set.TTL < shard.TTL {
			shard.TTL = set.TTL
		}
	}
}

// applied takes the results of changes.
func (l *loop) applied(changes []plan.Change, errs []error) {
	now := time.Now()
	var open error
	var conflicts []federation.FQDN
	for i, c := range changes {
		err := errs[i]
		n := l.name(c.Name)
		switch {
		case err == nil:
			l.shadow.set(c.Name, c.To)
			n.changed(now)
			l.metrics.change("ok")
			l.log.Debug("changed", "name", string(c.Name), "from", describe(c.From), "to", describe(c.To))
			if svc, _, ok := l.config.ParseOwner(c.Name); ok && l.services[svc] != nil && !l.services[svc].since.IsZero() {
				l.metrics.latency.Observe(now.Sub(l.services[svc].since).Seconds())
			}
		case errors.Is(err, provider.ErrConflict):
			conflicts = append(conflicts, c.Name)
			l.metrics.change("conflict")
			l.log.Warn("another writer has changed a name: reading it again", "name", string(c.Name), "error", err)
		case errors.Is(err, provider.ErrRefused):
			n.refuse(now, err)
			l.metrics.change("refused")
			l.log.Error("the provider refuses a change", "name", string(c.Name), "error", err, "retry", n.refusedUntil.Sub(now))
		default:
			open = err
			l.reread[c.Name] = true
			l.metrics.change("failed")
		}
	}
	l.conflict(conflicts...)
	if open != nil {
		l.failed("changing records", open)
	} else {
		l.succeeded()
	}
}

func describe(sets []federation.RRset) string {
	if len(sets) == 0 {
		return "nothing"
	}
	out := ""
	for _, s := range sets {
		out += fmt.Sprintf("%s %d %v ", s.Type, s.TTL, s.Data)
	}
	return out[:len(out)-1]
}
