package member

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation"
)

// TestServiceChanges has a Service that changes while it is watched, from healthy to something else and back. Its slice
// stays.
func TestServiceChanges(t *testing.T) {
	const healthy federation.Reason = "" // of a shard
	const none federation.Reason = "no shard"
	for _, c := range []struct {
		name   string
		change func(*corev1.Service)
		want   federation.Reason
	}{
		{"H1 the label goes", func(s *corev1.Service) { s.Labels = nil }, none},
		{"H1 the label of somebody else's federation",
			func(s *corev1.Service) { s.Labels[LabelFederation] = "somebody-elses" }, none},
		{"H1 the label of no federation", func(s *corev1.Service) { s.Labels[LabelFederation] = "" }, none},
		{"H2 type ClusterIP, with a status of before",
			func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeClusterIP }, federation.ReasonNoAddress},
		{"H2 type NodePort", func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort },
			federation.ReasonNoAddress},
		{"H2 type ExternalName", func(s *corev1.Service) {
			s.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "www.example.org"}
		}, federation.ReasonNoAddress},
		{"H2 headless", func(s *corev1.Service) {
			s.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: corev1.ClusterIPNone}
		}, federation.ReasonNoAddress},
		{"H2 a load balancer without addresses yet", func(s *corev1.Service) { s.Status = corev1.ServiceStatus{} },
			federation.ReasonNoAddress},
		{"H5 a finalizer holds it while it is being deleted", func(s *corev1.Service) {
			s.Finalizers, s.DeletionTimestamp = []string{"example.org/wait"}, &metav1.Time{Time: time.Now()}
		}, none},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, healthyAPI(), testConfig(), nil)
				b.list(time.Second)
				reason := func() federation.Reason {
					if s := b.shard(time.Second, nginxKey); s != nil {
						return s.Reason
					}
					return none
				}
				s := balanced(nginx, "192.0.2.1")
				c.change(s)
				b.api.set(s)
				equal(t, "changed", reason(), c.want)
				b.api.set(balanced(nginx, "192.0.2.1"))
				equal(t, "back", reason(), healthy)
			})
		})
	}
	t.Run("H1 the label changes to another federation of ours: it goes there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := testConfig()
			c.Federations = append(c.Federations, "other")
			b := start(t, healthyAPI(), c, nil)
			b.list(time.Second)
			s := balanced(nginx, "192.0.2.1")
			s.Labels[LabelFederation] = "other"
			b.api.set(s)
			var got []ShardKey
			for _, e := range b.after(time.Second) {
				e := e.(ShardEvent)
				got = append(got, e.Key)
				equal(t, "has a shard", e.Shard != nil, e.Key.Federation == "other")
			}
			equal(t, "events", got, []ShardKey{nginxKey, {Federation: "other", Service: nginx}})
		})
	})
	t.Run("H5 deleted and made again before its slice is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			b.list(time.Second)
			b.api.remove(balanced(nginx))
			equal(t, "shard", b.shard(time.Second, nginxKey), (*Shard)(nil))
			s := balanced(nginx, "192.0.2.2")
			s.CreationTimestamp = metav1.Now()
			b.api.set(s)
			equal(t, "addresses", b.shard(time.Second, nginxKey).Addresses, addrs("192.0.2.2"))
			b.api.remove(slice(nginx, "a", 2))
			equal(t, "reason", b.shard(time.Second, nginxKey).Reason, federation.ReasonNoSlices)
			b.api.set(slice(nginx, "b", 1))
			equal(t, "reason", b.shard(time.Second, nginxKey).Reason, healthy)
		})
	})
}
