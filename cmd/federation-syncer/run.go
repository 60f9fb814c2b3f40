package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/federatedservice"
	"github.com/federation-dns/federation/federation/host"
	"github.com/federation-dns/federation/federation/syncer"
)

// program feeds a syncer with what comes from outside: the configuration file, SIGHUP, and the Lease.
type program struct {
	file    *configFile
	reload  <-chan os.Signal // SIGHUP
	log     *slog.Logger
	level   slog.LevelVar
	syncer  *syncer.Syncer
	config  *config.Config // the file in use
	members members
	// services writes into members; nil without a host.
	services *federatedservice.Controller
}

// run keeps the records of all federations true until ctx ends. It returns an error only if the first configuration is
// bad, or a listener cannot be opened.
func run(ctx context.Context, path string, adopt bool, logs *logWriter, reload <-chan os.Signal) error {
	file := &configFile{path: path}
	c, err := file.load()
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	p := &program{file: file, reload: reload}
	p.setLevel(c)
	p.log = logs.logger(&p.level, c.LogFormat)
	p.syncer = syncer.New(syncer.Options{
		Adopt: adopt, Secrets: &p.members.secrets, Log: p.log, Version: version, LogDropped: logs.dropped.Load,
	})
	defer p.syncer.Close()
	file.log, file.read = p.log, p.syncer.ConfigRead
	file.tell()
	closeListeners, err := p.syncer.Listen(syncer.Addresses{
		Metrics: c.MetricsAddress, Page: c.PageAddress, Socket: c.AdminSocket,
	})
	if err != nil {
		return err
	}
	defer closeListeners()
	if c, err = p.awaitOwner(ctx, c); err != nil {
		return nil // ctx has ended
	}
	if c, err = p.awaitMembers(ctx, c); err != nil {
		return nil // ctx has ended
	}
	defer p.members.stop()
	if c.Host == nil {
		p.start(ctx, c, nil)
	} else {
		p.elect(ctx, c)
	}
	p.log.Info("stopping")
	return nil
}

// resignTimeout bounds the wait for the release of the Lease at a stop: a request to the host may hang.
const resignTimeout = 5 * time.Second

// elect runs p as one of several replicas (O4). At the end it releases the Lease, once nothing is written anymore.
func (p *program) elect(ctx context.Context, c *config.Config) {
	e := host.NewElection(c.Host.Client(), p.log)
	electing, resign := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); e.Run(electing) }()
	p.syncer.JoinElection(e)
	written := p.writeServices(ctx, c, e.Holds)
	p.start(ctx, c, e.Changed)
	written()
	p.syncer.Close()
	resign()
	timeout := time.NewTimer(resignTimeout)
	defer timeout.Stop()
	select {
	case <-done:
	case <-timeout.C:
		p.log.Warn("the host cluster does not answer: the Lease is not given back, " +
			"and another replica gets it when it expires")
	}
}

// start applies the first configuration, and then each new one and each change of the Lease's holder, until ctx ends.
func (p *program) start(ctx context.Context, c *config.Config, tenures <-chan host.Tenure) {
	p.config = c
	p.log.Info("started", "federations", len(c.Federations), "members", p.use(ctx), "owner", c.Owner)
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case t := <-tenures:
			p.syncer.Elected(ctx, t)
			continue
		case p.members.objects = <-p.members.changed():
			p.log.Info("the MemberClusters have changed", "members", p.use(ctx))
			continue
		case <-p.reload:
			asked = true
		case <-tick.C:
		}
		if next := p.file.check(time.Now(), asked); next != nil {
			p.apply(ctx, next)
		}
	}
}

func (p *program) apply(ctx context.Context, next *config.Config) {
	next.Owner = cmp.Or(next.Owner, p.config.Owner)
	p.setLevel(next)
	p.warnFixed(p.config, next)
	p.config = next
	p.log.Info("the new configuration is in use", "federations", len(next.Federations), "members", p.use(ctx))
}

// use applies the file with the members of the host's objects, and returns how many members that makes.
func (p *program) use(ctx context.Context) int {
	c := p.members.join(p.config)
	if p.services != nil {
		p.services.Use(p.config)
	}
	p.syncer.Apply(ctx, c)
	return len(c.Clusters)
}

func (p *program) setLevel(c *config.Config) { _ = p.level.UnmarshalText([]byte(c.LogLevel)) } // validated by config

// warnFixed logs if next differs from old in what needs a restart.
func (p *program) warnFixed(old, next *config.Config) {
	hostChanged := p.config != nil && !reflect.DeepEqual(old.Host, next.Host) // before the start it may change
	if hostChanged || old.MetricsAddress != next.MetricsAddress || old.PageAddress != next.PageAddress ||
		old.AdminSocket != next.AdminSocket || old.LogFormat != next.LogFormat {
		p.log.Warn("a change of host, metrics.address, page.address, admin.socket or log.format needs a restart")
	}
}
