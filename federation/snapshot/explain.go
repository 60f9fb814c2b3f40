package snapshot

import (
	"errors"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// judge returns what the shards of a service count as.
func (s *Federation) judge(now time.Time, view *Service) policy.Verdict {
	return policy.Decide(now, s.Policy, s.state(view))
}

// state returns what the policy is given of a service.
func (s *Federation) state(view *Service) policy.Service {
	return policy.Service{
		Shards: s.states(view), AllMembers: s.Summary, Had: len(view.Records) > 0,
		EmptySince: view.EmptySince, HealthyAt: view.HealthyAt,
	}
}

// explain returns the RRsets of a service that are published, and those that are due, each with its reason. An RRset
// that is as the rule wants it has the rule's reason; any other has the reason why its change is pending.
func (s *Federation) explain(now time.Time, view *Service) (is, coming []federation.Explained, v policy.Verdict) {
	have := view.Records
	v = s.judge(now, view)
	if v.Keep {
		for _, set := range have {
			is = append(is, federation.Explained{RRset: set, Reason: v.Held[len(v.Held)-1].Reason})
		}
		return is, nil, v
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
	return is, coming, v
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

// serviceMirror returns what mirrors are told of a service; nil if they are told what the records say. An RRset has the
// reason of the published or coming one that is the same, or else that of the rule for all levels.
func (s *Federation) serviceMirror(
	view *Service, is, coming []federation.Explained, v policy.Verdict,
) *admin.ServiceMirror {
	if s.Mirror == nil || view.Answer == nil || s.actual != nil ||
		slices.EqualFunc(view.Answer.RRsets, view.Records, federation.RRset.Equal) {
		return nil
	}
	known := slices.Concat(is, coming)
	if s.Mirror.Levels != nil {
		known = append(known, v.Explain(s.Mirror.Levels, view.Name, len(view.Records) > 0)...)
	}
	sets := make([]federation.Explained, len(view.Answer.RRsets))
	for i, set := range view.Answer.RRsets {
		sets[i].RRset = set
		if j := slices.IndexFunc(known, func(k federation.Explained) bool { return k.Equal(set) }); j >= 0 {
			sets[i] = known[j]
		}
	}
	return &admin.ServiceMirror{Records: append([]admin.RRsetStatus{}, recordStatuses(sets)...)}
}
