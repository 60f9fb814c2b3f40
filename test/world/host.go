package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/proc"
)

// Host is the cluster that the replicas of a syncer belong to, and their link
// to it.
type Host struct {
	Link       *cutproxy.Proxy
	kubeconfig string
	world      *World
}

// NewHost makes a member the host, by a link of its own.
func (w *World) NewHost(ctx context.Context, m *Member) (*Host, error) {
	if _, err := m.Kubectl(ctx, "", "apply", "-f", filepath.Join(w.opt.Deploy, "host-rbac.yaml")); err != nil {
		return nil, err
	}
	link, err := cutproxy.New(m.Cluster.Server()[len("https://"):])
	if err != nil {
		return nil, err
	}
	h := &Host{Link: link, kubeconfig: w.Path("syncer", "host.kubeconfig"), world: w}
	return h, m.AccountKubeconfig(ctx, syncerNamespace, syncerAccount, "https://"+link.Addr(), h.kubeconfig)
}

// noProvider has the lines of the syncer's configuration that there is no DNS provider.
const noProvider = "    none: {}"

// recordsRights are what the syncer needs in its host to keep the records there.
const recordsRights = "host-records-rbac.yaml"

// NoProvider takes the DNS provider away from the federation of the walk-through: the syncer begins anew, and keeps the
// records in a member, its host, as the mirrors are the only outlet (M7).
func (w *World) NoProvider(ctx context.Context, m *Member) error {
	host, err := w.NewHost(ctx, m)
	if err != nil {
		return err
	}
	if _, err := m.Kubectl(ctx, "", "apply", "-f", filepath.Join(w.opt.Deploy, recordsRights)); err != nil {
		return err
	}
	err = w.Syncer.Reconfigure(func(c *SyncerConfig) {
		c.Federations[0].Provider, c.HostKubeconfig = noProvider, host.kubeconfig
	})
	if err != nil {
		return err
	}
	return w.Syncer.Await(ctx)
}

// Replica is one of several syncers with the same configuration and a Lease.
type Replica struct {
	Name    string
	host    *Host
	address string // of its metrics
	process *proc.Process
}

// StartReplica starts a replica, with a number that no other one has, and does
// not wait for it. The World's own syncer must not run.
func (h *Host) StartReplica(n int) (*Replica, error) {
	w := h.world
	r := &Replica{Name: fmt.Sprintf("replica-%d", n), host: h, address: fmt.Sprintf("127.0.0.1:%d", 9160+n)}
	if err := os.WriteFile(w.Path("syncer", "tsig"), []byte(TSIGSecret+"\n"), 0o600); err != nil {
		return nil, err
	}
	c := w.Syncer.config
	c.HostKubeconfig, c.Metrics, c.Admin = h.kubeconfig, r.address, r.Name+".sock"
	path := w.Path("syncer", r.Name+".yaml")
	err := c.write(path)
	if err == nil {
		r.process, err = proc.Start(r.Name, w.LogFile(r.Name), w.Env(), w.opt.Syncer, "--config", path)
	}
	return r, err
}

// Stop ends the replica with SIGTERM, which it must obey.
func (r *Replica) Stop() error { return r.process.Stop(10 * time.Second) }

// Kill ends the replica with SIGKILL.
func (r *Replica) Kill() { r.process.Kill() }

// Freeze stops the replica where it is, until Thaw.
func (r *Replica) Freeze() error { return r.process.Pause() }

// Thaw ends a Freeze.
func (r *Replica) Thaw() error { return r.process.Resume() }

// Ready is what /readyz says; an error unless it says that it is ready.
func (r *Replica) Ready(ctx context.Context) (string, error) {
	return Get(ctx, "http://"+r.address+"/readyz")
}

// Metrics are its metrics.
func (r *Replica) Metrics(ctx context.Context) (string, error) {
	return Get(ctx, "http://"+r.address+"/metrics")
}

// Status is what federation-syncer status prints of it.
func (r *Replica) Status(ctx context.Context) (string, error) {
	w := r.host.world
	return proc.CommandWith(ctx, nil, "", w.opt.Syncer, "status", "--socket", w.Path("syncer", r.Name+".sock"))
}

// Log is what it has logged so far.
func (r *Replica) Log() string {
	data, err := os.ReadFile(r.host.world.LogFile(r.Name))
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// fileMembers reports whether the members stand in the configuration file of the syncer, with an account made by hand.
// With a Host they are joined.
func (o Options) fileMembers() bool { return !o.Syncerless && o.Host == "" }

// hostKubeconfig is that of the syncer for its host.
func (w *World) hostKubeconfig() string { return w.Path("syncer", "host.kubeconfig") }

// Kubeconfig is the path of a kubeconfig with a context for the administrator of each cluster.
func (w *World) Kubeconfig() string { return w.Path("admin", "all") }

// prepareHost gives the Host what the syncer needs there.
func (w *World) prepareHost(ctx context.Context) error {
	var clusters []*kube.Cluster
	for _, m := range w.members {
		clusters = append(clusters, m.Cluster)
	}
	if err := kube.MergeKubeconfigs(w.Kubeconfig(), clusters...); err != nil {
		return err
	}
	m := w.Member(w.opt.Host)
	apply := []string{"apply", "-f", filepath.Join(w.opt.Deploy, "crds"), "-f",
		filepath.Join(w.opt.Deploy, "host-rbac.yaml")}
	if w.opt.Provider == None {
		apply = append(apply, "-f", filepath.Join(w.opt.Deploy, recordsRights))
	}
	for _, args := range [][]string{
		apply,
		{"wait", "--for=condition=Established", "crd/memberclusters.federation-dns.io",
			"crd/federatedservices.federation-dns.io", "--timeout=30s"},
	} {
		if _, err := m.Kubectl(ctx, "", args...); err != nil {
			return err
		}
	}
	return m.AccountKubeconfig(ctx, syncerNamespace, syncerAccount, m.Cluster.Server(), w.hostKubeconfig())
}

// Federation runs kubectl federation as the administrator of all clusters, and returns what it prints.
func (w *World) Federation(ctx context.Context, args ...string) (string, error) {
	if w.opt.Host == "" || w.opt.Plugin == "" {
		return "", errors.New("this World has no Host, or no kubectl-federation")
	}
	args = append(args, "--kubeconfig", w.Kubeconfig(), "--context", w.opt.Host, "--socket", AdminSocket(w.Dir()))
	return proc.CommandWith(ctx, w.Env(), "", w.opt.Plugin, args...)
}

// CreateFederatedService creates the Service of the walk-through in all members, and returns what kubectl federation
// create prints.
func (w *World) CreateFederatedService(ctx context.Context) (string, error) {
	file := w.Path(filepath.FromSlash(ServiceFile))
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755),
		os.WriteFile(file, []byte(manifest(ServiceFile)), 0o644)); err != nil {
		return "", err
	}
	return w.Federation(ctx, "create", "-f", file, "-n", Namespace)
}

// Join makes a cluster a member of the syncer, by its link, and returns what kubectl federation join prints.
func (m *Member) Join(ctx context.Context) (string, error) {
	out, err := m.world.Federation(ctx, "join", m.Name, "--member-context", m.Name, "--propagation", "--server",
		"https://"+m.Link.Addr())
	if err != nil {
		return "", fmt.Errorf("joining %s: %w\n%s", m.Name, err, out)
	}
	return out, nil
}
