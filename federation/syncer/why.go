package syncer

import (
	"errors"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// explainer explains the RRsets of a snapshot's services.
type explainer struct {
	*snapshot
	now time.Time
}

func newExplainer(now time.Time, s *snapshot) *explainer { return &explainer{snapshot: s, now: now} }

// explain returns the RRsets of a service that are published and those that are due, each with its reason. That of one
// that is as the rule wants it comes from the rule; what is left is why a change is pending.
func (e *explainer) explain(view *serviceView) (is, coming []federation.Explained) {
	have := view.records
	v := policy.Decide(e.now, e.policy, policy.Service{
		Shards: e.states(view), AllMembers: e.summary, Had: len(have) > 0,
		EmptySince: view.emptySince, HealthyAt: view.healthyAt,
	})
	if v.Keep {
		for _, set := range have {
			is = append(is, federation.Explained{RRset: set, Reason: v.Held[len(v.Held)-1].Reason})
		}
		return is, nil
	}
	var want []federation.Explained
	if !v.Unfederated {
		want = v.Explain(e.levels, view.name, len(have) > 0)
	}
	for _, set := range have {
		i, ok := slices.BinarySearchFunc(want, set, func(w federation.Explained, set federation.RRset) int {
			return federation.CompareRRsets(w.RRset, set)
		})
		if ok && want[i].Equal(set) {
			is = append(is, want[i])
		} else {
			is = append(is, federation.Explained{RRset: set, Reason: view.pending(e.now, set.Name)})
		}
	}
	for _, set := range want {
		i, ok := slices.BinarySearchFunc(have, set.RRset, federation.CompareRRsets)
		if !ok || !have[i].Equal(set.RRset) {
			set.Reason = view.pending(e.now, set.Name)
			coming = append(coming, set)
		}
	}
	return is, coming
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
