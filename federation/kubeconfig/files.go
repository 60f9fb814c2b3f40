package kubeconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Files returns the kubeconfig and the files that its context refers to (CA, client certificate and key, token),
// whether or not they exist. An empty context selects the current one. For a kubeconfig that cannot be read, it returns
// the path alone.
func Files(path, context string) []string {
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

// State returns a digest of the kubeconfig and the files it refers to (C1). It differs when the content of one of them
// does, or when one appears or disappears; modification times do not count.
func State(path, context string) string {
	sum := sha256.New()
	for _, name := range Files(path, context) {
		data, err := os.ReadFile(name)
		fmt.Fprintf(sum, "%q %t %x\n", name, err == nil, sha256.Sum256(data))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Follower loads a kubeconfig again when it, or a file it refers to, has changed, and for as long as it cannot be used.
// It is not safe for concurrent use.
type Follower struct {
	// Path is the kubeconfig, and Context one of its contexts, or "" for the current one.
	Path, Context string

	loaded string // the state that was loaded
}

// Next returns the client configuration if it has changed since the last successful call, and nil if it has not.
func (f *Follower) Next() (*rest.Config, error) {
	state := State(f.Path, f.Context)
	if state == f.loaded {
		return nil, nil
	}
	c, err := Load(f.Path, f.Context)
	if err == nil {
		f.loaded = state
	}
	return c, err
}

// Retry makes Next return the configuration again, changed or not.
func (f *Follower) Retry() { f.loaded = "" }
