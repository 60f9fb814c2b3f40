package membercluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/kubeconfig"
)

const (
	resource = "memberclusters"
	// manager is the field manager of the status.
	manager = "federation-syncer"
	// applyTimeout bounds the write of one status.
	applyTimeout = 5 * time.Second
)

// client reads and writes what the controller needs in the host cluster.
type client struct {
	members, core rest.Interface
	namespace     string // of the Secrets
}

func newClient(c *rest.Config, namespace string) (*client, error) {
	http, err := kubeconfig.NewHTTPClient(c)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme)
	of := func(gv schema.GroupVersion, path string) (rest.Interface, error) {
		one := rest.CopyConfig(c)
		one.GroupVersion, one.APIPath = &gv, path
		one.NegotiatedSerializer = codecs.WithoutConversion()
		one.ContentType, one.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON // as CRDs need
		return rest.RESTClientForConfigAndClient(one, http)
	}
	members, err := of(v1alpha1.GroupVersion, "/apis")
	if err != nil {
		return nil, err
	}
	core, err := of(corev1.SchemeGroupVersion, "/api")
	if err != nil {
		return nil, err
	}
	return &client{members, core, namespace}, nil
}

// memberClusters and secrets return what informers need. The Secrets in which Helm keeps releases are large, and none
// of ours.
func (c *client) memberClusters() cache.ListerWatcher {
	return kubeconfig.ListThenWatch{
		ListWatch: cache.NewListWatchFromClient(c.members, resource, metav1.NamespaceAll, fields.Everything()),
	}
}

func (c *client) secrets() cache.ListerWatcher {
	return kubeconfig.ListThenWatch{ListWatch: cache.NewListWatchFromClient(c.core, "secrets", c.namespace,
		fields.OneTermNotEqualSelector("type", "helm.sh/release.v1"))}
}

// apply writes the status of m with a field manager of our own, so that others may add conditions (K3). It returns the
// object that results.
func (c *client) apply(
	ctx context.Context, m *v1alpha1.MemberCluster, status v1alpha1.MemberClusterStatus,
) (*v1alpha1.MemberCluster, error) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "MemberCluster",
		"metadata": map[string]any{"name": m.Name, "uid": m.UID}, "status": status,
	})
	if err != nil {
		return nil, err
	}
	result := &v1alpha1.MemberCluster{}
	err = c.members.Patch(types.ApplyYAMLPatchType).Resource(resource).Name(m.Name).SubResource("status").
		Param("fieldManager", manager).Param("force", "true").Body(body).MaxRetries(0).Do(ctx).Into(result)
	if err != nil {
		return nil, fmt.Errorf("status of MemberCluster %q: %w", m.Name, err)
	}
	return result, nil
}
