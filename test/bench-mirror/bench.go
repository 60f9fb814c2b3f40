package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/metrics"
	"github.com/federation-dns/federation/federation/mirror/writer"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/reconcile"
	"github.com/federation-dns/federation/federation/snapshot"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/proc"
)

const (
	lost             = 0 // the member that gets lost
	unreachableAfter = 15 * time.Second
	probeEvery       = time.Second
)

var fed = federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}

func memberName(i int) string { return fmt.Sprintf("member-%d", i) }

// bench is a loop, and the mirrors that are written from its snapshots.
type bench struct {
	flags
	loop    *reconcile.Loop
	facts   []*facts
	configs []*rest.Config
	cut     func() // ends the API server of the lost member
	writers []*writer.Writer
	running sync.WaitGroup

	clusters []*kube.Cluster
	dir      string

	mu      sync.Mutex
	away    bool
	contact time.Time // the last probe of the lost member that was answered
}

func newBench(f flags) *bench {
	c := &config.Config{
		Owner: "us", AuditInterval: 24 * time.Hour,
		Federations: []config.Federation{{Federation: fed, Mirror: true}},
		Policy: policy.Config{
			UnreachableAfter: unreachableAfter, StartupTimeout: time.Minute, EmptyGrace: 30 * time.Second,
			HeldMax: 24 * time.Hour, PanicThreshold: 50, PanicHold: 5 * time.Minute, HoldFor: 5 * time.Minute,
			MaxDeletePercent: 30,
		},
	}
	b := &bench{flags: f}
	for i := range f.members {
		c.Clusters = append(c.Clusters, config.Cluster{Member: member.Config{Name: memberName(i)}})
		b.facts = append(b.facts, newFacts())
	}
	b.loop = reconcile.New(reconcile.Options{
		Config: c, Federation: c.Federations[0], Provider: newSink(), Log: f.log(),
		Metrics: metrics.New(func() map[string]budget.Stats { return nil }, nil), Relist: func(string) {},
		Mirrors: func() {
			for _, w := range b.writers {
				w.Wake()
			}
		},
	})
	return b
}

func (b *bench) startStandIns() {
	for i, f := range b.facts {
		s := startStandIn(f)
		b.configs = append(b.configs, s.config())
		if i == lost {
			b.cut = s.cut
		}
	}
}

// startClusters starts real API servers, and follows what is written there.
func (b *bench) startClusters(ctx context.Context, binary string) (err error) {
	if b.dir, err = os.MkdirTemp("", "bm-"); err != nil {
		return err
	}
	for i, f := range b.facts {
		c, err := kube.Start(ctx, kube.Options{
			Name: memberName(i), Dir: filepath.Join(b.dir, memberName(i)), Binary: binary, Nodes: -1,
			PodCIDRs:     []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", i+1))},
			ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.10%d.0.0/16", i+1))},
		})
		if err != nil {
			return err
		}
		b.clusters = append(b.clusters, c)
		if _, err := c.Kubectl(ctx, "", "apply", "-f", filepath.Join(b.deploy, "member-rbac.yaml"), "-f",
			filepath.Join(b.deploy, "member-mirror-rbac.yaml")); err != nil {
			return err
		}
		config := c.Config()
		config.ContentConfig = asTheSyncer
		b.configs = append(b.configs, config)
		if err := b.follow(ctx, config, f); err != nil {
			return err
		}
	}
	b.cut = b.clusters[lost].Kill
	return nil
}

func (b *bench) stopClusters() error {
	for _, c := range b.clusters {
		c.Kill()
	}
	if b.dir == "" {
		return nil
	}
	return os.RemoveAll(b.dir)
}

func (b *bench) startWriters(ctx context.Context) error {
	for i := range b.members {
		w, err := writer.New(writer.Options{
			Member: memberName(i), Snapshots: func() []*snapshot.Federation {
				return []*snapshot.Federation{b.loop.Snapshot()}
			},
			Budget: writer.NewBudget(), Log: b.log(), Wrote: func(*snapshot.Federation, int, error) {},
		}, b.configs[i])
		if err != nil {
			return err
		}
		b.writers = append(b.writers, w)
		b.running.Go(func() { w.Run(ctx) })
	}
	return nil
}

// probe sends what the probes of the members see.
func (b *bench) probe(ctx context.Context) {
	for proc.Pause(ctx, probeEvery) {
		b.mu.Lock()
		now := time.Now()
		if !b.away {
			b.contact = now
		}
		for i := range b.members {
			e := member.ProbeEvent{Member: memberName(i), At: now}
			if i == lost && b.away {
				e.Err = errors.New("connection refused")
			}
			b.loop.Add(e)
		}
		b.mu.Unlock()
	}
}

// list lists every member, five to a region, each in a topology zone of its own. The lost one has a shard of each
// service, and the others follow it in turn.
func (b *bench) list() {
	shards := make([]map[member.ShardKey]member.Shard, b.members)
	for m := range shards {
		shards[m] = map[member.ShardKey]member.Shard{}
	}
	for i := range b.services {
		key := member.ShardKey{Federation: fed.Name, Service: federation.ServiceName{
			Namespace: fmt.Sprintf("namespace-%d", i%100), Name: fmt.Sprintf("service-%d", i)}}
		has := []int{lost}
		for k := 0; len(has) < b.shards; k++ {
			if m := 1 + (i+k)%(b.members-1); !slices.Contains(has, m) {
				has = append(has, m)
			}
		}
		for _, m := range has {
			a := netip.AddrFrom4([4]byte{203, byte(m), byte(i / 250), byte(i%250 + 1)})
			shards[m][key] = member.Shard{
				Shard: federation.Shard{Member: memberName(m), Healthy: true, Addresses: []netip.Addr{a}},
				Known: []string{a.String()}, ReadyEndpoints: 2,
			}
		}
	}
	for m := range b.members {
		b.loop.Add(member.ProbeEvent{Member: memberName(m), At: time.Now()})
		b.loop.Add(member.ListEvent{
			Member: memberName(m), Shards: shards[m], Version: "v1.37.2",
			Topology: federation.Member{Name: memberName(m), Region: federation.Label(fmt.Sprintf("region-%d", m/5)),
				Zones: []federation.Label{federation.Label(fmt.Sprintf("zone-%d", m))}},
		})
	}
}
