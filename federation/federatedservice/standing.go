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
