// Package kube starts real Kubernetes API servers with simulated machines behind them, for demo, tests and benchmarks:
// the testcluster binary of test/cluster, which it builds when there is none.
//
// The clusters' pod, Service and load balancer addresses must be local where they run: see package netns.
package kube

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Options describe a cluster.
type Options struct {
	// Name is what the backends of the cluster say.
	Name string
	// Dir is the cluster's folder; the same folder is the same cluster again. Its path must be short, as Unix sockets
	// stand in it.
	Dir string
	// Binary is the testcluster binary; "" asks the function Binary.
	Binary string
	// Region and Zones are the topology labels of the Nodes.
	Region string
	Zones  []string
	// Nodes is the number of Nodes; 0 is 2, and a negative number none.
	Nodes int
	// PodCIDRs, ServiceCIDRs and LBCIDRs have one prefix, or IPv4 and IPv6; without LBCIDRs there is no load balancer.
	PodCIDRs, ServiceCIDRs, LBCIDRs []netip.Prefix
	// Args are further flags of testcluster.
	Args []string
}

// Cluster is a running, or stopped, cluster.
type Cluster struct {
	opt Options

	mu     sync.Mutex
	cmd    *exec.Cmd
	ended  chan struct{} // closed when cmd has ended
	server string
}

// Start starts a cluster and returns when its API server, controllers and Nodes are ready. The process ends with the
// private namespace at the latest.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Binary == "" {
		binary, err := Binary(ctx, os.Stderr)
		if err != nil {
			return nil, err
		}
		o.Binary = binary
	}
	c := &Cluster{opt: o}
	return c, c.start(ctx)
}

func (o Options) args() []string {
	nodes := o.Nodes
	if nodes == 0 {
		nodes = 2
	}
	args := []string{"--dir", o.Dir, "--name", o.Name, "--nodes", fmt.Sprint(max(nodes, 0))}
	add := func(flag string, value string) {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	add("--region", o.Region)
	add("--zone", strings.Join(o.Zones, ","))
	add("--pod-cidr", prefixes(o.PodCIDRs))
	add("--service-cidr", prefixes(o.ServiceCIDRs))
	add("--lb-cidr", prefixes(o.LBCIDRs))
	return append(args, o.Args...)
}

func prefixes(list []netip.Prefix) string {
	s := make([]string, len(list))
	for i, p := range list {
		s[i] = p.String()
	}
	return strings.Join(s, ",")
}

func (c *Cluster) start(ctx context.Context) error {
	cmd := exec.Command(c.opt.Binary, c.opt.args()...)
	// A process group of its own keeps a terminal's Ctrl-C from it: we end the clusters in order. Should we be killed,
	// the namespace ends them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cluster %q: %w", c.opt.Name, err)
	}
	ended := make(chan struct{})
	ready := make(chan string, 1)
	var waitErr error
	go func() {
		for s := bufio.NewScanner(stdout); s.Scan(); {
			if strings.HasPrefix(s.Text(), "ready ") {
				ready <- s.Text()
			}
		}
		waitErr = cmd.Wait()
		close(ended)
	}()
	select {
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-ended
		return fmt.Errorf("cluster %q: %w", c.opt.Name, ctx.Err())
	case <-ended:
		return fmt.Errorf("cluster %q ended before it was ready: %w: %s (log: %s)", c.opt.Name, waitErr,
			strings.TrimSpace(stderr.String()), c.path("log"))
	case line := <-ready:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.cmd, c.ended = cmd, ended
		for field := range strings.FieldsSeq(line) {
			if server, ok := strings.CutPrefix(field, "server="); ok {
				c.server = server
			}
		}
		return nil
	}
}

func (c *Cluster) path(name string) string { return filepath.Join(c.opt.Dir, name) }

// Name is the cluster's name.
func (c *Cluster) Name() string { return c.opt.Name }

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.path("kubeconfig") }

// Server is the API server's URL; it stays over a Restart.
func (c *Cluster) Server() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server
}

// Config is the administrator's client configuration. It panics if the kubeconfig that the cluster has written cannot
// be read.
func (c *Cluster) Config() *rest.Config {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		panic(err)
	}
	return config
}

// process returns the running process, if there is one.
func (c *Cluster) process() (*exec.Cmd, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cmd, c.ended
}

func (c *Cluster) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cmd, c.ended = nil, nil
}

// Stop ends the cluster as SIGTERM does, and kills it when ctx ends before. Stopping a stopped cluster is no error.
func (c *Cluster) Stop(ctx context.Context) error {
	cmd, ended := c.process()
	if cmd == nil {
		return nil
	}
	defer c.forget()
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		c.Kill()
		return fmt.Errorf("cluster %q did not end in time and was killed", c.opt.Name)
	}
}

// Kill ends the cluster with SIGKILL and waits for its end.
func (c *Cluster) Kill() {
	if cmd, ended := c.process(); cmd != nil {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		c.forget()
	}
}

// Restart starts a stopped or killed cluster again: the same port, data, identities and tokens.
func (c *Cluster) Restart(ctx context.Context) error {
	if cmd, _ := c.process(); cmd != nil {
		return fmt.Errorf("cluster %q is running", c.opt.Name)
	}
	return c.start(ctx)
}

// Pause stops the cluster's process from running, as SIGSTOP does: connections stay open and nothing answers.
func (c *Cluster) Pause() error { return c.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (c *Cluster) Resume() error { return c.signal(syscall.SIGCONT) }

func (c *Cluster) signal(s syscall.Signal) error {
	cmd, _ := c.process()
	if cmd == nil {
		return fmt.Errorf("cluster %q is not running", c.opt.Name)
	}
	return cmd.Process.Signal(s)
}

// KillBackends ends the HTTP servers of the pods that match: the pods become unready by their own probes. An empty
// selector matches all.
func (c *Cluster) KillBackends(ctx context.Context, namespace, selector string) error {
	return c.backends(ctx, "kill", namespace, selector)
}

// StartBackends starts killed HTTP servers again.
func (c *Cluster) StartBackends(ctx context.Context, namespace, selector string) error {
	return c.backends(ctx, "start", namespace, selector)
}

func (c *Cluster) backends(ctx context.Context, verb, namespace, selector string) error {
	out, err := exec.CommandContext(ctx, c.opt.Binary, "backends", verb, "--dir", c.opt.Dir, "-n", namespace, "-l",
		selector).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cluster %q: backends %s: %w: %s", c.opt.Name, verb, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Kubectl runs kubectl as the administrator and returns what it prints.
func (c *Cluster) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.opt.Binary, append([]string{"kubectl", "--cache-dir", c.path("kubectl-cache")},
		args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig())
	cmd.Stdin = strings.NewReader(stdin)
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("cluster %q: kubectl %s: %w: %s", c.opt.Name, strings.Join(args, " "), err,
			strings.TrimSpace(errOut.String()))
	}
	return out.String(), nil
}
