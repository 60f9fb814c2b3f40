// Package programs has what whole-system tests run: our programs and the API servers. They are built while there is a
// network, before the tests enter a namespace of their own.
package programs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/netns"
)

// The environment.
const (
	// envBin names a folder with coredns, federation-syncer and kubectl-federation; without it they are built.
	envBin = "FEDERATION_DNS_BIN"
	// The copy inside the namespace finds what was prepared outside here.
	envTestcluster = "FEDERATION_DNS_TESTCLUSTER"
	envBuilt       = "FEDERATION_DNS_BUILT"
)

// Main is a TestMain: it builds what is missing, runs the tests in a private network namespace, and ends the program.
// What they need beyond that and Go is for the line of a plain `go test ./...`, which skips them.
func Main(m *testing.M, what string) {
	needs.Main(what)
	if os.Getenv(envTestcluster) == "" {
		if err := prepare(); err != nil {
			fmt.Fprintln(os.Stderr, "building what the tests run:", err)
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

// prepare builds the programs, before there is no network. Their folder is absolute afterwards, for tests of any
// folder.
func prepare() error {
	bin := os.Getenv(envBin)
	if bin == "" {
		dir, err := os.MkdirTemp("", "tests-bin-")
		if err != nil {
			return err
		}
		const module = "github.com/federation-dns/federation/cmd/"
		build := exec.Command("go", "build", "-buildvcs=false", "-o", dir, module+"coredns", module+"federation-syncer",
			module+"kubectl-federation")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			return errors.Join(fmt.Errorf("building the programs: %w", err), os.RemoveAll(dir))
		}
		if err := os.Setenv(envBuilt, dir); err != nil {
			return err
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
	return errors.Join(os.Setenv(envBin, bin), os.Setenv(envTestcluster, testcluster))
}

// CoreDNS is the path of our CoreDNS.
func CoreDNS() string { return filepath.Join(os.Getenv(envBin), "coredns") }

// Syncer is the path of the syncer.
func Syncer() string { return filepath.Join(os.Getenv(envBin), "federation-syncer") }

// Kubectl is the path of the plugin of kubectl.
func Kubectl() string { return filepath.Join(os.Getenv(envBin), "kubectl-federation") }

// Testcluster is the path of the program of the API servers.
func Testcluster() string { return os.Getenv(envTestcluster) }
