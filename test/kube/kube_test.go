package kube_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/needs"
	"github.com/federation-dns/federation/test/netns"
)

func TestMain(m *testing.M) {
	needs.Main("API servers, which are built in minutes, and a private network namespace")
	netns.Enter()
	os.Exit(m.Run())
}

const manifest = `
apiVersion: v1
kind: Namespace
metadata: {name: mynamespace}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx, namespace: mynamespace}
spec:
  replicas: 2
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      containers:
      - name: nginx
        image: nginx
        ports: [{containerPort: 80, name: http}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1, failureThreshold: 1}
---
apiVersion: v1
kind: Service
metadata: {name: nginx, namespace: mynamespace}
spec:
  type: LoadBalancer
  ipFamilyPolicy: RequireDualStack
  selector: {app: nginx}
  ports: [{port: 80, name: http, targetPort: http}]
`

func parse(prefixes ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// eventually polls until f gives no error, for at most 20 s.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

func get(url string) (string, error) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// TestCluster walks through what a cluster is for: it is one start of an API server, so that its parts share it.
func TestCluster(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // the binary may have to be built
	defer cancel()
	o := kube.Options{
		Name: "gce-asia-east1", Region: "asia-east1", Zones: []string{"asia-east1-b"},
		PodCIDRs: parse("10.1.0.0/16", "fd00:0:0:1::/64"), ServiceCIDRs: parse("10.101.0.0/16", "fd00:0:0:101::/112"),
		LBCIDRs: parse("203.0.113.16/28", "2001:db8:0:1::/112"),
	}
	for _, p := range append(o.PodCIDRs, o.LBCIDRs...) {
		if err := netns.AddLocal(p); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "kube")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	o.Dir = dir
	c, err := kube.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	kubectl := func(args ...string) string {
		t.Helper()
		out, err := c.Kubectl(ctx, manifest, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	kubectl("apply", "-f", "-")
	ingress := func() []string {
		return strings.Fields(kubectl("get", "service", "nginx", "-n", "mynamespace", "-o",
			"jsonpath={.status.loadBalancer.ingress[*].ip}"))
	}
	answers := func() error {
		addrs := ingress()
		if len(addrs) != 2 {
			return fmt.Errorf("ingress %q, want an address of each family", addrs)
		}
		for _, a := range addrs {
			body, err := get("http://" + netip.AddrPortFrom(netip.MustParseAddr(a), 80).String())
			if err != nil || !strings.HasPrefix(body, o.Name+" pod=nginx-") {
				return fmt.Errorf("%s answered %q, %w", a, body, err)
			}
		}
		return nil
	}
	ready := func(want string) func() error {
		return func() error {
			got := kubectl("get", "endpointslices", "-n", "mynamespace", "-l", "kubernetes.io/service-name=nginx", "-o",
				"jsonpath={.items[*].endpoints[*].conditions.ready}")
			if got != want {
				return fmt.Errorf("ready: %q, want %q", got, want)
			}
			return nil
		}
	}
	const all, none = "true true true true", "false false false false" // two pods, two families

	t.Run("the load balancer leads to a backend that names its cluster", func(t *testing.T) {
		eventually(t, "slices", ready(all))
		eventually(t, "load balancer", answers)
	})
	t.Run("Nodes carry their place", func(t *testing.T) {
		out := kubectl("get", "nodes", "-o", `jsonpath={.items[*].metadata.labels.topology\.kubernetes\.io/zone}`)
		if out != "asia-east1-b asia-east1-b" {
			t.Errorf("zones: %q", out)
		}
	})
	t.Run("killed backends become unready by their probes", func(t *testing.T) {
		if err := c.KillBackends(ctx, "mynamespace", "app=nginx"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "slices", ready(none))
		if body, err := get("http://" + netip.AddrPortFrom(netip.MustParseAddr(ingress()[0]),
			80).String()); err == nil {
			t.Errorf("a dead Service answered %q", body)
		}
		if err := c.StartBackends(ctx, "mynamespace", "app=nginx"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "slices", ready(all))
		eventually(t, "load balancer", answers)
	})
	t.Run("SIGKILL and Restart keep everything", func(t *testing.T) {
		uid := func() string { return kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}") }
		before, addrs, server := uid(), ingress(), c.Server()
		c.Kill()
		if err := c.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		if uid() != before || c.Server() != server || fmt.Sprint(ingress()) != fmt.Sprint(addrs) {
			t.Errorf("after: %s %s %q, before: %s %s %q", uid(), c.Server(), ingress(), before, server, addrs)
		}
		eventually(t, "load balancer", answers)
	})
	t.Run("a kubeconfig leads through a cutting proxy", func(t *testing.T) {
		p, err := cutproxy.New(strings.TrimPrefix(c.Server(), "https://"))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		via := filepath.Join(t.TempDir(), "kubeconfig")
		if err := kube.KubeconfigVia(c.Kubeconfig(), "https://"+p.Addr(), via); err != nil {
			t.Fatal(err)
		}
		if out := kubectl("--kubeconfig", via, "get", "--raw", "/readyz"); out != "ok" {
			t.Errorf("readyz: %q", out)
		}
		p.Set(cutproxy.Reset)
		if _, err := c.Kubectl(ctx, "", "--kubeconfig", via, "get", "--raw", "/readyz"); err == nil {
			t.Error("the cut link let a request through")
		}
	})
	t.Run("a Service of another type gives its addresses back", func(t *testing.T) {
		kubectl("patch", "service", "nginx", "-n", "mynamespace", "-p", `{"spec":{"type":"ClusterIP"}}`)
		eventually(t, "ingress", func() error {
			if addrs := ingress(); len(addrs) > 0 {
				return fmt.Errorf("still %q", addrs)
			}
			return nil
		})
	})
	t.Run("Pods end when their Deployment does", func(t *testing.T) {
		kubectl("delete", "deployment", "nginx", "-n", "mynamespace")
		eventually(t, "pods", func() error {
			if out := kubectl("get", "pods", "-n", "mynamespace", "-o", "name"); out != "" {
				return fmt.Errorf("still %q", out)
			}
			return nil
		})
	})
	stopping, cancelStop := context.WithTimeout(ctx, 20*time.Second)
	defer cancelStop()
	if err := c.Stop(stopping); err != nil {
		t.Error(err)
	}
}
