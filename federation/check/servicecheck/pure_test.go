package servicecheck

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/check/texts"
)

var update = flag.Bool("update", false, "write docs/checks.md")

func TestNearest(t *testing.T) {
	federations := []string{"myfederation", "staging"}
	for label, want := range map[string]string{
		"myfedration": "myfederation", "MyFederation": "myfederation", "stagin": "staging", "other": "", "": "",
	} {
		if got := nearest(label, federations); got != want {
			t.Errorf("%q is mistyped for %q, not %q", label, got, want)
		}
	}
}

func TestFindings(t *testing.T) {
	seen := texts.Seen{}
	testDifferences(t, seen)
	testReasons(t, seen)
	testBlocked(t, seen)
	seen.InUnitTests(t, "servicecheck", *update)
}

func testDifferences(t *testing.T, seen texts.Seen) {
	shards := map[string]map[string]*corev1.Service{}
	port := func(n int32) *corev1.Service {
		return &corev1.Service{Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: n, Protocol: "TCP"}}}}
	}
	for i := range 30 {
		shards[fmt.Sprintf("shop/s%02d", i)] = map[string]*corev1.Service{"a": port(80), "b": port(81)}
	}
	t.Run("CK1 service-ports: many differences are counted", func(t *testing.T) {
		found := differences(shards)
		last := found[len(found)-1]
		if len(found) != maxDifferences+1 || last.Text != "further differences: 10" {
			t.Errorf("%d %+v", len(found), last)
		}
		seen.Add("service-ports", last.Outcome, last.Text, "")
		if want := "ports: 80/TCP in a; 81/TCP in b"; found[0].Text != want {
			t.Errorf("%q, want %q", found[0].Text, want)
		}
	})
}

func testReasons(t *testing.T, seen texts.Seen) {
	service := func(name, reason string) admin.ServiceStatus {
		return admin.ServiceStatus{Name: name, Shards: []admin.ShardStatus{{Member: "m", Reason: reason}}}
	}
	status := &admin.Status{Federations: []admin.FederationStatus{{
		Name:     "fed",
		Services: []admin.ServiceStatus{service("a/x", "NoSlices"), service("a/y", "NoAddress"), service("a/z", "")},
		Problems: []admin.ProblemStatus{
			{Member: "m", Service: "a/z", Reason: "AddressRefused"}, {Member: "m", Reason: "WatchFailed"}},
	}}}
	t.Run("CK1 service-slices: the remedy is a line to paste", func(t *testing.T) {
		found := unsliced(status)
		want := "label the slices:\n$ kubectl --context <m> label endpointslices -n a -l " +
			"kubernetes.io/service-name=x federation-dns.io/federation=fed"
		if len(found) != 1 || found[0].Outcome != check.Fail || found[0].Remedy != want {
			t.Errorf("%+v", found)
		}
	})
	t.Run("CK1 service-address: by reason", func(t *testing.T) {
		found := addresses(status)
		if len(found) != 2 || found[0].Text != "AddressRefused: a/z" || found[1].Text != "NoAddress: a/y" {
			t.Fatalf("%+v", found)
		}
		seen.Add("service-address", found[0].Outcome, found[0].Text, "")
	})
}

func testBlocked(t *testing.T, seen texts.Seen) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	object := func(age time.Duration, status metav1.ConditionStatus, clusters ...v1alpha1.ClusterStatus,
	) v1alpha1.FederatedService {
		o := v1alpha1.FederatedService{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart"}}
		o.CreationTimestamp = metav1.NewTime(now.Add(-age))
		o.Status = v1alpha1.FederatedServiceStatus{
			Conditions: []metav1.Condition{{Type: "Propagated", Status: status, Reason: "Why", Message: "so"}},
			Clusters:   clusters,
		}
		return o
	}
	why := func(reason string) v1alpha1.ClusterStatus {
		return v1alpha1.ClusterStatus{Cluster: "m", State: v1alpha1.ClusterMissing, Reason: reason, Message: "so"}
	}
	for _, c := range []struct {
		name    string
		object  v1alpha1.FederatedService
		outcome check.Outcome
		text    string
		remedy  string
	}{
		{"in place", object(time.Hour, metav1.ConditionTrue, why("NoReadyEndpoints")), check.OK,
			"FederatedServices looked at: 1", ""},
		{"it has had no time yet", object(50*time.Second, metav1.ConditionFalse, why("NamespaceMissing")), check.OK,
			"FederatedServices looked at: 1", ""},
		{"NamespaceMissing", object(time.Hour, metav1.ConditionFalse, why("NoReadyEndpoints"), why("NamespaceMissing")),
			check.Fail, "m: NamespaceMissing: so", "create the namespace in the member"},
		{"Conflict", object(time.Hour, metav1.ConditionFalse, why("Conflict")), check.Fail, "m: Conflict: so",
			remedies["Conflict"]},
		{"nowhere", object(time.Hour, metav1.ConditionFalse), check.Fail, "Why: so", ""},
	} {
		t.Run("CK1 propagation-blocked: "+c.name, func(t *testing.T) {
			found := blocked([]v1alpha1.FederatedService{c.object}, now)
			if len(found) != 1 || found[0].Outcome != c.outcome || found[0].Text != c.text ||
				found[0].Remedy != c.remedy {
				t.Errorf("%+v", found)
			}
		})
	}
	for _, c := range []struct {
		name, reason string
		status       metav1.ConditionStatus
		age          time.Duration
		propagation  v1alpha1.Propagation
		remedy       string // "" for no finding
	}{
		{"a member is ready", "Ready", metav1.ConditionTrue, time.Hour, v1alpha1.PropagationEnabled, ""},
		{"a member lacks a right", "Forbidden", metav1.ConditionFalse, time.Hour, v1alpha1.PropagationEnabled,
			remedies["Forbidden"]},
		{"a member is not seen", "Pending", metav1.ConditionUnknown, time.Hour, v1alpha1.PropagationEnabled,
			remedies["MemberUnreachable"]},
		{"a member is about to be ready", "Pending", metav1.ConditionUnknown, time.Second, v1alpha1.PropagationEnabled,
			""},
		{"a member is to have none", "Disabled", metav1.ConditionFalse, time.Hour, v1alpha1.PropagationDisabled, ""},
	} {
		t.Run("CK1 propagation-blocked: "+c.name, func(t *testing.T) {
			m := v1alpha1.MemberCluster{ObjectMeta: metav1.ObjectMeta{Name: "m"}}
			m.Spec.Propagation = c.propagation
			m.Status.Conditions = []metav1.Condition{{
				Type: v1alpha1.ConditionPropagationReady, Status: c.status, Reason: c.reason, Message: "so",
				LastTransitionTime: metav1.NewTime(now.Add(-c.age)),
			}}
			found := unready([]v1alpha1.MemberCluster{m}, now)
			if len(found) > 1 || (len(found) == 1) != (c.remedy != "") {
				t.Fatalf("%+v", found)
			}
			for _, f := range found {
				if f.Outcome != check.Fail || f.Subject != "m" || f.Remedy != c.remedy ||
					f.Text != "FederatedServices do not reach it: "+c.reason+": so" {
					t.Errorf("%+v", f)
				}
				seen.Add("propagation-blocked", f.Outcome, "FederatedServices do not reach it: ...", "")
			}
		})
	}
	t.Run("CK1 propagation-blocked: many are counted", func(t *testing.T) {
		found := blocked(slices.Repeat([]v1alpha1.FederatedService{
			object(time.Hour, metav1.ConditionFalse, why("NotOurs"))}, maxDifferences+5), now)
		last := found[len(found)-1]
		if len(found) != maxDifferences+1 || last.Text != "further members and Services: 5" {
			t.Errorf("%d %+v", len(found), last)
		}
		seen.Add("propagation-blocked", last.Outcome, last.Text, "")
	})
}
