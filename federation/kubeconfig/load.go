// Package kubeconfig makes clients of API servers from kubeconfig files, from Secrets, or from the account of the pod
// that it runs in: it says when to make another one, and bounds how long requests and how large answers may be,
// whatever the server or a credential plugin does.
package kubeconfig

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The default rate limit of a loaded configuration, for clients that set none.
const (
	clientQPS   = 50
	clientBurst = 100
)

// Load returns the client configuration of a kubeconfig file. An empty context selects the file's current context.
//
// Certificates and keys are copied from the files that it names, because client-go never stops following such a file;
// State reports when to load it again. Errors name the file and its contexts, never a credential.
func Load(path, context string) (*rest.Config, error) {
	raw, err := clientcmd.LoadFromFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if err := clientcmd.ResolveLocalPaths(raw); err != nil {
		return nil, fmt.Errorf("kubeconfig %q: %w", path, err)
	}
	has := "it has no contexts"
	if len(raw.Contexts) > 0 {
		has = "it has: " + strings.Join(slices.Sorted(maps.Keys(raw.Contexts)), ", ")
	}
	context = cmp.Or(context, raw.CurrentContext)
	switch {
	case context == "":
		return nil, fmt.Errorf("kubeconfig %q has no current-context, so a context is needed; %s", path, has)
	case raw.Contexts[context] == nil:
		return nil, fmt.Errorf("kubeconfig %q has no context %q; %s", path, context, has)
	}
	if err := embed(raw, context); err != nil {
		return nil, fmt.Errorf("kubeconfig %q, context %q: %w", path, context, err)
	}
	c, err := clientConfig(raw, context)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %q, context %q, is not usable: %w", path, context, err)
	}
	return c, nil
}

func clientConfig(raw *clientcmdapi.Config, context string) (*rest.Config, error) {
	c, err := clientcmd.NewNonInteractiveClientConfig(*raw, context, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	setDefaults(c)
	return c, nil
}

// setDefaults sets what all clients of API servers have in common.
func setDefaults(c *rest.Config) {
	c.UserAgent = "federation-syncer"
	c.ContentType = runtime.ContentTypeProtobuf
	c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	c.QPS, c.Burst = clientQPS, clientBurst
}

// embed replaces the file names of certificates and keys in the context by the contents of the files.
func embed(raw *clientcmdapi.Config, context string) error {
	chosen := raw.Contexts[context]
	read := func(what string, file *string, into *[]byte) error {
		if *file == "" {
			return nil
		}
		data, err := os.ReadFile(*file)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", what, err)
		case len(bytes.TrimSpace(data)) == 0:
			return fmt.Errorf("%s: %q is empty", what, *file)
		case into != nil:
			*file, *into = "", data
		}
		return nil
	}
	if c := raw.Clusters[chosen.Cluster]; c != nil {
		if err := read("certificate-authority", &c.CertificateAuthority, &c.CertificateAuthorityData); err != nil {
			return err
		}
	}
	u := raw.AuthInfos[chosen.AuthInfo]
	if u == nil {
		return nil
	}
	return errors.Join(
		read("client-certificate", &u.ClientCertificate, &u.ClientCertificateData),
		read("client-key", &u.ClientKey, &u.ClientKeyData),
		read("tokenFile", &u.TokenFile, nil),
	)
}

// PluginWarning returns a warning if the credential plugin of the configuration cannot be run on this machine, or "".
// The plugin may be installed later; requests then use it.
func PluginWarning(c *rest.Config) string {
	if c.ExecProvider == nil {
		return ""
	}
	if _, err := exec.LookPath(c.ExecProvider.Command); err != nil {
		return fmt.Sprintf("the credential plugin %q cannot be run here: %v", c.ExecProvider.Command, err)
	}
	return ""
}

var lineNumber = regexp.MustCompile(`line \d+`)

// unreadable returns an error that explains why the file is not a kubeconfig. It leaves out the parser's message, which
// may quote the offending value: that may be a token.
func unreadable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("kubeconfig %q does not exist", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("kubeconfig %q cannot be read: permission denied", path)
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("kubeconfig %q cannot be read: %w", path, pathErr.Err)
	}
	return fmt.Errorf("kubeconfig %q%s", path, unparsable(err))
}

// unparsable continues a sentence about a kubeconfig: that it cannot be parsed, and in which line.
func unparsable(err error) string {
	where := ""
	if line := lineNumber.FindString(err.Error()); line != "" {
		where = " (" + line + ")"
	}
	return " cannot be parsed" + where + ": YAML or JSON with clusters, users and contexts is expected"
}
