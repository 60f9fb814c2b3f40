package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// Diff returns the changes that turn current into desired: one for each owner
// name whose RRsets differ, with all of them in From and To. Both lists may be
// in any order; they are not changed.
//
// The changes are in the order in which a provider is to make them (X5b):
// changes of live names, then new names, then deletions; by name within each.
// Where a CNAME would lead to a name that is not there yet, that name comes
// first; a name that CNAMEs lead to is deleted after them.
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
	sortByDepth(live, func(c Change) int { return 0 })
	toDepth := depths(added, to)
	sortByDepth(added, func(c Change) int { return toDepth(c.Name) })
	fromDepth := depths(deleted, from)
	sortByDepth(deleted, func(c Change) int { return -fromDepth(c.Name) })

	needed, others := splitNeeded(live, added, to)
	return slices.Concat(needed, live, others, deleted)
}

// Apply returns the RRsets after the changes, sorted by name and type. A
// change whose From is not what is there is an error that names it; then
// nothing is returned.
func Apply(current []federation.RRset, changes []Change) ([]federation.RRset, error) {
	zone := byName(current)
	for _, c := range changes {
		if !federation.EqualRRsets(zone[c.Name], c.From) {
			return nil, fmt.Errorf("change of %q: other RRsets than expected", c.Name)
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

// byName groups RRsets by owner name, sorted by type.
func byName(sets []federation.RRset) map[federation.FQDN][]federation.RRset {
	names := make(map[federation.FQDN][]federation.RRset)
	for _, s := range sets {
		names[s.Name] = append(names[s.Name], s)
	}
	for _, at := range names {
		slices.SortFunc(at, federation.CompareRRsets)
	}
	return names
}

func sortByDepth(changes []Change, depth func(Change) int) {
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(depth(a), depth(b)), cmp.Compare(a.Name, b.Name))
	})
}

// depths returns for a name among the changes how many CNAMEs lead on from it
// to other names among them.
func depths(changes []Change, sets map[federation.FQDN][]federation.RRset) func(federation.FQDN) int {
	among := make(map[federation.FQDN]bool, len(changes))
	for _, c := range changes {
		among[c.Name] = true
	}
	return func(name federation.FQDN) int {
		for depth := 0; ; depth++ {
			name = target(sets[name])
			if !among[name] || depth == len(changes) {
				return depth
			}
		}
	}
}

// splitNeeded parts the new names into those that a live name's CNAME chain
// runs through, and all others; both keep their order.
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
