package member

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"

	"k8s.io/client-go/tools/clientcmd"
)

// KubeconfigFiles returns the kubeconfig and the files that the context names in it (CA, client certificate and key,
// token), as they are named now, whether or not they exist. With an empty context, the current one counts. A
// kubeconfig that cannot be read names none.
func KubeconfigFiles(path, context string) []string {
	files := []string{path}
	raw, err := clientcmd.LoadFromFile(path)
	if err != nil || clientcmd.ResolveLocalPaths(raw) != nil {
		return files
	}
	if context == "" {
		context = raw.CurrentContext
	}
	chosen := raw.Contexts[context]
	if chosen == nil {
		return files
	}
	if c := raw.Clusters[chosen.Cluster]; c != nil {
		files = append(files, c.CertificateAuthority)
	}
	if u := raw.AuthInfos[chosen.AuthInfo]; u != nil {
		files = append(files, u.ClientCertificate, u.ClientKey, u.TokenFile)
	}
	return slices.DeleteFunc(files, func(name string) bool { return name == "" })
}

// KubeconfigState identifies what the kubeconfig and the files that it names hold now (C1): it differs if the content
// of one of them does, or if one comes or goes. A mere touch changes nothing.
func KubeconfigState(path, context string) string {
	sum := sha256.New()
	for _, name := range KubeconfigFiles(path, context) {
		data, err := os.ReadFile(name)
		fmt.Fprintf(sum, "%q %t %x\n", name, err == nil, sha256.Sum256(data))
	}
	return hex.EncodeToString(sum.Sum(nil))
}
