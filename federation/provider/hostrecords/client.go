package hostrecords

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"

	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/provider"
)

// requestTimeout bounds each request to the host.
const requestTimeout = 10 * time.Second

// client reads and writes the ConfigMaps. Its errors wrap one of the provider's kinds, but for errStale.
type client struct {
	config Config

	mu   sync.Mutex
	made *connection // nil until it is needed
}

// connection is what a client was made of the kubeconfig, or of the pod's account, as it was at that time.
type connection struct {
	http       *http.Client
	configMaps corev1client.ConfigMapInterface
	versions   metadata.ResourceInterface
}

// errStale means that somebody else has written a ConfigMap since it was read, or removed it.
var errStale = errors.New("it has changed since it was read")

// connect returns the connection, and makes one if there is none.
func (c *client) connect() (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		return c.made, nil
	}
	conn, err := c.dial()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", provider.ErrNotSent, err)
	}
	c.made = conn
	return conn, nil
}

func (c *client) dial() (*connection, error) {
	config, err := c.config.Host.Load()
	if err != nil {
		return nil, err
	}
	config.Timeout, config.QPS = requestTimeout, -1 // writes have their pace
	transport, err := kubeconfig.NewHTTPClient(config)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	clientset, err := kubernetes.NewForConfigAndClient(config, transport)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	versions, err := metadata.NewForConfigAndClient(config, transport)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	namespace := c.config.Host.Namespace
	return &connection{
		http: transport, configMaps: clientset.CoreV1().ConfigMaps(namespace),
		versions: versions.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(namespace),
	}, nil
}

// close closes idle connections. The kubeconfig is read again when the next request needs one.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		c.made.http.CloseIdleConnections()
		c.made = nil
	}
}

// list returns the versions of the federation's ConfigMaps, by name.
func (c *client) list(ctx context.Context) (map[string]string, error) {
	conn, err := c.connect()
	if err != nil {
		return nil, err
	}
	found, err := conn.versions.List(ctx, metav1.ListOptions{LabelSelector: Label + "=" + string(c.config.Federation)})
	if err != nil {
		return nil, c.failed("list", "", err)
	}
	versions := map[string]string{}
	for _, o := range found.Items {
		if name := c.config.HeadName(); o.Name == name || strings.HasPrefix(o.Name, name+".") {
			versions[o.Name] = o.ResourceVersion
		}
	}
	return versions, nil
}

// get returns a ConfigMap's data and version, or errStale if there is none.
func (c *client) get(ctx context.Context, name string) (data map[string]string, version string, err error) {
	conn, err := c.connect()
	if err != nil {
		return nil, "", err
	}
	found, err := conn.configMaps.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, "", errStale
	case err != nil:
		return nil, "", c.failed("get", name, err)
	}
	return found.Data, found.ResourceVersion, nil
}

// put writes a ConfigMap that still has this version, where "" is that there is none, and returns the next version.
func (c *client) put(ctx context.Context, name, version string, data map[string]string) (next string, err error) {
	conn, err := c.connect()
	if err != nil {
		return "", err
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: name, ResourceVersion: version, Labels: map[string]string{Label: string(c.config.Federation)},
	}, Data: data}
	verb, write := "create", func() (*corev1.ConfigMap, error) {
		return conn.configMaps.Create(ctx, object, metav1.CreateOptions{})
	}
	if version != "" {
		verb, write = "update", func() (*corev1.ConfigMap, error) {
			return conn.configMaps.Update(ctx, object, metav1.UpdateOptions{})
		}
	}
	written, err := write()
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), version != "" && apierrors.IsNotFound(err):
		return "", errStale
	case err != nil:
		return "", c.failed(verb, name, err)
	}
	return written.ResourceVersion, nil
}

// remove removes a ConfigMap that still has this version.
func (c *client) remove(ctx context.Context, name, version string) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	err = conn.configMaps.Delete(ctx, name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{ResourceVersion: &version},
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return c.failed("delete", name, err)
	}
	return nil
}

// failed makes the error of a request. After one that another client might not get, the next request makes one.
func (c *client) failed(verb, name string, err error) error {
	kind, again := kindOf(verb, err)
	if again {
		c.close()
	}
	what := "ConfigMaps"
	if name != "" {
		what = fmt.Sprintf("ConfigMap %q", name)
	}
	text := fmt.Errorf("host: %s %s in namespace %q: %w", verb, what, c.config.Host.Namespace, err)
	if apierrors.IsForbidden(err) {
		text = fmt.Errorf("%w (deploy/host-records-rbac.yaml grants it)", text)
	}
	if apierrors.IsTooManyRequests(err) {
		return fmt.Errorf("%w: %w: %w", kind, provider.ErrThrottled, text)
	}
	return fmt.Errorf("%w: %w", kind, text)
}

// kindOf returns the kind of a request's error, and whether another client, with the credentials as they are now, might
// not get it.
func kindOf(verb string, err error) (kind error, again bool) {
	open := provider.ErrUnavailable // of a request whose answer is lost
	if verb == "create" || verb == "update" {
		open = provider.ErrUnknownOutcome
	}
	var status apierrors.APIStatus
	var dial *net.OpError
	switch {
	case errors.As(err, &status):
		switch code := status.Status().Code; {
		case code == http.StatusUnauthorized:
			return provider.ErrRefused, true
		case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
			return provider.ErrUnavailable, false
		case code >= http.StatusInternalServerError: // such as a time-out of etcd
			return open, false
		}
		return provider.ErrRefused, false
	case errors.As(err, &dial) && dial.Op == "dial", errors.Is(err, kubeconfig.ErrStuck):
		return provider.ErrNotSent, true
	}
	return open, true
}
