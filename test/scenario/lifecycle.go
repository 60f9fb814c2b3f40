package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/kube"
)

// changeTime is how long the records may take to become what is expected of a
// change.
const changeTime = 30 * time.Second

// Zone reads the whole zone by zone transfer, without what it began with: a
// line a record, "name ttl type data", sorted. Names are relative to Domain.
func (w *World) Zone(ctx context.Context) ([]string, error) {
	var lines []string
	err := transfer(ctx, func(rr dns.RR) {
		h := rr.Header()
		if h.Name != authorityName && h.Name != Domain+"." {
			lines = append(lines, fmt.Sprintf("%s %d %s %s", strings.TrimSuffix(h.Name, "."+Domain+"."), h.Ttl, dns.TypeToString[h.Rrtype], rdata(rr)))
		}
	})
	slices.Sort(lines)
	return lines, err
}

// TableOf returns the RRsets among lines as those of Zone, without types that
// are in no Table.
func TableOf(lines []string) Table {
	var t Table
	for _, line := range lines {
		f := strings.Fields(line)
		if f[2] == "TXT" {
			continue
		}
		name, data := f[0]+"."+Domain+".", strings.Join(f[3:], " ")
		i := slices.IndexFunc(t, func(r Row) bool { return r.Name == name && r.Type == f[2] })
		if i < 0 {
			i, t = len(t), append(t, Row{Name: name, Type: f[2], TTL: f[1]})
		}
		t[i].Data = append(t[i].Data, data)
	}
	for _, r := range t {
		slices.SortFunc(r.Data, compareData)
	}
	slices.SortFunc(t, compareRows)
	return t
}

// WatchAnew begins a Watch for these names, while the records are as in table,
// and ends the one that there was. The records may have come just now.
func (w *World) WatchAnew(names []string, table Table) {
	w.watch.Stop()
	w.watch = newWatch(w, names, nil)
	w.watch.Expect(table)
	w.watch.Reached()
}

// Change does something after which the records are to become those, and waits
// until they are. Its error says what they are instead, or which answer on the
// way was wrong.
func (w *World) Change(ctx context.Context, to Table, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	w.watch.Expect(to)
	if err := do(ctx); err != nil {
		return err
	}
	if err := w.AwaitRecords(ctx, to); err != nil {
		return err
	}
	w.watch.Reached()
	if seen := w.watch.Seen().Wrong; len(seen) > 0 {
		return fmt.Errorf("wrong answers were seen:\n%s", strings.Join(seen, "\n"))
	}
	return nil
}

// AwaitRecords waits until the records are those.
func (w *World) AwaitRecords(ctx context.Context, want Table) error {
	return poll(ctx, "the records", func() error {
		if err := w.alive(); err != nil {
			return err
		}
		have, err := w.Records(ctx)
		if err == nil && have.String() != want.String() {
			err = fmt.Errorf("\n- expected\n+ seen\n%s", lineDiff(want.String(), have.String()))
		}
		return err
	})
}

// RewriteConfig changes the configuration file, as it is now, in place. A
// running syncer takes it over, one that does not run finds it at its start.
func (w *World) RewriteConfig(change func(*SyncerConfig)) error {
	change(&w.config)
	return w.writeConfig()
}

// Entry is that of a member for the configuration file.
func (m *Member) Entry() SyncerCluster {
	return SyncerCluster{Name: m.Name, Kubeconfig: m.syncerKubeconfig()}
}

// Deploy creates the backends of the walk-through, with which any Service may
// have its endpoints that selects app=nginx.
func (m *Member) Deploy(ctx context.Context) error { return m.deploy(ctx) }

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

// renew starts the cluster on another database. Its CoreDNS is started afresh,
// as every client of an API server has to be that has seen newer resource
// versions than there are now; meanwhile it is not watched.
func (m *Member) renew(ctx context.Context, database func() error, then ...func(context.Context) error) error {
	m.world.watch.Pass(m.Name, true)
	defer m.world.watch.Pass(m.Name, false)
	m.Cluster.Kill() // SIGTERM would wait for the clients
	if err := errors.Join(m.coredns.stop(10*time.Second), os.RemoveAll(m.path("etcd")), database()); err != nil {
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

func (m *Member) path(name string) string { return m.world.path("c", m.Name, name) }
