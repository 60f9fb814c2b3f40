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
