package membercluster

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/snapshot"
)

// facts are what the status of a MemberCluster is made from.
type facts struct {
	taken      bool               // a member of the file has the name
	spec       error              // what is wrong with the spec
	kubeconfig error              // why the present content of the Secret cannot be used
	inUse      string             // the version of the Secret whose kubeconfig the member accepted last
	states     []*snapshot.Member // the member in each federation; none before the loops know it
}

// statusOf returns the status of m at now. What is not known is as it was.
func statusOf(now time.Time, m *v1alpha1.MemberCluster, f facts) v1alpha1.MemberClusterStatus {
	st := v1alpha1.MemberClusterStatus{
		ClusterID: m.Status.ClusterID, Version: m.Status.Version, Topology: m.Status.Topology, Zones: m.Status.Zones,
		Shards: m.Status.Shards, KubeconfigSecret: secretInUse(m, f),
	}
	if len(f.states) > 0 && !f.taken {
		observe(&st, f.states)
	}
	ready := f.ready(m)
	ready.Type, ready.ObservedGeneration = v1alpha1.ConditionReady, m.Generation
	ready.LastTransitionTime = metav1.NewTime(now)
	if old := meta.FindStatusCondition(m.Status.Conditions, ready.Type); old != nil && old.Status == ready.Status &&
		old.LastTransitionTime.Unix() > 0 { // the default of the schema has none
		ready.LastTransitionTime = old.LastTransitionTime
	}
	st.Conditions = []metav1.Condition{ready}
	return st
}

// secretInUse returns which version of which Secret the client in use was made from. What another replica found, or
// this one before a restart, counts until there is an answer, unless it is of another Secret or key.
func secretInUse(m *v1alpha1.MemberCluster, f facts) *v1alpha1.SecretInUse {
	known := m.Status.KubeconfigSecret
	switch {
	case f.taken:
		return nil
	case f.inUse != "":
		return &v1alpha1.SecretInUse{SecretKey: m.Spec.KubeconfigSecret, ResourceVersion: f.inUse}
	case known != nil && known.SecretKey == m.Spec.KubeconfigSecret:
		return known
	}
	return nil
}

// observe sets what the federations know of the member.
func observe(st *v1alpha1.MemberClusterStatus, states []*snapshot.Member) {
	var shards v1alpha1.ShardCount
	for _, s := range states {
		counts := s.States()
		shards.Total += int32(s.Shards)
		shards.Healthy += int32(counts["healthy"])
	}
	shards.Summary = fmt.Sprintf("%d/%d", shards.Healthy, shards.Total)
	first := states[0]
	if !first.Reach.Observed {
		return
	}
	st.Shards = &shards
	if first.ClusterUID != "" {
		st.ClusterID = first.ClusterUID
	}
	if first.Version != "" {
		st.Version = first.Version
	}
	var zones []string
	for _, z := range first.Topology.Zones {
		zones = append(zones, string(z))
	}
	st.Topology, st.Zones = nil, strings.Join(zones, ",")
	if region := string(first.Topology.Region); region != "" || len(zones) > 0 {
		st.Topology = &v1alpha1.ObservedTopology{Region: region, Zones: zones}
	}
}

// same reports whether the object has the status already, but for when its conditions changed (K3). Conditions of
// others do not count.
func same(have, want v1alpha1.MemberClusterStatus) bool {
	old := meta.FindStatusCondition(have.Conditions, v1alpha1.ConditionReady)
	if old == nil {
		return false
	}
	ready := *old
	ready.LastTransitionTime = want.Conditions[0].LastTransitionTime
	have.Conditions = []metav1.Condition{ready}
	have.PendingDeletions = nil // another manager's, as the condition PropagationReady is
	return reflect.DeepEqual(have, want)
}

// byName returns the state of each member in all federations. A departed member of a name is no state of an object: it
// is what was there before.
func byName(all []*snapshot.Federation) map[string][]*snapshot.Member {
	states := map[string][]*snapshot.Member{}
	for _, f := range all {
		if f == nil || f.Claim.Deposed != nil {
			continue
		}
		for _, m := range f.Members {
			if !m.Departed {
				states[m.Name] = append(states[m.Name], m)
			}
		}
	}
	return states
}

// oldestFirst orders objects by age: of two that are one cluster, the older one counts.
func oldestFirst(list []*v1alpha1.MemberCluster) {
	slices.SortFunc(list, func(a, b *v1alpha1.MemberCluster) int {
		if d := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
}
