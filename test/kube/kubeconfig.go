package kube

import (
	"context"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// AccountKubeconfig writes a kubeconfig with a token of a ServiceAccount, which is good for a day, and nothing else; it
// reaches the API server at that URL.
func (c *Cluster) AccountKubeconfig(ctx context.Context, namespace, account, server, path string) error {
	token, err := c.Kubectl(ctx, "", "create", "token", "--namespace", namespace, account, "--duration", "24h")
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[c.opt.Name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: c.Config().CAData}
	config.AuthInfos[account] = &clientcmdapi.AuthInfo{Token: strings.TrimSpace(token)}
	config.Contexts[c.opt.Name] = &clientcmdapi.Context{Cluster: c.opt.Name, AuthInfo: account}
	config.CurrentContext = c.opt.Name
	return clientcmd.WriteToFile(*config, path)
}

// MergeKubeconfigs writes a kubeconfig to path with a context for the administrator of each cluster, by its name; the
// first is the current one.
func MergeKubeconfigs(path string, clusters ...*Cluster) error {
	merged := clientcmdapi.NewConfig()
	for _, c := range clusters {
		one, err := clientcmd.LoadFromFile(c.Kubeconfig())
		if err == nil {
			err = clientcmd.ResolveLocalPaths(one)
		}
		if err != nil {
			return err
		}
		from, name := one.Contexts[one.CurrentContext], c.opt.Name
		merged.Clusters[name], merged.AuthInfos[name] = one.Clusters[from.Cluster], one.AuthInfos[from.AuthInfo]
		merged.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	}
	merged.CurrentContext = clusters[0].opt.Name
	return clientcmd.WriteToFile(*merged, path)
}

// KubeconfigVia writes a copy of the kubeconfig src to dst that reaches the API server at another URL, such as that of
// a cutting proxy on loopback.
func KubeconfigVia(src, server, dst string) error {
	config, err := clientcmd.LoadFromFile(src)
	if err != nil {
		return err
	}
	for _, cluster := range config.Clusters {
		cluster.Server = server
	}
	return clientcmd.WriteToFile(*config, dst)
}
