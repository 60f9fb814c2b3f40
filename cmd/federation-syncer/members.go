package main

import (
	"cmp"
	"context"
	"reflect"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/membercluster"
)

// members are those that the host has as MemberClusters. Without a host there are none.
type members struct {
	secrets    kubeconfig.Secrets
	objects    []config.Member // received last
	controller *membercluster.Controller
	cancel     func() // ends the controller, and waits for it
}

// join returns a file's configuration with the objects, and tells the controller which names are taken.
func (m *members) join(file *config.Config) *config.Config {
	if m.controller != nil {
		m.controller.Use(file)
	}
	return file.WithMembers(m.objects)
}

// changed receives the objects whenever they change.
func (m *members) changed() <-chan []config.Member {
	if m.controller == nil {
		return nil
	}
	return m.controller.Members()
}

func (m *members) stop() {
	if m.cancel != nil {
		m.cancel()
	}
	m.controller, m.cancel = nil, nil
}

// watchMembers watches the MemberClusters of c's host, if it has one, until ctx ends or members.stop.
func (p *program) watchMembers(ctx context.Context, c *config.Config) {
	p.members.stop()
	if c.Host == nil {
		return
	}
	controller := membercluster.New(c, membercluster.Options{
		Host: c.Host.Client(), Secrets: &p.members.secrets, Snapshots: p.syncer.Snapshots, Log: p.log,
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		controller.Run(ctx)
	}()
	p.members.controller, p.members.cancel = controller, func() { cancel(); <-done }
}

// awaitMembers returns the configuration to start with when it is known which MemberClusters there are. A replica that
// did not know them would take them for removed. It could not write without the host anyway, where its Lease is.
//
// Nothing runs yet, so a configuration that is read meanwhile replaces c. The error is that of ctx.
func (p *program) awaitMembers(ctx context.Context, c *config.Config) (*config.Config, error) {
	p.watchMembers(ctx, c)
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for p.members.controller != nil {
		asked := false
		select {
		case <-ctx.Done():
			p.members.stop()
			return nil, ctx.Err()
		case p.members.objects = <-p.members.changed():
			return c, nil
		case <-p.reload:
			asked = true
		case <-tick.C:
		}
		next := p.file.check(time.Now(), asked)
		if next == nil {
			continue
		}
		next.Owner = cmp.Or(next.Owner, c.Owner)
		p.setLevel(next)
		if moved := !reflect.DeepEqual(next.Host, c.Host); moved {
			p.watchMembers(ctx, next)
		} else {
			p.members.controller.Use(next)
		}
		c = next
	}
	return c, nil
}
