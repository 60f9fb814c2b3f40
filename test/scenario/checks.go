package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// records expects the hand-written table of that name in the zone.
func records(expect, table string) Check {
	return Check{
		Expect: expect, Want: ExpectedTable(table).String(), Records: true,
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
	c.See = func(ctx context.Context, p *Play) (string, error) {
		t, err := p.Records(ctx)
		return t.String(), err
	}
	return c
}

// podsGetClusterIP expects that the name leads to the cluster's own ClusterIPs
// from pods of these clusters.
func podsGetClusterIP(clusters ...string) []Check {
	var checks []Check
	for _, name := range clusters {
		p := placeOf(name)
		want := fmt.Sprintf("%s: %s %s", isClusterIP, p.ClusterIPs[0], p.ClusterIPs[1])
		checks = append(checks, visits(fmt.Sprintf("a pod of %s gets its own ClusterIP for %s", name, Name), name, Name, []string{want}))
	}
	return checks
}

// podsGet expects that the name leads to the published addresses of the
// clusters in at, each of which answers HTTP itself.
func podsGet(view string, at ...string) Check {
	return visits(fmt.Sprintf("a pod of %s gets the published addresses of %s for %s", view, strings.Join(at, ", "), Name), view, Name, answersOf(at))
}

// outsideGets is podsGet for a client outside and a record of Domain.
func outsideGets(name string, at ...string) Check {
	return visits(fmt.Sprintf("a client outside gets the addresses of %s for %s", strings.Join(at, ", "), name), Outside, name, answersOf(at))
}

// nobodyGets expects that the name does not exist for pods of these clusters.
func nobodyGets(clusters ...string) []Check {
	var checks []Check
	for _, name := range clusters {
		checks = append(checks, visits(fmt.Sprintf("for a pod of %s there is no %s", name, Name), name, Name, []string{notFound}))
	}
	return checks
}

// answersOf is what Visit gives for the addresses of these clusters.
func answersOf(clusters []string) []string {
	var want []string
	for _, name := range clusters {
		p := placeOf(name)
		want = append(want, fmt.Sprintf("%s%s: %s %s", httpFrom, name, p.Published[0], p.Published[1]))
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
func chain(view string, want ...string) Check {
	return Check{
		Expect: "the answer of the CoreDNS of " + view + " has the whole chain", Want: strings.Join(want, "\n"),
		See: func(ctx context.Context, p *Play) (string, error) {
			return Dig(ctx, p.Member(view).DNS.String(), Name+".svc.cluster.local.", dns.TypeA)
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

func placeOf(name string) *Place {
	i := slices.IndexFunc(Places, func(p *Place) bool { return p.Name == name })
	return Places[i]
}
