package federation

import (
	"sync"
	"time"
)

// negatives are answers without data, each kept for a moment, as the cache
// plugin keeps no CNAME with NXDOMAIN (Q8c). It may be used by many at once.
type negatives struct {
	mu   sync.Mutex
	size int
	kept map[negativeKey]negative
}

// negativeKey is what was asked for.
type negativeKey struct {
	name  string
	qtype uint16
	do    bool
}

type negative struct {
	until time.Time
	found *found
}

func newNegatives(size int) *negatives {
	return &negatives{size: size, kept: map[negativeKey]negative{}}
}

// get returns the answer that is kept, nil if there is none.
func (n *negatives) get(key negativeKey, now time.Time) *found {
	n.mu.Lock()
	defer n.mu.Unlock()
	if kept, ok := n.kept[key]; ok && now.Before(kept.until) {
		return kept.found
	}
	return nil
}

// add keeps the answer, instead of any other one if there is no room.
func (n *negatives) add(key negativeKey, f *found, until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.kept[key]; !ok && len(n.kept) >= n.size {
		for other := range n.kept {
			delete(n.kept, other)
			break
		}
	}
	n.kept[key] = negative{until: until, found: f}
}
