// Package helm runs the helm that tools/helm pins, for the tests of the charts.
package helm

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/proc"
)

// Helm is a helm of which nothing outside a folder is read or written.
type Helm struct {
	path, home string
}

// New finds the helm that make has built in the folder bin of the repository. Without it the test is skipped or fails,
// as package needs says.
func New(t testing.TB) Helm {
	t.Helper()
	root, err := filepath.Abs(".")
	for err == nil && !exists(filepath.Join(root, "go.mod")) {
		if root == filepath.Dir(root) {
			t.Fatal("this is no folder of the repository")
		}
		root = filepath.Dir(root)
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "bin", "helm")
	needs.Built(t, path, "bin/helm")
	return Helm{path: path, home: t.TempDir()}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Path is that of the program.
func (h Helm) Path() string { return h.path }

// Env keeps a helm of another process, such as a shell's, in the same folder.
func (h Helm) Env() []string {
	return []string{"HELM_CACHE_HOME=" + h.home, "HELM_CONFIG_HOME=" + h.home, "HELM_DATA_HOME=" + h.home}
}

// Run runs helm with a kubeconfig, or with none, and returns what it prints.
func (h Helm) Run(ctx context.Context, kubeconfig string, args ...string) (string, error) {
	if kubeconfig == "" {
		kubeconfig = os.DevNull
	}
	return proc.CommandWith(ctx, append(h.Env(), "KUBECONFIG="+kubeconfig), "", h.path, args...)
}
