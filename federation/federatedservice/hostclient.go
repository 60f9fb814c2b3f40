package federatedservice

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/kubeconfig"
)

const (
	services = "federatedservices"
	members  = "memberclusters"
	// statusManager is the field manager of the status of FederatedServices, and memberManager that of what this
	// package has in the status of MemberClusters. Package membercluster has the rest there, as another manager.
	statusManager = "federation-syncer"
	memberManager = "federation-syncer-propagation"
	// finalizer keeps a FederatedService until its Services are gone, or are owed (G8).
	finalizer = "federation-dns.io/services"
	// requestTimeout bounds each request but watches.
	requestTimeout = 5 * time.Second
	// clientQPS and clientBurst bound the requests to one API server.
	clientQPS, clientBurst = 200, 400
)

// hostClient reads and writes the objects of the host.
type hostClient struct {
	objects rest.Interface // of our group
	core    corev1client.CoreV1Interface
	scheme  *runtime.Scheme
}

func newHostClient(c *rest.Config) (*hostClient, error) {
	c = rest.CopyConfig(c)
	c.QPS, c.Burst = clientQPS, clientBurst
	http, err := kubeconfig.NewHTTPClient(c)
	if err != nil {
		return nil, err
	}
	h := &hostClient{scheme: runtime.NewScheme()}
	if err := v1alpha1.AddToScheme(h.scheme); err != nil {
		return nil, err
	}
	if err := corev1.AddToScheme(h.scheme); err != nil {
		return nil, err
	}
	if h.core, err = corev1client.NewForConfigAndClient(c, http); err != nil {
		return nil, err
	}
	own := rest.CopyConfig(c)
	own.GroupVersion, own.APIPath = &v1alpha1.GroupVersion, "/apis"
	own.NegotiatedSerializer = serializer.NewCodecFactory(h.scheme).WithoutConversion()
	own.ContentType, own.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON // as CRDs need
	h.objects, err = rest.RESTClientForConfigAndClient(own, http)
	return h, err
}

// listWatch returns what an informer of one of the kinds needs.
func (h *hostClient) listWatch(resource string) cache.ListerWatcher {
	return kubeconfig.ListThenWatch{
		ListWatch: cache.NewListWatchFromClient(h.objects, resource, metav1.NamespaceAll, fields.Everything()),
	}
}

// applyStatus writes the status of f, and returns the object that results.
func (h *hostClient) applyStatus(
	ctx context.Context, f *v1alpha1.FederatedService, status v1alpha1.FederatedServiceStatus,
) (*v1alpha1.FederatedService, error) {
	body, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "FederatedService",
		"metadata": map[string]any{"namespace": f.Namespace, "name": f.Name, "uid": f.UID}, "status": status,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	result := &v1alpha1.FederatedService{}
	err = h.objects.Patch(types.ApplyYAMLPatchType).Resource(services).Namespace(f.Namespace).Name(f.Name).
		SubResource("status").Param("fieldManager", statusManager).Param("force", "true").Body(body).MaxRetries(0).
		Do(ctx).Into(result)
	return result, err
}

// setFinalizers replaces the finalizers of f, if f is the present version.
func (h *hostClient) setFinalizers(ctx context.Context, f *v1alpha1.FederatedService, list []string) error {
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": f.UID, "resourceVersion": f.ResourceVersion, "finalizers": list,
	}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return h.objects.Patch(types.MergePatchType).Resource(services).Namespace(f.Namespace).Name(f.Name).
		Param("fieldManager", statusManager).Body(body).MaxRetries(0).Do(ctx).Error()
}

// memberCluster returns a MemberCluster as it is now.
func (h *hostClient) memberCluster(ctx context.Context, name string) (*v1alpha1.MemberCluster, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m := &v1alpha1.MemberCluster{}
	return m, h.objects.Get().Resource(members).Name(name).MaxRetries(0).Do(ctx).Into(m)
}

// applyPropagation writes our part of the status of m, if m is the present version.
func (h *hostClient) applyPropagation(
	ctx context.Context, m *v1alpha1.MemberCluster, condition metav1.Condition, owed []string,
) error {
	status := map[string]any{"conditions": []metav1.Condition{condition}}
	if len(owed) > 0 {
		status["pendingDeletions"] = owed
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "MemberCluster",
		"metadata": map[string]any{"name": m.Name, "uid": m.UID, "resourceVersion": m.ResourceVersion},
		"status":   status,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err = h.objects.Patch(types.ApplyYAMLPatchType).Resource(members).Name(m.Name).SubResource("status").
		Param("fieldManager", memberManager).Param("force", "true").Body(body).MaxRetries(0).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("status of MemberCluster %q: %w", m.Name, err)
	}
	return nil
}
