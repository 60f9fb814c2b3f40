package scenario

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/federation-dns/federation/test/netns"
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
func (l *Lab) Path(elem ...string) string { return l.world.path(elem...) }

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
		if err := m.coredns.ended(); err != nil {
			return err
		}
	}
	return nil
}

// Program returns the path of a server of the distribution that may use any
// folder; the error names the Debian package that has it.
func (l *Lab) Program(debianPackage, name string) (string, error) {
	return l.world.unconfined(debianPackage, name)
}

// Process is a program that a Lab runs. Its output goes to a log.
type Process struct{ process *process }

// Run starts a program; what it writes is added to the log of that name.
func (l *Lab) Run(name, log, program string, args ...string) (*Process, error) {
	p, err := startProcess(name, l.world.logFile(log), l.world.env(), program, args...)
	if err != nil {
		return nil, err
	}
	return &Process{p}, nil
}

// Ended says how the process ended, or nil while it runs.
func (p *Process) Ended() error { return p.process.ended() }

// PID is the id of the process.
func (p *Process) PID() int { return p.process.cmd.Process.Pid }

// Stop ends the process with SIGTERM, which it must obey within grace.
func (p *Process) Stop(grace time.Duration) error { return p.process.stop(grace) }

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() { p.process.kill() }

// Pause stops the process from running, as SIGSTOP does.
func (p *Process) Pause() error { return p.process.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (p *Process) Resume() error { return p.process.cmd.Process.Signal(syscall.SIGCONT) }

// Command runs a program to its end and returns its standard output; an error
// has what it wrote to standard error.
func Command(ctx context.Context, program string, args ...string) (string, error) {
	return command(ctx, nil, "", program, args...)
}

// Poll calls f until it gives no error or ctx has ended; what says in the error
// what was waited for.
func Poll(ctx context.Context, what string, f func() error) error { return poll(ctx, what, f) }
