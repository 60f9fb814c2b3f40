package stage

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/chaos/stage/records"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/world"
)

// Options say what to start.
type Options struct {
	// Lab has the programs and the folder; its Places, Corefile and Mirrors are set here.
	Lab world.Options
	// Syncer is the syncer under test.
	Syncer string
	// Members is how many clusters there are, at most MaxMembers.
	Members int
	// Lease: the syncers choose the one that writes by a Lease in the first cluster.
	Lease bool
	// Hosts are who keeps each of the Zones, of HostKinds.
	Hosts []string
	// Watch is called for each change that a host has answered.
	Watch func(zone int, u Update)
}

// startTime is how long the start of everything may take.
const startTime = 90 * time.Second

// Stage is everything that runs.
type Stage struct {
	opt     Options
	lab     *world.Lab
	Members []*Member
	Hosts   []Host
	Syncers []*Syncer

	standIns *standIns
	records  *records.Link // to those of federations without a zone; nil if there is none
}

// Start starts all but the syncers. What has been started is to be stopped by
// Stop, whatever the error.
func Start(ctx context.Context, opt Options) (*Stage, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	opt.Lab.Places, opt.Lab.Corefile, opt.Lab.Mirrors = placesOf(opt.Members), opt.corefile, true
	s := &Stage{opt: opt}
	for _, z := range Zones {
		if err := netns.AddAddress(netip.MustParseAddr(z.Address)); err != nil { // BIND looks for it at a device
			return s, err
		}
	}
	var err error
	if s.lab, err = world.StartLab(ctx, opt.Lab); err != nil {
		return s, err
	}
	if s.standIns, err = startStandIns(); err != nil {
		return s, err
	}
	for i, m := range s.lab.Members() {
		member, err := newMember(m, i)
		if err == nil {
			err = member.furnish(s.lab, s.standIns)
		}
		if err != nil {
			return s, err
		}
		s.Members = append(s.Members, member)
	}
	for i, z := range Zones {
		host, err := s.startHost(ctx, opt.Hosts[i], z, func(u Update) { opt.Watch(i, u) })
		if err != nil {
			return s, err
		}
		s.Hosts = append(s.Hosts, host)
	}
	for i := range Syncers {
		s.Syncers = append(s.Syncers, &Syncer{Number: i, stage: s})
	}
	return s, os.WriteFile(s.lab.Path("syncer", "tsig"), []byte(tsigSecret+"\n"), 0o600)
}

// Topology are the members' places.
func (s *Stage) Topology() (members []federation.Member) {
	for _, m := range s.Members {
		members = append(members, federation.Member{Name: m.Name, Region: federation.Label(m.Region),
			Zones: []federation.Label{federation.Label(m.Zone)}})
	}
	return members
}

// Alive reports the first CoreDNS that has ended by itself.
func (s *Stage) Alive() error { return s.lab.Alive() }

// LogDir is the folder of the logs.
func (s *Stage) LogDir() string { return s.lab.Path("log") }

// Stop ends everything, the last started first.
func (s *Stage) Stop() error {
	var g errgroup.Group
	for _, sy := range s.Syncers {
		if sy.process != nil && sy.process.Ended() == nil {
			g.Go(func() error { return errors.Join(sy.Resume(), sy.Stop()) })
		}
	}
	err := g.Wait()
	for _, h := range s.Hosts {
		err = errors.Join(err, h.Stop())
	}
	if s.lab != nil {
		err = errors.Join(err, s.lab.Stop())
	}
	if s.standIns != nil {
		s.standIns.close()
	}
	if s.records != nil {
		s.records.Close()
	}
	return err
}
