package member

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// The budget of a client made from a kubeconfig. A Watcher's own requests are
// few and long, and it lifts the limit for them.
const (
	clientQPS   = 50
	clientBurst = 100
)

// LoadKubeconfig returns the client configuration of a kubeconfig file. With
// an empty context the file's current context counts. Errors name the file and
// what it has, never a credential.
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
	if context == "" {
		context = raw.CurrentContext
	}
	switch {
	case context == "":
		return nil, fmt.Errorf("kubeconfig %q has no current-context, so a context is needed; %s", path, has)
	case raw.Contexts[context] == nil:
		return nil, fmt.Errorf("kubeconfig %q has no context %q; %s", path, context, has)
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*raw, context, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %q, context %q, is not usable: %w", path, context, err)
	}
	config.UserAgent = "federation-syncer"
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.QPS, config.Burst = clientQPS, clientBurst
	return config, nil
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
