package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	logsapi "k8s.io/component-base/logs/api/v1"
)

// startTimeout is how long a cluster may take to be ready; 3 s is usual.
const startTimeout = 3 * time.Minute

// run starts the cluster and blocks until ctx ends or a part of it fails.
func run(ctx context.Context, o options, stdout io.Writer) error {
	start := time.Now()
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	if err := logToFile(o.file("log")); err != nil {
		return err
	}
	if err := o.pickPort(); err != nil {
		return err
	}
	if err := writePKI(o); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	etcd, err := startEtcd(o)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer etcd.Close()

	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	g, ctx := errgroup.WithContext(ctx)
	part := func(name string, f func(context.Context) error) {
		g.Go(func() error {
			err := f(ctx)
			if ctx.Err() != nil {
				return nil // as requested
			}
			return fmt.Errorf("%s ended: %v", name, err)
		})
	}
	part("kube-apiserver", func(ctx context.Context) error { return runAPIServer(ctx, o) })
	config, client, err := o.client(ctx)
	if err != nil {
		return errorOf(g, err)
	}
	part("kube-controller-manager", func(ctx context.Context) error { return runControllers(ctx, o) })
	factory := informers.NewSharedInformerFactory(client, 0)
	kubelet := newKubelet(o, client, factory)
	balancer := newLoadBalancer(o, client, factory)
	if err := createNodes(ctx, o, client); err != nil {
		return errorOf(g, err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	part("kubelet", kubelet.run)
	part("load balancer", balancer.run)
	part("admin socket", func(ctx context.Context) error { return serveAdmin(ctx, o, kubelet) })
	if err := waitServiceAccount(ctx, client); err != nil {
		return errorOf(g, err)
	}
	fmt.Fprintf(stdout, "ready %dms pid=%d server=%s kubeconfig=%s\n",
		time.Since(start).Milliseconds(), os.Getpid(), config.Host, o.file("kubeconfig"))
	return g.Wait()
}

// errorOf returns the error of the part that failed, if any, rather than err, the error of waiting for it.
func errorOf(g *errgroup.Group, err error) error {
	failed := make(chan error, 1)
	go func() { failed <- g.Wait() }()
	select {
	case partErr := <-failed:
		if partErr != nil {
			return partErr
		}
	case <-time.After(100 * time.Millisecond):
	}
	return err
}

// console is the original standard error, for the final error of main.
var console = os.Stderr

// logToFile sends standard error, where all parts log, to the file.
func logToFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	keep, err := unix.Dup(int(os.Stderr.Fd()))
	if err != nil {
		return err
	}
	if err := unix.Dup3(int(f.Fd()), 2, 0); err != nil {
		return err
	}
	unix.CloseOnExec(keep)
	console = os.NewFile(uintptr(keep), "stderr")
	return nil
}

// pickPort uses the port of an earlier run in the same folder, or else a free one.
func (o *options) pickPort() error {
	if o.port == 0 {
		if b, err := os.ReadFile(o.file("port")); err == nil {
			o.port, err = strconv.Atoi(strings.TrimSpace(string(b)))
			if err != nil {
				return fmt.Errorf("file %q: %w", o.file("port"), err)
			}
			return nil
		}
		l, err := net.Listen("tcp", net.JoinHostPort(o.addr, "0"))
		if err != nil {
			return err
		}
		o.port, o.listener = l.Addr().(*net.TCPAddr).Port, l
	}
	return os.WriteFile(o.file("port"), []byte(strconv.Itoa(o.port)+"\n"), 0o644)
}

// client returns an administrator's client once the API server is ready.
func (o options) client(ctx context.Context) (*rest.Config, kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.file("kubeconfig"))
	if err != nil {
		return nil, nil, err
	}
	config.QPS, config.Burst = 500, 1000
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	err = poll(ctx, "kube-apiserver to be ready", func() error {
		var code int
		res := client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&code)
		if code != http.StatusOK {
			return fmt.Errorf("/readyz: status %d: %v", code, res.Error())
		}
		return nil
	})
	return config, client, err
}

// poll calls f until it returns nil, ctx ends, or startTimeout is over.
func poll(ctx context.Context, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, err)
		case <-tick.C:
		}
	}
}
