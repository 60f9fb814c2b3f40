package federatedservice

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/federatedservice/stage"
)

// lost is after how long a member that does not answer counts as lost in TestOutage.
const lost = 10 * time.Second

// TestOutage cuts members off, takes their rights, and stops the syncer.
func TestOutage(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{
		Root: root, Members: []string{"m1", "m2"}, Timers: "{unreachableAfter: " + lost.String() + "}",
	})
	s.Namespaces()
	s.Start()
	s.JoinAll()
	m1, m2 := s.Members[0], s.Members[1]
	owed := func(s *stage.Stage, want ...string) {
		s.Helper()
		s.Eventually(func() error {
			if have := s.MemberCluster("m1").Status.PendingDeletions; !slices.Equal(have, want) {
				return fmt.Errorf("owed are %q, want %q", have, want)
			}
			return nil
		})
	}
	gone := func(s *stage.Stage, name string) {
		s.Helper()
		s.Eventually(func() error {
			if m1.Service(s, name) != nil {
				return fmt.Errorf("m1 has %s still", name)
			}
			return nil
		})
	}
	t.Run("G8 a member that does not answer delays neither another one nor a deletion", func(t *testing.T) {
		s := s.In(t)
		for _, name := range []string{"a", "b", "again"} {
			s.Create(stage.Nginx(name))
			s.Created(name, m1, m2)
		}
		m1.Proxy.Set(cutproxy.Blackhole)
		s.Delete("a")
		s.Create(stage.Nginx("new"))
		if took := s.Created("new", m2); took > lost {
			t.Errorf("it took %s, as long as the other member was not known to be lost", took)
		}
		s.Gone("a")
		owed(s, "shop/a")
		if m2.Service(t, "a") != nil || m1.Service(t, "a") == nil {
			t.Error("a is still in m2, or is not in m1")
		}
		s.MemberBecomes("m1", v1alpha1.ConditionPropagationReady, "Unknown Pending")
		s.ClusterBecomes("new", "m1", "Unknown MemberUnreachable")
	})
	t.Run("G8 what is owed outlasts the syncer, and is done when the member is back", func(t *testing.T) {
		s := s.In(t)
		s.Delete("b")
		s.Gone("b")
		s.Delete("again")
		s.Gone("again")
		owed(s, "shop/a", "shop/again", "shop/b")
		s.Kill()
		s.Create(stage.Nginx("again"))
		s.Start()
		s.Becomes("again", v1alpha1.ConditionPropagated, "False SomeClustersFailed")
		before := m1.Service(t, "again")
		m1.Proxy.Set(cutproxy.Pass)
		gone(s, "a")
		gone(s, "b")
		owed(s)
		s.Created("new", m1)
		s.Becomes("again", v1alpha1.ConditionPropagated, "True InAllClusters")
		if after := m1.Service(t, "again"); after == nil || after.UID != before.UID {
			t.Error("the Service of a FederatedService that was made again is another one")
		}
	})
	t.Run("B2 without the right to write in it, a member says so, and a deletion is owed", func(t *testing.T) {
		s := s.In(t)
		s.Kubectl(m1.Cluster, "", "delete", "clusterrolebinding", "federation-syncer-propagation")
		s.Create(stage.Nginx("denied"))
		s.ClusterBecomes("denied", "m1", "Missing Forbidden")
		s.MemberBecomes("m1", v1alpha1.ConditionPropagationReady, "False Forbidden")
		s.Delete("new")
		s.Gone("new")
		owed(s, "shop/new")
		s.Kubectl(m1.Cluster, "", "create", "clusterrolebinding", "federation-syncer-propagation",
			"--clusterrole=federation-syncer-propagation", "--serviceaccount="+stage.Namespace+":federation-syncer")
		s.MemberBecomes("m1", v1alpha1.ConditionPropagationReady, "True Ready")
		s.Created("denied", m1)
		owed(s)
		gone(s, "new")
	})
	t.Run("G8 what is deleted while the syncer is away goes when it is back", func(t *testing.T) {
		s := s.In(t)
		s.Stop()
		s.Delete("denied")
		s.Start()
		s.Gone("denied")
		gone(s, "denied")
	})
	for _, verb := range []string{"get", "create", "patch", "delete"} {
		t.Run("B2 a member whose account may not "+verb+" Services says so", func(t *testing.T) {
			s := s.In(t)
			all := []string{"get", "create", "patch", "delete"}
			verbs := slices.DeleteFunc(slices.Clone(all), func(v string) bool { return v == verb })
			set := func(verbs []string) {
				roles := m1.API.RbacV1().ClusterRoles()
				role, err := roles.Get(t.Context(), "federation-syncer-propagation", metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				role.Rules[0].Verbs = verbs
				if _, err := roles.Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			set(verbs)
			// A change of the MemberCluster has the rights looked at.
			s.SetMember("m1", fmt.Sprintf(`{"maxServices": %d}`, 1000+len(verb)*10+int(verb[0])))
			want := "the account of the kubeconfig may not " + verb +
				" services: apply deploy/member-propagation-rbac.yaml in the member"
			s.Eventually(func() error {
				for _, c := range s.MemberCluster("m1").Status.Conditions {
					if c.Reason == v1alpha1.ReasonForbidden && c.Message == want {
						return nil
					}
				}
				return fmt.Errorf("%+v", s.MemberCluster("m1").Status.Conditions)
			})
			set(all)
			s.MemberBecomes("m1", v1alpha1.ConditionPropagationReady, "True Ready")
		})
	}
}
