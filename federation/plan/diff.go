package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
)

// Diff returns the changes that turn current into desired: one for each owner name whose RRsets differ, including their
// TTLs, with all RRsets of the name in From and To. Both lists may be in any order, with at most one RRset per name and
// type; they are not modified.
//
// The changes are in the order in which a provider must apply them (X5b):
//
//	changes of existing names, and the new names they point to   from global down
//	all other new names                                          from global down
//	deletions                                                    from topology zones up
//
// A CNAME then never points to a name that does not exist yet, or no longer exists, and never forms a loop, provided
// that both lists contain the targets of their CNAMEs. Within a row, changes are ordered by the number of CNAME links
// to the end of the chain, then by labels, then by name.
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

// Apply returns the RRsets after the changes, sorted by name and type. A change whose From does not match, or with an
// RRset of another name, is an error that says which; then no RRsets are returned.
func Apply(current []federation.RRset, changes []Change) ([]federation.RRset, error) {
	zone := byName(current)
	for _, c := range changes {
		if !federation.EqualRRsets(zone[c.Name], c.From) {
			return nil, fmt.Errorf("change of %q: the name does not have the expected RRsets", c.Name)
		}
		for _, set := range c.To {
			if set.Name != c.Name {
				return nil, fmt.Errorf("change of %q: contains an RRset of %q", c.Name, set.Name)
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

// byName groups RRsets by owner name, sorted by type. It drops RRsets without data.
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

// sortDown sorts from global down: a name comes after those that its CNAME points to.
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

// links returns the length of the CNAME chain that begins at name, or federation.MaxLinks if it is longer or loops.
func links(name federation.FQDN, sets map[federation.FQDN][]federation.RRset) int {
	for n := range federation.MaxLinks {
		if name = target(sets[name]); name == "" {
			return n
		}
	}
	return federation.MaxLinks
}

// splitNeeded separates the new names that are on the CNAME chain of a changed live name from all others.
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

// target returns the target of the CNAME among the RRsets of one name, or "".
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
