package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/federation-dns/federation/test/netns"
)

// Options say where the programs are and where the World keeps its files.
type Options struct {
	// Dir is the folder of the World, which must be there. It must have a short
	// path, as sockets stand in it.
	Dir string
	// CoreDNS and Syncer are the programs under test.
	CoreDNS, Syncer string
	// Testcluster is the program that runs an API server, and kubectl.
	Testcluster string
	// Deploy is the folder with member-rbac.yaml and coredns-rbac.yaml.
	Deploy string
	// Places are the clusters to start; nil is all of Places.
	Places []*Place
	// Provider is who hosts the zone of Domain: one of Providers, "" is RFC2136.
	// The clouds are stand-ins of their APIs.
	Provider string
	// Corefile makes the Corefile of a cluster; nil is the walk-through's.
	Corefile func(p *Place, kubeconfig string) string
}

// World is everything that runs in the walk-through.
type World struct {
	opt     Options
	dir     string
	members []*Member
	watch   *Watch
	cloud   cloud // nil with an RFC 2136 server

	mu        sync.Mutex
	authority *process
	syncer    *process
	config    SyncerConfig
}

// New makes the folders of a World, in which nothing runs yet. It must be
// called inside a private network namespace.
func New(opt Options) (*World, error) {
	w := &World{opt: opt, dir: opt.Dir}
	if w.opt.Places == nil {
		w.opt.Places = Places
	}
	for what, path := range map[string]string{"coredns": opt.CoreDNS, "federation-syncer": opt.Syncer, "testcluster": opt.Testcluster} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("the program %s: %w", what, err)
		}
	}
	for _, sub := range []string{"log", "resolv", "admin", "bin", "dns", "syncer", "c"} {
		if err := os.MkdirAll(w.path(sub), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.Symlink(w.opt.Testcluster, w.path("bin", "kubectl")); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := os.Symlink(w.opt.Syncer, w.path("bin", "federation-syncer")); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	for _, p := range w.opt.Places {
		w.members = append(w.members, &Member{Place: p, world: w})
	}
	return w, nil
}

// Start starts everything: first the DNS server and the API servers side by
// side, then what needs them.
func (w *World) Start(ctx context.Context) error {
	for _, p := range w.localPrefixes() {
		if err := netns.AddLocal(p); err != nil {
			return fmt.Errorf("making %s local: %w", p, err)
		}
	}
	if err := w.writeResolv(Outside, Authority, "options timeout:2 attempts:2"); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.startAuthority(gctx) })
	for _, m := range w.members {
		g.Go(func() error { return m.start(gctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	w.config = w.defaultConfig()
	if err := w.StartSyncer(ctx); err != nil {
		return err
	}
	w.watch = newWatch(w, ExpectedTable("all").Names(), ExpectedTable("none"))
	return nil
}

// Watch asks all the time from the start of the World on.
func (w *World) Watch() *Watch { return w.watch }

// Stop ends all processes, the last started first.
func (w *World) Stop() error {
	if w.watch != nil {
		w.watch.Stop()
	}
	errs := []error{w.StopSyncer()}
	var g errgroup.Group
	for _, m := range w.members {
		g.Go(m.stop)
	}
	errs = append(errs, g.Wait(), w.authority.stop(5*time.Second))
	if w.cloud != nil {
		w.cloud.close()
	}
	return errors.Join(errs...)
}

// Dir is the folder of the World.
func (w *World) Dir() string { return w.dir }

// LogDir is the folder of the logs, one a process.
func (w *World) LogDir() string { return w.path("log") }

// Members are the clusters, by name.
func (w *World) Members() []*Member { return w.members }

// Member returns the cluster of that name; there must be one.
func (w *World) Member(name string) *Member {
	for _, m := range w.members {
		if m.Name == name {
			return m
		}
	}
	panic(fmt.Sprintf("no cluster %q in this World", name))
}

// Tails are the last lines of each log, without the transfers that we make
// ourselves.
func (w *World) Tails(lines int) string {
	logs, _ := filepath.Glob(w.path("log", "*.log")) // the pattern is good
	var b strings.Builder
	for _, l := range logs {
		fmt.Fprintf(&b, "--- %s\n%s\n", l, tail(l, lines))
	}
	return b.String()
}

// alive reports the first process that has ended by itself.
func (w *World) alive() error {
	w.mu.Lock()
	processes := []*process{w.authority, w.syncer}
	w.mu.Unlock()
	for _, m := range w.members {
		processes = append(processes, m.coredns)
	}
	for _, p := range processes {
		if p != nil && p.ended() != nil {
			return p.ended()
		}
	}
	return nil
}

func (w *World) path(elem ...string) string {
	return filepath.Join(append([]string{w.dir}, elem...)...)
}

func (w *World) env() []string { return []string{EnvDir + "=" + w.dir} }

func (w *World) logFile(name string) string { return w.path("log", name+".log") }

// writeResolv writes the resolv.conf of a view.
func (w *World) writeResolv(view, server string, lines ...string) error {
	text := "nameserver " + server + "\n" + strings.Join(lines, "\n") + "\n"
	return os.WriteFile(ViewOf(w.dir, view).Resolv, []byte(text), 0o644)
}
