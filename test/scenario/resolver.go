package scenario

import (
	"context"
	"net/netip"

	"github.com/federation-dns/federation/test/world"
)

// The steps that lead a pod of gce-us-central1 from its own shard to the
// region's records, to the global ones, and to none.

// Central is the cluster whose pods ask in these steps.
const Central = central

// FallBack kills the backends of Central while the region us-central1 falls
// back on us-east1.
func FallBack() Step {
	return Step{
		Name: "Let us-central1 fall back on us-east1, and kill the backends in " + central,
		Does: []string{"regionFallback: {us-central1: [us-east1]} in the syncer's configuration, and a restart of it",
			"testcluster backends kill, in " + central},
		Table: "central-falls-back",
		Do: func(ctx context.Context, p *Play) error {
			err := p.Syncer.Reconfigure(func(c *world.SyncerConfig) {
				c.Federations[0].RegionFallback = map[string][]string{"us-central1": {"us-east1"}}
			})
			if err != nil {
				return err
			}
			return p.killBackends(ctx, central)
		},
		Expect: []Check{
			records("the region us-central1 has the addresses of us-east1, its topology zone leads there",
				"central-falls-back"),
			podsGet(central, east),
		},
	}
}

// EndFallBack takes the fallback out of the configuration.
func EndFallBack() Step {
	return Step{
		Name:  "Take regionFallback out of the syncer's configuration",
		Does:  []string{"a restart of the syncer with its first configuration"},
		Table: "without-central",
		Do: func(_ context.Context, p *Play) error {
			return p.Syncer.Reconfigure(func(*world.SyncerConfig) {})
		},
		Expect: []Check{
			records("the levels of us-central1 lead up to global", "without-central"),
			podsGet(central, asia, europe, east),
		},
	}
}

// KillOthers kills the backends of all clusters but Central.
func KillOthers() Step {
	return Step{
		Name:  "Kill the backends of all other clusters",
		Does:  []string{"testcluster backends kill, in " + asia + ", " + europe + " and " + east},
		Table: "gone",
		Do:    func(ctx context.Context, p *Play) error { return p.killBackends(ctx, asia, europe, east) },
		Expect: append([]Check{
			records("the global name is gone; the levels keep their CNAMEs", "gone"),
		}, nobodyGets(central)...),
	}
}

// KillAsiaAndEurope kills the backends outside the United States.
func KillAsiaAndEurope() Step {
	return Step{
		Name:   "Kill the backends in " + asia + " and " + europe,
		Does:   []string{"testcluster backends kill, in both"},
		Table:  "central-east",
		Do:     func(ctx context.Context, p *Play) error { return p.killBackends(ctx, asia, europe) },
		Expect: []Check{records("only the clusters of the United States are left", "central-east")},
	}
}

// PublishedBy are the published addresses of these clusters.
func PublishedBy(clusters ...string) []netip.Addr {
	var addrs []netip.Addr
	for _, c := range clusters {
		addrs = append(addrs, placeOf(c).Published...)
	}
	return addrs
}
