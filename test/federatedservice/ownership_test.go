package federatedservice

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/test/federatedservice/stage"
)

// applied returns the manifest of a Service of the name, with a port.
func applied(name string, port int, more string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %s, namespace: shop, annotations: {theirs: "yes"}}
spec: {selector: {app: theirs}, ports: [{name: http, port: %d, targetPort: 8080}]%s}
`, name, port, more)
}

func managers(s *corev1.Service) (names []string) {
	for _, e := range s.ManagedFields {
		names = append(names, fmt.Sprint(e.Manager, " ", e.Operation))
	}
	slices.Sort(names)
	return names
}

// TestOwnership lets a FederatedService meet the Services of others, and others meet its own.
func TestOwnership(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{Root: root, Members: []string{"m1"}})
	s.Namespaces()
	s.Start()
	s.JoinAll()
	m := s.Members[0]
	adopting := func(name string) *v1alpha1.FederatedService {
		f := stage.Nginx(name)
		f.Spec.Adopt = true
		f.Spec.Template.Spec.Ports[0].Port = 81
		return f
	}
	t.Run("G5 what kubectl has applied is adopted as a whole, with another port", func(t *testing.T) {
		s := s.In(t)
		s.Kubectl(m.Cluster, applied("old", 80, ""), "apply", "-f", "-")
		before := m.Service(t, "old")
		s.Create(adopting("old"))
		s.Becomes("old", v1alpha1.ConditionPropagated, "True InAllClusters")
		have := m.Service(t, "old")
		mark := have.Annotations[propagate.AnnotationAdoptedBy]
		if have.UID != before.UID || mark != "us/shop/old" || have.Annotations["theirs"] != "yes" ||
			len(have.Spec.Ports) != 1 || have.Spec.Ports[0].Port != 81 || have.Spec.Selector["app"] != "old" ||
			have.Spec.ClusterIP != before.Spec.ClusterIP || have.Spec.Type != corev1.ServiceTypeLoadBalancer {
			t.Errorf("it was %+v, and is %+v", before, have)
		}
	})
	t.Run("G6 what was adopted is given back as it is", func(t *testing.T) {
		s := s.In(t)
		before := m.Service(t, "old")
		s.Delete("old")
		s.Gone("old")
		have := m.Service(t, "old")
		if have == nil {
			t.Fatal("it is gone")
		}
		for _, key := range []string{propagate.AnnotationAdoptedBy, propagate.AnnotationCreatedBy} {
			if have.Annotations[key] != "" {
				t.Errorf("it has the annotation %s", key)
			}
		}
		names := strings.Join(managers(have), ", ")
		if have.Labels[propagate.LabelFederation] != "" || strings.Contains(names, propagate.Manager) {
			t.Errorf("labels %v, managers %s", have.Labels, names)
		}
		if diff := cmp.Diff(before.Spec, have.Spec); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("G5 from a tool that uses server-side apply nothing is taken", func(t *testing.T) {
		s := s.In(t)
		s.Kubectl(m.Cluster, applied("argo", 80, ""), "apply", "--server-side", "--field-manager=argocd-controller",
			"-f", "-")
		before := m.Service(t, "argo")
		s.Create(adopting("argo"))
		have := s.ClusterBecomes("argo", "m1", "Missing Conflict")
		if !strings.Contains(have.Message, "managed by argocd-controller") {
			t.Error(have.Message)
		}
		s.Delete("argo")
		s.Gone("argo")
		if after := m.Service(t, "argo"); after == nil || after.ResourceVersion != before.ResourceVersion {
			t.Error("it was touched")
		}
	})
	t.Run("G2 a Service with equal values of somebody else is not ours", func(t *testing.T) {
		s := s.In(t)
		f := stage.Nginx("equal")
		f.Spec.Template.Metadata.Labels = nil
		s.Kubectl(m.Cluster, `apiVersion: v1
kind: Service
metadata: {name: equal, namespace: shop}
spec: {type: LoadBalancer, selector: {app: equal}, ports: [{name: http, port: 80}]}
`, "apply", "--server-side", "--field-manager=argocd-controller", "-f", "-")
		s.Create(f)
		s.ClusterBecomes("equal", "m1", "Missing NotOurs")
		if names := strings.Join(managers(m.Service(t, "equal")), ", "); strings.Contains(names, propagate.Manager) {
			t.Errorf("its managers are %s", names)
		}
		s.Delete("equal")
		s.Gone("equal")
		if m.Service(t, "equal") == nil {
			t.Error("it is gone")
		}
	})
	t.Run("G2 whoever takes the annotation away takes the Service", func(t *testing.T) {
		s := s.In(t)
		s.Create(stage.Nginx("mine"))
		s.Created("mine", m)
		s.Kubectl(m.Cluster, "", "annotate", "service", "mine", "-n", "shop", propagate.AnnotationCreatedBy+"-")
		have := s.ClusterBecomes("mine", "m1", "Unhealthy NotOurs")
		if !strings.Contains(have.Message, "a Service of this name exists there") {
			t.Error(have.Message)
		}
		s.Delete("mine")
		s.Gone("mine")
		if m.Service(t, "mine") == nil {
			t.Error("it is gone")
		}
	})
	t.Run("G4 who takes a field back twice within a minute is left alone", func(t *testing.T) {
		s := s.In(t)
		s.Create(stage.Nginx("fight"))
		s.Created("fight", m)
		take := func() {
			s.Kubectl(m.Cluster, `apiVersion: v1
kind: Service
metadata: {name: fight, namespace: shop}
spec: {selector: {app: theirs}}
`, "apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-")
		}
		for range 2 {
			take()
			s.Eventually(func() error {
				if app := m.Service(t, "fight").Spec.Selector["app"]; app != "fight" {
					return fmt.Errorf("the selector is %s", app)
				}
				return nil
			})
		}
		take()
		have := s.ClusterBecomes("fight", "m1", "Unhealthy Conflict")
		if !strings.Contains(have.Message, "argocd-controller takes .spec.selector") {
			t.Error(have.Message)
		}
		if app := m.Service(t, "fight").Spec.Selector["app"]; app != "theirs" {
			t.Errorf("the selector is %s", app)
		}
		s.Change("fight", `{"ttl": 20}`) // an event
		s.Becomes("fight", v1alpha1.ConditionPropagated, "True InAllClusters")
	})
	for _, tt := range []struct {
		name, reason, words string
		first, then         string // the spec of the template
	}{
		{"G9 a field that cannot be changed", "ImmutableField", "delete the Service there",
			`{"type": "ClusterIP"}`, `{"type": "ClusterIP", "clusterIP": "None"}`},
		{"G9 what the member is not made for", "Refused", "PreferDualStack",
			`{"ipFamilyPolicy": "RequireDualStack"}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := s.In(t)
			name := strings.ToLower(tt.reason)
			f := stage.Nginx(name)
			s.Create(f)
			s.Created(name, m)
			for _, spec := range []string{tt.first, tt.then} {
				if spec != "" {
					s.Change(name, `{"template": {"spec": `+spec+`}}`)
				}
			}
			s.Eventually(func() error {
				f := s.Get(name)
				if len(f.Status.Clusters) == 0 || f.Status.Clusters[0].Reason != tt.reason ||
					!strings.Contains(f.Status.Clusters[0].Message, tt.words) {
					return fmt.Errorf("%+v", f.Status.Clusters)
				}
				return nil
			})
			if have := strings.Join(s.Events(name), ", "); !strings.Contains(have, tt.reason+" 1") {
				t.Errorf("events %s", have)
			}
		})
	}
}
