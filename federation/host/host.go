// Package host is what the syncer has in the host cluster: its identity (O1d), and the Lease with which several
// replicas elect the one that writes (O4).
package host

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/kubeconfig"
)

// uidTimeout bounds the request for the UID.
const uidTimeout = 5 * time.Second

// Config is the host cluster, and the Lease there.
type Config struct {
	// InCluster takes the account of the pod that the program runs in (I3), and no kubeconfig.
	InCluster bool
	// Kubeconfig is a file. Context is one of its contexts, or "" for its current one.
	Kubeconfig, Context string
	// Namespace and Lease are where the Lease is, and its name.
	Namespace, Lease string
}

// UID returns the UID of the host cluster's kube-system namespace, which is the owner id of a syncer without a
// configured one (O1d). It sends one request, for 5 s at most, whatever a credential plugin does.
func UID(ctx context.Context, c Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, uidTimeout)
	defer cancel()
	client, err := newClient(c, uidTimeout)
	if err != nil {
		return "", err
	}
	ns, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("host: read the namespace kube-system, whose UID is the owner id: %w", err)
	}
	return string(ns.UID), nil
}

// newClient returns a client of the host cluster whose requests end after timeout. It reloads the kubeconfig, or the
// pod's account.
func newClient(c Config, timeout time.Duration) (kubernetes.Interface, error) {
	config, err := c.Load()
	if err != nil {
		return nil, err
	}
	config.Timeout = timeout
	client, err := kubeconfig.NewHTTPClient(config)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	clientset, err := kubernetes.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return clientset, nil
}

// Load returns the client configuration of the host cluster, as it is now.
func (c Config) Load() (*rest.Config, error) {
	load := func() (*rest.Config, error) { return kubeconfig.Load(c.Kubeconfig, c.Context) }
	if c.InCluster {
		load = kubeconfig.InCluster
	}
	loaded, err := load()
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return loaded, nil
}
