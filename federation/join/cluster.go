package join

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/kubeconfig"
)

// requestTimeout bounds each request.
const requestTimeout = 10 * time.Second

// Target is an API server, with the rights of the admin who runs the program.
type Target struct {
	Config *rest.Config
	// Context is its name in the kubeconfig, for people.
	Context string
}

// cluster is a Target at work: the host, or the member.
type cluster struct {
	role string // host or member
	Target
	config  *rest.Config // of the clients
	client  *http.Client
	core    kubernetes.Interface
	objects dynamic.Interface
	uid     string // of the namespace kube-system
	version string
}

// connect asks a cluster who it is.
func connect(ctx context.Context, role string, t Target) (*cluster, error) {
	config := rest.CopyConfig(t.Config)
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON // for CRDs
	config.QPS, config.Burst = 100, 200
	if config.Timeout == 0 || config.Timeout > requestTimeout {
		config.Timeout = requestTimeout
	}
	c := &cluster{role: role, Target: t, config: config}
	var err error
	if c.client, err = kubeconfig.NewHTTPClient(config); err != nil {
		return nil, c.errorf(err, "")
	}
	if c.core, err = kubernetes.NewForConfigAndClient(config, c.client); err != nil {
		return nil, c.errorf(err, "")
	}
	if c.objects, err = dynamic.NewForConfigAndClient(config, c.client); err != nil {
		return nil, c.errorf(err, "")
	}
	data, err := c.core.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return nil, c.errorf(err, "")
	}
	var version struct{ GitVersion string }
	if err := json.Unmarshal(data, &version); err != nil || version.GitVersion == "" {
		return nil, c.errorf(errors.New("its answer is not that of an API server"), "")
	}
	system, err := c.core.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return nil, c.errorf(err, "the UID of the namespace kube-system, which identifies the cluster")
	}
	c.uid, c.version = string(system.UID), version.GitVersion
	return c, nil
}

// String names the cluster for people.
func (c *cluster) String() string {
	s := c.role + " " + c.Config.Host
	if c.Context != "" {
		s += " (context " + c.Context + ")"
	}
	return s
}

// ErrUnknown marks errors because of which it could not be found out how things are: nothing is known to be wrong.
var ErrUnknown = errors.New("unknown")

// unknown is an ErrUnknown with a text of its own.
type unknown struct{ error }

func (u unknown) Unwrap() []error { return []error{u.error, ErrUnknown} }

// errorf says what a cluster answered to a request for something, and what to do about it.
func (c *cluster) errorf(err error, what string) error {
	if what != "" {
		what += ": "
	}
	err = withoutURL(err)
	switch {
	case apierrors.IsUnauthorized(err):
		return unknown{fmt.Errorf("the %s does not know you: %w. Log in again", c, err)}
	case apierrors.IsForbidden(err) && c.role == "member":
		return fmt.Errorf("the %s refuses: %s%w. To join a cluster, or to unjoin it, takes the rights of its admin",
			c, what, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the %s refuses: %s%w. The rights to join clusters are in docs/joining.md",
			c, what, err)
	case apierrors.ReasonForError(err) != metav1.StatusReasonUnknown:
		return fmt.Errorf("the %s refuses: %s%w", c, what, err)
	}
	return unknown{fmt.Errorf("the %s does not answer: %s%w. Is this the context that you mean, and does kubectl "+
		"reach "+
		"it from here?", c, what, err)}
}

// withoutURL returns what went wrong with a request, without its URL.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// of returns the client for objects of a kind; namespace is "" for those that are in none.
func (c *cluster) of(kind, namespace string) dynamic.ResourceInterface {
	r := c.objects.Resource(resources[kind])
	if namespace == "" {
		return r
	}
	return r.Namespace(namespace)
}

// get returns an object; nil if there is none.
func (c *cluster) get(ctx context.Context, kind, namespace, name string) (*Object, error) {
	o, err := c.of(kind, namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, c.errorf(err, strings.ToLower(kind)+"/"+name)
	}
	return o, nil
}

// Result is what became of an object.
type Result string

// The results.
const (
	Created    Result = "created"
	Configured Result = "configured"
	Unchanged  Result = "unchanged"
	Deleted    Result = "deleted"
	Gone       Result = "not there"
	Kept       Result = "kept"
)

// applying is how objects are applied.
type applying struct {
	dryRun, force bool
}

// apply applies an object, and returns it as it is then. What was not there is marked as made by join.
func (c *cluster) apply(ctx context.Context, o *Object, how applying) (*Object, Result, error) {
	before, err := c.get(ctx, o.GetKind(), o.GetNamespace(), o.GetName())
	if err != nil {
		return nil, "", err
	}
	o = o.DeepCopy()
	if before == nil || isOurs(before) {
		labels := maps.Clone(o.GetLabels())
		if labels == nil {
			labels = map[string]string{}
		}
		labels[LabelManagedBy] = Manager
		o.SetLabels(labels)
	}
	body, err := json.Marshal(o.Object)
	if err != nil {
		return nil, "", err
	}
	opt := metav1.PatchOptions{FieldManager: Manager, Force: &how.force, FieldValidation: metav1.FieldValidationStrict}
	if how.dryRun {
		opt.DryRun = []string{metav1.DryRunAll}
	}
	after, err := c.of(o.GetKind(), o.GetNamespace()).Patch(ctx, o.GetName(), types.ApplyYAMLPatchType, body, opt)
	if err != nil {
		return nil, "", c.applyError(err, o)
	}
	switch {
	case before == nil:
		return after, Created, nil
	case before.GetResourceVersion() == after.GetResourceVersion():
		return after, Unchanged, nil
	}
	return after, Configured, nil
}

func isOurs(o *Object) bool { return o.GetLabels()[LabelManagedBy] == Manager }

// applyError says why an object could not be applied.
func (c *cluster) applyError(err error, o *Object) error {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || !apierrors.IsConflict(err) || status.ErrStatus.Details == nil {
		return c.errorf(err, title(o))
	}
	var managers, fields []string
	for _, cause := range status.ErrStatus.Details.Causes {
		parts := strings.Split(cause.Message, `"`)
		if cause.Type == metav1.CauseTypeFieldManagerConflict && len(parts) > 2 {
			managers, fields = append(managers, parts[1]), append(fields, cause.Field)
		}
	}
	if len(fields) == 0 {
		return c.errorf(err, title(o))
	}
	slices.Sort(managers)
	return fmt.Errorf("the %s: %s has other values that belong to %s (%s): change them there, or take them over by "+
		"--force-conflicts", c, title(o), strings.Join(slices.Compact(managers), ", "), strings.Join(fields, ", "))
}

// may returns an error if the admin may not create objects of a kind in a namespace, as far as the authorizer tells.
func (c *cluster) may(ctx context.Context, o *Object) error {
	gvr := resources[o.GetKind()]
	review, err := c.core.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx,
		&authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: o.GetNamespace(), Verb: "create",
				Group: gvr.Group, Version: gvr.Version, Resource: gvr.Resource},
		}}, metav1.CreateOptions{})
	switch {
	case err != nil:
		return c.errorf(err, "what you may do")
	case !review.Status.Allowed:
		return c.errorf(apierrors.NewForbidden(gvr.GroupResource(), o.GetName(), errors.New("you may not create it")),
			title(o))
	}
	return nil
}

// delete deletes exactly that object, of that UID: another one of its name stays.
func (c *cluster) delete(ctx context.Context, o *Object) (Result, error) {
	uid := o.GetUID()
	opt := metav1.DeleteOptions{}
	if uid != "" {
		opt.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	err := c.of(o.GetKind(), o.GetNamespace()).Delete(ctx, o.GetName(), opt)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return Gone, nil
	case err != nil:
		return "", c.errorf(err, title(o))
	}
	return Deleted, nil
}

// isCertificate reports whether the certificate of a server was not accepted.
func isCertificate(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// isUnreachable reports whether nothing answered at an address.
func isUnreachable(err error) bool {
	var network net.Error
	return apierrors.ReasonForError(err) == metav1.StatusReasonUnknown && errors.As(err, &network)
}

// tokens returns the tokens of the account that syncers use, by name; those of our host come with ours.
func (c *cluster) tokens(ctx context.Context, a *account, hostUID string) (all, ours []*Object, err error) {
	list, err := c.of("Secret", a.namespace()).List(ctx, metav1.ListOptions{
		FieldSelector: "type=" + string(corev1.SecretTypeServiceAccountToken),
	})
	if err != nil {
		return nil, nil, c.errorf(err, "the tokens in namespace "+a.namespace())
	}
	for i := range list.Items {
		o := &list.Items[i]
		if o.GetAnnotations()[corev1.ServiceAccountNameKey] != a.name() {
			continue
		}
		all = append(all, o)
		if o.GetAnnotations()[AnnotationHost] == hostUID && tokenNumber(o.GetName()) > 0 {
			ours = append(ours, o)
		}
	}
	slices.SortFunc(ours, func(a, b *Object) int { return tokenNumber(a.GetName()) - tokenNumber(b.GetName()) })
	return all, ours, nil
}
