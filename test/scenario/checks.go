package scenario

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/display"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/live"
	"github.com/federation-dns/federation/test/world"
)

// records expects the hand-written table of that name in the zone.
func records(expect, table string) Check {
	return Check{
		Expect: expect, Want: ExpectedTable(table).String(), Records: true, Table: table,
		See: func(ctx context.Context, p *Play) (string, error) {
			t, err := p.Records(ctx)
			return t.String(), err
		},
	}
}

// recordsStay expects the table now, and for that long.
func recordsStay(expect, table string, hold time.Duration) Check {
	c := records(expect, table)
	c.Hold = hold
	return c
}

// whileHealthy says whose own shards are healthy, where the table does not.
func (c Check) whileHealthy(clusters ...string) Check {
	c.Healthy = clusters
	return c
}

// elseWithoutZone says what stands in for a check where there is no DNS zone.
func (c Check) elseWithoutZone(other Check) Check {
	c.Zoneless = &other
	return c
}

// podsGetClusterIP expects that the name leads to the cluster's own ClusterIPs
// from pods of these clusters.
func podsGetClusterIP(clusters ...string) []Check {
	var checks []Check
	for _, name := range clusters {
		own := "" // the cluster allocates them
		checks = append(checks, Check{
			Expect: fmt.Sprintf("a pod of %s gets its own ClusterIP for %s", name, world.Name),
			See: func(ctx context.Context, p *Play) (seen string, err error) {
				if seen, err = p.Visit(ctx, name, world.Name); err == nil && !strings.HasSuffix(seen, ": "+own) {
					own, err = p.Member(name).OwnClusterIPs(ctx)
				}
				return seen, err
			},
			Until: func(seen string) bool { return own != "" && seen == world.ClusterIPAnswer+": "+own },
		})
	}
	return checks
}

// podsGet expects that the name leads to the published addresses of the
// clusters in at, each of which answers HTTP itself.
func podsGet(view string, at ...string) Check {
	return visits(fmt.Sprintf("a pod of %s gets the published addresses of %s for %s",
		view, strings.Join(at, ", "), world.Name), view, world.Name, answersOf(at))
}

// outsideGets is podsGet for a client outside and a record of Domain.
func outsideGets(name string, at ...string) Check {
	c := visits(fmt.Sprintf("a client outside gets the addresses of %s for %s", strings.Join(at, ", "), name),
		world.Outside, name, answersOf(at))
	c.Outside = true
	return c
}

// nobodyGets expects that the name does not exist for pods of these clusters.
func nobodyGets(clusters ...string) []Check {
	var checks []Check
	for _, name := range clusters {
		checks = append(checks, visits(fmt.Sprintf("for a pod of %s there is no %s", name, world.Name), name,
			world.Name, []string{world.NoSuchName}))
	}
	return checks
}

// answersOf is what Visit gives for the addresses of these clusters.
func answersOf(clusters []string) []string {
	var want []string
	for _, name := range clusters {
		p := placeOf(name)
		want = append(want, fmt.Sprintf("%s%s: %s %s", world.HTTPFrom, name, p.Published[0], p.Published[1]))
	}
	return want
}

func visits(expect, view, name string, want []string) Check {
	return Check{
		Expect: expect, Want: strings.Join(want, "\n"),
		See: func(ctx context.Context, p *Play) (string, error) { return p.Visit(ctx, view, name) },
	}
}

// chain expects the whole answer of a cluster's CoreDNS.
func chain(expect, view string, want ...string) Check {
	return Check{
		Expect: "the answer of the CoreDNS of " + view + " " + expect, Want: strings.Join(want, "\n"),
		See: func(ctx context.Context, p *Play) (string, error) {
			return world.Dig(ctx, p.Member(view).DNS.String(), world.Name+".svc.cluster.local.", dns.TypeA)
		},
	}
}

// statusIs expects the standings in the status of the syncer.
func statusIs(expect string, want ...string) Check {
	return Check{
		Expect: expect, Want: strings.Join(want, "\n"), Memory: true,
		See: func(ctx context.Context, p *Play) (string, error) { return p.Syncer.MemberStatus(ctx) },
	}
}

// explainsWith expects that what a pod of the cluster gets is explained with these texts, however lines are broken.
func explainsWith(view string, texts ...string) Check {
	c := explanation(view)
	c.Until = func(seen string) bool {
		text := strings.Join(strings.Fields(seen), " ")
		return !slices.ContainsFunc(texts, func(t string) bool { return !strings.Contains(text, t) })
	}
	return c
}

func explanation(view string) Check {
	return Check{
		Expect: "kubectl federation explain says why, for a pod of " + view, Memory: true,
		See: func(ctx context.Context, p *Play) (string, error) {
			status, err := live.Socket(world.AdminSocket(p.Dir())).Status(ctx)
			if err != nil {
				return "", err
			}
			x, err := explain.Explain(status, explain.Question{Name: world.Name, Member: view})
			if err != nil {
				return "", err
			}
			var b strings.Builder
			display.Explanation(&b, x, display.Options{Now: time.Now()})
			return b.String(), nil
		},
	}
}

func placeOf(name string) *world.Place {
	i := slices.IndexFunc(world.Places, func(p *world.Place) bool { return p.Name == name })
	return world.Places[i]
}

//go:embed tables/*.txt
var tables embed.FS

// ExpectedTable is the hand-written table of that name in tables/.
func ExpectedTable(name string) world.Table {
	text, err := tables.ReadFile("tables/" + name + ".txt")
	if err != nil {
		panic(err) // embedded: a wrong name is a mistake in the program
	}
	var t world.Table
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if f[0] == "NAME" {
			continue
		}
		t = append(t, world.Row{Name: f[0], Type: f[1], TTL: f[2], Data: strings.Split(strings.Join(f[3:], " "), ", ")})
	}
	return t
}
