package scenario

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/test/world"
)

// zoneless makes steps of the walk-through those of one without a DNS zone: instead of the zone's records they look at
// what a pod of each cluster is answered.
func zoneless(steps []Step) []Step {
	for i := range steps {
		s := &steps[i]
		s.Name = strings.TrimSuffix(s.Name, ", and the records from outside")
		s.Name = strings.TrimSuffix(s.Name, ", and its records")
		s.Name = strings.Replace(s.Name, "the DNS server of "+world.Domain+" and the syncer", "and the syncer", 1)
		s.Does = slices.DeleteFunc(s.Does, func(line string) bool { return strings.HasPrefix(line, "dig axfr ") })
		s.Expect = slices.DeleteFunc(s.Expect, func(c Check) bool { return c.Outside })
		for j := range s.Expect {
			switch c := &s.Expect[j]; {
			case c.Zoneless != nil:
				*c = *c.Zoneless
			case c.Records:
				*c = answersAs(*c)
			}
		}
	}
	return steps
}

// answersAs expects, instead of the records of a table, the answers that pods of all clusters get by them: their own
// ClusterIPs while their shard is healthy, or else the addresses that the levels of their cluster lead to.
func answersAs(c Check) Check {
	table := ExpectedTable(c.Table)
	global, _ := table.Find(world.Name+".svc."+world.Domain+".", "A")
	var want, own, led, there []string
	for _, p := range world.Places {
		published := slices.Contains(global.Data, p.Published[0].String())
		if published {
			there = append(there, p.Name)
		}
		answer := ownClusterIP
		if slices.Contains(c.Healthy, p.Name) || c.Healthy == nil && published {
			own = append(own, p.Name)
		} else {
			answer = ledTo(table, p)
			led = append(led, p.Name)
		}
		want = append(want, fmt.Sprintf("%-17s %s", p.Name, answer))
	}
	c.Want = strings.Join(want, "\n")
	c.Expect = saying(own, led, there)
	c.See = func(ctx context.Context, p *Play) (string, error) { return seeAnswers(ctx, p) }
	return c
}

// seeAnswers has a line for each cluster, or each of these: what a pod there is answered.
func seeAnswers(ctx context.Context, p *Play, clusters ...string) (string, error) {
	var seen []string
	for _, m := range p.Members() {
		if len(clusters) > 0 && !slices.Contains(clusters, m.Name) {
			continue
		}
		addrs, err := p.Resolve(ctx, m.Name, world.Name)
		if err != nil {
			return "", err
		}
		seen = append(seen, fmt.Sprintf("%-17s %s", m.Name, answerOf(m.Place, addrs)))
	}
	return strings.Join(seen, "\n"), nil
}

// podsStay expects that pods of these clusters are led to one cluster now, and for that long.
func podsStay(expect, to string, hold time.Duration, from ...string) Check {
	addrs := placeOf(to).Published
	var want []string
	for _, name := range from {
		want = append(want, fmt.Sprintf("%-17s %s %s", name, addrs[0], addrs[1]))
	}
	return Check{
		Expect: expect + ": pods of other clusters are led there", Want: strings.Join(want, "\n"), Hold: hold,
		See: func(ctx context.Context, p *Play) (string, error) { return seeAnswers(ctx, p, from...) },
	}
}

// saying says in a line which pods get their own cluster's ClusterIP, and where the others are led to.
func saying(own, led, there []string) string {
	var parts []string
	if len(own) > 0 {
		parts = append(parts, "pods of "+all(own)+" get the ClusterIP of their own cluster")
	}
	switch {
	case len(led) > 0 && len(there) > 0:
		parts = append(parts, "pods of "+all(led)+" are led to "+strings.Join(there, ", "))
	case len(led) > 0:
		parts = append(parts, "for pods of "+all(led)+" there is no such name")
	}
	return strings.Join(parts, "; ")
}

// all lists clusters.
func all(clusters []string) string {
	if len(clusters) == len(world.Places) {
		return "all clusters"
	}
	return strings.Join(clusters, ", ")
}

const ownClusterIP = "its own ClusterIP"

// ledTo is what the levels of a place lead to.
func ledTo(table world.Table, p *world.Place) string {
	name := world.Name + ".svc." + p.Zone + "." + world.Domain + "."
	for {
		up, ok := table.Find(name, "CNAME")
		if !ok {
			break
		}
		name = up.Data[0]
	}
	var data []string
	for _, typ := range []string{"A", "AAAA"} {
		row, _ := table.Find(name, typ)
		data = append(data, row.Data...)
	}
	if len(data) == 0 {
		return world.NoSuchName
	}
	return strings.Join(data, " ")
}

// answerOf says what a pod of the place got.
func answerOf(p *world.Place, addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return world.NoSuchName
	}
	var text []string
	own := 0
	for _, a := range addrs {
		if slices.ContainsFunc(p.ServiceCIDRs, func(c netip.Prefix) bool { return c.Contains(a) }) {
			own++
		}
		text = append(text, a.String())
	}
	if own == len(addrs) {
		return ownClusterIP
	}
	return strings.Join(text, " ")
}
