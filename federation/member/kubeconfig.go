package member

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
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The budget of a client made from a kubeconfig. A Watcher's own requests are
// few and long, and it lifts the limit for them.
const (
	clientQPS   = 50
	clientBurst = 100
)

// LoadKubeconfig returns the client configuration of a kubeconfig file. With
// an empty context the file's current context counts. Errors name the file and
// what it has, never a credential. Certificates and keys are copied out of the
// files that it names, since client-go never stops following such a file:
// KubeconfigState says when to load it again.
func LoadKubeconfig(path, context string) (*rest.Config, error) {
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
	c, err := clientcmd.NewNonInteractiveClientConfig(*raw, context, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %q, context %q, is not usable: %w", path, context, err)
	}
	c.UserAgent = "federation-syncer"
	c.ContentType = runtime.ContentTypeProtobuf
	c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	c.QPS, c.Burst = clientQPS, clientBurst
	return c, nil
}

// embed copies the certificates and keys that the context names into it.
func embed(raw *clientcmdapi.Config, context string) error {
	of := raw.Contexts[context]
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
	if c := raw.Clusters[of.Cluster]; c != nil {
		if err := read("certificate-authority", &c.CertificateAuthority, &c.CertificateAuthorityData); err != nil {
			return err
		}
	}
	u := raw.AuthInfos[of.AuthInfo]
	if u == nil {
		return nil
	}
	return errors.Join(
		read("client-certificate", &u.ClientCertificate, &u.ClientCertificateData),
		read("client-key", &u.ClientKey, &u.ClientKeyData),
		read("tokenFile", &u.TokenFile, nil),
	)
}

// PluginWarning says that the credential plugin of a kubeconfig cannot be run here; "" if it can, or there is none.
// It may still come, and then be run.
func PluginWarning(c *rest.Config) string {
	if c.ExecProvider == nil {
		return ""
	}
	if _, err := exec.LookPath(c.ExecProvider.Command); err != nil {
		return fmt.Sprintf("the credential plugin %q cannot be run here: %v", c.ExecProvider.Command, err)
	}
	return ""
}

// watchers numbers the Watchers of this process.
var watchers atomic.Uint64

// ownPlugin gives a client a credential plugin of its own. client-go runs equal plugins one at a time, in one place for
// the whole process: one that hangs would stop all members with the same command, and a new Watcher of this one too.
// What makes it another one is a variable of its environment.
func ownPlugin(p *clientcmdapi.ExecConfig, member string, number uint64) *clientcmdapi.ExecConfig {
	if p == nil {
		return nil
	}
	p = p.DeepCopy()
	p.Env = append(p.Env, clientcmdapi.ExecEnvVar{
		Name: "FEDERATION_SYNCER_MEMBER", Value: fmt.Sprintf("%s/%d", member, number),
	})
	return p
}

var lineNumber = regexp.MustCompile(`line \d+`)

// unreadable says why a file is no kubeconfig. The parser's own words are kept
// back, as they may quote the value that it stumbled over, which may be a
// token.
func unreadable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("kubeconfig %q does not exist", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("kubeconfig %q may not be read: permission denied", path)
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("kubeconfig %q cannot be read: %w", path, pathErr.Err)
	}
	where := ""
	if at := lineNumber.FindString(err.Error()); at != "" {
		where = " (" + at + ")"
	}
	return fmt.Errorf("kubeconfig %q cannot be parsed%s: YAML or JSON with clusters, users and contexts is expected", path, where)
}
