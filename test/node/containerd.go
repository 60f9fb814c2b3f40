package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/federation-dns/federation/test/proc"
)

// Where Debian's packages have the CNI plugins.
const cniPlugins = "/usr/lib/cni"

// PauseImage is the name of the image that holds the namespaces of a pod; it must be imported before the first pod.
const PauseImage = "localhost/pause:test"

// containerd's namespace of all that a kubelet runs.
const criNamespace = "k8s.io"

// A port below 1024 takes a capability here, as it does on most machines: enable_unprivileged_ports stays off.
const containerdConfig = `version = 2
root = %[1]q
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[2]q
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %[3]q
    conf_dir = %[4]q
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`

const cniConfig = `{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "ptp",
      "ipam": {
        "type": "host-local",
        "dataDir": %[1]q,
        "ranges": [[{"subnet": %[2]q}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    }
  ]
}
`

const containerdSocket = "/run/containerd/containerd.sock"

func (n *Node) startContainerd(ctx context.Context) error {
	for path, text := range map[string]string{
		n.path("cni", "10-pods.conflist"): fmt.Sprintf(cniConfig, n.path("cni-ipam"), n.opt.PodCIDR.String()),
		n.path("containerd.toml"): fmt.Sprintf(containerdConfig, n.path("containerd"), PauseImage, cniPlugins,
			n.path("cni")),
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	program, err := proc.Find("containerd", "containerd")
	if err != nil {
		return err
	}
	if err := n.run(&n.containerd, "containerd", program, "--config", n.path("containerd.toml")); err != nil {
		return err
	}
	return proc.Poll(ctx, "containerd to answer", func() error {
		if err := n.containerd.Ended(); err != nil {
			return err
		}
		_, err := n.ctr(ctx, "version")
		return err
	})
}

// ctr runs containerd's own client.
func (n *Node) ctr(ctx context.Context, args ...string) (string, error) {
	return proc.Command(ctx, "ctr", append([]string{"--address", containerdSocket, "--namespace", criNamespace},
		args...)...)
}

// Import makes the images of archives, OCI layouts or those of Docker, known to the Node, by the names in them.
func (n *Node) Import(ctx context.Context, archives ...string) error {
	for _, a := range archives {
		if _, err := n.ctr(ctx, "images", "import", a); err != nil {
			return err
		}
	}
	return nil
}

// endShims ends what runs in containers although its pod has gone, or could not be deleted: a shim outlives containerd.
func (n *Node) endShims() error {
	if n.containerd == nil || n.containerd.Ended() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := n.ctr(ctx, "tasks", "list", "--quiet")
	errs := []error{err}
	for id := range strings.FieldsSeq(out) {
		_, err := n.ctr(ctx, "tasks", "delete", "--force", id)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ProcessStatus are the fields of /proc/PID/status of the first process of a container.
func (n *Node) ProcessStatus(ctx context.Context, container string) (map[string]string, error) {
	out, err := n.ctr(ctx, "tasks", "list")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != container {
			continue
		}
		text, err := os.ReadFile("/proc/" + f[1] + "/status")
		status := map[string]string{}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			status[name] = strings.TrimSpace(value)
		}
		return status, err
	}
	return nil, fmt.Errorf("no container %s runs:\n%s", container, out)
}
