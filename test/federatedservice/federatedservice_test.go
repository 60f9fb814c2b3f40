package federatedservice

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/test/federatedservice/stage"
)

const root = "../.."

// TestFederatedService is the way of one FederatedService, from create to delete.
func TestFederatedService(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{Root: root, Members: []string{"m1", "m2", "m3", "m4"}})
	s.Namespaces()
	s.Start()
	s.JoinAll()
	t.Run("G1 from create to the Services of four members it takes seconds", func(t *testing.T) {
		s := s.In(t)
		s.Create(stage.Nginx("nginx"))
		stage.Held(s, "from create to the Services of four members", s.Created("nginx", s.Members...), 3*time.Second)
		s.Becomes("nginx", v1alpha1.ConditionPropagated, "True InAllClusters")
		s.Becomes("nginx", v1alpha1.ConditionPublished, "False NoHealthyShard")
		for _, m := range s.Members {
			s.ClusterBecomes("nginx", m.Name, "Unhealthy NoReadyEndpoints")
		}
	})
	t.Run("G1 from the first healthy shard to its record it takes a second, and to the status one more",
		func(t *testing.T) {
			s := s.In(t)
			m, address := s.Members[0], ""
			s.Eventually(func() error {
				if address = m.Address(t, "nginx"); address == "" {
					return fmt.Errorf("its load balancer has no address")
				}
				return nil
			})
			began := time.Now()
			m.Ready(t, "nginx", true)
			s.Eventually(func() error {
				if have := stage.Published(s, "nginx"); !slices.Equal(have, []string{address}) {
					return fmt.Errorf("published are %q, want %s", have, address)
				}
				return nil
			})
			stage.Held(s, "from the first healthy shard to its record", time.Since(began), time.Second)
			s.Eventually(func() error {
				f := s.Get("nginx")
				if f.Status.Healthy != "1/4" || f.Status.Addresses != address ||
					len(f.Status.LoadBalancer.Ingress) != 1 {
					return fmt.Errorf("the status is %+v", f.Status)
				}
				return nil
			})
			stage.Held(s, "from the first healthy shard to the status", time.Since(began), 2*time.Second)
			s.Becomes("nginx", v1alpha1.ConditionPublished, "True Published")
			s.Eventually(func() error { // the levels of all members have to be claimed
				names := s.Get("nginx").Status.Names
				if names[0] != "nginx.shop.fed.svc.example.com" || len(names) != 9 {
					return fmt.Errorf("names %q", names)
				}
				return nil
			})
		})
	t.Run("G3 a Service that its admin deletes is created anew", func(t *testing.T) {
		s := s.In(t)
		m := s.Members[1]
		before := m.Service(t, "nginx")
		s.Kubectl(m.Cluster, "", "delete", "service", "nginx", "-n", "shop")
		s.Eventually(func() error {
			if have := m.Service(t, "nginx"); have == nil || have.UID == before.UID {
				return fmt.Errorf("it is not there")
			}
			return nil
		})
	})
	t.Run("G4 what somebody changes is changed back, and what the template does not have stays", func(t *testing.T) {
		s := s.In(t)
		m := s.Members[1]
		s.Kubectl(m.Cluster, "", "patch", "service", "nginx", "-n", "shop", "--type=merge", "-p",
			`{"metadata": {"annotations": {"a": "b"}}, "spec": {"selector": {"app": "other"}}}`)
		s.Eventually(func() error {
			have := m.Service(t, "nginx")
			if have.Spec.Selector["app"] != "nginx" || have.Annotations["a"] != "b" {
				return fmt.Errorf("selector %v, annotations %v", have.Spec.Selector, have.Annotations)
			}
			return nil
		})
	})
	t.Run("G1 a change of the template is in all members", func(t *testing.T) {
		s := s.In(t)
		before := s.Members[2].Service(t, "nginx").Spec
		began := time.Now()
		s.Change("nginx", `{"ttl": 30, "template": {"spec": {
			"ports": [{"name": "http", "port": 81, "protocol": "TCP"}]}}}`)
		s.Eventually(func() error {
			for _, m := range s.Members {
				have := m.Service(t, "nginx")
				if have.Spec.Ports[0].Port != 81 || len(have.Spec.Ports) != 1 ||
					have.Annotations["federation-dns.io/ttl"] != "30" {
					return fmt.Errorf("%s has %+v, %v", m.Name, have.Spec.Ports, have.Annotations)
				}
			}
			return nil
		})
		stage.Held(s, "from a change to four members", time.Since(began), 3*time.Second)
		if now := s.Members[2].Service(t, "nginx").Spec; now.ClusterIP != before.ClusterIP ||
			now.Ports[0].NodePort != before.Ports[0].NodePort {
			t.Errorf("allocated are %+v, were %+v", now, before)
		}
	})
	t.Run("G7 a member that is selected no longer loses the Service", func(t *testing.T) {
		s := s.In(t)
		s.Change("nginx", `{"placement": {"clusters": ["m1", "m2", "m3"]}}`)
		s.Eventually(func() error {
			if s.Members[3].Service(t, "nginx") != nil {
				return fmt.Errorf("it is still there")
			}
			return nil
		})
		s.Eventually(func() error {
			if c := s.Get("nginx").Status.Clusters; len(c) != 3 {
				return fmt.Errorf("clusters %+v", c)
			}
			return nil
		})
		s.Becomes("nginx", v1alpha1.ConditionPropagated, "True InAllClusters")
	})
	t.Run("G7 with the FederatedService its Services go", func(t *testing.T) {
		s := s.In(t)
		s.Delete("nginx")
		s.Gone("nginx")
		for _, m := range s.Members {
			if m.Service(t, "nginx") != nil {
				t.Errorf("%s has it still", m.Name)
			}
		}
	})
	t.Run("G5 a Service of somebody else stays, and that is said once", func(t *testing.T) {
		s := s.In(t)
		m := s.Members[0]
		s.Kubectl(m.Cluster, "", "create", "service", "clusterip", "taken", "-n", "shop", "--tcp=8080:8080")
		before := m.Service(t, "taken")
		s.Create(stage.Nginx("taken"))
		s.Created("taken", s.Members[1:]...)
		have := s.ClusterBecomes("taken", "m1", "Missing NotOurs")
		if !strings.Contains(have.Message, "kubectl") || !strings.Contains(have.Message, "spec.adopt") {
			t.Errorf("%s", have.Message)
		}
		s.Becomes("taken", v1alpha1.ConditionPropagated, "False SomeClustersFailed")
		s.Eventually(func() error {
			if events := s.Events("taken"); !slices.Equal(events, []string{"NotOurs 1"}) {
				return fmt.Errorf("events %q", events)
			}
			return nil
		})
		s.Delete("taken")
		s.Gone("taken")
		if after := m.Service(t, "taken"); after == nil || after.ResourceVersion != before.ResourceVersion {
			t.Errorf("it was %+v, and is %+v", before, after)
		}
	})
}

// TestFences keeps what a member does not allow, or is not the syncer's, out of reach of a FederatedService.
func TestFences(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{Root: root, Members: []string{"m1", "m2"}})
	s.Namespaces()
	s.Start()
	s.JoinAll()
	m1, m2 := s.Members[0], s.Members[1]
	t.Run("B4 nothing is created in a member whose propagation is Disabled", func(t *testing.T) {
		s := s.In(t)
		s.SetMember("m1", `{"propagation": "Disabled"}`)
		s.MemberBecomes("m1", v1alpha1.ConditionPropagationReady, "False Disabled")
		f := stage.Nginx("fenced")
		f.Spec.Placement = &v1alpha1.Placement{Clusters: []string{"m1", "m2", "m3"}}
		s.Create(f)
		s.Created("fenced", m2)
		s.ClusterBecomes("fenced", "m1", "Missing PropagationDisabled")
		s.ClusterBecomes("fenced", "m3", "Missing MemberUnknown")
		if m1.Service(t, "fenced") != nil {
			t.Error("it is there")
		}
	})
	t.Run("B4 once it is Enabled, the Service comes; once it is Disabled again, it is left alone", func(t *testing.T) {
		s := s.In(t)
		s.SetMember("m1", `{"propagation": "Enabled"}`)
		s.Created("fenced", m1)
		s.SetMember("m1", `{"propagation": "Disabled"}`)
		s.MemberBecomes("m1", v1alpha1.ConditionPropagationReady, "False Disabled")
		s.Delete("fenced")
		s.Gone("fenced")
		if m1.Service(t, "fenced") == nil || m2.Service(t, "fenced") != nil {
			t.Error("it is gone where propagation is Disabled, or still where it is not")
		}
	})
	t.Run("G7 what has lost its FederatedService is named, and not deleted", func(t *testing.T) {
		s := s.In(t)
		s.SetMember("m1", `{"propagation": "Enabled"}`)
		s.Eventually(func() error {
			for _, c := range s.MemberCluster("m1").Status.Conditions {
				if strings.Contains(c.Message, "delete them by hand: shop/fenced") {
					return nil
				}
			}
			return fmt.Errorf("no condition names it")
		})
		if m1.Service(t, "fenced") == nil {
			t.Error("it is gone")
		}
	})
	t.Run("B4 nothing is created in a namespace that the member may not serve", func(t *testing.T) {
		s := s.In(t)
		s.SetMember("m1", `{"namespaces": ["other"]}`)
		s.Create(stage.Nginx("elsewhere"))
		s.Created("elsewhere", m2)
		s.ClusterBecomes("elsewhere", "m1", "Missing NamespaceRefused")
		if m1.Service(t, "elsewhere") != nil {
			t.Error("it is there")
		}
		s.SetMember("m1", `{"namespaces": null}`)
		s.Created("elsewhere", m1)
	})
	t.Run("G10 a namespace that is missing is said, and not created", func(t *testing.T) {
		s := s.In(t)
		s.Kubectl(m1.Cluster, "", "delete", "namespace", "shop", "--timeout=60s")
		s.Create(stage.Nginx("homeless"))
		have := s.ClusterBecomes("homeless", "m1", "Missing NamespaceMissing")
		if !strings.Contains(have.Message, "the namespace shop does not exist there") {
			t.Errorf("%s", have.Message)
		}
		if _, err := m1.Cluster.Kubectl(t.Context(), "", "get", "namespace", "shop"); err == nil {
			t.Error("it is there")
		}
	})
}
