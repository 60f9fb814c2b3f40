package membercluster

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/host"
	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/snapshot"
)

// Options are what a Controller works with.
type Options struct {
	Host host.Config
	// Secrets gets the kubeconfigs of the members.
	Secrets *kubeconfig.Secrets
	// Snapshots returns what is known of the federations: none in a replica that does not write, which then writes no
	// status either.
	Snapshots func() []*snapshot.Federation
	Log       *slog.Logger
}

// Controller watches the MemberClusters of the host and their Secrets, and writes their status.
type Controller struct {
	opt     Options
	members chan []config.Member
	said    *host.SaidOnce

	mu   sync.Mutex
	file *config.Config
	last []config.Member
	sent bool
}

// New returns a Controller for the members that are not in file. Run runs it.
func New(file *config.Config, opt Options) *Controller {
	return &Controller{opt: opt, file: file, members: make(chan []config.Member, 1), said: host.NewSaidOnce(opt.Log)}
}

// Members receives the members of all MemberClusters whenever they change, the oldest first. The first list comes when
// they are known: an empty one if the host has no such kind, or the syncer no right to list it. While the host cannot
// be reached, there is none.
func (c *Controller) Members() <-chan []config.Member { return c.members }

// Use makes file the configuration file in use: an object with the name of one of its members does not count (K1).
func (c *Controller) Use(file *config.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file = file
}

func (c *Controller) inUse() *config.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.file
}

// send replaces the list that has not been received yet, if there is one.
func (c *Controller) send(members []config.Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent && reflect.DeepEqual(c.last, members) {
		return
	}
	c.last, c.sent = members, true
	select {
	case <-c.members:
	default:
	}
	c.members <- members
}

// unknown sends an empty list if the objects have never been known: what is there cannot be read.
func (c *Controller) unknown() {
	c.mu.Lock()
	sent := c.sent
	c.mu.Unlock()
	if !sent {
		c.send(nil)
	}
}

// Run watches and writes until ctx ends. It loads the kubeconfig of the host again when requests fail.
func (c *Controller) Run(ctx context.Context) {
	c.opt.Host.Sessions(ctx, c.session, func(err error) {
		c.said.Error("host", "cannot read the MemberClusters of the host; retrying", err)
	})
}

// session runs with one client configuration, until ctx ends or another one is due.
func (c *Controller) session(ctx context.Context, of *host.Session) error {
	client, err := newClient(of.Client, c.opt.Host.Namespace)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := newWatch(ctx, client, c.said)
	s := &session{Controller: c, client: client, statuses: newWriter(client.apply, c.opt.Log), watch: w}
	defer func() {
		cancel()
		s.statuses.wait()
		w.stop()
	}()
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
			s.take()
			continue
		case r := <-s.statuses.results:
			s.statuses.ended(r, time.Now())
			s.statuses.start(ctx, time.Now())
			continue
		case <-tick.C:
		}
		s.report(ctx)
		if w.Failing() && of.Stale() {
			return nil
		}
	}
}
