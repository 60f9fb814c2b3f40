package federatedservice

import (
	"errors"
	"fmt"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/federation/snapshot"
)

// gate says whether requests may be sent to a member.
type gate struct {
	open    bool
	waiting bool // it is not known yet
	failure propagate.Failure
}

func closed(format string, args ...any) gate {
	return gate{failure: propagate.Failure{
		Reason: v1alpha1.ReasonMemberUnreachable, Message: fmt.Sprintf(format, args...),
	}}
}

func undecided(text string) gate {
	return gate{waiting: true, failure: propagate.Failure{Reason: v1alpha1.ReasonPending, Message: text}}
}

// standing returns whether the MemberCluster of that name may be written to, as the federations see it: it must be the
// cluster that it was, and no other member, which may have the same Services.
func standing(all []*snapshot.Federation, name string) gate {
	g := undecided("the syncer is about to take the member up")
	for _, f := range all {
		m := f.Member(name)
		if m == nil || m.Departed {
			continue
		}
		if !m.Object {
			return closed("a member of the configuration file has this name, and counts instead")
		}
		var duplicate *member.DuplicateError
		var identity *member.IdentityError
		switch {
		case errors.As(m.ProbeErr, &duplicate), errors.As(m.ProbeErr, &identity):
			return closed("%s", propagate.Steady(m.ProbeErr))
		case m.Reach.Standing == policy.Lost && m.ProbeErr != nil:
			return closed("%s", propagate.Steady(m.ProbeErr))
		case m.Reach.Standing == policy.Lost:
			return closed("the member is not seen")
		case m.Reach.Standing == policy.Starting || m.ClusterUID == "":
			return undecided("the member is being listed")
		}
		g = gate{open: true}
	}
	return g
}

// removal returns whether nothing of a deleted FederatedService is left in the member, or why something is; neither is
// said while it is not known.
func (m *writer) removal(k key, f *v1alpha1.FederatedService) (gone bool, failure *propagate.Failure) {
	g := m.goal(k)
	if g == nil || g.service == nil || g.service.UID != f.UID {
		return false, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[k]
	mine := t != nil && t.goal == g.id
	switch {
	case mine && t.done:
		return true, nil
	case !m.gate.open && !m.gate.waiting:
		return false, &m.gate.failure
	case mine && t.failure.Reason != "":
		failed := t.failure
		return false, &failed
	}
	return false, nil
}

// propagated returns what has become of a Service in the member.
func (m *writer) propagated(k key) (done bool, failure propagate.Failure) {
	g := m.goal(k)
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[k]
	pending := propagate.Failure{Reason: v1alpha1.ReasonPending, Message: "the Service is about to be created there"}
	switch {
	case !m.gate.open && t != nil && t.done && g != nil && t.goal == g.id && m.gate.waiting:
		return true, propagate.Failure{}
	case !m.gate.open:
		return false, m.gate.failure
	case g == nil || t == nil || t.goal != g.id:
		return false, pending
	case t.done:
		return true, propagate.Failure{}
	case t.failure.Reason == "":
		return false, pending
	}
	return false, t.failure
}
