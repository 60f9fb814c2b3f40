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

// explained is one RRset of a service as it is, or as it is to be.
type explained struct {
	federation.RRset
	reason  federation.Reason
	members []string // whose shards give it
}

// explainer explains the RRsets of a snapshot's services.
type explainer struct {
	*snapshot
	now time.Time
	at  map[federation.FQDN]federation.Level // the levels by their names
}

func newExplainer(now time.Time, s *snapshot) *explainer {
	e := &explainer{snapshot: s, now: now, at: map[federation.FQDN]federation.Level{}}
	for _, lv := range s.levels.All() {
		e.at[lv.Name] = lv
	}
	return e
}

// explain returns the RRsets of a service that are published and those that are due, each with its reason.
func (e *explainer) explain(view *serviceView) (is, coming []explained) {
	have := view.records
	v := policy.Decide(e.now, e.policy, policy.Service{
		Shards: e.states(view), AllMembers: e.summary, Had: len(have) > 0, EmptySince: view.emptySince, HealthyAt: view.healthyAt,
	})
	if v.Keep {
		for _, set := range have {
			is = append(is, explained{RRset: set, reason: v.Held[len(v.Held)-1].Reason})
		}
		return is, nil
	}
	var want []federation.RRset
	if !v.Unfederated {
		want, _ = e.levels.RRsets(view.name, v.Shards, len(have) > 0)
	}
	wanted := map[string]federation.RRset{}
	for _, set := range want {
		wanted[string(set.Name)+" "+set.Type] = set
	}
	for _, set := range have {
		key := string(set.Name) + " " + set.Type
		if w, ok := wanted[key]; ok && w.Equal(set) {
			is = append(is, e.due(v, set))
			delete(wanted, key)
		} else {
			is = append(is, explained{RRset: set, reason: view.pending(e.now, set.Name)})
		}
	}
	for _, set := range want {
		if _, open := wanted[string(set.Name)+" "+set.Type]; open {
			coming = append(coming, explained{RRset: set, reason: view.pending(e.now, set.Name), members: e.due(v, set).members})
		}
	}
	return is, coming
}

// due explains an RRset that is as the rule says.
func (e *explainer) due(v policy.Verdict, set federation.RRset) explained {
	x := explained{RRset: set, reason: federation.ReasonNoHealthyShard}
	_, level, _ := e.config.ParseOwner(set.Name)
	lv := e.at[level]
	if set.Type == federation.TypeCNAME {
		if _, _, up := e.config.ParseOwner(federation.FQDN(set.Data[0])); up {
			if lv.Conflict {
				x.reason = federation.ReasonLabelConflict
			}
			return x
		}
	}
	x.reason = federation.ReasonRegionFallback
	for _, shard := range v.Shards {
		if !shard.Healthy || !gives(shard, set) {
			continue
		}
		x.members = append(x.members, shard.Member)
		if !slices.Contains(lv.Members, shard.Member) || x.reason != federation.ReasonRegionFallback {
			continue
		}
		if x.reason = federation.ReasonHealthyShards; set.Type == federation.TypeCNAME {
			x.reason = federation.ReasonLoadBalancer
		}
	}
	for _, h := range v.Held {
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

// pending returns why a name is not what it is due to be.
func (v *serviceView) pending(now time.Time, name federation.FQDN) federation.Reason {
	for _, h := range v.held {
		if h.Reason == federation.ReasonTooMuchAtOnce {
			return federation.ReasonTooMuchAtOnce
		}
	}
	n := v.names[name]
	switch {
	case errors.Is(n.failure, provider.ErrRefused):
		return federation.ReasonRefused
	case n.open != nil:
		return federation.ReasonChangeFailed
	case n.pace.After(now):
		return federation.ReasonChangesTooOften
	}
	return federation.ReasonChanging
}
