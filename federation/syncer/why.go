package syncer

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// The reasons for which an RRset is as it is; one that is held has the reason
// of that.
const (
	// P1: an RRset: it has the addresses of the healthy shards at this level.
	ReasonHealthyShards federation.Reason = "HealthyShards"
	// H4: an RRset: it leads to the load balancer of the level's only healthy shard, which has a host name.
	ReasonLoadBalancer federation.Reason = "LoadBalancer"
	// P2a: an RRset: it leads a level up, as no shard at this one is healthy.
	ReasonNoHealthyShard federation.Reason = "NoHealthyShard"
	// P2b: an RRset: it has what another region has, by regionFallback, as no shard in this one is healthy.
	ReasonRegionFallback federation.Reason = "RegionFallback"
	// X5a: an RRset: it is not what it is to be, as the provider refuses the change; the status has its answer. It is tried again, less and less often.
	ReasonRefused federation.Reason = "Refused"
	// X5a: an RRset: it is not what it is to be, as the provider could not make the change or does not show what is there, or somebody else changes the name too; the status has the error. It is tried again, less and less often.
	ReasonFailed federation.Reason = "ChangeFailed"
	// X5c: an RRset: it is not what it is to be yet, as the name has changed often of late. It waits for 10 seconds at most.
	ReasonRestless federation.Reason = "ChangesTooOften"
	// X5a: an RRset: it is not what it is to be yet: the change is being made, or waits for the provider.
	ReasonChanging federation.Reason = "Changing"
)

// explained is one RRset of a service as it is, or as it is to be.
type explained struct {
	federation.RRset
	reason  federation.Reason
	members []string // whose shards give it
}

// explain says of each RRset of a service why it is as it is, and what is to
// come besides. It changes nothing.
func (l *loop) explain(now time.Time, name federation.ServiceName) (is, coming []explained) {
	s, have := l.service(name), l.shadow.Of(name)
	v := policy.Decide(now, l.policy, policy.Service{
		Shards: l.shards(name), AllMembers: l.standing.Summary(), Had: len(have) > 0, EmptySince: s.emptySince, HealthyAt: s.healthyAt,
	})
	e := explanation{loop: l, now: now, name: name, verdict: v, levels: map[federation.FQDN]federation.Level{}}
	for _, lv := range l.levels.All() {
		e.levels[lv.OwnerName(name)] = lv
	}
	if v.Keep {
		for _, set := range have {
			is = append(is, explained{RRset: set, reason: v.Held[len(v.Held)-1].Reason})
		}
		return is, nil
	}
	var want []federation.RRset
	if !v.Unfederated {
		want, _ = l.levels.RRsets(name, v.Shards, len(have) > 0)
	}
	for _, set := range have {
		if slices.ContainsFunc(want, set.Equal) {
			is = append(is, e.of(set))
		} else {
			is = append(is, explained{RRset: set, reason: e.pending(set.Name)})
		}
	}
	for _, set := range want {
		if !slices.ContainsFunc(have, set.Equal) {
			coming = append(coming, explained{RRset: set, reason: e.pending(set.Name), members: e.of(set).members})
		}
	}
	return is, coming
}

// explanation is what is needed to explain the RRsets of one service.
type explanation struct {
	loop    *loop
	now     time.Time
	name    federation.ServiceName
	verdict policy.Verdict
	levels  map[federation.FQDN]federation.Level // by the name of the service there
}

// of explains an RRset that is as the rule says.
func (e explanation) of(set federation.RRset) explained {
	x := explained{RRset: set, reason: ReasonNoHealthyShard}
	lv := e.levels[set.Name]
	if set.Type == federation.TypeCNAME {
		if _, _, up := e.loop.config.ParseOwner(federation.FQDN(set.Data[0])); up {
			if lv.Conflict {
				x.reason = federation.ReasonLabelConflict
			}
			return x
		}
	}
	x.reason = ReasonRegionFallback
	for _, shard := range e.verdict.Shards {
		if !shard.Healthy || !gives(shard, set) {
			continue
		}
		x.members = append(x.members, shard.Member)
		if !slices.Contains(lv.Members, shard.Member) || x.reason != ReasonRegionFallback {
			continue
		}
		if x.reason = ReasonHealthyShards; set.Type == federation.TypeCNAME {
			x.reason = ReasonLoadBalancer
		}
	}
	for _, h := range e.verdict.Held {
		if slices.Contains(x.members, h.Member) {
			x.reason = h.Reason
		}
	}
	slices.Sort(x.members)
	return x
}

// gives reports whether something in the RRset is the shard's.
func gives(shard federation.Shard, set federation.RRset) bool {
	if set.Type == federation.TypeCNAME {
		return slices.Contains(set.Data, string(shard.Host))
	}
	return slices.ContainsFunc(shard.Addresses, func(a netip.Addr) bool { return slices.Contains(set.Data, a.String()) })
}

// pending is why a name is not what it is to be.
func (e explanation) pending(name federation.FQDN) federation.Reason {
	l := e.loop
	for _, h := range l.services[e.name].held {
		if h.Reason == policy.ReasonBrake {
			return policy.ReasonBrake
		}
	}
	n := l.names[name]
	switch {
	case n != nil && errors.Is(n.failure.err, provider.ErrRefused):
		return ReasonRefused
	case l.isFailing(name):
		return ReasonFailed
	case n != nil && n.pace.NotBefore(e.now, false).After(e.now):
		return ReasonRestless
	}
	return ReasonChanging
}
