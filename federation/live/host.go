package live

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/api/v1alpha1"
)

var federatedServices = v1alpha1.GroupVersion.WithResource("federatedservices")

// Host is the host cluster, with the FederatedServices in it.
type Host struct {
	client dynamic.NamespaceableResourceInterface
	server string
}

// NewHost returns the cluster of that configuration.
func NewHost(config *rest.Config) (*Host, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Host{client: client.Resource(federatedServices), server: config.Host}, nil
}

// Create creates a FederatedService, and returns it as the API server has it. With dryRun that only says whether it
// would. A field that it does not know is an error, as for kubectl.
func (h *Host) Create(ctx context.Context, o *unstructured.Unstructured, dryRun bool) (
	*unstructured.Unstructured, error,
) {
	options := metav1.CreateOptions{
		FieldManager: ourManagers + "-create", FieldValidation: metav1.FieldValidationStrict,
	}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	created, err := h.client.Namespace(o.GetNamespace()).Create(ctx, o, options)
	switch {
	case apierrors.IsAlreadyExists(err):
		return nil, fmt.Errorf("there is a FederatedService of this name in %s already: change it by kubectl edit, or "+
			"by kubectl apply as --help says", o.GetNamespace())
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("you may not create FederatedServices in %s: the role edit there has that right (%w)",
			o.GetNamespace(), err)
	case err != nil:
		return nil, h.failed(err)
	}
	return created, nil
}

// List returns the FederatedServices of a namespace, or of all for "", sorted by namespace and name.
func (h *Host) List(ctx context.Context, namespace string) ([]v1alpha1.FederatedService, error) {
	list, err := h.client.Namespace(namespace).List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err):
		where := "in " + namespace
		if namespace == "" {
			where = "in all namespaces (say -n NAMESPACE for one)"
		}
		return nil, fmt.Errorf("you may not list FederatedServices %s: the role view has that right (%w)", where, err)
	case err != nil:
		return nil, h.failed(err)
	}
	var typed v1alpha1.FederatedServiceList
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.UnstructuredContent(), &typed); err != nil {
		return nil, fmt.Errorf("the FederatedServices at %s cannot be read: %w", h.server, err)
	}
	return typed.Items, nil
}

// ErrUnreachable marks the error of a cluster that does not answer.
var ErrUnreachable = errors.New("no answer")

// unreachable is an ErrUnreachable with a text of its own.
type unreachable struct{ error }

func (e unreachable) Unwrap() []error { return []error{e.error, ErrUnreachable} }

// ErrNoKind marks the error of a cluster that has no FederatedServices.
var ErrNoKind = errors.New("no such kind")

// noKind is an ErrNoKind with a text of its own.
type noKind struct{ error }

func (e noKind) Unwrap() []error { return []error{e.error, ErrNoKind} }

// failed says what a request came to.
func (h *Host) failed(err error) error {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	switch {
	case !ok:
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return unreachable{fmt.Errorf("the cluster at %s does not answer: %w", h.server, err)}
	case apierrors.IsNotFound(err) && !strings.Contains(status.ErrStatus.Message, "namespaces "):
		return noKind{fmt.Errorf("the cluster at %s has no FederatedServices: is it the host of the syncer? Choose "+
			"that by --context, or apply deploy/crds there", h.server)}
	}
	return err
}
