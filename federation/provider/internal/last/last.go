// Package last orders changes so that names that failed come last, and never starve the others (X5a).
package last

import (
	"cmp"
	"slices"
	"sync"

	"github.com/federation-dns/federation/federation"
)

// maxNames bounds the memory. Beyond it all names are forgotten, which costs one round in which failing names come
// first.
const maxNames = 20_000

// Names are the names that have failed. Its methods may be called by several goroutines; the zero value has none.
type Names struct {
	mu     sync.Mutex
	groups map[federation.FQDN]int // how many may be sent together
}

// Failed records that changes of these names failed. At most group of them are sent together next time.
func (n *Names) Failed(group int, names ...federation.FQDN) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.groups == nil || len(n.groups)+len(names) > maxNames {
		n.groups = map[federation.FQDN]int{}
	}
	for _, name := range names {
		n.groups[name] = max(1, group)
	}
}

// Done records that changes of these names were made, or settled otherwise.
func (n *Names) Done(names ...federation.FQDN) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range names {
		delete(n.groups, name)
	}
}

// Order splits items into those of names that have not failed and, to be sent after them, groups of those that have,
// the larger groups first. The items of one name keep their order.
func Order[T any](n *Names, items []T, name func(T) federation.FQDN) (first []T, groups [][]T) {
	n.mu.Lock()
	defer n.mu.Unlock()
	group := func(item T) int { return n.groups[name(item)] }
	var failed []T
	for _, item := range items {
		if group(item) == 0 {
			first = append(first, item)
		} else {
			failed = append(failed, item)
		}
	}
	slices.SortStableFunc(failed, func(a, b T) int { return cmp.Compare(group(b), group(a)) })
	for len(failed) > 0 {
		size := group(failed[0])
		i := 1
		for i < min(size, len(failed)) && group(failed[i]) == size {
			i++
		}
		groups, failed = append(groups, failed[:i:i]), failed[i:]
	}
	return first, groups
}
