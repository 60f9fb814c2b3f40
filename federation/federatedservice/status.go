package federatedservice

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/federation/snapshot"
)

// cluster is what has become of a FederatedService in one selected member.
type cluster struct {
	name    string
	done    bool // it is there as the template says
	failure propagate.Failure
}

// statusOf returns the status of f at now.
func statusOf(
	now time.Time, f *v1alpha1.FederatedService, all []*snapshot.Federation, clusters []cluster,
) v1alpha1.FederatedServiceStatus {
	own := of(all, f)
	st := v1alpha1.FederatedServiceStatus{ObservedGeneration: f.Generation, Names: names(own)}
	healthy := 0
	var addresses []string
	for _, c := range clusters {
		one := clusterStatus(c, own)
		if one.State == v1alpha1.ClusterHealthy {
			healthy++
			ingress := ingressOf(c.name, own)
			for _, in := range ingress {
				addresses = append(addresses, in.IP+in.Hostname)
			}
			st.LoadBalancer.Ingress = append(st.LoadBalancer.Ingress, ingress...)
		}
		st.Clusters = append(st.Clusters, one)
	}
	st.Healthy, st.Addresses = fmt.Sprintf("%d/%d", healthy, len(clusters)), strings.Join(addresses, ",")
	for _, c := range []metav1.Condition{propagated(clusters), published(now, own, healthy)} {
		c.ObservedGeneration, c.LastTransitionTime = f.Generation, metav1.NewTime(now.Truncate(time.Second))
		if old := meta.FindStatusCondition(f.Status.Conditions, c.Type); old != nil && old.Status == c.Status &&
			old.LastTransitionTime.Unix() > 0 { // the default of the schema has none
			c.LastTransitionTime = old.LastTransitionTime
		}
		st.Conditions = append(st.Conditions, c)
	}
	return st
}

// seenService is a service as one federation sees it; its view is nil if there is none.
type seenService struct {
	federation *snapshot.Federation
	view       *snapshot.Service
	name       federation.ServiceName
}

// of returns f in each federation that it names: there is one for each domain.
func of(all []*snapshot.Federation, f *v1alpha1.FederatedService) (list []seenService) {
	name := federation.ServiceName{Namespace: f.Namespace, Name: f.Name}
	for _, one := range all {
		if string(one.Config.Name) == f.Spec.Federation {
			list = append(list, seenService{one, one.Views.Service(name), name})
		}
	}
	return list
}

// shard returns what a member shows of the service, and the member.
func (s seenService) shard(name string) (*snapshot.Shard, *snapshot.Member) {
	m := s.federation.Member(name)
	if m != nil && m.Departed {
		m = nil
	}
	if s.view == nil {
		return nil, m
	}
	for i := range s.view.Shards {
		if sh := &s.view.Shards[i]; sh.Member == name && sh.Listed {
			return sh, m
		}
	}
	return nil, m
}

// shown returns what a shard is now, without what counts although it is not seen.
func shown(sh *snapshot.Shard) *federation.Shard {
	if sh.Shown != nil {
		return sh.Shown
	}
	return &sh.Shard
}

// clusterStatus returns the status of a Service in one member: how its shard is, and why it is not as it should be.
// What keeps the template from being there comes first.
func clusterStatus(c cluster, own []seenService) v1alpha1.ClusterStatus {
	st := v1alpha1.ClusterStatus{
		Cluster: c.name, State: v1alpha1.ClusterMissing, Reason: c.failure.Reason, Message: c.failure.Message,
	}
	why := func(reason, message string) {
		if st.Reason == "" {
			st.Reason, st.Message = reason, message
		}
	}
	if len(own) == 0 {
		why(v1alpha1.ReasonFederationUnknown, "its shard counts in no federation")
		return st
	}
	sh, m := own[0].shard(c.name)
	switch {
	case m == nil:
	case m.Reach.Standing == policy.Lost:
		st.State = v1alpha1.ClusterUnknown
		why(v1alpha1.ReasonMemberUnreachable, "the member is not seen: what it had counts as it did, for a while")
	case sh == nil && c.done:
		why(v1alpha1.ReasonPending, "the Service was applied, and is about to be seen")
	case sh == nil:
	case !m.Drained.IsZero():
		st.State = v1alpha1.ClusterUnhealthy
		why(v1alpha1.ReasonDrained, "spec.drain of the MemberCluster makes its shards count as unhealthy")
	case shown(sh).Healthy:
		st.State = v1alpha1.ClusterHealthy
	default:
		st.State = v1alpha1.ClusterUnhealthy
		for _, p := range own[0].view.Problems { // more exact than that there is no address
			if p.Member == c.name && sh.Reason == federation.ReasonNoAddress {
				why(string(p.Reason), p.Detail)
			}
		}
		why(string(sh.Reason), reasons[sh.Reason])
	}
	if sh != nil {
		st.ReadyEndpoints = int32(sh.Ready)
		for _, in := range ingress(shown(sh)) {
			st.Addresses = append(st.Addresses, in.IP+in.Hostname)
		}
	}
	return st
}

// reasons say in a sentence why a shard is not healthy.
var reasons = map[federation.Reason]string{
	federation.ReasonNoReadyEndpoints: "no endpoint is ready: look at the pods and their readiness probes there",
	federation.ReasonNoSlices: "the Service has no EndpointSlice: without a selector, its slices need the label " +
		propagate.LabelFederation + " themselves",
	federation.ReasonNoAddress: "the Service has no address yet that may be published: its load balancer has none, " +
		"or it has no load balancer",
	federation.ReasonHostUnresolved: "the host name of the load balancer does not resolve",
	federation.ReasonTooManyServices: "the member has more federated Services than spec.maxServices of the " +
		"MemberCluster",
	federation.ReasonNamespaceRefused: "spec.namespaces of the MemberCluster does not have the namespace",
}

// ingressOf returns the addresses of a member's load balancer.
func ingressOf(name string, own []seenService) []corev1.LoadBalancerIngress {
	if len(own) == 0 {
		return nil
	}
	sh, _ := own[0].shard(name)
	if sh == nil {
		return nil
	}
	return ingress(shown(sh))
}

// ingress returns the addresses of a shard as the status of a Service has them: the host name of a load balancer rather
// than what it resolves to.
func ingress(sh *federation.Shard) (list []corev1.LoadBalancerIngress) {
	if sh.Host != "" {
		return []corev1.LoadBalancerIngress{{Hostname: strings.TrimSuffix(string(sh.Host), ".")}}
	}
	for _, a := range slices.SortedFunc(slices.Values(sh.Addresses), netip.Addr.Compare) {
		list = append(list, corev1.LoadBalancerIngress{IP: a.String()})
	}
	return list
}

// names returns the names that have records, the global ones first.
func names(own []seenService) (list []string) {
	var below []string
	for _, s := range own {
		if s.view == nil {
			continue
		}
		global := s.global()
		for name := range s.view.Owners() {
			if text := strings.TrimSuffix(string(name), "."); name == global {
				list = append(list, text)
			} else {
				below = append(below, text)
			}
		}
	}
	slices.Sort(below)
	return append(list, below...)
}

// global returns the service's global name.
func (s seenService) global() federation.FQDN {
	for _, lv := range s.federation.Levels.All() {
		if lv.Kind == federation.KindGlobal {
			return lv.OwnerName(s.name)
		}
	}
	return ""
}

// propagated returns the condition Propagated, without its times.
func propagated(clusters []cluster) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionPropagated}
	var failed []string
	waiting := false
	for _, one := range clusters {
		switch {
		case one.done:
		case one.failure.Reason == v1alpha1.ReasonPending:
			waiting = true
		default:
			failed = append(failed, one.name+" "+one.failure.Reason)
		}
	}
	switch {
	case len(clusters) == 0:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonNoClusters
		c.Message = "no member is selected: set spec.propagation of a MemberCluster to Enabled, or correct " +
			"spec.placement"
	case len(failed) > 0:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonSomeClustersFailed
		c.Message = fmt.Sprintf("%d of %d: %s", len(failed), len(clusters), summary(failed))
	case waiting:
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonPending
		c.Message = "the Services are being created"
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonInAllClusters
		c.Message = fmt.Sprintf("%d of %d members have the Service as the template says", len(clusters), len(clusters))
	}
	return c
}

// waiting reports whether a status only says that Services are about to be created.
func waiting(status v1alpha1.FederatedServiceStatus) bool {
	c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionPropagated)
	return c != nil && c.Reason == v1alpha1.ReasonPending
}

// summary joins the first few of a list.
func summary(list []string) string {
	const shown = 8
	text := strings.Join(list[:min(len(list), shown)], ", ")
	if len(list) > shown {
		text += fmt.Sprintf(", and %d more", len(list)-shown)
	}
	return text
}

// sameStatus reports whether an object has the status already. Conditions of others do not count.
func sameStatus(have, want v1alpha1.FederatedServiceStatus) bool {
	var ours []metav1.Condition
	for _, c := range want.Conditions {
		if old := meta.FindStatusCondition(have.Conditions, c.Type); old != nil {
			ours = append(ours, *old)
		}
	}
	have.Conditions = ours
	return equality.Semantic.DeepEqual(have, want)
}
