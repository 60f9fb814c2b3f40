package main

import (
	"context"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/host"
)

// ownerRetry is the pause before the host is asked again.
const ownerRetry = 5 * time.Second

// awaitOwner returns the configuration to start with, and sets its owner: that of the file, or the UID of the host's
// kube-system namespace, which is requested until the host answers (O1d). Nothing runs yet, so a configuration that is
// read meanwhile replaces c, whatever differs. The error is that of ctx.
func (p *program) awaitOwner(ctx context.Context, c *config.Config) (*config.Config, error) {
	first := c
	for {
		id, next, err := p.askOwner(ctx, c)
		if next == nil {
			next = p.file.check(time.Now(), false)
		}
		if next == nil && err == nil {
			c.Owner = id
			return c, nil
		}
		if next == nil && ctx.Err() == nil {
			p.log.Error("cannot get the owner id from the host cluster; retrying", "error", err)
			pause, cancel := context.WithTimeout(ctx, ownerRetry)
			next = p.file.next(pause, p.reload)
			cancel()
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if next != nil {
			c = next
			p.setLevel(c)
			p.warnFixed(first, c)
		}
	}
}

// askOwner asks for the owner id once, and stops when the file has another configuration: next. A credential plugin
// that hangs delays neither that nor SIGHUP (C1).
func (p *program) askOwner(ctx context.Context, c *config.Config) (id string, next *config.Config, err error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		id, err = ownerID(ctx, c)
	}()
	next = p.file.next(ctx, p.reload)
	cancel()
	<-done
	return id, next, err
}

// ownerID returns the owner id for a configuration (O1d), and asks the host cluster for it if need be, once.
func ownerID(ctx context.Context, c *config.Config) (string, error) {
	if c.Owner != "" {
		return c.Owner, nil
	}
	return host.UID(ctx, c.Host.Client())
}
