package stage

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/propagate"
)

// Join makes a member of the host; spec is more of the spec of its MemberCluster, such as "propagation: Enabled".
func (s *Stage) Join(m *Member, spec string) {
	s.Helper()
	path := filepath.Join(s.dir, m.Name+".kubeconfig")
	if err := m.Cluster.AccountKubeconfig(s.Context(), Namespace, "federation-syncer", "https://"+m.Proxy.Addr(),
		path); err != nil {
		s.Fatal(err)
	}
	if m.Wire != nil {
		m.Wire.trusted(path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	s.Kubectl(s.Host, fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: member-%[1]s, namespace: %[2]s}
data: {kubeconfig: %[3]s}
---
apiVersion: federation-dns.io/v1alpha1
kind: MemberCluster
metadata: {name: %[1]s, labels: {name: %[1]s}}
spec: {kubeconfigSecret: {name: member-%[1]s}, topology: {region: r-%[1]s, zones: [z-%[1]s]},
  addressCIDRs: [198.18.0.0/15], %[4]s}
`, m.Name, Namespace, base64.StdEncoding.EncodeToString(data), spec), "apply", "-f", "-")
}

// JoinAll makes all members members, with propagation, and waits until FederatedServices reach them.
func (s *Stage) JoinAll() {
	s.Helper()
	for _, m := range s.Members {
		s.Join(m, "propagation: Enabled")
	}
	for _, m := range s.Members {
		s.MemberBecomes(m.Name, v1alpha1.ConditionPropagationReady, "True Ready")
	}
}

// SetMember changes the spec of a MemberCluster by a JSON merge patch.
func (s *Stage) SetMember(name, patch string) {
	s.Helper()
	err := s.objects.Patch(types.MergePatchType).Resource("memberclusters").Name(name).
		Body([]byte(`{"spec": ` + patch + `}`)).Do(s.Context()).Error()
	if err != nil {
		s.Fatal(err)
	}
}

// MemberCluster returns a MemberCluster.
func (s *Stage) MemberCluster(name string) *v1alpha1.MemberCluster {
	s.Helper()
	m := &v1alpha1.MemberCluster{}
	if err := s.objects.Get().Resource("memberclusters").Name(name).Do(s.Context()).Into(m); err != nil {
		s.Fatal(err)
	}
	return m
}

// MemberBecomes waits until a condition of a MemberCluster has a status and a reason, such as "True Ready".
func (s *Stage) MemberBecomes(name, condition, want string) {
	s.Helper()
	s.Eventually(func() error {
		return is(s.MemberCluster(name).Status.Conditions, condition, want)
	})
}

func is(conditions []metav1.Condition, condition, want string) error {
	c := meta.FindStatusCondition(conditions, condition)
	if c == nil {
		return fmt.Errorf("there is no condition %s", condition)
	}
	if have := string(c.Status) + " " + c.Reason; have != want {
		return fmt.Errorf("%s is %s (%s), want %s", condition, have, c.Message, want)
	}
	return nil
}

// Nginx returns a FederatedService of a load balancer, in the namespace shop.
func Nginx(name string) *v1alpha1.FederatedService {
	return &v1alpha1.FederatedService{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec: v1alpha1.FederatedServiceSpec{
			Federation: Federation,
			Template: v1alpha1.ServiceTemplate{
				Metadata: v1alpha1.TemplateMetadata{Labels: map[string]string{"app": name}},
				Spec: corev1.ServiceSpec{
					Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": name},
					Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}},
				},
			},
		},
	}
}

// Create creates a FederatedService.
func (s *Stage) Create(f *v1alpha1.FederatedService) {
	s.Helper()
	if err := s.objects.Post().Resource("federatedservices").Namespace(f.Namespace).Body(f).Do(s.Context()).
		Error(); err != nil {
		s.Fatal(err)
	}
}

// Change changes the spec of a FederatedService by a JSON merge patch.
func (s *Stage) Change(name, patch string) {
	s.Helper()
	err := s.objects.Patch(types.MergePatchType).Resource("federatedservices").Namespace("shop").Name(name).
		Body([]byte(`{"spec": ` + patch + `}`)).Do(s.Context()).Error()
	if err != nil {
		s.Fatal(err)
	}
}

// Get returns a FederatedService of the namespace shop; nil if there is none.
func (s *Stage) Get(name string) *v1alpha1.FederatedService {
	s.Helper()
	f := &v1alpha1.FederatedService{}
	err := s.objects.Get().Resource("federatedservices").Namespace("shop").Name(name).Do(s.Context()).Into(f)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.Fatal(err)
	}
	return f
}

// Delete deletes a FederatedService, and does not wait until it is gone.
func (s *Stage) Delete(name string) {
	s.Helper()
	err := s.objects.Delete().Resource("federatedservices").Namespace("shop").Name(name).Do(s.Context()).Error()
	if err != nil {
		s.Fatal(err)
	}
}

// Gone waits until a FederatedService is gone.
func (s *Stage) Gone(name string) {
	s.Helper()
	s.Eventually(func() error {
		if f := s.Get(name); f != nil {
			return fmt.Errorf("%s is still there, with the finalizers %q", name, f.Finalizers)
		}
		return nil
	})
}

// Becomes waits until a condition of a FederatedService has a status and a reason.
func (s *Stage) Becomes(name, condition, want string) {
	s.Helper()
	s.Eventually(func() error {
		f := s.Get(name)
		if f == nil {
			return fmt.Errorf("there is no FederatedService %s", name)
		}
		return is(f.Status.Conditions, condition, want)
	})
}

// ClusterBecomes waits until the status of a FederatedService has a state and a reason for a member, such as "Missing
// NotOurs", and returns it.
func (s *Stage) ClusterBecomes(name, member, want string) (have v1alpha1.ClusterStatus) {
	s.Helper()
	s.Eventually(func() error {
		have = v1alpha1.ClusterStatus{}
		if f := s.Get(name); f != nil {
			for _, c := range f.Status.Clusters {
				if c.Cluster == member {
					have = c
				}
			}
		}
		if text := string(have.State) + " " + have.Reason; text != want {
			return fmt.Errorf("%s in %s is %s (%s), want %s", name, member, text, have.Message, want)
		}
		return nil
	})
	return have
}

// Service returns a Service of a member, in the namespace shop; nil if there is none.
func (m *Member) Service(t testing.TB, name string) *corev1.Service {
	t.Helper()
	have, err := m.API.CoreV1().Services("shop").Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return have
}

// Created waits until all these members have a Service that the syncer created, and returns how long it took.
func (s *Stage) Created(name string, members ...*Member) time.Duration {
	s.Helper()
	began := time.Now()
	mark := string(propagate.NewMark(Owner, "shop", name))
	s.Eventually(func() error {
		for _, m := range members {
			if have := m.Service(s, name); have == nil || have.Annotations[propagate.AnnotationCreatedBy] != mark {
				return fmt.Errorf("%s has no such Service %s", m.Name, name)
			}
		}
		return nil
	})
	return time.Since(began)
}

// Namespaces creates the namespace shop in the host and in all members.
func (s *Stage) Namespaces() {
	s.Helper()
	shop := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	for _, m := range s.Members {
		if _, err := m.API.CoreV1().Namespaces().Create(s.Context(), shop, metav1.CreateOptions{}); err != nil {
			s.Fatal(err)
		}
	}
	if _, err := s.HostAPI.CoreV1().Namespaces().Create(s.Context(), shop, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
}

// Ready gives the Service of a member an endpoint that is ready, or is not.
func (m *Member) Ready(t testing.TB, name string, ready bool) {
	t.Helper()
	slices := m.API.DiscoveryV1().EndpointSlices("shop")
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name + "-test", Labels: map[string]string{
			discoveryv1.LabelServiceName: name, discoveryv1.LabelManagedBy: "test",
			propagate.LabelFederation: Federation,
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{"10.9.9.9"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		}},
	}
	_, err := slices.Create(t.Context(), slice, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = slices.Update(t.Context(), slice, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Published returns the addresses of the global record of a service, sorted.
func Published(s *Stage, name string) (list []string) {
	for _, set := range s.Cloud.RRsets(ZoneID) {
		if set.Name == name+".shop."+Federation+".svc.example.com." && set.Type == "A" {
			list = append(list, set.Data...)
		}
	}
	slices.Sort(list)
	return list
}

// Address returns the address of the load balancer of a Service in a member; "" if it has none.
func (m *Member) Address(t testing.TB, name string) string {
	t.Helper()
	if have := m.Service(t, name); have != nil && len(have.Status.LoadBalancer.Ingress) > 0 {
		return have.Status.LoadBalancer.Ingress[0].IP
	}
	return ""
}

// Events returns the reasons of the Events of a FederatedService, each with its count, in the order of their names.
func (s *Stage) Events(name string) (reasons []string) {
	s.Helper()
	list, err := s.HostAPI.CoreV1().Events("shop").List(s.Context(), metav1.ListOptions{
		FieldSelector: "involvedObject.name=" + name + ",involvedObject.kind=FederatedService",
	})
	if err != nil {
		s.Fatal(err)
	}
	for _, e := range list.Items {
		reasons = append(reasons, fmt.Sprintf("%s %d", e.Reason, e.Count))
	}
	slices.Sort(reasons)
	return reasons
}
