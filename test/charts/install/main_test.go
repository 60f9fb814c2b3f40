// Package install installs the chart of the syncer on a real API server with a real helm, and runs what its pods would
// run: the syncer as a process, with the account, the files and the user of the pod, and nothing else. It takes about a
// minute, and is part of make test.
package install

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/netns"
)

// The environment: a folder with coredns and federation-syncer, which are built without it, and what the copy of the
// test inside the namespace finds prepared.
const (
	envBin         = "FEDERATION_DNS_BIN"
	envTestcluster = "FEDERATION_DNS_TESTCLUSTER"
	envBuilt       = "FEDERATION_DNS_BUILT"
)

func TestMain(m *testing.M) {
	needs.Main("helm, API servers, DNS servers and a private network namespace")
	if os.Getenv(envTestcluster) == "" {
		if err := prepare(); err != nil {
			fmt.Fprintln(os.Stderr, "install:", err)
			os.Exit(1)
		}
	}
	netns.Enter()
	code := m.Run()
	if built := os.Getenv(envBuilt); built != "" {
		_ = os.RemoveAll(built) // in the folder for temporary files
	}
	os.Exit(code)
}

// prepare builds the programs, before there is no network.
func prepare() error {
	bin := os.Getenv(envBin)
	if bin == "" {
		dir, err := os.MkdirTemp("", "install-bin-")
		if err != nil {
			return err
		}
		if err := os.Setenv(envBuilt, dir); err != nil {
			return err
		}
		build := exec.Command("go", "build", "-buildvcs=false", "-o", dir, "../../../cmd/coredns",
			"../../../cmd/federation-syncer")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building the programs: %w", err)
		}
		bin = dir
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	testcluster, err := kube.Binary(context.Background(), os.Stderr)
	if err != nil {
		return err
	}
	if err := os.Setenv(envBin, bin); err != nil {
		return err
	}
	return os.Setenv(envTestcluster, testcluster)
}
