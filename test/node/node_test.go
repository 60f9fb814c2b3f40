package node_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/node"
	"github.com/federation-dns/federation/test/proc"
)

// envPause, if set, makes the test binary the program that runs a Node with a pod; it is the path of the pods' program.
const envPause = "FEDERATION_DNS_NODE_PAUSE"

func TestMain(m *testing.M) {
	if !needs.All() {
		fmt.Println("skipped: these tests need root, containerd and a kubelet; make pods runs them")
		os.Exit(0)
	}
	if os.Geteuid() != 0 {
		fmt.Println("skipped: no real pods here: only root may run containers in a namespace of their own")
		os.Exit(0)
	}
	if pause := os.Getenv(envPause); pause != "" {
		if err := runNode(pause); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const pod = `{apiVersion: v1, kind: Pod, metadata: {name: waits}, spec: {hostNetwork: false, containers: [
	{name: waits, image: "` + node.PauseImage + `", imagePullPolicy: Never}]}}`

// runNode runs a Node with a pod until somebody writes a line to it.
func runNode(pause string) (err error) {
	dir := node.Enter()
	if lacks := node.Lacks(); lacks != "" {
		fmt.Println("lacks", lacks)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	address := netip.MustParseAddr("192.0.2.1")
	cidr := netip.MustParsePrefix("10.1.0.0/16")
	programs, err := kube.BuildNode(ctx, os.Stderr)
	if err != nil {
		return err
	}
	if err := netns.AddAddress(address); err != nil {
		return err
	}
	cluster, err := kube.Start(ctx, kube.Options{Name: "one", Dir: filepath.Join(dir, "c"), Nodes: -1,
		PodCIDRs: []netip.Prefix{cidr}, ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.101.0.0/16")},
		Args: node.ClusterArgs(address)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop(ctx)) }()
	n, err := node.Start(ctx, node.Options{Name: "node-1", Dir: filepath.Join(dir, "n"), Cluster: cluster,
		Programs: programs, Address: address, PodCIDR: cidr, Region: "region", Zone: "zone",
		ClusterDNS: netip.MustParseAddr("10.101.0.10")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Stop()) }()
	image := filepath.Join(dir, "pause.tar")
	if err := node.WriteImage(image, node.PauseImage, []string{"/pod", "pause"},
		node.File{Path: "pod", Source: pause}); err != nil {
		return err
	}
	if err := n.Import(ctx, image); err != nil {
		return err
	}
	if _, err := cluster.Kubectl(ctx, pod, "apply", "-f", "-"); err != nil {
		return err
	}
	if _, err := cluster.Kubectl(ctx, "", "wait", "pod/waits", "--for=condition=Ready", "--timeout=30s"); err != nil {
		return err
	}
	fmt.Println("running", dir)
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

func TestNothingIsLeftBehind(t *testing.T) {
	for _, p := range [][2]string{{"containerd", "containerd"}, {"runc", "runc"}, {"nft", "nftables"}} {
		needs.Program(t, p[0], p[1])
	}
	needs.File(t, "/usr/lib/cni/ptp", "containernetworking-plugins")
	if _, err := kube.BuildNode(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	pause := filepath.Join(t.TempDir(), "pod")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", pause, "../pods/pod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, tt := range []struct {
		name string
		end  func(cmd *exec.Cmd, stdin io.Writer) error
		// status is how the program ends.
		status string
		// swept: what it leaves is removed by the next one.
		swept bool
	}{
		{name: "stopped in order", status: "exit status 0", end: func(_ *exec.Cmd, stdin io.Writer) error {
			_, err := io.WriteString(stdin, "end\n")
			return err
		}},
		// As a terminal does: to the whole group.
		{name: "SIGINT", status: "exit status 130", end: func(cmd *exec.Cmd, _ io.Writer) error {
			return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		}},
		{name: "SIGTERM", status: "exit status 143", end: func(cmd *exec.Cmd, _ io.Writer) error {
			return cmd.Process.Signal(syscall.SIGTERM)
		}},
		{name: "SIGKILL", status: "signal: killed", swept: true, end: func(cmd *exec.Cmd, _ io.Writer) error {
			return cmd.Process.Kill()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := machine(t, "no folder yet")
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), envPause+"="+pause)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			cmd.Stderr = t.Output()
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out := bufio.NewReader(stdout)
			line, err := out.ReadString('\n')
			if lacks, ok := strings.CutPrefix(line, "lacks "); ok {
				t.Skip("skipped: no real pods here: this machine lacks", lacks)
			}
			if !strings.HasPrefix(line, "running ") {
				t.Fatalf("it says %q, %v", line, err)
			}
			dir := strings.TrimSpace(strings.TrimPrefix(line, "running "))
			if during := machine(t, dir); maps.Equal(before, during) {
				t.Error("nothing is to be seen of a running Node, so its end proves nothing")
			}
			if err := tt.end(cmd, stdin); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(out) // until all have ended that have it
			_ = cmd.Wait()
			if got := cmd.ProcessState.String(); got != tt.status {
				t.Errorf("it ended with %s, want %s; it says %q", got, tt.status, rest)
			}
			// The kernel ends a namespace behind our back.
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err = proc.Poll(ctx, "nothing to be left", func() error {
				if tt.swept {
					if err := node.Sweep(); err != nil {
						return err
					}
				}
				return difference(before, machine(t, dir))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// machine is what a Node with that folder could leave: processes, mounts, cgroups, devices, files, sysctls.
func machine(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	processes, _ := filepath.Glob("/proc/[0-9]*/environ") // the patterns are good
	for _, p := range processes {
		if env, err := os.ReadFile(p); err == nil && strings.Contains(string(env), node.EnvDir+"="+dir) {
			found["process "+p] = true
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		found["mount "+line] = true
	}
	devices, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		found["device "+d.Name] = true
	}
	cgroup := node.CgroupPrefix + filepath.Base(dir)
	for _, pattern := range []string{dir, "/sys/fs/cgroup/" + cgroup, "/sys/fs/cgroup/*/" + cgroup, "/run/containerd/*",
		"/run/netns/*", "/var/lib/cni/*", "/var/lib/kubelet/*", "/var/lib/containerd/*",
		"/var/log/containers/*", "/var/log/pods/*", "/opt/containerd/*", "/opt/cni/*", "/etc/cni/*",
		"/usr/libexec/kubernetes/*"} {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			found["file "+f] = true
		}
	}
	for _, name := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
		"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/ipv4/ip_forward"} {
		value, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			t.Fatal(err)
		}
		found["sysctl "+name+" "+string(value)] = true
	}
	return found
}

func difference(before, after map[string]bool) error {
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(after)) {
		if !before[what] {
			lines = append(lines, "left behind: "+what)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(before)) {
		if !after[what] {
			lines = append(lines, "gone: "+what)
		}
	}
	if lines != nil {
		return errors.New(strings.Join(lines, "\n"))
	}
	return nil
}
