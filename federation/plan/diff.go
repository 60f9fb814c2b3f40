package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
)

// maxLinks is the longest CNAME chain that the order of changes looks at, as
// the plugin follows no longer one either (Q8a). Those of the publishing rule
// have three links at most: topology zone, region, global, and a host name
// outside.
const maxLinks = 8

// Diff returns the changes that turn current into desired: one for each owner
// name whose RRsets differ, TTLs included, with all of them in From and To.
// Both lists may be in any order, with at most one RRset of a name and type;
// they are not changed.
//
// The changes are in the order in which a provider is to make them (X5b):
//
//	changes of live names, and the new names they lead to   from global down
//	all other new names                                     from global down
//	deletions                                               from topology zones up
//
// So a CNAME never leads to a name that is not there yet or not there any
// more, nor in a circle, if both lists hold what their CNAMEs lead to. Within a
// row the order is by CNAME links to the end, then by labels, then by name.
func Diff(current, desired []federation.RRset) []Change {
	from, to := byName(current), byName(desired)
	var live, added, deleted []Change
	for name, have := range from {
		c := Change{Name: name, From: have, To: to[name]}
		switch {
		case len(c.To) == 0:
			deleted = append(deleted, c)
		case !slices.EqualFunc(c.From, c.To, federation.RRset.Equal):
			live = append(live, c)
		}
	}
	for name, want := range to {
		if len(from[name]) == 0 {
			added = append(added, Change{Name: name, To: want})
		}
	}
	needed, others := splitNeeded(live, added, to)
	first := slices.Concat(live, needed)
	sortDown(first, to)
	sortDown(others, to)
	sortDown(deleted, from)
	slices.Reverse(deleted)
	return slices.Concat(first, others, deleted)
}

// Apply returns the RRsets after the changes, sorted by name and type. A
// change whose From is not what is there, or whose RRsets have another name, is
// an error that names it; then nothing is returned.
func Apply(current []federation.RRset, changes []Change) ([]federation.RRset, error) {
	zone := byName(current)
	for _, c := range changes {
		if !federation.EqualRRsets(zone[c.Name], c.From) {
			return nil, fmt.Errorf("change of %q: other RRsets than expected", c.Name)
		}
		for _, set := range c.To {
			if set.Name != c.Name {
				return nil, fmt.Errorf("change of %q: an RRset of %q in it", c.Name, set.Name)
			}
		}
		zone[c.Name] = c.To
	}
	var out []federation.RRset
	for _, sets := range zone {
		out = append(out, sets...)
	}
	slices.SortFunc(out, federation.CompareRRsets)
	return out, nil
}

// byName groups RRsets by owner name, sorted by type. One without data is
// none.
func byName(sets []federation.RRset) map[federation.FQDN][]federation.RRset {
	names := make(map[federation.FQDN][]federation.RRset)
	for _, s := range sets {
		if len(s.Data) > 0 {
			names[s.Name] = append(names[s.Name], s)
		}
	}
	for _, at := range names {
		slices.SortFunc(at, federation.CompareRRsets)
	}
	return names
}

// sortDown sorts from global down: a name after those that its CNAME leads to.
func sortDown(changes []Change, sets map[federation.FQDN][]federation.RRset) {
	type rank struct{ links, labels int }
	ranks := make(map[federation.FQDN]rank, len(changes))
	for _, c := range changes {
		ranks[c.Name] = rank{links(c.Name, sets), strings.Count(string(c.Name), ".")}
	}
	slices.SortFunc(changes, func(a, b Change) int {
		x, y := ranks[a.Name], ranks[b.Name]
		return cmp.Or(cmp.Compare(x.links, y.links), cmp.Compare(x.labels, y.labels), cmp.Compare(a.Name, b.Name))
	})
}

// links is how many CNAMEs lead on from the name; maxLinks if more, or if they
// lead in a circle.
func links(name federation.FQDN, sets map[federation.FQDN][]federation.RRset) int {
	for n := range maxLinks {
		if name = target(sets[name]); name == "" {
			return n
		}
	}
	return maxLinks
}

// splitNeeded parts the new names into those that the CNAME chain of a changed
// live name runs through, and all others.
func splitNeeded(live, added []Change, to map[federation.FQDN][]federation.RRset) (needed, others []Change) {
	on := map[federation.FQDN]bool{}
	for _, c := range live {
		for name := target(c.To); name != "" && !on[name]; name = target(to[name]) {
			on[name] = true
		}
	}
	for _, c := range added {
		if on[c.Name] {
			needed = append(needed, c)
		} else {
			others = append(others, c)
		}
	}
	return needed, others
}

// target is where the CNAME among the RRsets of one name leads, or "".
func target(sets []federation.RRset) federation.FQDN {
	for _, s := range sets {
		if s.Type == federation.TypeCNAME && len(s.Data) == 1 {
			return federation.FQDN(s.Data[0])
		}
	}
	return ""
}

// Names returns the owner names of the RRsets, sorted, each once.
func Names(sets []federation.RRset) []federation.FQDN {
	return slices.Sorted(maps.Keys(byName(sets)))
}
