package member

import (
	"cmp"
	"container/heap"
	"time"

	"github.com/federation-dns/federation/federation"
)

// quota decides which Services count under maxServices: the oldest, by name among those created in the same second
// (H3d). A change moves at most two others across the limit, and costs O(log n) (H3e).
type quota struct {
	limit   int // 0: no limit
	within  ageHeap
	beyond  ageHeap
	entries map[federation.ServiceName]*quotaEntry
}

func newQuota(limit int) *quota {
	return &quota{
		limit: limit, within: ageHeap{youngestFirst: true}, entries: map[federation.ServiceName]*quotaEntry{},
	}
}

// exceeds reports whether a Service is beyond the limit.
func (q *quota) exceeds(name federation.ServiceName) bool {
	e := q.entries[name]
	return e != nil && e.heap == &q.beyond
}

// set adds or replaces a Service, and returns the others that this moved across the limit.
func (q *quota) set(name federation.ServiceName, created time.Time) (moved []federation.ServiceName) {
	if q.limit == 0 {
		return nil
	}
	moved = q.remove(name)
	e := &quotaEntry{name: name, created: created}
	q.entries[name] = e
	switch {
	case len(q.within.list) < q.limit:
		q.within.add(e)
	case compareAge(e, q.within.list[0]) < 0:
		moved = append(moved, q.within.moveTop(&q.beyond))
		q.within.add(e)
	default:
		q.beyond.add(e)
	}
	return moved
}

// remove removes a Service, and returns the one that counts in its place, if any.
func (q *quota) remove(name federation.ServiceName) (moved []federation.ServiceName) {
	e := q.entries[name]
	if e == nil {
		return nil
	}
	delete(q.entries, name)
	heap.Remove(e.heap, e.index)
	if e.heap == &q.within && len(q.beyond.list) > 0 {
		moved = append(moved, q.beyond.moveTop(&q.within))
	}
	return moved
}

// quotaEntry is a Service in one of the heaps of a quota.
type quotaEntry struct {
	name    federation.ServiceName
	created time.Time
	heap    *ageHeap
	index   int
}

// compareAge sorts the oldest Service first.
func compareAge(a, b *quotaEntry) int {
	return cmp.Or(a.created.Compare(b.created), federation.CompareServiceNames(a.name, b.name))
}

// ageHeap is a heap with the oldest Service on top, or the youngest.
type ageHeap struct {
	list          []*quotaEntry
	youngestFirst bool
}

func (h *ageHeap) add(e *quotaEntry) {
	e.heap = h
	heap.Push(h, e)
}

// moveTop moves the Service on top to another heap, and returns its name.
func (h *ageHeap) moveTop(to *ageHeap) federation.ServiceName {
	e := heap.Pop(h).(*quotaEntry)
	to.add(e)
	return e.name
}

func (h *ageHeap) Len() int { return len(h.list) }
func (h *ageHeap) Less(i, j int) bool {
	return (compareAge(h.list[i], h.list[j]) < 0) != h.youngestFirst
}

func (h *ageHeap) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].index, h.list[j].index = i, j
}

// Push implements heap.Interface.
func (h *ageHeap) Push(x any) {
	e := x.(*quotaEntry)
	e.index = len(h.list)
	h.list = append(h.list, e)
}

// Pop implements heap.Interface.
func (h *ageHeap) Pop() any {
	last := len(h.list) - 1
	e := h.list[last]
	h.list[last] = nil
	h.list = h.list[:last]
	return e
}
