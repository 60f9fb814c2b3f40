package membercheck

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/check"
)

// errNoID is the error of a member whose cluster the syncer has not seen.
var errNoID = errors.New("the syncer has not seen the cluster yet")

func identity(ctx context.Context, e *check.Env) []check.Finding {
	members, err := e.Members(ctx)
	members = slices.DeleteFunc(slices.Clone(members), (*check.Member).Departed)
	var findings []check.Finding
	if err != nil {
		findings = append(findings, check.Untested("", err))
	}
	byID := map[string][]string{}
	for _, m := range members {
		if id := m.ClusterID(); id != "" {
			byID[id] = append(byID[id], m.Name)
		}
	}
	for _, m := range members {
		if f, known := identityOf(m, byID); known {
			findings = append(findings, f)
		}
	}
	return findings
}

// identityOf is what is known of the cluster of one member; false if that does not matter.
func identityOf(m *check.Member, byID map[string][]string) (check.Finding, bool) {
	id, ready := m.ClusterID(), condition(m)
	others := slices.DeleteFunc(slices.Clone(byID[id]), func(name string) bool { return name == m.Name })
	switch {
	case ready.Reason == v1alpha1.ReasonNameTaken:
		return check.Finding{}, false // members-known says so
	case ready.Reason == v1alpha1.ReasonIdentityChanged:
		text, remedy, _ := strings.Cut(ready.Message, ". Correct its kubeconfig, or confirm: ")
		return check.Bad(m.Name, "%s", text).With("correct its kubeconfig, or, if it was made anew, confirm\n$ %s",
			cmp.Or(remedy, "kubectl get membercluster "+m.Name+" -o wide")), true
	case ready.Reason == v1alpha1.ReasonDuplicateCluster:
		return check.Bad(m.Name, "%s", ready.Message), true
	case len(others) > 0:
		return check.Bad(m.Name, "it is the same cluster as %s, by the UID of the namespace kube-system",
			strings.Join(others, ", ")), true
	}
	for _, s := range m.Seen { // of the file
		if strings.Contains(s.Error, "is the same cluster as") || strings.Contains(s.Error, "is another cluster than") {
			return check.Bad(m.Name, "%s", s.Error), true
		}
	}
	if id == "" {
		return check.Untested(m.Name, errNoID), true
	}
	return check.Good(m.Name, "%s", id), true
}
