package membercheck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/deploy"
	"github.com/federation-dns/federation/federation/check"
)

func rights(ctx context.Context, e *check.Env) []check.Finding {
	return e.EachMember(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
		if m.Object == nil {
			return rightsInFile(m)
		}
		c, err := m.SyncerClient(ctx)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		needs := check.Rules(deploy.MemberRBAC)
		if m.Object.Spec.Topology != nil {
			needs = slices.DeleteFunc(needs, func(r rbacv1.PolicyRule) bool {
				return slices.Contains(r.Resources, "nodes")
			})
		}
		lacks, err := denied(ctx, c, metav1.NamespaceAll, needs)
		switch {
		case err != nil:
			return check.One(check.Untested(m.Name, err))
		case len(lacks) == 0:
			return check.One(check.Good(m.Name, "all that deploy/member-rbac.yaml grants"))
		}
		var what, lines []string
		for _, r := range lacks {
			what = append(what, fmt.Sprintf("%s: %s is forbidden",
				strings.Join(slices.Concat(r.Resources, r.NonResourceURLs), ", "), strings.Join(r.Verbs, ", ")))
			lines = append(lines, check.Command+ruleLine(r))
		}
		return check.One(check.Bad(m.Name, "%s", strings.Join(what, "; ")).With(
			"$ kubectl --context <%s> apply -f deploy/member-rbac.yaml\nor add to the ClusterRole of the account\n%s",
			m.Name, strings.Join(lines, "\n")))
	})
}

// rightsInFile is what the syncer sees of the rights in a member of its file: that it could list and watch.
func rightsInFile(m *check.Member) []check.Finding {
	for _, s := range m.Seen {
		switch s.Status {
		case "present":
		case "unwatched":
			return check.One(check.Bad(m.Name, "it answers the syncer, and its Services or EndpointSlices cannot be "+
				"listed and watched"))
		default:
			return check.One(check.Untested(m.Name, check.ErrInFile))
		}
	}
	return check.One(check.Good(m.Name, "the syncer lists and watches it"))
}

// denied returns the parts of the rules that the account of the client does not have in a namespace, one verb each
// rule's resources.
func denied(ctx context.Context, c *check.Client, namespace string, rules []rbacv1.PolicyRule) (
	[]rbacv1.PolicyRule, error,
) {
	lacks := make([]rbacv1.PolicyRule, len(rules))
	group, ctx := errgroup.WithContext(ctx)
	for i, r := range rules {
		lacks[i] = r
		lacks[i].Verbs = nil
		group.Go(func() error {
			for _, verb := range r.Verbs {
				allowed, err := may(ctx, c, namespace, r, verb)
				if err != nil {
					return err
				}
				if !allowed {
					lacks[i].Verbs = append(lacks[i].Verbs, verb)
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.DeleteFunc(lacks, func(r rbacv1.PolicyRule) bool { return len(r.Verbs) == 0 }), err
}

// may asks the API server whether the account has a verb, in a namespace, for all that the rule names.
func may(ctx context.Context, c *check.Client, namespace string, r rbacv1.PolicyRule, verb string) (bool, error) {
	var specs []authorizationv1.SelfSubjectAccessReviewSpec
	for _, path := range r.NonResourceURLs {
		specs = append(specs, authorizationv1.SelfSubjectAccessReviewSpec{
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: path, Verb: verb},
		})
	}
	for _, group := range r.APIGroups {
		for _, resource := range r.Resources {
			for _, name := range append(slices.Clone(r.ResourceNames), "")[:max(len(r.ResourceNames), 1)] {
				specs = append(specs, authorizationv1.SelfSubjectAccessReviewSpec{
					ResourceAttributes: &authorizationv1.ResourceAttributes{
						Namespace: namespace, Group: group, Resource: resource, Name: name, Verb: verb,
					},
				})
			}
		}
	}
	for _, spec := range specs {
		review, err := c.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx,
			&authorizationv1.SelfSubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
		if err != nil || !review.Status.Allowed {
			return false, err
		}
	}
	return true, nil
}

// ruleLine is a rule as a line to paste.
func ruleLine(r rbacv1.PolicyRule) string {
	if len(r.NonResourceURLs) > 0 {
		return fmt.Sprintf("- {nonResourceURLs: [%s], verbs: [%s]}", strings.Join(r.NonResourceURLs, ", "),
			strings.Join(r.Verbs, ", "))
	}
	line := check.RuleLine(strings.Join(r.APIGroups, ", "), strings.Join(r.Resources, ", "),
		strings.Join(r.Verbs, ", "))
	if len(r.ResourceNames) > 0 {
		line = strings.TrimSuffix(line, "}") + ", resourceNames: [" + strings.Join(r.ResourceNames, ", ") + "]}"
	}
	return line
}

func excess(ctx context.Context, e *check.Env) []check.Finding {
	return e.EachMember(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
		c, err := m.SyncerClient(ctx)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		files, rules := allowed(ctx, e, m)
		more, err := excessIn(ctx, c, metav1.NamespaceSystem, rules)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		if len(more) == 0 {
			return check.One(check.Good(m.Name, "nothing beyond %s", files))
		}
		return check.One(check.Bad(m.Name, "its account may also %s", strings.Join(more, "; ")))
	})
}

// excessIn returns what the account of the client may do in a namespace beyond these rules, as beyond does.
func excessIn(
	ctx context.Context, c *check.Client, namespace string, rules []rbacv1.PolicyRule,
) (more []string, err error) {
	review, err := c.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return beyond(review.Status, rules), nil
}

// allowed returns the rights that the account in a member should have at most, and the files that grant them. The host
// as a member has both accounts in one, or beside one another.
func allowed(ctx context.Context, e *check.Env, m *check.Member) (files string, rules []rbacv1.PolicyRule) {
	files, rules = expected(m.Object)
	if isHost(ctx, e, m) {
		rules = append(rules, check.Rules(deploy.HostRBAC)...)
	}
	return files, rules
}

// expected returns the rights of an account in a member that is not the host, and the files that grant them: to write
// Services too where propagation is enabled.
func expected(m *v1alpha1.MemberCluster) (files string, rules []rbacv1.PolicyRule) {
	files, rules = "deploy/member-rbac.yaml", append(check.Rules(deploy.MemberRBAC), everybody...)
	if m != nil && m.Spec.Propagation == v1alpha1.PropagationEnabled {
		return files + " and deploy/member-propagation-rbac.yaml",
			append(rules, check.Rules(deploy.MemberPropagationRBAC)...)
	}
	return files, rules
}

// everybody are the rights that Kubernetes grants to every account: system:basic-user and system:discovery, with
// groups, and reading what says what there is.
var everybody = []rbacv1.PolicyRule{
	{APIGroups: []string{"authorization.k8s.io"}, Verbs: []string{"create"},
		Resources: []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews"}},
	{APIGroups: []string{"authentication.k8s.io"}, Verbs: []string{"create"},
		Resources: []string{"selfsubjectreviews"}},
	{APIGroups: []string{"certificates.k8s.io"}, Resources: []string{"clustertrustbundles"},
		Verbs: []string{"get", "list", "watch"}},
}

// isHost reports whether the member is known to be the host cluster.
func isHost(ctx context.Context, e *check.Env, m *check.Member) bool {
	c, err := e.HostClient()
	if err != nil {
		return false
	}
	uid, err := c.UID(ctx)
	return err == nil && uid == m.ClusterID()
}

// beyond returns what the account may do beyond what is allowed, as verbs and resources. To get paths that are no
// resources is harmless.
func beyond(s authorizationv1.SubjectRulesReviewStatus, allowed []rbacv1.PolicyRule) (more []string) {
	for _, r := range s.ResourceRules {
		rule := rbacv1.PolicyRule{APIGroups: r.APIGroups, Resources: r.Resources, Verbs: r.Verbs,
			ResourceNames: r.ResourceNames}
		if !check.Covers(allowed, rule) {
			what := strings.Join(r.Resources, ", ")
			if len(r.ResourceNames) > 0 {
				what += " " + strings.Join(r.ResourceNames, ", ")
			}
			more = append(more, strings.Join(r.Verbs, ", ")+" "+what)
		}
	}
	for _, r := range s.NonResourceRules {
		verbs := slices.DeleteFunc(slices.Clone(r.Verbs), func(v string) bool { return v == "get" || v == "head" })
		if len(verbs) > 0 {
			more = append(more, strings.Join(verbs, ", ")+" "+strings.Join(r.NonResourceURLs, ", "))
		}
	}
	slices.Sort(more)
	return slices.Compact(more)
}
