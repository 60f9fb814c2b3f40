package scenario

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/world"
)

const (
	asia    = "gce-asia-east1"
	europe  = "gce-europe-west1"
	central = "gce-us-central1"
	east    = "gce-us-east1"
)

// Steps is the whole walk-through. The clusters stand in the configuration file of the syncer.
func Steps() []Step {
	steps := []Step{Begin(), ListClusters(), CreateServices()}
	steps = append(steps, StartBackends()...)
	return append(append(steps, ResolveEverywhere()), Failures()...)
}

// begin is Begin with a provider.
func begin(provider string) Step {
	begin := Begin()
	if provider == world.None {
		begin.Does[1] = "federation-syncer for all of them, without a DNS provider: provider: {none: {}}, " +
			"deploy/host-records-rbac.yaml"
		begin.Does = append(begin.Does, "an upstream for the clusters' DNS that knows no "+world.Domain)
	}
	if title, ok := world.Titles[provider]; ok {
		begin.Does[1] = "a stand-in of the API of " + title + " with the zone " + world.Domain +
			"; federation-syncer, which writes to it"
		begin.Does = append(begin.Does,
			"a DNS server for "+world.Domain+" at "+world.Authority+": CoreDNS, "+
				"which reads the zone from the stand-in every "+world.PollEvery.String())
	}
	return begin
}

// Begin starts everything that the walk-through needs.
func Begin() Step {
	return Step{
		Name: "Start four clusters, their CoreDNS, the DNS server of " + world.Domain + " and the syncer",
		Does: []string{
			"four API servers with simulated machines and cloud load balancers, " +
				"a CoreDNS with the federation plugin in each cluster",
			"a DNS server for " + world.Domain + " at " + world.Authority +
				" that takes signed updates; federation-syncer for all of them",
		},
		Do:    func(ctx context.Context, p *Play) error { return p.Start(ctx) },
		Limit: 3 * time.Minute, // a slow machine starts slowly
	}
}

// ListClusters looks at the members.
func ListClusters() Step {
	return Step{
		Name: "List the clusters of the federation",
		Does: []string{"federation-syncer status"},
		Expect: []Check{statusIs("four members, all present, each in its place",
			"MEMBER STATUS VERSION REGION ZONES SHARDS HEALTHY",
			"gce-asia-east1 present "+kube.Version()+" asia-east1 asia-east1-b 0 0",
			"gce-europe-west1 present "+kube.Version()+" europe-west1 europe-west1-b 0 0",
			"gce-us-central1 present "+kube.Version()+" us-central1 us-central1-b 0 0",
			"gce-us-east1 present "+kube.Version()+" us-east1 us-east1-b 0 0",
		)},
	}
}

// CreateServices creates the Service in each cluster, with no backends yet.
func CreateServices() Step {
	return Step{
		Name: "Create the Service " + world.Service + " in each cluster, without backends",
		Does: []string{"kubectl apply -f service.yaml, in each cluster: type LoadBalancer, dual-stack,",
			"label federation-dns.io/federation: " + world.FederationName},
		Do: func(ctx context.Context, p *Play) error {
			return p.each(ctx, nil, func(ctx context.Context, m *world.Member) error { return m.CreateService(ctx) })
		},
		Expect: append([]Check{
			{
				Expect: "each cloud gives the Service its addresses",
				Want: "gce-asia-east1 203.0.113.17 2001:db8:0:1::1\ngce-europe-west1 203.0.113.33 2001:db8:0:2::1\n" +
					"gce-us-central1 203.0.113.49 2001:db8:0:3::1\ngce-us-east1 203.0.113.65 2001:db8:0:4::1",
				See: func(ctx context.Context, p *Play) (string, error) { return p.ingresses(ctx) },
			},
			statusIs("the syncer knows a shard in each cluster, none healthy",
				"MEMBER STATUS VERSION REGION ZONES SHARDS HEALTHY",
				"gce-asia-east1 present "+kube.Version()+" asia-east1 asia-east1-b 1 0",
				"gce-europe-west1 present "+kube.Version()+" europe-west1 europe-west1-b 1 0",
				"gce-us-central1 present "+kube.Version()+" us-central1 us-central1-b 1 0",
				"gce-us-east1 present "+kube.Version()+" us-east1 us-east1-b 1 0",
			),
			recordsStay("no address is published: there is no ready endpoint anywhere", "none", 2*time.Second),
		}, nobodyGets(asia, europe, central, east)...),
	}
}

// StartBackends starts the backends, one cluster after the other.
func StartBackends() []Step {
	start := func(cluster, expect, table string) Step {
		return Step{
			Name:   "Start the backends in " + cluster,
			Table:  table,
			Does:   []string{"kubectl apply -f deployment.yaml, in " + cluster + ": two pods with a readiness probe"},
			Do:     func(ctx context.Context, p *Play) error { return p.Member(cluster).Deploy(ctx) },
			Expect: append([]Check{records(expect, table)}, podsGetClusterIP(cluster)...),
		}
	}
	last := start(europe, "every level has the addresses of its shards", "all")
	return []Step{
		start(central, "the addresses of us-central1 stand at its levels and globally; all other levels lead up",
			"central"),
		start(east, "us-east1 joins, at its levels and globally", "central-east"),
		start(asia, "asia-east1 joins; only the levels of europe-west1 lead up, as no shard is healthy there",
			"without-europe"),
		last,
	}
}

// ResolveEverywhere asks from everywhere while all shards are healthy.
func ResolveEverywhere() Step {
	d := "." + world.Domain
	return Step{
		Name: "Resolve " + world.Name + " from a pod of each cluster, and the records from outside",
		Does: []string{
			"getent ahosts " + world.Name + " with a pod's resolv.conf; an HTTP request to each published address",
			"(a ClusterIP does not route here: there is no kube-proxy, so no request is made to it)",
		},
		Expect: append(podsGetClusterIP(asia, europe, central, east),
			outsideGets(world.Name+".svc."+world.Domain, asia, europe, central, east),
			outsideGets(world.Name+".svc.europe-west1"+d, europe),
			outsideGets(world.Name+".svc.us-east1-b"+d, east),
		),
	}
}

// KillCentral kills the backends of one cluster.
func KillCentral() Step {
	levels := world.Name + ".svc."
	return Step{
		Name: "Kill the backends in " + central,
		Does: []string{"testcluster backends kill -n " + world.Namespace + " -l app=" + world.Service + ", in " +
			central},
		Table: "without-central",
		Do:    func(ctx context.Context, p *Play) error { return p.killBackends(ctx, central) },
		Expect: append([]Check{
			records("the levels of us-central1 lead up, its addresses are gone from global", "without-central"),
			podsGet(central, asia, europe, east),
			chain("has the whole chain", central,
				";; status: NOERROR",
				world.Name+".svc.cluster.local. 5 IN CNAME "+levels+"us-central1-b."+world.Domain+".",
				levels+"us-central1-b."+world.Domain+". 5 IN CNAME "+levels+"us-central1."+world.Domain+".",
				levels+"us-central1."+world.Domain+". 5 IN CNAME "+levels+world.Domain+".",
				levels+world.Domain+". 5 IN A 203.0.113.17",
				levels+world.Domain+". 5 IN A 203.0.113.33",
				levels+world.Domain+". 5 IN A 203.0.113.65",
			).elseWithoutZone(chain("has the addresses, under the name that was asked", central,
				";; status: NOERROR",
				world.Name+".svc.cluster.local. 5 IN A 203.0.113.17",
				world.Name+".svc.cluster.local. 5 IN A 203.0.113.33",
				world.Name+".svc.cluster.local. 5 IN A 203.0.113.65",
			)),
			explainsWith(central, // with a mirror it says more, and promises more
				"a pod in gce-us-central1 (us-central1-b) asks "+world.Name,
				"1 local shard not healthy: no endpoint is ready (NoReadyEndpoints)",
				"2 topology zone nginx...svc.us-central1-b.example.com CNAME, NoHealthyShard: one level up",
				"3 region nginx...svc.us-central1.example.com CNAME, NoHealthyShard: one level up",
				"4 global nginx...svc.example.com A 203.0.113.17 .33 .65, HealthyShards",
				"AAAA 2001:db8:0:1::1 2001:db8:0:2::1 2001:db8:0:4::1, HealthyShards",
				"answer: 203.0.113.17 203.0.113.33 203.0.113.65 2001:db8:0:1::1 2001:db8:0:2::1 2001:db8:0:4::1, "+
					"for at most 5 s",
			).elseWithoutZone(explainsWith(central,
				"1 local shard not healthy: no endpoint is ready (NoReadyEndpoints)",
				"answer: 203.0.113.17 203.0.113.33 203.0.113.65 2001:db8:0:1::1 2001:db8:0:2::1 2001:db8:0:4::1")),
		}, podsGetClusterIP(asia, europe, east)...),
	}
}

// KillAsiaAndEast kills the backends of two more clusters.
func KillAsiaAndEast() Step {
	return Step{
		Name:  "Kill the backends in " + asia + " and " + east + " too",
		Does:  []string{"testcluster backends kill, in both"},
		Table: "europe",
		Do:    func(ctx context.Context, p *Play) error { return p.killBackends(ctx, asia, east) },
		Expect: append([]Check{
			records("only europe-west1 is left", "europe"),
			podsGet(asia, europe), podsGet(central, europe), podsGet(east, europe),
		}, podsGetClusterIP(europe)...),
	}
}

// KillEurope kills the last backends there are.
func KillEurope() Step {
	return Step{
		Name:  "Kill the last backends, in " + europe,
		Does:  []string{"testcluster backends kill, in " + europe + " (emptyGrace is 5 s here, 30 s by default)"},
		Table: "gone",
		Do:    func(ctx context.Context, p *Play) error { return p.killBackends(ctx, europe) },
		Expect: append([]Check{
			recordsStay("the last addresses stay for emptyGrace: all records are as before", "europe",
				4500*time.Millisecond).elseWithoutZone(podsStay("the last addresses stay for emptyGrace", europe,
				4500*time.Millisecond, asia, central, east)),
			records("then the global name is gone; the levels keep their CNAMEs", "gone"),
		}, nobodyGets(asia, europe, central, east)...),
	}
}

// BringBack starts all backends again.
func BringBack() Step {
	return Step{
		Name:  "Bring all backends back",
		Does:  []string{"testcluster backends start, in all clusters"},
		Table: "all",
		Do: func(ctx context.Context, p *Play) error {
			return p.each(ctx, nil, func(ctx context.Context, m *world.Member) error {
				return m.Cluster.StartBackends(ctx, world.Namespace, "app="+world.Service)
			})
		},
		Expect: append([]Check{records("every level has its addresses again", "all")},
			podsGetClusterIP(asia, europe, central, east)...),
	}
}

// CutAsia cuts the syncer off from a whole cluster.
func CutAsia() Step {
	return Step{
		Name: "Cut off the cluster " + asia,
		Does: []string{"packets between the syncer and this API server vanish " +
			"(unreachableAfter is 5 s here, 45 s by default)"},
		Table: "without-asia",
		Do:    func(_ context.Context, p *Play) error { p.Member(asia).Cut(); return nil },
		Expect: append([]Check{
			records("its addresses are gone: other clusters have healthy shards", "without-asia").
				whileHealthy(asia, europe, central, east),
			statusIs("its status says so",
				"MEMBER STATUS VERSION REGION ZONES SHARDS HEALTHY",
				"gce-asia-east1 unreachable "+kube.Version()+" asia-east1 asia-east1-b 1 1",
				"gce-europe-west1 present "+kube.Version()+" europe-west1 europe-west1-b 1 1",
				"gce-us-central1 present "+kube.Version()+" us-central1 us-central1-b 1 1",
				"gce-us-east1 present "+kube.Version()+" us-east1 us-east1-b 1 1",
			),
			explainsWith(asia, "a pod in gce-asia-east1 (asia-east1-b) asks "+world.Name,
				"1 local shard healthy: 2 endpoints are ready",
				"answer: the Service's own addresses in gce-asia-east1",
				"note: gce-asia-east1 is unreachable: its shard is shown as it was last seen"),
			outsideGets(world.Name+".svc.asia-east1."+world.Domain, europe, central, east),
		}, podsGetClusterIP(asia, europe, central, east)...),
	}
}

// HealAsia ends the cut.
func HealAsia() Step {
	return Step{
		Name:  "Heal the cut",
		Does:  []string{"packets pass again"},
		Table: "all",
		Do:    func(_ context.Context, p *Play) error { p.Member(asia).Heal(); return nil },
		Expect: []Check{
			records("its addresses are back", "all"),
			outsideGets(world.Name+".svc.asia-east1."+world.Domain, asia),
		},
	}
}

// each runs f for the clusters of these names, or all, side by side.
func (p *Play) each(ctx context.Context, names []string, f func(context.Context, *world.Member) error) error {
	members := p.Members()
	if names != nil {
		members = nil
		for _, n := range names {
			members = append(members, p.Member(n))
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range members {
		g.Go(func() error {
			if err := f(ctx, m); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *Play) killBackends(ctx context.Context, clusters ...string) error {
	return p.each(ctx, clusters, func(ctx context.Context, m *world.Member) error {
		return m.Cluster.KillBackends(ctx, world.Namespace, "app="+world.Service)
	})
}

func (p *Play) ingresses(ctx context.Context) (string, error) {
	var b strings.Builder
	for _, m := range p.Members() {
		addrs, err := m.Ingress(ctx)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s %s\n", m.Name, addrs)
	}
	return b.String(), nil
}

// Failures are the steps that break and repair things, from all shards
// healthy to all shards healthy: they can be made again and again.
func Failures() []Step {
	return []Step{KillCentral(), KillAsiaAndEast(), KillEurope(), BringBack(), CutAsia(), HealAsia()}
}
