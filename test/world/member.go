package world

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/proc"
)

// Member is a running cluster of the World: its API server, the link of the
// syncer to it, and its CoreDNS.
type Member struct {
	*Place
	// Cluster is the API server with its simulated machines.
	Cluster *kube.Cluster
	// Link is the syncer's way to the API server, which can be cut.
	Link *cutproxy.Proxy

	world   *World
	coredns *proc.Process
}

// The ServiceAccounts of deploy/member-rbac.yaml and deploy/coredns-rbac.yaml.
const (
	syncerNamespace, syncerAccount = "federation-system", "federation-syncer"
	CoreDNSNamespace               = "kube-system"
	CoreDNSAccount                 = "coredns"
)

// PodResolv is the resolv.conf of a pod, as a kubelet writes it, without the
// address of the server.
var PodResolv = []string{"search " + Namespace + ".svc.cluster.local svc.cluster.local cluster.local",
	"options ndots:5"}

// memberCorefile is the Corefile of a cluster: the usual one, and the lines of
// the federation plugin. The upstream of these clusters is the DNS server of
// Domain.
const memberCorefile = `.:53 {
	bind %[1]s
	errors
	health %[3]s:8080
	ready %[3]s:8181
	prometheus %[3]s:9153
	federation cluster.local {
		` + FederationName + ` ` + Domain + `
	}
	kubernetes cluster.local in-addr.arpa ip6.arpa {
		kubeconfig %[2]q
		pods insecure
		fallthrough in-addr.arpa ip6.arpa
	}
	forward . ` + Authority + `
}
`

func (m *Member) start(ctx context.Context) error {
	w := m.world
	var err error
	m.Cluster, err = kube.Start(ctx, kube.Options{
		Name: m.Name, Dir: w.Path("c", m.Name), Region: m.Region, Zones: []string{m.Zone}, Nodes: 2,
		PodCIDRs: m.PodCIDRs, ServiceCIDRs: m.ServiceCIDRs, LBCIDRs: m.LBCIDRs,
		Binary: w.opt.Testcluster,
	})
	if err != nil {
		return err
	}
	if err := os.Symlink(m.Cluster.Kubeconfig(), ViewOf(w.Dir(), m.Name).Kubeconfig); err != nil &&
		!errors.Is(err, os.ErrExist) {
		return err
	}
	if m.Link, err = cutproxy.New(strings.TrimPrefix(m.Cluster.Server(), "https://")); err != nil {
		return err
	}
	if err := m.furnish(ctx); err != nil {
		return err
	}
	if !w.opt.fileMembers() {
		return m.startCoreDNS(ctx)
	}
	if err := m.AccountKubeconfig(ctx, syncerNamespace, syncerAccount, "https://"+m.Link.Addr(),
		m.syncerKubeconfig()); err != nil {
		return err
	}
	return m.startCoreDNS(ctx)
}

// furnish gives a cluster what every member has: the accounts of the syncer
// and of CoreDNS, and the namespace of the walk-through.
func (m *Member) furnish(ctx context.Context) error {
	w := m.world
	rbac := []string{"apply", "-f", filepath.Join(w.opt.Deploy, "coredns-rbac.yaml")}
	if w.opt.fileMembers() {
		rbac = append(rbac, "-f", filepath.Join(w.opt.Deploy, "member-rbac.yaml"))
	}
	if w.opt.Mirrors {
		rbac = append(rbac, "-f", filepath.Join(w.opt.Deploy, "member-mirror-rbac.yaml"))
	}
	if _, err := m.Kubectl(ctx, "", rbac...); err != nil {
		return err
	}
	_, err := m.Kubectl(ctx, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+Namespace+"}\n", "apply", "-f", "-")
	return err
}

// dnsHost is the address of the CoreDNS in the form that precedes a port.
func (m *Member) dnsHost() string {
	if m.DNS.Is6() {
		return "[" + m.DNS.String() + "]"
	}
	return m.DNS.String()
}

func (m *Member) corefile(kubeconfig string) string {
	if m.world.opt.Corefile != nil {
		return m.world.opt.Corefile(m.Place, kubeconfig)
	}
	return fmt.Sprintf(memberCorefile, m.DNS, kubeconfig, m.dnsHost())
}

func (m *Member) startCoreDNS(ctx context.Context) error {
	w := m.world
	kubeconfig, corefile := w.Path("c", m.Name+".coredns.kubeconfig"), w.Path("c", m.Name+".Corefile")
	if err := m.AccountKubeconfig(ctx, CoreDNSNamespace, CoreDNSAccount, m.Cluster.Server(), kubeconfig); err != nil {
		return err
	}
	if err := os.WriteFile(corefile, []byte(m.corefile(kubeconfig)), 0o644); err != nil {
		return err
	}
	if err := w.WriteResolv(m.Name, m.DNS.String(), PodResolv...); err != nil {
		return err
	}
	// The name of the Node comes to a pod by the downward API.
	env := append(w.Env(), "NODE_NAME="+m.Name+"-node-1")
	var err error
	m.coredns, err = proc.Start("CoreDNS of "+m.Name, w.LogFile("coredns-"+m.Name), env, w.opt.CoreDNS, "-conf",
		corefile)
	if err != nil {
		return err
	}
	return proc.Poll(ctx, m.coredns.Name+" to be ready", func() error {
		if err := m.coredns.Ended(); err != nil {
			return err
		}
		_, err := Get(ctx, "http://"+m.dnsHost()+":8181/ready")
		return err
	})
}

// KillCoreDNS ends the cluster's CoreDNS with SIGKILL, and StartCoreDNS starts another one and waits until it is ready.
func (m *Member) KillCoreDNS() { m.coredns.Kill() }

// StartCoreDNS ends a KillCoreDNS.
func (m *Member) StartCoreDNS(ctx context.Context) error { return m.startCoreDNS(ctx) }

func (m *Member) stop() error {
	err := m.coredns.Stop(10 * time.Second)
	if m.Link != nil {
		err = errors.Join(err, m.Link.Close())
	}
	if m.Cluster != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = errors.Join(err, m.Cluster.Stop(ctx))
	}
	return err
}

// Cut makes packets between the syncer and the API server vanish.
func (m *Member) Cut() { m.Link.Set(cutproxy.Blackhole) }

// Heal ends the cut.
func (m *Member) Heal() { m.Link.Set(cutproxy.Pass) }

// Kubectl runs kubectl as the cluster's administrator.
func (m *Member) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	return m.Cluster.Kubectl(ctx, stdin, args...)
}

func (m *Member) syncerKubeconfig() string { return m.world.Path("syncer", m.Name+".kubeconfig") }

// AccountKubeconfig writes a kubeconfig with a token of a ServiceAccount and
// nothing else.
func (m *Member) AccountKubeconfig(ctx context.Context, namespace, account, server, path string) error {
	return m.Cluster.AccountKubeconfig(ctx, namespace, account, server, path)
}

// Ingress returns the addresses in the Service's status.
func (m *Member) Ingress(ctx context.Context) (string, error) {
	out, err := m.Kubectl(ctx, "", "get", "service", Service, "--namespace", Namespace,
		"-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
	return strings.TrimSpace(out), err
}

// Entry is that of a member for the configuration file.
func (m *Member) Entry() SyncerCluster {
	return SyncerCluster{Name: m.Name, Kubeconfig: m.syncerKubeconfig()}
}

// Deploy creates the backends of the walk-through, with which any Service may
// have its endpoints that selects app=nginx.
func (m *Member) Deploy(ctx context.Context) error {
	_, err := m.Kubectl(ctx, manifest("deployment.yaml"), "apply", "-f", "-")
	return err
}

// UseAdminCertificate gives the syncer the administrator's client certificate,
// which is good for every cluster with the same authority.
func (m *Member) UseAdminCertificate() error {
	return kube.KubeconfigVia(m.Cluster.Kubeconfig(), "https://"+m.Link.Addr(), m.syncerKubeconfig())
}

// Backup copies the cluster's database as it is at this moment.
func (m *Member) Backup() error {
	if err := m.Cluster.Pause(); err != nil {
		return err
	}
	return errors.Join(os.CopyFS(m.path("backup"), os.DirFS(m.path("etcd"))), m.Cluster.Resume())
}

// Restore ends the cluster and starts it again with the database of the
// Backup: same address, same identities, and resource versions that were there
// before.
func (m *Member) Restore(ctx context.Context) error {
	return m.renew(ctx, func() error { return os.Rename(m.path("backup"), m.path("etcd")) })
}

// Replace ends the cluster and starts another one with an empty database at
// the same address. It has the same certificate authority, and the accounts of
// the syncer and of CoreDNS; no token of before is good for it.
func (m *Member) Replace(ctx context.Context) error {
	return m.renew(ctx, func() error { return nil }, m.furnish)
}

// renew starts the cluster on another database. Its CoreDNS is restarted,
// as every client of an API server has to be that has seen newer resource
// versions than there are now; meanwhile it is not watched.
func (m *Member) renew(ctx context.Context, database func() error, then ...func(context.Context) error) error {
	if renew := m.world.opt.Renew; renew != nil {
		renew(m.Name, true)
		defer renew(m.Name, false)
	}
	m.Cluster.Kill() // SIGTERM would wait for the clients
	if err := errors.Join(m.coredns.Stop(10*time.Second), os.RemoveAll(m.path("etcd")), database()); err != nil {
		return err
	}
	if err := m.Cluster.Restart(ctx); err != nil {
		return err
	}
	for _, f := range then {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return m.startCoreDNS(ctx)
}

func (m *Member) path(name string) string { return m.world.Path("c", m.Name, name) }

//go:embed manifests/*.yaml manifests/services/*.yaml
var manifests embed.FS

func manifest(name string) string {
	text, err := manifests.ReadFile("manifests/" + name)
	if err != nil {
		panic(err) // embedded: a wrong name is a mistake in the program
	}
	return string(text)
}

// ServiceFile is the file with the plain Service of the walk-through, which becomes a FederatedService: that of the
// announcement of 2016. It is in the folder of the World.
const ServiceFile = "services/nginx.yaml"

// OwnClusterIPs returns those of the Service in the cluster, in order.
func (m *Member) OwnClusterIPs(ctx context.Context) (string, error) {
	return m.Kubectl(ctx, "", "get", "service", Service, "--namespace", Namespace,
		"-o", "jsonpath={.spec.clusterIPs[*]}")
}

// CreateService creates the federated Service of the walk-through, with the member's own addresses.
func (m *Member) CreateService(ctx context.Context) error {
	fill := strings.NewReplacer("CLUSTERIPV6", m.ClusterIPs[1].String(), "CLUSTERIP", m.ClusterIPs[0].String())
	_, err := m.Kubectl(ctx, fill.Replace(manifest("service.yaml")), "apply", "-f", "-")
	return err
}
