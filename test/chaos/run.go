package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/chaos/truth"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// run is one run.
type run struct {
	flags
	stage  *stage.Stage
	truth  *truth.Model
	report *report
	levels []*federation.Levels // of each zone
	wires  []*wire
	cuts   [schedule.Federations]atomic.Pointer[cut]
	main   atomic.Int32 // the syncer that is to write
	fatal  chan error   // the harness itself cannot go on

	// pending counts the changes that are on their way, faults what is under way.
	queues  []chan schedule.Change
	pending sync.WaitGroup
	tracks  chan struct{} // holds a token for each change that may be followed
}

// cut is a level that is delegated away, and the record that does it.
type cut struct{ level, line string }

// deadline is how long a change may take from the API server to the records.
const deadline = 5 * time.Second

func play(ctx context.Context, f flags) (err error) {
	dir, err := os.MkdirTemp("", "fed-chaos-")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{flags: f, report: newReport(f, cancel), fatal: make(chan error, 1), tracks: make(chan struct{}, 4)}
	if r.syncer == "" {
		r.syncer = filepath.Join(f.bin, "federation-syncer")
	}
	if r.coredns == "" {
		r.coredns = filepath.Join(f.bin, "coredns")
	}
	for i := range stage.Zones {
		r.wires = append(r.wires, &wire{zone: stage.Zones[i], report: r.report})
	}
	for _, line := range f.leftOut() {
		fmt.Println(line)
	}
	fmt.Printf("seed %d: starting %d clusters, %s\n", f.seed, f.members, strings.Join(f.hosts, " and "))
	r.stage, err = stage.Start(ctx, stage.Options{
		Lab: world.Options{
			Dir: dir, CoreDNS: r.coredns, Syncer: r.syncer,
			Testcluster: os.Getenv(envTestcluster), Deploy: f.deploy,
		},
		Syncer: r.syncer, Members: f.members, Lease: f.lease, Hosts: f.hosts,
		Watch: func(zone int, u stage.Update) { r.wires[zone].see(u) },
	})
	if err == nil {
		err = r.play(ctx)
	}
	if r.report.first() != nil {
		err = r.report.first()
	}
	stopped := r.stage.Stop()
	if err == nil {
		err = errors.Join(stopped, os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Printf("logs are kept in %s\n", filepath.Join(dir, "log"))
	}
	return err
}

// play plays rounds until the time is over, and sums up.
func (r *run) play(ctx context.Context) error {
	topology := truth.Topology{}
	for _, m := range r.stage.Members {
		topology[m.Name] = []string{m.Region, m.Zone}
	}
	t := stage.Timers
	var zoneless []string
	for i, z := range stage.Zones {
		if r.zoneless(i) {
			zoneless = append(zoneless, string(z.Name))
		}
		r.levels = append(r.levels,
			federation.NewLevels(z.Federation, r.stage.Topology(), federation.PublishOptions{TTL: 60}))
	}
	r.truth = truth.New(truth.Config{
		EmptyGrace: t.EmptyGrace, UnreachableAfter: t.UnreachableAfter, StartupTimeout: t.StartupTimeout,
		HoldFor: t.HoldFor, Deadline: deadline, Zoneless: zoneless,
	}, topology, []string{string(stage.Zones[0].Name), string(stage.Zones[1].Name)})
	r.report.truth = r.truth
	var aside sync.WaitGroup
	defer aside.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range r.stage.Members {
		r.queues = append(r.queues, make(chan schedule.Change, 4096))
	}
	for i := range r.stage.Members {
		aside.Go(func() { r.write(ctx, i) })
	}
	gen := r.generator()
	if err := r.begin(ctx, gen); err != nil {
		return err
	}
	clients{r}.ask(ctx, &aside)
	r.report.begin()
	start := time.Now()
	for ctx.Err() == nil && time.Since(start).Minutes() < r.minutes {
		if err := r.round(ctx, gen.Next()); err != nil {
			return err
		}
	}
	r.report.end(time.Since(start))
	cancel()
	aside.Wait()
	return r.report.verdict(ctx)
}

// begin makes the Services, and starts the syncer.
func (r *run) begin(ctx context.Context, gen *schedule.Generator) error {
	start := time.Now()
	shards := gen.Shards()
	for shard, target := range shards {
		r.enqueue(schedule.Change{Kind: "create", Shard: shard, Target: target})
	}
	if err := r.wait(ctx, time.Minute); err != nil {
		return err
	}
	if r.lease {
		if err := r.stage.Syncers[1].Start(); err != nil {
			return err
		}
	}
	if err := r.startSyncer(ctx, 0); err != nil {
		return err
	}
	fmt.Printf("%d shards of %d services, and the syncer, after %.0f s\n",
		len(shards), r.services, time.Since(start).Seconds())
	return r.settle(ctx)
}

// round plays one round: its changes and faults, and then the calm in which all
// has to become well.
func (r *run) round(ctx context.Context, round schedule.Round) error {
	for _, host := range r.stage.Hosts {
		if keeper, ok := host.(stage.Restorer); ok {
			if err := keeper.Keep(); err != nil {
				return fmt.Errorf("keeping a zone: %w", err)
			}
		}
	}
	begin := time.Now()
	r.report.round(round)
	var faults sync.WaitGroup
	for _, f := range round.Faults {
		faults.Go(func() {
			if proc.Pause(ctx, time.Until(begin.Add(f.At))) {
				if err := (saboteur{r}).fault(ctx, f); err != nil && ctx.Err() == nil {
					r.fail(fmt.Errorf("fault %s: %w", f.Class, err))
				}
			}
		})
	}
	for _, c := range round.Changes {
		if !proc.Pause(ctx, time.Until(begin.Add(c.At))) {
			break
		}
		r.enqueue(c)
	}
	proc.Pause(ctx, time.Until(begin.Add(round.Length)))
	faults.Wait()
	select {
	case err := <-r.fatal:
		return err
	default:
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := errors.Join(r.wait(ctx, time.Minute), r.stage.Alive()); err != nil {
		return err
	}
	return r.settle(ctx)
}

// fail ends the run for a reason that is not the system's.
func (r *run) fail(err error) {
	select {
	case r.fatal <- err:
	default:
	}
}

// wait waits until no change is under way.
func (r *run) wait(ctx context.Context, most time.Duration) error {
	done := make(chan struct{})
	go func() {
		r.pending.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(most):
		return fmt.Errorf("the API servers have not taken all changes within %s", most)
	}
}

// startSyncer starts a syncer and waits until one writes: with a Lease it may be
// the other one.
func (r *run) startSyncer(ctx context.Context, number int) error {
	if err := r.forgetUnrecorded(ctx); err != nil {
		return err
	}
	if err := r.stage.Syncers[number].Start(); err != nil {
		return err
	}
	if r.lease {
		return r.awaitWriter(ctx, 0, 1)
	}
	return r.awaitWriter(ctx, number)
}

// forgetUnrecorded is to be called while no syncer writes: the next one can know
// no more than the records.
func (r *run) forgetUnrecorded(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // a DNS server may be on its way back
	defer cancel()
	var records map[netip.Addr]bool
	err := proc.Poll(ctx, "the zones", func() (err error) {
		records, err = r.inRecords()
		return err
	})
	if err == nil {
		r.truth.SyncerStarts(time.Now(), records)
	}
	return err
}

// awaitWriter waits until one of these syncers writes, which is the main one
// then.
func (r *run) awaitWriter(ctx context.Context, numbers ...int) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	return proc.Poll(ctx, "a syncer to write", func() error {
		var errs []error
		for _, i := range numbers {
			s := r.stage.Syncers[i]
			err := s.Writes(ctx)
			if err == nil {
				r.main.Store(int32(i))
				r.truth.SyncerStarts(time.Now(), nil)
				return nil
			}
			errs = append(errs, fmt.Errorf("syncer %d: %w", i, err))
		}
		return errors.Join(errs...)
	})
}

func (r *run) mainSyncer() *stage.Syncer { return r.stage.Syncers[r.main.Load()] }

// inRecords are the addresses in the records at the topology zones.
func (r *run) inRecords() (map[netip.Addr]bool, error) {
	out := map[netip.Addr]bool{}
	for i := range stage.Zones {
		zone, err := r.transfer(i)
		if err != nil {
			return nil, err
		}
		for name, sets := range zone {
			_, level, ok := stage.Zones[i].ParseOwner(name)
			if !ok || kindOf(r.levels[i], level) != federation.KindTopologyZone {
				continue
			}
			for _, typ := range []string{"A", "AAAA"} {
				for _, d := range sets[typ] {
					if a, err := netip.ParseAddr(d); err == nil {
						out[a] = true
					}
				}
			}
		}
	}
	return out, nil
}

func kindOf(l *federation.Levels, name federation.FQDN) federation.LevelKind {
	for _, lv := range l.All() {
		if lv.Name == name {
			return lv.Kind
		}
	}
	return ""
}
