package corednscheck

import (
	"context"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation/check"
)

// rights asks the API server whether each CoreDNS may read the labels of its Node.
func rights(ctx context.Context, v *view) []check.Finding {
	servers := v.facts.withPlugin()
	if len(servers) == 0 {
		return inapplicable(v)
	}
	var findings []check.Finding
	for _, s := range servers {
		findings = append(findings, s.rights(ctx, v.client, v.member))
	}
	return findings
}

func (s *server) rights(ctx context.Context, c *check.Client, member string) check.Finding {
	given := true
	for _, d := range s.directives() {
		given = given && d.Topology
	}
	if given {
		return check.Good(member, "%s: the topology is in its Corefile", s)
	}
	user := s.user()
	allowed, err := s.may(ctx, c, authorizationv1.ResourceAttributes{Verb: "get", Resource: "nodes"})
	switch {
	case err != nil:
		return check.Untested(member, err)
	case !allowed:
		found := check.Bad(member, "%s: %s may not get nodes: its topology is not known, and names lead to global",
			s, user)
		if s.beside {
			return found.With("the chart grants it: apply it again:\n"+
				"$ helm --kube-context <%s> -n %s upgrade %s charts/federation-dns --reuse-values", member,
				s.namespace, s.name)
		}
		return found
	}
	replicas, _ := s.scrapeAll(ctx, c) // plugin-loaded says if they cannot be asked
	for pod, m := range replicas {
		if m.topologyUnknown() {
			return check.Bad(member, "%s: pod %s does not know its topology, and names lead to global", s, pod).
				With("its log says why:\n$ kubectl --context <%s> -n %s logs %s", member, s.namespace, pod)
		}
	}
	return check.Good(member, "%s: %s may get nodes", s, user)
}

// user is how the API server calls the account of the CoreDNS.
func (s *server) user() string { return "system:serviceaccount:" + s.namespace + ":" + s.account }

// may asks the API server whether the account of the CoreDNS may do that.
func (s *server) may(ctx context.Context, c *check.Client, what authorizationv1.ResourceAttributes) (bool, error) {
	review, err := c.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: s.user(), ResourceAttributes: &what,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + s.namespace, "system:authenticated"},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}
