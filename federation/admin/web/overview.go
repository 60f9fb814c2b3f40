package web

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/snapshot"
)

// overview is a federation at a glance.
type overview struct {
	admin.FederationStatus
	Regions []region
	Counts  counts
	Changes []change // the newest first
	// MoreProblems is how many problems are left out.
	MoreProblems int
}

// maxProblems is how many problems are shown.
const maxProblems = 100

// region is a region with its members, on the map.
type region struct {
	Name    string // "" for members without one
	Members []member
}

type member struct {
	admin.MemberStatus
	// Zones are its topology zones as one text.
	Zones string
	// Good is whether its shards count.
	Good bool
}

// counts are how many services are in which state.
type counts struct{ Total, Published, Held, Empty int }

// change is a change of the records.
type change struct {
	snapshot.Change
	From, To string
	Latency  time.Duration
}

// overviews returns each federation at a glance.
func overviews(all []*snapshot.Federation) (list []overview) {
	for _, f := range all {
		o := overview{FederationStatus: f.Status()}
		if o.MoreProblems = max(0, len(o.Problems)-maxProblems); o.MoreProblems > 0 {
			o.Problems = o.Problems[:maxProblems]
		}
		o.Regions = regions(o.Members)
		f.Views.Each(func(s *snapshot.Service) { o.Counts.add(f, s) })
		for _, c := range f.Views.Changes() {
			o.Changes = append(o.Changes, change{
				Change: c, From: snapshot.Describe(c.From), To: snapshot.Describe(c.To),
				Latency: c.Latency.Round(time.Millisecond),
			})
		}
		list = append(list, o)
	}
	return list
}

func (c *counts) add(f *snapshot.Federation, s *snapshot.Service) {
	c.Total++
	if len(s.Held) > 0 {
		c.Held++
	}
	if answers(f, s) {
		c.Published++
	} else {
		c.Empty++
	}
}

// answers reports whether the global name of a service has an address, or the host name of a load balancer. A CNAME to
// a level further up cannot be there.
func answers(f *snapshot.Federation, s *snapshot.Service) bool {
	if slices.ContainsFunc(s.Records, func(r federation.RRset) bool { return r.Type != federation.TypeCNAME }) {
		return true
	}
	global := f.Config.OwnerName(s.Name, f.Config.Domain)
	return slices.ContainsFunc(s.Records, func(r federation.RRset) bool { return r.Name == global })
}

// regions puts the members on the map: by region, and within one by topology zones and names.
func regions(members []admin.MemberStatus) (list []region) {
	byName := map[string][]member{}
	for _, m := range members {
		byName[m.Region] = append(byName[m.Region], member{
			MemberStatus: m, Zones: strings.Join(m.Zones, ", "), Good: m.Status == "present" && !m.Drained,
		})
	}
	for name, members := range byName {
		slices.SortFunc(members, func(a, b member) int {
			return cmp.Or(cmp.Compare(a.Zones, b.Zones), cmp.Compare(a.Name, b.Name))
		})
		list = append(list, region{name, members})
	}
	slices.SortFunc(list, func(a, b region) int {
		if (a.Name == "") != (b.Name == "") {
			return len(b.Name) - len(a.Name) // those without one are last
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return list
}
