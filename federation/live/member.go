package live

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

var memberClusters = schema.GroupVersionResource{
	Group: "federation-dns.io", Version: "v1alpha1", Resource: "memberclusters",
}

const (
	// ourManagers is what the names of the field managers of this program begin with.
	ourManagers = "kubectl-federation"
	// drainManager owns spec.drain alone, so that whoever applies the rest of the object leaves it as it is.
	drainManager = ourManagers + "-drain"
)

// Member is a MemberCluster of the host cluster.
type Member struct {
	client dynamic.ResourceInterface
	object *unstructured.Unstructured
}

// FetchMember returns the MemberCluster of that name.
func FetchMember(ctx context.Context, host *rest.Config, name string) (*Member, error) {
	client, err := dynamic.NewForConfig(host)
	if err != nil {
		return nil, err
	}
	m := &Member{client: client.Resource(memberClusters)}
	m.object, err = m.client.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("there is no MemberCluster %q at %s: is it another cluster than the syncer's? "+
			"Choose that by --context", name, host.Host)
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("you may not get MemberCluster %q: %w", name, err)
	case err != nil:
		return nil, fmt.Errorf("the cluster at %s: %w", host.Host, err)
	}
	return m, nil
}

// Drained reports what spec.drain says.
func (m *Member) Drained() bool {
	drain, _, _ := unstructured.NestedBool(m.object.Object, "spec", "drain")
	return drain
}

// SetDrained sets spec.drain, of exactly this object. With dryRun the API server only says whether it would. A field
// that a tool applies, such as Argo CD, is refused: the tool would set it back.
func (m *Member) SetDrained(ctx context.Context, drained, dryRun bool) error {
	name := m.object.GetName()
	if owner := applier(m.object.GetManagedFields()); owner != "" {
		return fmt.Errorf("spec.drain of MemberCluster %q belongs to %q, which would set it back: change it there",
			name, owner)
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": memberClusters.GroupVersion().String(), "kind": "MemberCluster",
		"metadata": map[string]any{"name": name, "uid": m.object.GetUID()},
		"spec":     map[string]any{"drain": drained},
	})
	if err != nil {
		return err
	}
	force := true // what people set by hand may change
	options := metav1.PatchOptions{FieldManager: drainManager, Force: &force}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	_, err = m.client.Patch(ctx, name, types.ApplyPatchType, body, options)
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("you may not change MemberCluster %q: ask for the right to patch "+
			"memberclusters.federation-dns.io (%w)", name, err)
	case apierrors.IsConflict(err):
		return fmt.Errorf("MemberCluster %q has been deleted, or replaced, meanwhile", name)
	case err != nil:
		return fmt.Errorf("MemberCluster %q: %w", name, err)
	}
	return nil
}

// applier returns the manager, other than this program, that owns spec.drain by server-side apply; "" if none does.
func applier(managers []metav1.ManagedFieldsEntry) string {
	for _, e := range managers {
		if e.Operation != metav1.ManagedFieldsOperationApply || e.FieldsV1 == nil || e.Subresource != "" ||
			strings.HasPrefix(e.Manager, ourManagers) {
			continue
		}
		var fields struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) == nil && fields.Spec["f:drain"] != nil {
			return e.Manager
		}
	}
	return ""
}
