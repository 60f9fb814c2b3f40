package kubeconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
)

// accountDir is where a pod finds the token of its ServiceAccount, and the CA of the API server.
const accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// The variables with the address of the API server, in every container.
const (
	envHost = "KUBERNETES_SERVICE_HOST"
	envPort = "KUBERNETES_SERVICE_PORT"
)

// InCluster returns the client configuration of the pod that the program runs in: its own account, and the API server
// by its address, so that no request depends on the DNS of the cluster (I3).
//
// The token is read again as the kubelet renews it. The CA is copied, as Load copies it: call InCluster again to follow
// it. Unlike rest.InClusterConfig, a CA that cannot be read is an error.
func InCluster() (*rest.Config, error) { return inCluster(accountDir) }

func inCluster(dir string) (*rest.Config, error) {
	host, port := os.Getenv(envHost), os.Getenv(envPort)
	if host == "" || port == "" {
		return nil, fmt.Errorf("inCluster is for a pod, and this is none: %s and %s are not set; "+
			"outside a cluster, set host.kubeconfig instead", envHost, envPort)
	}
	token := filepath.Join(dir, "token")
	if _, err := readAccount(token); err != nil {
		return nil, err
	}
	ca, err := readAccount(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	c := &rest.Config{Host: "https://" + net.JoinHostPort(host, port), BearerTokenFile: token}
	c.CAData = ca
	setDefaults(c)
	return c, nil
}

// readAccount reads a file of the pod's account.
func readAccount(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("inCluster needs the account of the pod, but %q does not exist: "+
			"set automountServiceAccountToken to true in the pod and its ServiceAccount", path)
	case err != nil:
		return nil, fmt.Errorf("inCluster: %w", err)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, fmt.Errorf("inCluster: %q is empty", path)
	}
	return data, nil
}
