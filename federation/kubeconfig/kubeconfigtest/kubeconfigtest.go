// Package kubeconfigtest writes kubeconfigs for tests.
package kubeconfigtest

import (
	"fmt"
	"os"
	"testing"
)

// PluginUser is a user whose credentials come from the program "plugin" beside the kubeconfig. client-go gives them to
// servers with TLS only.
const PluginUser = `{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never}}`

// Write writes a kubeconfig with one context, for a server whose certificate is not checked. User is YAML. The file
// is replaced atomically: it may be read at any time.
func Write(t testing.TB, path, server, user string) {
	t.Helper()
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}],
users: [{name: u, user: %s}]}`, server, user)
	next := path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}
