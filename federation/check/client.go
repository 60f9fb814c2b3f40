package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/kubeconfig"
)

// Client is a client of one cluster. Each request ends after RequestTimeout, whatever a credential plugin does.
type Client struct {
	kubernetes.Interface
	// Config is what it was made from.
	Config *rest.Config
	// HTTP sends requests with its credentials.
	HTTP *http.Client

	uid     lazy[string]
	offset  lazy[time.Duration]
	version lazy[*version.Info]
}

func newClient(of *rest.Config) (*Client, error) {
	c := rest.CopyConfig(of)
	c.Timeout, c.QPS = RequestTimeout, -1 // no request waits for another
	client, err := kubeconfig.NewHTTPClient(c)
	if err != nil {
		return nil, err
	}
	set, err := kubernetes.NewForConfigAndClient(c, client)
	if err != nil {
		return nil, err
	}
	return &Client{Interface: set, Config: c, HTTP: client}, nil
}

// UID returns the UID of the cluster's namespace kube-system, which identifies the cluster.
func (c *Client) UID(ctx context.Context) (string, error) {
	return c.uid.get(func() (string, error) {
		ns, err := c.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		return string(ns.UID), nil
	})
}

// Version returns the version of the API server.
func (c *Client) Version(ctx context.Context) (*version.Info, error) {
	return c.version.get(func() (*version.Info, error) {
		body, err := c.Get(ctx, "/version")
		if err != nil {
			return nil, err
		}
		var info version.Info
		if err := json.Unmarshal(body, &info); err != nil || info.GitVersion == "" {
			return nil, fmt.Errorf("%s does not answer like an API server", c.Config.Host)
		}
		return &info, nil
	})
}

// ClockOffset returns how far the API server's clock is ahead of ours, by the date that it answers with, which has
// whole seconds: it is wrong by a second, and by half the time that the answer took.
func (c *Client) ClockOffset(ctx context.Context) (time.Duration, error) {
	return c.offset.get(func() (time.Duration, error) {
		url := strings.TrimSuffix(c.Config.Host, "/") + "/version"
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return 0, err
		}
		sent := time.Now()
		res, err := c.HTTP.Do(req)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		date, err := http.ParseTime(res.Header.Get("Date"))
		if err != nil {
			return 0, fmt.Errorf("%s answers without a date", c.Config.Host)
		}
		return date.Sub(sent.Add(time.Since(sent) / 2)), nil
	})
}

// Get returns the body at a path of the API server.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	return c.Discovery().RESTClient().Get().AbsPath(path).SetHeader("Accept", "application/json").DoRaw(ctx)
}

// memberClusters lists the MemberClusters of the cluster.
func (c *Client) memberClusters(ctx context.Context) ([]v1alpha1.MemberCluster, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	one := rest.CopyConfig(c.Config)
	one.GroupVersion, one.APIPath = &v1alpha1.GroupVersion, "/apis"
	one.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	one.ContentType, one.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON // as CRDs need
	client, err := rest.RESTClientForConfigAndClient(one, c.HTTP)
	if err != nil {
		return nil, err
	}
	var list v1alpha1.MemberClusterList
	if err := client.Get().Resource("memberclusters").Do(ctx).Into(&list); err != nil {
		return nil, fmt.Errorf("MemberClusters: %w", err)
	}
	return list.Items, nil
}
