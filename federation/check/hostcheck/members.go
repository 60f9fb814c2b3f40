package hostcheck

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/check"
)

// errYoung is the error of a MemberCluster that the syncer need not have seen yet.
var errYoung = errors.New("it is new, and the syncer has not said anything of it yet")

// takeUp is how long the syncer may take to see a new MemberCluster, and to write its status.
const takeUp = 15 * time.Second

func membersKnown(ctx context.Context, e *check.Env) []check.Finding {
	var findings []check.Finding
	members, err := e.Members(ctx)
	if err != nil {
		findings = append(findings, check.Untested("", err))
	}
	_, statusErr := e.Status(ctx)
	if statusErr != nil {
		findings = append(findings, check.Untested("", statusErr))
	}
	if len(members) == 0 && len(findings) == 0 {
		return check.One(check.Bad("", "there is no member: nothing is published"))
	}
	for _, m := range members {
		findings = append(findings, known(e, m, statusErr == nil))
	}
	return findings
}

// known is whether the syncer has taken up the member; asked is whether it could be asked.
func known(e *check.Env, m *check.Member, asked bool) check.Finding {
	if m.Departed() {
		return check.Bad(m.Name, "it is not in the configuration any more: what it has in DNS waits for a "+
			"confirmation, and stays until then").With("$ kubectl federation confirm")
	}
	if m.Object == nil {
		return check.Good(m.Name, "in the syncer's file")
	}
	ready := meta.FindStatusCondition(m.Object.Status.Conditions, v1alpha1.ConditionReady)
	pending := ready == nil || ready.Reason == v1alpha1.ReasonPending
	young := e.Now().Sub(m.Object.CreationTimestamp.Time) < takeUp
	switch {
	case !pending && ready.Reason == v1alpha1.ReasonNameTaken:
		return check.Bad(m.Name, "%s", ready.Message).With("$ kubectl delete membercluster %s", m.Name)
	case asked && len(m.Seen) == 0 && pending && !young:
		return check.Bad(m.Name, "the syncer has not taken it up").With("look at the syncer's log; if it says that it "+
			"may not list MemberClusters or Secrets, apply deploy/host-rbac.yaml, which has\n$ %s\n$ %s",
			check.RuleLine(v1alpha1.GroupVersion.Group, "memberclusters", "list, watch"),
			check.RuleLine("", "secrets", "list, watch"))
	case len(m.Seen) > 0 && pending && !young:
		return check.Bad(m.Name, "the syncer has taken it up, and does not write its status").With(
			"apply deploy/host-rbac.yaml, which has\n$ %s",
			check.RuleLine(v1alpha1.GroupVersion.Group, "memberclusters/status", "patch"))
	case pending:
		return check.Untested(m.Name, errYoung)
	}
	return check.Good(m.Name, "the syncer has taken it up")
}
