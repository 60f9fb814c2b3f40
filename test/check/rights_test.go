package check

import (
	"context"
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/federation-dns/federation/federation/check"
)

// testRights makes the checks as somebody who has exactly what deploy/member-check-rbac.yaml grants, and then one right
// less.
func testRights(t *testing.T, s *system) {
	m := s.first
	m.kubectl(t, "", "create", "serviceaccount", "checker", "-n", "default")
	m.kubectl(t, "", "apply", "-f", "../../deploy/member-check-rbac.yaml")
	m.kubectl(t, "", "create", "clusterrolebinding", "federation-check-member", "--clusterrole=federation-check-member",
		"--serviceaccount=default:checker")
	path := s.Path("c", "checker.kubeconfig")
	if err := m.AccountKubeconfig(t.Context(), "default", "checker", m.Cluster.Server(), path); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	o := s.options()
	admin := o.Context
	o.Context = func(name string) (*rest.Config, error) {
		if name == m.Name {
			return config, nil
		}
		return admin(name)
	}
	t.Run("B1 with exactly these rights everything is tested", func(t *testing.T) {
		r := check.Run(t.Context(), check.NewEnv(o), allChecks())
		if r.Failed+r.Warnings+r.Unknown > 0 {
			t.Errorf("%+v", r)
		}
	})
	roles := m.client.RbacV1().ClusterRoles()
	role, err := roles.Get(t.Context(), "federation-check-member", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	set := func(rules []rbacv1.PolicyRule) {
		t.Helper()
		ctx := context.WithoutCancel(t.Context())
		now, err := roles.Get(ctx, role.Name, metav1.GetOptions{})
		if err == nil {
			now.Rules = rules
			_, err = roles.Update(ctx, now, metav1.UpdateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	needs := map[string]string{
		"deployments": "plugin-loaded", "daemonsets": "plugin-loaded", "pods": "plugin-loaded",
		"configmaps": "plugin-loaded", "pods/proxy": "plugin-loaded", "subjectaccessreviews": "plugin-rights",
		"services": "service-label", "namespaces": "federation-name",
	}
	for i, rule := range role.Rules {
		for j, resource := range rule.Resources {
			t.Run("B2 without "+resource+" "+needs[resource]+" is unknown, B3 with the rule that is missing",
				func(t *testing.T) {
					var less []rbacv1.PolicyRule
					for k, other := range role.Rules {
						if k == i {
							other.Resources = append(append([]string{}, rule.Resources[:j]...), rule.Resources[j+1:]...)
						}
						if len(other.Resources) > 0 {
							less = append(less, other)
						}
					}
					set(less)
					s.expectNoted(t, o, needs[resource], m.Name, check.Unknown,
						"could not be tested: ... is forbidden: User ... cannot "+rule.Verbs[0]+" resource "+
							fmt.Sprintf("%q", resource)+" ...", ", and the rule that is missing")
					line := check.RuleLine(rule.APIGroups[0], resource, rule.Verbs[0])
					s.expectRemedy(t, o, needs[resource], m.Name, line)
				})
		}
	}
	set(role.Rules)
}
