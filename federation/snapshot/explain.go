package snapshot

import (
	"errors"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// explain returns the RRsets of a service that are published, and those that are due, each with its reason. An RRset
// that is as the rule wants it has the rule's reason; any other has the reason why its change is pending.
func (s *Federation) explain(now time.Time, view *Service) (is, coming []federation.Explained) {
	have := view.Records
	v := policy.Decide(now, s.Policy, policy.Service{
		Shards: s.states(view), AllMembers: s.Summary, Had: len(have) > 0,
		EmptySince: view.EmptySince, HealthyAt: view.HealthyAt,
	})
	if v.Keep {
		for _, set := range have {
			is = append(is, federation.Explained{RRset: set, Reason: v.Held[len(v.Held)-1].Reason})
		}
		return is, nil
	}
	var want []federation.Explained
	if !v.Unfederated {
		want = v.Explain(s.Levels, view.Name, len(have) > 0)
	}
	for _, set := range have {
		i, ok := slices.BinarySearchFunc(want, set, func(w federation.Explained, set federation.RRset) int {
			return federation.CompareRRsets(w.RRset, set)
		})
		if ok && want[i].Equal(set) {
			is = append(is, want[i])
		} else {
			is = append(is, federation.Explained{RRset: set, Reason: view.pending(now, set.Name)})
		}
	}
	for _, set := range want {
		i, ok := slices.BinarySearchFunc(have, set.RRset, federation.CompareRRsets)
		if !ok || !have[i].Equal(set.RRset) {
			set.Reason = view.pending(now, set.Name)
			coming = append(coming, set)
		}
	}
	return is, coming
}

// pending returns why a name is not as it is due to be.
func (v *Service) pending(now time.Time, name federation.FQDN) federation.Reason {
	for _, h := range v.Held {
		if h.Reason == federation.ReasonTooMuchAtOnce {
			return federation.ReasonTooMuchAtOnce
		}
	}
	n := v.Names[name]
	switch {
	case errors.Is(n.Failure, provider.ErrRefused):
		return federation.ReasonRefused
	case n.Open != nil:
		return federation.ReasonChangeFailed
	case n.Pace.After(now):
		return federation.ReasonChangesTooOften
	}
	return federation.ReasonChanging
}
