// Package federatedservice keeps the Services of FederatedServices in the members as they are wanted (G1 to G11), and
// reports in their status what has become of them.
//
// What is to be done with one Service in one member is decided by package propagate; whether its names are published
// comes from the snapshots of the loops. Each member has a queue, workers and a backoff of its own: one that is slow,
// or refuses everything, delays no other.
package federatedservice

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/host"
	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/snapshot"
)

// lookEvery is how often snapshots are looked at: a change of a shard is in the status within a second.
const lookEvery = 200 * time.Millisecond

// Options are what a Controller works with.
type Options struct {
	Host host.Config
	// Secrets has the kubeconfigs of the members.
	Secrets *kubeconfig.Secrets
	// Snapshots returns what is known of the federations: none in a replica that does not write. Such a replica writes
	// nothing here either.
	Snapshots func() []*snapshot.Federation
	// Holds reports whether this replica has the Lease of the host, and has renewed it in time.
	Holds func() bool
	Log   *slog.Logger
}

// Controller writes the Services of FederatedServices into the members.
type Controller struct {
	opt  Options
	said *host.SaidOnce
	file atomic.Pointer[config.Config]
}

// New returns a Controller for the syncer with this configuration, which must have an owner. Run runs it.
func New(file *config.Config, opt Options) *Controller {
	c := &Controller{opt: opt, said: host.NewSaidOnce(opt.Log)}
	c.file.Store(file)
	return c
}

// Use makes file the configuration in use. Any goroutine may call it.
func (c *Controller) Use(file *config.Config) { c.file.Store(file) }

func (c *Controller) owner() string { return c.file.Load().Owner }

// Run works until ctx ends; nothing is written after it has returned. It loads the kubeconfig of the host again when
// requests fail.
func (c *Controller) Run(ctx context.Context) {
	c.opt.Host.Sessions(ctx, c.session, func(err error) {
		c.said.Error("host", "cannot read the FederatedServices of the host; retrying", err)
	})
}

// session works with one client configuration, until ctx ends or another one is due.
func (c *Controller) session(ctx context.Context, of *host.Session) error {
	client, err := newHostClient(of.Client)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := newSession(ctx, c, client)
	var running sync.WaitGroup
	defer running.Wait()
	defer s.stop()
	defer cancel()
	s.start(&running)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s.look()
		if s.watch.Failing() && of.Stale() {
			return nil
		}
	}
}
