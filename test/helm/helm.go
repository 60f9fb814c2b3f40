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

// EnvRelease names the folder of a release. The tests install the charts that are packed there, as its users do.
const EnvRelease = "FEDERATION_DNS_IMAGES"

// Chart returns the chart to install: that of the release which EnvRelease names, or else the folder in the repository.
func Chart(t testing.TB, name string) string {
	t.Helper()
	if dir := os.Getenv(EnvRelease); dir != "" {
		packed, err := filepath.Glob(filepath.Join(dir, name+"-[0-9]*.tgz"))
		if err != nil {
			t.Fatal(err)
		}
		if len(packed) > 1 {
			t.Fatalf("%s is packed %d times in %s", name, len(packed), dir)
		}
		if len(packed) == 1 {
			return packed[0]
		}
	}
	return filepath.Join(root(t), "charts", name)
}

// New finds the helm that make has built in the folder bin of the repository. Without it the test is skipped or fails,
// as package needs says.
func New(t testing.TB) Helm {
	t.Helper()
	path := filepath.Join(root(t), "bin", "helm")
	needs.Built(t, path, "bin/helm")
	return Helm{path: path, home: t.TempDir()}
}

// root is the folder of the repository.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(dir, "go.mod")) {
		if dir == filepath.Dir(dir) {
			t.Fatal("this is no folder of the repository")
		}
		dir = filepath.Dir(dir)
	}
	return dir
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
