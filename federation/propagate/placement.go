package propagate

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
)

// Selects reports whether a member is to have the Service: the placement names or selects it, whatever its propagation
// says, or there is no placement and its propagation is Enabled.
func Selects(p *v1alpha1.Placement, m *v1alpha1.MemberCluster) bool {
	switch {
	case p == nil:
		return m.Spec.Propagation == v1alpha1.PropagationEnabled
	case p.Selector != nil:
		selector, err := metav1.LabelSelectorAsSelector(p.Selector)
		return err == nil && selector.Matches(labels.Set(m.Labels))
	}
	return slices.Contains(p.Clusters, m.Name)
}

// Selected returns the names of the members that are to have the Service, sorted. A name may be that of no member.
func Selected(p *v1alpha1.Placement, members []*v1alpha1.MemberCluster) (names []string) {
	if p != nil {
		names = slices.Clone(p.Clusters)
	}
	for _, m := range members {
		if Selects(p, m) {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Fence returns why nothing of a namespace of the member may be touched: neither created nor changed nor deleted. The
// zero value is no fence.
func Fence(m *v1alpha1.MemberCluster, namespace string) Failure {
	switch {
	case m.Spec.Propagation != v1alpha1.PropagationEnabled:
		return Failure{Reason: v1alpha1.ReasonPropagationDisabled, Retry: OnEvent, Message: "spec.propagation of the " +
			"MemberCluster is Disabled: whoever administers the member decides on that"}
	case len(m.Spec.Namespaces) > 0 && !slices.Contains(m.Spec.Namespaces, namespace):
		return Failure{Reason: string(federation.ReasonNamespaceRefused), Retry: OnEvent, Message: "spec.namespaces " +
			"of the MemberCluster does not have " + namespace}
	}
	return Failure{}
}

// maxOwed is how many deletions a MemberCluster can owe: the bound of its schema.
const maxOwed = 1000

// Owe returns the owed deletions of a member with one more, as namespace/name; false if there is no room for it (G8).
func Owe(owed []string, key string) ([]string, bool) {
	if slices.Contains(owed, key) {
		return owed, true
	}
	if len(owed) >= maxOwed {
		return owed, false
	}
	owed = append(slices.Clone(owed), key)
	slices.Sort(owed)
	return owed, true
}
