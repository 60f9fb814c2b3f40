package main

import (
	"context"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/federatedservice"
)

// writeServices writes the Services of the host's FederatedServices into the members, while holds reports that this
// replica has the Lease, until ctx ends. The returned function waits for the end: nothing is written afterwards.
func (p *program) writeServices(ctx context.Context, c *config.Config, holds func() bool) (wait func()) {
	p.services = federatedservice.New(c, federatedservice.Options{
		Host: c.Host.Client(), Secrets: &p.members.secrets, Snapshots: p.syncer.Snapshots, Holds: holds, Log: p.log,
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.services.Run(ctx)
	}()
	return func() { <-done }
}
