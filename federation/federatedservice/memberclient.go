package federatedservice

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	authorizationv1client "k8s.io/client-go/kubernetes/typed/authorization/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/propagate"
)

// memberClient reads and writes Services of one member.
type memberClient struct {
	core     rest.Interface
	reviews  authorizationv1client.AuthorizationV1Interface
	metadata metadata.Interface
}

func newMemberClient(c *rest.Config) (*memberClient, error) {
	c = rest.CopyConfig(c)
	c.Timeout = 0 // it would end the watch
	c.QPS, c.Burst = clientQPS, clientBurst
	c.WarningHandler = rest.NoWarnings{}
	http, err := kubeconfig.NewHTTPClient(c)
	if err != nil {
		return nil, err
	}
	core, err := corev1client.NewForConfigAndClient(c, http)
	if err != nil {
		return nil, err
	}
	m := &memberClient{core: core.RESTClient()}
	if m.reviews, err = authorizationv1client.NewForConfigAndClient(c, http); err != nil {
		return nil, err
	}
	m.metadata, err = metadata.NewForConfigAndClient(c, http)
	return m, err
}

// informer returns an informer of the metadata of the Services with our label, cut down to what is looked at.
func (c *memberClient) informer() cache.SharedIndexInformer {
	resource := c.metadata.Resource(corev1.SchemeGroupVersion.WithResource("services"))
	var budget kubeconfig.ListBudget
	informer := cache.NewSharedIndexInformer(kubeconfig.ListThenWatch{ListWatch: &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = propagate.LabelFederation
			if o.Continue == "" {
				budget.Reset()
			}
			return resource.List(budget.Context(ctx), o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = propagate.LabelFederation
			return resource.Watch(ctx, o)
		},
	}}, &metav1.PartialObjectMetadata{}, 0, nil)
	_ = informer.SetTransform(func(obj any) (any, error) { // the error is that of an informer that runs already
		o, ok := obj.(*metav1.PartialObjectMetadata)
		if !ok {
			return obj, nil
		}
		trimmed := metav1.ObjectMeta{
			Namespace: o.Namespace, Name: o.Name, UID: o.UID, ResourceVersion: o.ResourceVersion,
			DeletionTimestamp: o.DeletionTimestamp, ManagedFields: propagate.Applied(&o.ObjectMeta),
		}
		if mark := propagate.MarkOf(o.Annotations); mark != "" {
			trimmed.Annotations = map[string]string{propagate.AnnotationCreatedBy: string(mark)}
		}
		return &metav1.PartialObjectMetadata{TypeMeta: o.TypeMeta, ObjectMeta: trimmed}, nil
	})
	return informer
}

// memberServices are the Services with our label that a member shows, by a watch of their metadata. nil shows none.
type memberServices struct {
	store     cache.Store
	hasSynced func() bool
}

// synced reports whether all are known.
func (s *memberServices) synced() bool { return s != nil && s.hasSynced() }

// get returns one; nil if there is none.
func (s *memberServices) get(k key) *metav1.PartialObjectMetadata {
	if s == nil {
		return nil
	}
	obj, ok, _ := s.store.GetByKey(k.String()) // there is no error
	if !ok {
		return nil
	}
	return obj.(*metav1.PartialObjectMetadata)
}

// marked reports whether there is one with this mark.
func (s *memberServices) marked(k key, mark propagate.Mark) bool {
	o := s.get(k)
	return o != nil && propagate.MarkOf(o.Annotations) == mark
}

// all returns all that are known; none before they are.
func (s *memberServices) all() (list []*metav1.PartialObjectMetadata) {
	if !s.synced() {
		return nil
	}
	for _, obj := range s.store.List() {
		list = append(list, obj.(*metav1.PartialObjectMetadata))
	}
	return list
}

// get returns a Service; nil if there is none.
func (c *memberClient) get(ctx context.Context, k key) (*corev1.Service, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	s := &corev1.Service{}
	err := c.core.Get().Resource("services").Namespace(k.Namespace).Name(k.Name).MaxRetries(0).Do(ctx).Into(s)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return s, err
}

// apply applies a Service, and returns it as it is then.
func (c *memberClient) apply(ctx context.Context, k key, body []byte, force bool) (*corev1.Service, error) {
	return c.send(ctx, k, c.core.Patch(types.ApplyYAMLPatchType).Param("force", fmt.Sprint(force)), body)
}

// patch sends a JSON patch, and returns the Service as it is then.
func (c *memberClient) patch(ctx context.Context, k key, body []byte) (*corev1.Service, error) {
	return c.send(ctx, k, c.core.Patch(types.JSONPatchType), body)
}

func (c *memberClient) send(ctx context.Context, k key, r *rest.Request, body []byte) (*corev1.Service, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	s := &corev1.Service{}
	err := r.Resource("services").Namespace(k.Namespace).Name(k.Name).Param("fieldManager", propagate.Manager).
		Body(body).MaxRetries(0).Do(ctx).Into(s)
	return s, err
}

// delete deletes the Service with that UID and version; one that is gone is deleted.
func (c *memberClient) delete(ctx context.Context, k key, uid types.UID, version string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := c.core.Delete().Resource("services").Namespace(k.Namespace).Name(k.Name).Body(&metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version},
	}).MaxRetries(0).Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// verbs are what the second rights file of a member grants for Services.
var verbs = []string{"get", "create", "patch", "delete"}

// lacks returns the verbs that the account lacks for Services in a namespace, or in all if that is "".
func (c *memberClient) lacks(ctx context.Context, namespace string) (missing []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for _, verb := range verbs {
		review, err := c.reviews.SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: verb, Resource: "services",
			}},
		}, metav1.CreateOptions{})
		if err != nil {
			return nil, err
		}
		if !review.Status.Allowed {
			missing = append(missing, verb)
		}
	}
	return missing, nil
}
