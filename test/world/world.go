// Package world starts everything that the walk-through, the whole-system tests and chaos need: the DNS server of
// example.com, API servers, a CoreDNS for each, and the syncer. It runs inside a private network namespace
// (netns.Enter), where every address of it is local.
package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
)

// Options say where the programs are and where the World keeps its files.
type Options struct {
	// Dir is the folder of the World, which must be there. It must have a short
	// path, because it contains sockets.
	Dir string
	// CoreDNS and Syncer are the programs under test.
	CoreDNS, Syncer string
	// Testcluster is the program that runs an API server, and kubectl.
	Testcluster string
	// Deploy is the folder with member-rbac.yaml and coredns-rbac.yaml.
	Deploy string
	// Host is the name of the cluster whose MemberClusters are the members of the syncer: those that Join makes.
	// Without one all clusters stand in the configuration file.
	Host string
	// Plugin is kubectl-federation; only a World with a Host needs it.
	Plugin string
	// Places are the clusters to start; nil is all of Places.
	Places []*Place
	// Provider is who hosts the zone of Domain: one of Providers, "" is RFC2136.
	// The clouds are stand-ins of their APIs. With None there is no zone, and a Host has to be there.
	Provider string
	// Names are those that Records asks the DNS server for besides those that a cloud's API has: one that went is to
	// be gone there too.
	Names []string
	// Syncerless leaves the syncer, and its account in each cluster, to somebody else.
	Syncerless bool
	// Renew, if set, is called when the CoreDNS of a cluster is about to be stopped, and again when another one runs.
	Renew func(cluster string, begins bool)
	// Corefile makes the Corefile of a cluster; nil is the walk-through's.
	Corefile func(p *Place, kubeconfig string) string
	// Mirrors gives the rights with which each cluster has a mirror; Deploy has member-mirror-rbac.yaml then.
	Mirrors bool
}

// World is everything that runs in the walk-through.
type World struct {
	Folder
	Syncer *Syncer

	opt     Options
	members []*Member
	cloud   cloud // nil with an RFC 2136 server

	mu        sync.Mutex
	authority *proc.Process
}

// New makes the folders of a World, in which nothing runs yet. It must be
// called inside a private network namespace.
func New(opt Options) (*World, error) {
	w := &World{opt: opt, Folder: Folder{opt.Dir}}
	w.Syncer = &Syncer{world: w}
	if w.opt.Places == nil {
		w.opt.Places = Places
	}
	for what, path := range map[string]string{"coredns": opt.CoreDNS, "federation-syncer": opt.Syncer,
		"testcluster": opt.Testcluster} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("the program %s: %w", what, err)
		}
	}
	for _, sub := range []string{"log", "resolv", "admin", "bin", "dns", "syncer", "c"} {
		if err := os.MkdirAll(w.Path(sub), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.Symlink(w.opt.Testcluster, w.Path("bin", "kubectl")); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := os.Symlink(w.opt.Syncer, w.Path("bin", "federation-syncer")); err != nil && !errors.Is(err, os.ErrExist) {
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
	if err := w.WriteResolv(Outside, Authority, "options timeout:2 attempts:2"); err != nil {
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
	if w.opt.Syncerless {
		return nil
	}
	if w.opt.Host != "" {
		if err := w.prepareHost(ctx); err != nil {
			return err
		}
	}
	w.Syncer.config = w.Syncer.defaultConfig()
	return w.Syncer.Start(ctx)
}

// Stop ends all processes, the last started first.
func (w *World) Stop() error {
	errs := []error{w.Syncer.Stop()}
	var g errgroup.Group
	for _, m := range w.members {
		g.Go(m.stop)
	}
	errs = append(errs, g.Wait(), w.authority.Stop(5*time.Second))
	if w.cloud != nil {
		w.cloud.close()
	}
	return errors.Join(errs...)
}

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

// Alive reports the first process that has ended by itself.
func (w *World) Alive() error {
	w.mu.Lock()
	processes := []*proc.Process{w.authority}
	w.mu.Unlock()
	processes = append(processes, w.Syncer.running())
	for _, m := range w.members {
		processes = append(processes, m.coredns)
	}
	for _, p := range processes {
		if p != nil && p.Ended() != nil {
			return p.Ended()
		}
	}
	return nil
}
