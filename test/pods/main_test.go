// Package pods has the test with real pods: containerd, a real kubelet and our images, and programs in pods that ask
// for federated names with the resolv.conf that the kubelet writes.
package pods

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/node"
	"github.com/federation-dns/federation/test/proc"
)

// The environment of these tests.
const (
	// envImages names the folder with our images, as make pods and make release write them.
	envImages = "FEDERATION_DNS_IMAGES"
	// envBin names the folder with kubectl-federation, as make build writes it.
	envBin = "FEDERATION_DNS_BIN"
	// envPrepared says that this is the copy inside the namespace.
	envPrepared = "FEDERATION_DNS_PODS_PREPARED"
)

// dir is the folder of everything that runs, and of what prepare has built.
var dir string

func TestMain(m *testing.M) {
	if !needs.All() {
		fmt.Println("skipped: these tests need root, containerd, a kubelet and images of ours; make pods runs them")
		os.Exit(0)
	}
	if os.Geteuid() != 0 {
		cannot("only root may run containers in a namespace of their own")
	}
	first := os.Getenv(envPrepared) == ""
	if first {
		if err := errors.Join(prepare(), os.Setenv(envPrepared, "1")); err != nil {
			fmt.Fprintln(os.Stderr, "pods:", err)
			os.Exit(1)
		}
	}
	dir = node.Enter()
	if lacks := node.Lacks(); lacks != "" {
		cannot("this machine lacks " + lacks)
	}
	os.Exit(m.Run())
}

// cannot ends the tests where no installed package can help: the simulated pods of the other tests stand.
func cannot(why string) {
	fmt.Println("skipped: no real pods here:", why)
	os.Exit(0)
}

// prepare looks for the programs and images and builds the rest, while there is a network.
func prepare() error {
	for program, debian := range map[string]string{"containerd": "containerd", "ctr": "containerd", "runc": "runc",
		"nft": "nftables", "/usr/lib/cni/ptp": "containernetworking-plugins", "named": "bind9",
		"musl-gcc": "musl-tools", "gcc": "gcc"} {
		if _, err := proc.Find(debian, program); err != nil {
			return err
		}
	}
	for _, program := range []string{"coredns", "federation-syncer"} {
		if _, err := imageOf(program); err != nil {
			return err
		}
	}
	if _, err := os.Stat(plugin()); err != nil {
		return fmt.Errorf("%w: make pods builds it", err)
	}
	ctx := context.Background()
	if _, err := kube.Binary(ctx, os.Stderr); err != nil {
		return err
	}
	_, err := kube.BuildNode(ctx, os.Stderr)
	return err
}

// plugin is the path of the plugin of kubectl.
func plugin() string {
	folder := os.Getenv(envBin)
	if folder == "" {
		folder = "../../bin"
	}
	return filepath.Join(folder, "kubectl-federation")
}

// imageOf is the archive of one of our images.
func imageOf(program string) (string, error) {
	folder := os.Getenv(envImages)
	if folder == "" {
		folder = "../../bin/images"
	}
	found, err := filepath.Glob(filepath.Join(folder, program+"_*_image.tar"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("there is not one image of %s in %q but %d: make pods builds it", program, folder, len(found))
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(found[0])
}

// buildPodImage makes the image of the test's own pods: its program, and one that asks getaddrinfo, of glibc and of
// musl.
func buildPodImage(ctx context.Context, path, name string) error {
	bin := filepath.Join(dir, "pod")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for _, build := range [][]string{
		{"go", "build", "-buildvcs=false", "-o", filepath.Join(bin, "pod"), "./pod"},
		{"go", "build", "-buildvcs=false", "-o", filepath.Join(bin, "go"), "../stub/go"},
		{"gcc", "-O2", "-o", filepath.Join(bin, "glibc"), "../stub/c/lookup.c"},
		{"musl-gcc", "-O2", "-static", "-o", filepath.Join(bin, "musl"), "../stub/c/lookup.c"},
	} {
		cmd := exec.CommandContext(ctx, build[0], build[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", build, err, out)
		}
	}
	files := []node.File{}
	for _, program := range []string{"pod", "go", "glibc", "musl"} {
		files = append(files, node.File{Path: program, Source: filepath.Join(bin, program)})
	}
	// What a program of glibc needs: its loader, by the path that is in the program, and the library.
	multiarch := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	loader := map[string]string{"amd64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/lib/ld-linux-aarch64.so.1"}
	for _, lib := range []string{loader[runtime.GOARCH], "/lib/" + multiarch + "/libc.so.6"} {
		files = append(files, node.File{Path: lib[1:], Source: lib})
	}
	return node.WriteImage(path, name, []string{"/pod"}, files...)
}
