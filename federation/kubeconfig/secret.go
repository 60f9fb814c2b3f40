package kubeconfig

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ErrNoKubeconfig is wrapped by the error of a Secret that is not there, has no such key, or may not be read.
var ErrNoKubeconfig = errors.New("no kubeconfig")

// Parse returns the client configuration of a kubeconfig that came from a Secret, from its current context.
//
// Whoever may write the Secret must not make this process run programs, read its files, follow a proxy, act as somebody
// else or trust any certificate: a kubeconfig that asks for one of these is refused, by the name of the field. Errors
// contain no value, which may be a credential.
func Parse(data []byte) (*rest.Config, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("the kubeconfig is empty")
	}
	raw, err := clientcmd.Load(data)
	if err != nil {
		return nil, errors.New("the kubeconfig" + unparsable(err))
	}
	chosen := raw.Contexts[raw.CurrentContext]
	switch {
	case raw.CurrentContext == "":
		return nil, errors.New("the kubeconfig has no current-context")
	case chosen == nil:
		return nil, errors.New("the kubeconfig has no context of the name that current-context says")
	}
	cluster, user := raw.Clusters[chosen.Cluster], raw.AuthInfos[chosen.AuthInfo]
	if cluster == nil || user == nil {
		return nil, errors.New("the cluster or the user of the current context is not in the kubeconfig")
	}
	if field, instead := refusedField(cluster, user); field != "" {
		return nil, fmt.Errorf("the field %s is refused: %s", field, instead)
	}
	if !strings.HasPrefix(cluster.Server, "https://") {
		return nil, errors.New("the field server is refused: it must begin with https://")
	}
	return clientConfig(raw, raw.CurrentContext)
}

// refusedField returns a field that a Secret's kubeconfig must not have, and what to do instead.
func refusedField(c *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) (field, instead string) {
	const noFiles = "the syncer reads no files for a Secret; "
	for _, f := range []struct {
		name    string
		present bool
		instead string
	}{
		{"exec", u.Exec != nil, "the syncer runs no programs for a Secret; use the token of a service account"},
		{"auth-provider", u.AuthProvider != nil, "use the token of a service account"},
		{"tokenFile", u.TokenFile != "", noFiles + "use token"},
		{"client-certificate", u.ClientCertificate != "", noFiles + "use client-certificate-data"},
		{"client-key", u.ClientKey != "", noFiles + "use client-key-data"},
		{"certificate-authority", c.CertificateAuthority != "", noFiles + "use certificate-authority-data"},
		{"proxy-url", c.ProxyURL != "", "the syncer connects to members directly"},
		{"as", u.Impersonate != "", "use the member's own account"},
		{"as-uid", u.ImpersonateUID != "", "use the member's own account"},
		{"as-groups", len(u.ImpersonateGroups) > 0, "use the member's own account"},
		{"as-user-extra", len(u.ImpersonateUserExtra) > 0, "use the member's own account"},
		{"insecure-skip-tls-verify", c.InsecureSkipTLSVerify,
			"anyone could answer for the member; use certificate-authority-data"},
	} {
		if f.present {
			return f.name, f.instead
		}
	}
	return "", ""
}
