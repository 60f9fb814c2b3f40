package world

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
)

// Lab is clusters with what every member has: the account of the syncer with a
// link that can be cut, and a CoreDNS. DNS servers and syncers are its user's.
// It must be made inside a private network namespace.
type Lab struct{ world *World }

// StartLab starts the clusters of opt.Places side by side.
func StartLab(ctx context.Context, opt Options) (*Lab, error) {
	w, err := New(opt)
	if err != nil {
		return nil, err
	}
	for _, p := range w.localPrefixes() {
		if err := netns.AddLocal(p); err != nil {
			return nil, fmt.Errorf("making %s local: %w", p, err)
		}
	}
	l := &Lab{w}
	g, gctx := errgroup.WithContext(ctx)
	for _, m := range w.members {
		g.Go(func() error { return m.start(gctx) })
	}
	if err := g.Wait(); err != nil {
		return nil, errors.Join(err, l.Stop())
	}
	return l, nil
}

// Members are the clusters, in the order of opt.Places.
func (l *Lab) Members() []*Member { return l.world.members }

// Path is a path in the folder of the Lab.
func (l *Lab) Path(elem ...string) string { return l.world.Path(elem...) }

// Stop ends the clusters and their CoreDNS.
func (l *Lab) Stop() error {
	var g errgroup.Group
	for _, m := range l.world.members {
		g.Go(m.stop)
	}
	return g.Wait()
}

// Alive reports the first CoreDNS that has ended by itself.
func (l *Lab) Alive() error {
	for _, m := range l.world.members {
		if err := m.coredns.Ended(); err != nil {
			return err
		}
	}
	return nil
}

// Program returns the path of a server of the distribution that may use any
// folder; the error names the Debian package that has it.
func (l *Lab) Program(debianPackage, name string) (string, error) {
	return l.world.Unconfined(debianPackage, name)
}

// Run starts a program; what it writes is added to the log of that name.
func (l *Lab) Run(name, log, program string, args ...string) (*proc.Process, error) {
	return proc.Start(name, l.world.LogFile(log), l.world.Env(), program, args...)
}

// Deploy is the folder with what is deployed in members.
func (l *Lab) Deploy() string { return l.world.opt.Deploy }
