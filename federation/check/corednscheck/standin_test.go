package corednscheck

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/live"
)

// member is what the API server of a member has of its DNS.
type member struct {
	uid     string // of its kube-system
	servers []appsv1.Deployment
	config  map[string]string // of each server, by its name, the Corefile
	stubs   string            // of kube-dns; none if it is ""
	phase   corev1.PodPhase   // of the only pod, coredns-1
	metrics string            // of the pod
}

// newMember has a CoreDNS with which nothing is wrong.
func newMember() *member {
	return &member{
		uid:     clusterID,
		servers: []appsv1.Deployment{deployment("coredns", map[string]string{"k8s-app": "kube-dns"})},
		config:  map[string]string{"coredns": corefileWith("myfederation example.com", "prometheus :9153")},
		phase:   corev1.PodRunning,
		metrics: enabled + "coredns_federation_topology_known 1\n",
	}
}

// clusterID is the UID that the syncer has seen.
const clusterID = "id-1"

const enabled = `coredns_plugin_enabled{name="federation"} 1` + "\n"

// corefileWith is a Corefile with a federation, and further lines.
func corefileWith(federation string, lines ...string) string {
	return ".:53 {\n  federation {\n    " + federation + "\n  }\n  kubernetes cluster.local\n" +
		"  forward . 192.0.2.1\n  " + strings.Join(lines, "\n  ") + "\n}\n"
}

// deployment is that of a CoreDNS whose Corefile is in the ConfigMap of its name.
func deployment(name string, labels map[string]string) appsv1.Deployment {
	d := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "kube-system", Labels: labels}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	d.Spec.Template.Spec = corev1.PodSpec{ServiceAccountName: name,
		Containers: []corev1.Container{{Args: []string{"-conf", "/etc/coredns/Corefile"},
			VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/coredns"}}}},
		Volumes: []corev1.Volume{{Name: "config"}}}
	d.Spec.Template.Spec.Volumes[0].ConfigMap = &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}}
	return d
}

// ServeHTTP implements http.Handler.
func (m *member) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const system = "/api/v1/namespaces/kube-system"
	name, isConfig := strings.CutPrefix(r.URL.Path, system+"/configmaps/")
	text, known := m.config[name]
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == system:
		reply(w, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{UID: types.UID(m.uid)}}, "v1", "Namespace")
	case isConfig && known:
		reply(w, &corev1.ConfigMap{Data: map[string]string{"Corefile": text}}, "v1", "ConfigMap")
	case isConfig && name == "kube-dns" && m.stubs != "":
		reply(w, &corev1.ConfigMap{Data: map[string]string{"stubDomains": m.stubs}}, "v1", "ConfigMap")
	case r.URL.Path == "/apis/apps/v1/deployments":
		reply(w, m.deployments(r.FormValue("labelSelector")), "apps/v1", "DeploymentList")
	case r.URL.Path == "/apis/apps/v1/daemonsets":
		reply(w, &appsv1.DaemonSetList{}, "apps/v1", "DaemonSetList")
	case r.URL.Path == "/api/v1/services":
		reply(w, &corev1.ServiceList{}, "v1", "ServiceList")
	case r.URL.Path == system+"/pods":
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "coredns-1"}, Status: corev1.PodStatus{Phase: m.phase}}
		reply(w, &corev1.PodList{Items: []corev1.Pod{pod}}, "v1", "PodList")
	case r.URL.Path == system+"/pods/http:coredns-1:9153/proxy/metrics":
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, m.metrics)
	case r.URL.Path == "/apis/authorization.k8s.io/v1/subjectaccessreviews":
		review := &authorizationv1.SubjectAccessReview{}
		review.Status.Allowed = true
		reply(w, review, "authorization.k8s.io/v1", "SubjectAccessReview")
	default:
		status := apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name).Status()
		w.WriteHeader(int(status.Code))
		reply(w, &status, "v1", "Status")
	}
}

// deployments are those that a selector selects.
func (m *member) deployments(selector string) *appsv1.DeploymentList {
	list := &appsv1.DeploymentList{}
	s, err := labels.Parse(selector)
	if err != nil {
		panic(err) // it is that of the check
	}
	for _, d := range m.servers {
		if s.Matches(labels.Set(d.Labels)) {
			list.Items = append(list.Items, d)
		}
	}
	return list
}

// reply writes an object with its kind, as API servers do.
func reply(w http.ResponseWriter, o interface{ GetObjectKind() schema.ObjectKind }, version, kind string) {
	o.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(version, kind))
	_ = json.NewEncoder(w).Encode(o) // the client says if it is not whole
}

// source is a syncer with the federation and the member.
type source struct{ live.Source }

func (source) Status(context.Context) (*admin.Status, error) {
	return &admin.Status{Federations: []admin.FederationStatus{{Name: "myfederation", Domain: "example.com",
		Naming: "flat", Members: []admin.MemberStatus{{Name: "m", Status: "present", ClusterID: clusterID}}}}}, nil
}

// finding makes one check of the member, and returns its only finding.
func (m *member) finding(t *testing.T, id string) check.Finding {
	t.Helper()
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	chosen, err := check.Select(Checks(), []string{id}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := check.Run(t.Context(), check.NewEnv(check.Options{Syncer: source{},
		Context: func(string) (*rest.Config, error) { return &rest.Config{Host: server.URL}, nil }}), chosen)
	if len(r.Results) != 1 || len(r.Results[0].Findings) != 1 {
		t.Fatalf("want one finding: %+v", r)
	}
	return r.Results[0].Findings[0]
}
