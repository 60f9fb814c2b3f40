// Package hostrecords tests federations without a DNS provider on a real API server, with exactly the shipped rights.
package hostrecords

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/host"
	"github.com/federation-dns/federation/federation/provider/hostrecords"
	"github.com/federation-dns/federation/federation/provider/hostrecords/hostrecordstest"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/programs"
)

func TestMain(m *testing.M) {
	programs.Main(m, "an API server, which is built in minutes, and a private network namespace")
}

const (
	namespace = "federation-system"
	domain    = federation.FQDN("example.com.")
)

// cluster is a host cluster with the rights that the syncer needs there.
type cluster struct {
	host    *kube.Cluster
	account host.Config // the syncer's
}

func start(t *testing.T) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // it may have to be built
	defer cancel()
	dir, err := os.MkdirTemp("", "hr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h, err := kube.Start(ctx, kube.Options{
		Name: "host", Dir: filepath.Join(dir, "host"), Nodes: -1,
		PodCIDRs:     []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.101.0.0/16")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Kill)
	for _, file := range []string{"host-rbac.yaml", "host-records-rbac.yaml"} {
		if out, err := h.Kubectl(ctx, "", "apply", "-f", "../../deploy/"+file); err != nil {
			t.Fatal(err, out)
		}
	}
	path := filepath.Join(dir, "account.kubeconfig")
	if err := h.AccountKubeconfig(ctx, namespace, "federation-syncer", h.Server(), path); err != nil {
		t.Fatal(err)
	}
	return &cluster{host: h, account: host.Config{Kubeconfig: path, Namespace: namespace}}
}

// open returns a provider of the federation's records, with the rights of the syncer.
func (c *cluster) open(t *testing.T, f federation.Label) *hostrecords.Provider {
	t.Helper()
	p, err := hostrecords.New(hostrecords.Config{Host: c.account, Federation: f, Domain: domain})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// putting returns how somebody writes an RRset by hand.
func (c *cluster) putting(t *testing.T, f federation.Label) func(federation.RRset) {
	client, err := kubernetes.NewForConfig(c.host.Config())
	if err != nil {
		t.Fatal(err)
	}
	config := hostrecords.Config{Federation: f, Domain: domain}
	where := hostrecordstest.Records{Namespace: namespace, Head: config.HeadName(), Federation: f, Domain: domain}
	return func(set federation.RRset) {
		t.Helper()
		if err := hostrecordstest.Put(t.Context(), client, where, set); err != nil {
			t.Fatal(err)
		}
	}
}
