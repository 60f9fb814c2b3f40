// Package node runs real pods on a testcluster: containerd, a kubelet, kube-proxy and a scheduler, as a machine of a
// cluster has them. It needs root, and works inside the private namespace of [Enter] only, where it leaves the
// machine as it was: its files are in one folder, /run and /var/log are its own, the sysctls that a kubelet sets are
// covered, and its cgroups go with it.
//
// The pods are connected by the CNI plugin ptp: each has a route to the namespace, in which every address of a World is
// local. ClusterIPs are kube-proxy's, in its nftables mode.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
)

// Options describe a Node.
type Options struct {
	// Name is that of the Node object.
	Name string
	// Dir is the folder of the Node, below that of Enter.
	Dir string
	// Cluster is the cluster of the Node. Its API server must listen on an address that pods reach, and it must have
	// no simulated Nodes: ClusterArgs and Nodes: -1.
	Cluster *kube.Cluster
	// Programs are those of Kubernetes.
	Programs kube.NodePrograms
	// Address is the Node's own, and stays when the Node is stopped; PodCIDR has the addresses of its pods.
	Address netip.Addr
	PodCIDR netip.Prefix
	// Region and Zone are the topology labels of the Node.
	Region, Zone string
	// ClusterDNS is the first line of every pod's resolv.conf; Resolv is the text of the resolv.conf of the machine,
	// which pods have that ask for no cluster DNS.
	ClusterDNS netip.Addr
	Resolv     string
}

// ClusterArgs are the flags of a testcluster for real Nodes: an API server at an address that pods reach, which goes to
// a kubelet by its address, and all controllers.
func ClusterArgs(address netip.Addr) []string {
	return []string{
		"--addr", address.String(), "--controllers", "*",
		"--apiserver-arg=--endpoint-reconciler-type=lease", // pods find it by the Service kubernetes
		"--apiserver-arg=--kubelet-preferred-address-types=InternalIP",
	}
}

// Node is a running machine of a cluster.
type Node struct {
	opt     Options
	cgroups cgroups

	containerd, kubelet, proxy, scheduler *proc.Process
}

// Start starts the machine and returns when its Node is ready, and pods can be scheduled to it. The images of pods must
// be there before they are (Import): nothing is pulled.
func Start(ctx context.Context, o Options) (*Node, error) {
	n := &Node{opt: o, cgroups: cgroups(os.Getenv(envCgroups))}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) error {
	if n.cgroups == "" {
		return errors.New("a Node runs in the namespace of node.Enter only")
	}
	for _, dir := range []string{"log", "cni", "pods", "plugins"} {
		if err := os.MkdirAll(n.path(dir), 0o755); err != nil {
			return err
		}
	}
	if err := cover(n.opt.Dir); err != nil {
		return err
	}
	if err := n.cgroups.create(); err != nil {
		return err
	}
	if err := netns.AddAddress(n.opt.Address); err != nil {
		return err
	}
	for _, start := range []func(context.Context) error{n.startContainerd, n.startProxy, n.startScheduler,
		n.startKubelet} {
		if err := start(ctx); err != nil {
			return err
		}
	}
	return proc.Poll(ctx, "the Node to be ready", func() error {
		if err := n.Alive(); err != nil {
			return err
		}
		_, err := n.opt.Cluster.Kubectl(ctx, "", "wait", "--for=condition=Ready", "--timeout=1s", "node/"+n.opt.Name)
		return err
	})
}

// Stop ends the pods, then the programs, and removes the cgroups. A Node that has not started, or not whole, is stopped
// as far as it is there.
func (n *Node) Stop() error {
	const grace = 20 * time.Second
	errs := []error{n.scheduler.Stop(grace)} // so that no pod comes again
	if n.kubelet != nil {
		errs = append(errs, n.deletePods())
	}
	errs = append(errs, n.kubelet.Stop(grace), n.proxy.Stop(grace), n.endShims(), n.containerd.Stop(grace),
		n.cgroups.remove())
	return errors.Join(errs...)
}

// deletePods deletes all pods and waits until the kubelet has ended them.
func (n *Node) deletePods() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	kubectl := func(args ...string) (string, error) {
		return n.opt.Cluster.Kubectl(ctx, "", append(args, "--all-namespaces", "--field-selector",
			"spec.nodeName="+n.opt.Name)...)
	}
	if _, err := kubectl("delete", "pods", "--grace-period=1", "--wait=false"); err != nil {
		return err
	}
	return proc.Poll(ctx, "the pods to end", func() error {
		left, err := kubectl("get", "pods", "--output=name")
		if err == nil && left != "" {
			err = fmt.Errorf("there are still %q", left)
		}
		return err
	})
}

// Alive reports the first program that has ended by itself.
func (n *Node) Alive() error {
	for _, p := range []*proc.Process{n.containerd, n.kubelet, n.proxy, n.scheduler} {
		if p != nil && p.Ended() != nil {
			return fmt.Errorf("%w\n%s", p.Ended(), proc.Tail(n.logFile(p.Name), 20))
		}
	}
	return nil
}

// Log writes the last lines of each program's log.
func (n *Node) Log(w io.Writer) {
	logs, _ := filepath.Glob(n.logFile("*")) // the pattern is good
	for _, l := range logs {
		fmt.Fprintf(w, "--- %s\n%s\n", l, proc.Tail(l, 30))
	}
}

func (n *Node) path(elem ...string) string {
	return filepath.Join(append([]string{n.opt.Dir}, elem...)...)
}

func (n *Node) logFile(name string) string { return n.path("log", name+".log") }

// run starts a program whose name is that of its log.
func (n *Node) run(into **proc.Process, name, program string, args ...string) error {
	p, err := proc.Start(name, n.logFile(name), nil, program, args...)
	if err == nil {
		*into = p
	}
	return err
}
