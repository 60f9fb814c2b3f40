package servicecheck

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/live"
)

// patience is how long a Service may be missing before that is more than a delay.
const patience = time.Minute

// remedies are what to do, by the reason of a cluster: what the reason's own comment says, as a line.
var remedies = map[string]string{
	v1alpha1.ReasonNamespaceMissing: "create the namespace in the member",
	v1alpha1.ReasonNotOurs: "delete the Service in the member, or set spec.adopt of the FederatedService to take it " +
		"over",
	v1alpha1.ReasonConflict: "let the other tool leave the Service alone, or label its Service instead of having a " +
		"FederatedService",
	v1alpha1.ReasonImmutableField: "delete the Service in the member, or make another FederatedService",
	v1alpha1.ReasonFieldUnknown:   "leave the field out of the template, or upgrade the member",
	v1alpha1.ReasonForbidden:      "apply deploy/member-propagation-rbac.yaml in the member",
	v1alpha1.ReasonRefused:        "correct the template, or the policy or quota of the member",
	v1alpha1.ReasonPropagationDisabled: "take the member out of spec.placement, or enable spec.propagation of its " +
		"MemberCluster",
	v1alpha1.ReasonMemberUnreachable: "look at the way to the member: member-reachable",
}

func propagationBlocked(ctx context.Context, e *check.Env) []check.Finding {
	if e.Hostless() {
		return nil
	}
	c, err := e.HostClient()
	if err != nil {
		return check.One(check.Untested("", err))
	}
	host, err := live.NewHost(c.Config)
	if err != nil {
		return check.One(check.Untested("", err))
	}
	objects, err := host.List(ctx, "")
	switch {
	case errors.Is(err, live.ErrNoKind): // crds-installed says so
		return nil
	case err != nil:
		return check.One(check.Untested("", err))
	}
	members, err := e.MemberClusters(ctx)
	if err != nil {
		members = nil // members-known says so
	}
	shut := unready(members, e.Now())
	if len(objects) == 0 {
		return shut
	}
	findings := blocked(objects, e.Now())
	if len(shut) > 0 && findings[0].Outcome == check.OK {
		return shut
	}
	return append(shut, findings...)
}

// unready returns a finding for each member that FederatedServices are to reach, and do not: the condition
// PropagationReady says why, once for all of them.
func unready(members []v1alpha1.MemberCluster, now time.Time) (findings []check.Finding) {
	for _, m := range members {
		c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionPropagationReady)
		if m.Spec.Propagation != v1alpha1.PropagationEnabled || c == nil || c.Status == metav1.ConditionTrue ||
			now.Sub(c.LastTransitionTime.Time) < patience {
			continue
		}
		remedy := remedies[c.Reason]
		if remedy == "" { // it is not known yet, as the member is not seen
			remedy = remedies[v1alpha1.ReasonMemberUnreachable]
		}
		findings = append(findings, check.Bad(m.Name, "FederatedServices do not reach it: %s: %s", c.Reason,
			c.Message).With("%s", remedy))
	}
	return findings
}

// blocked returns a finding for each FederatedService and member where it is not in place, and has had the time to be;
// a good one if there is none.
func blocked(objects []v1alpha1.FederatedService, now time.Time) []check.Finding {
	var findings []check.Finding
	for i := range objects {
		o := &objects[i]
		name := o.Namespace + "/" + o.Name
		c := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionPropagated)
		if c == nil || c.Status == metav1.ConditionTrue || now.Sub(since(c, o)) < patience {
			continue
		}
		some := false
		for _, cluster := range o.Status.Clusters {
			if remedy := remedies[cluster.Reason]; remedy != "" {
				some = true
				findings = append(findings, check.Bad(name, "%s: %s: %s", cluster.Cluster, cluster.Reason,
					cluster.Message).With("%s", remedy))
			}
		}
		if !some {
			findings = append(findings, check.Bad(name, "%s: %s", c.Reason, c.Message))
		}
	}
	if len(findings) == 0 {
		return check.One(check.Good("", "FederatedServices looked at: %d", len(objects)))
	}
	if more := len(findings) - maxDifferences; more > 0 {
		findings = append(slices.Clip(findings[:maxDifferences]),
			check.Bad("", "further members and Services: %d", more))
	}
	return findings
}

// since is when the condition became what it is; that of a new object is as old as the object.
func since(c *metav1.Condition, o *v1alpha1.FederatedService) time.Time {
	if c.LastTransitionTime.Before(&o.CreationTimestamp) {
		return o.CreationTimestamp.Time
	}
	return c.LastTransitionTime.Time
}
