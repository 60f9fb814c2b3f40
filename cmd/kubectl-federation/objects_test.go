package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/test/docs"
)

// testObjects are the FederatedServices of the world: nginx, which one member does not take, and one that no member
// has.
func testObjects() []v1alpha1.FederatedService {
	object := func(name string) v1alpha1.FederatedService {
		o := v1alpha1.FederatedService{}
		o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("FederatedService"))
		o.Namespace, o.Name, o.Spec.Federation = "mynamespace", name, "myfederation"
		return o
	}
	condition := func(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
	}
	nginx, web := object("nginx"), object("web")
	nginx.Status = v1alpha1.FederatedServiceStatus{
		Conditions: []metav1.Condition{
			condition("Propagated", metav1.ConditionFalse, "SomeClustersFailed", "1 of 4: onprem-fra NamespaceMissing"),
			condition("Published", metav1.ConditionTrue, "Published", "its names lead to healthy shards"),
		},
		LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{
			{IP: "203.0.113.10"}, {IP: "203.0.113.20"}, {Hostname: "lb.example.net"}}},
		Clusters: []v1alpha1.ClusterStatus{
			{Cluster: "gce-asia-east1", State: v1alpha1.ClusterUnhealthy, Reason: "NoReadyEndpoints",
				Message:   "no endpoint is ready: look at the pods and their readiness probes there",
				Addresses: []string{"203.0.113.30"}},
			{Cluster: "gce-europe-west1", State: v1alpha1.ClusterHealthy, ReadyEndpoints: 3,
				Addresses: []string{"203.0.113.20"}},
			{Cluster: "gce-us-central1", State: v1alpha1.ClusterHealthy, ReadyEndpoints: 3, Reason: "Conflict",
				Message: "port 80 is set back by kubectl-edit", Addresses: []string{"203.0.113.10", "2001:db8::10"}},
			{Cluster: "onprem-fra", State: v1alpha1.ClusterMissing, Reason: "NamespaceMissing",
				Message: "the member has no namespace mynamespace: create it there"},
		},
		Names: []string{"nginx.mynamespace.myfederation.svc.example.com"},
	}
	web.Status.Conditions = []metav1.Condition{
		condition("Propagated", metav1.ConditionFalse, "NoClusters", "no member has propagation Enabled"),
		condition("Published", metav1.ConditionFalse, "NoHealthyShard", "no member shows the Service yet"),
	}
	return []v1alpha1.FederatedService{nginx, web}
}

// objectsHost is a host cluster with FederatedServices, in which nobody may ask the syncer.
type objectsHost struct {
	mu      sync.Mutex
	objects []v1alpha1.FederatedService
	refuse  string // the resource that may not be listed
}

func (h *objectsHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	resource := r.URL.Path[strings.LastIndexByte(strings.TrimSuffix(r.URL.Path, "/federation-syncer"), '/')+1:]
	if resource != "federatedservices" || h.refuse == resource {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden",`+
			`"message":"User \"me\" cannot","code":403}`)
		return
	}
	list := v1alpha1.FederatedServiceList{Items: h.objects}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("FederatedServiceList"))
	_ = json.NewEncoder(w).Encode(list)
}

func newObjectsHost(t *testing.T) (*objectsHost, string) {
	h := &objectsHost{objects: testObjects()}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, kubeconfigOf(t, server.URL)
}

func TestObjects(t *testing.T) {
	host, kubeconfig := newObjectsHost(t)
	socket := serve(t, &fakeSyncer{status: testStatus})
	const unasked = "note: shown is what the status of the FederatedServices says, as the syncer could not be asked: " +
		"you may not get the Lease that says which replica writes"
	parts := map[string]string{}
	for _, c := range []struct {
		name, args string
		live, page bool
		code       int
	}{
		{"V4 object", "services nginx -n mynamespace", true, true, exitGood},
		{"V4 objects", "services", true, false, exitGood},
		{"V4 objects-wide", "services -o wide", true, false, exitGood},
		{"V4 object-json", "services nginx -o json", true, false, exitGood},
		{"V4 object-without-shards", "services web.mynamespace.myfederation", true, false, exitBad},
		{"V4 object-status", "services nginx", false, false, exitGood},
		{"V4 object-status-unpublished", "services mynamespace/web", false, false, exitBad},
		{"V4 objects-status", "services -n mynamespace", false, false, exitGood},
		{"V4 object-status-yaml", "services web -o yaml", false, false, exitBad},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append(strings.Fields(c.args), "--kubeconfig", kubeconfig)
			if c.live {
				args = append(args, "--socket", socket)
			}
			out, errs, err := run(t.Context(), "", args...)
			if code := exitCode(err); code != c.code || strings.HasPrefix(errs, unasked) == c.live {
				t.Errorf("exit code %d, want %d: %v\n%s", code, c.code, err, errs)
			}
			_, file, _ := strings.Cut(c.name, " ")
			golden(t, file, out)
			if c.page {
				parts[file] = "    $ kubectl federation " + c.args + "\n" + indented(out)
			}
		})
	}
	docs.CheckGenerated(t, "../../docs/cli.md", "cmd/kubectl-federation", *update, parts)
	t.Run("V4 neither the syncer nor the objects", func(t *testing.T) {
		host.refuse = "federatedservices"
		defer func() { host.refuse = "" }()
		_, _, err := run(t.Context(), "", "services", "--kubeconfig", kubeconfig)
		if exitCode(err) != exitUnknown || !strings.Contains(err.Error(), "ask for the right to get leases") ||
			!strings.Contains(err.Error(), "; and you may not list FederatedServices in all namespaces (say -n "+
				"NAMESPACE for one)") {
			t.Errorf("exit code %d: %v", exitCode(err), err)
		}
		out, errs, err := run(t.Context(), "", "services", "--kubeconfig", kubeconfig, "--socket", socket)
		if err != nil || !strings.Contains(out, "nginx") ||
			!strings.HasPrefix(errs, "note: FederatedServices are not shown") {
			t.Errorf("%v\n%s%s", err, errs, out)
		}
	})
	t.Run("V4 a watch of the objects alone", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var out, errs lockedBuffer
		cmd := rootCommand("kubectl federation", func() time.Time { return start })
		cmd.SetArgs([]string{"services", "--watch", "--kubeconfig", kubeconfig})
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		done := make(chan error, 1)
		go func() { done <- cmd.ExecuteContext(ctx) }()
		out.await(t, "NoHealthyShard")
		host.mu.Lock()
		host.objects[1].Status.Conditions[1].Reason = "Published"
		host.mu.Unlock()
		out.await(t, "web    published")
		cancel()
		if err := <-done; err != nil || strings.Count(errs.String(), "note:") != 1 {
			t.Errorf("an interrupted watch ends with %v\n%s", err, &errs)
		}
	})
}
