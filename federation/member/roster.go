package member

import (
	"cmp"
	"container/heap"
	"time"

	"github.com/federation-dns/federation/federation"
)

// roster says which Services count where only so many may: the oldest, by name among those of one second (H3d). A change
// moves at most two others, and costs the logarithm of their number (H3e).
type roster struct {
	most   int // 0: no bound
	counts ranking
	over   ranking
	at     map[federation.ServiceName]*ranked
}

func newRoster(most int) *roster {
	return &roster{most: most, counts: ranking{youngestFirst: true}, at: map[federation.ServiceName]*ranked{}}
}

// isOver reports whether a Service is beyond the bound.
func (r *roster) isOver(name federation.ServiceName) bool {
	e := r.at[name]
	return e != nil && e.in == &r.over
}

// set adds a Service, or notes that it is another one of the same name, and returns the others that have crossed the
// bound.
func (r *roster) set(name federation.ServiceName, created time.Time) (moved []federation.ServiceName) {
	if r.most == 0 {
		return nil
	}
	moved = r.remove(name)
	e := &ranked{name: name, created: created}
	r.at[name] = e
	switch {
	case len(r.counts.list) < r.most:
		r.counts.add(e)
	case compareRanked(e, r.counts.list[0]) < 0:
		moved = append(moved, r.counts.give(&r.over))
		r.counts.add(e)
	default:
		r.over.add(e)
	}
	return moved
}

// remove takes a Service off, and returns the one that counts now instead, if there is one.
func (r *roster) remove(name federation.ServiceName) (moved []federation.ServiceName) {
	e := r.at[name]
	if e == nil {
		return nil
	}
	delete(r.at, name)
	heap.Remove(e.in, e.place)
	if e.in == &r.counts && len(r.over.list) > 0 {
		moved = append(moved, r.over.give(&r.counts))
	}
	return moved
}

// ranked is a Service in a roster.
type ranked struct {
	name    federation.ServiceName
	created time.Time
	in      *ranking
	place   int
}

func compareRanked(a, b *ranked) int {
	return cmp.Or(a.created.Compare(b.created), federation.CompareServiceNames(a.name, b.name))
}

// ranking is a heap with the oldest Service on top, or the youngest.
type ranking struct {
	list          []*ranked
	youngestFirst bool
}

func (r *ranking) add(e *ranked) {
	e.in = r
	heap.Push(r, e)
}

// give moves the Service on top to another ranking, and returns its name.
func (r *ranking) give(to *ranking) federation.ServiceName {
	e := heap.Pop(r).(*ranked)
	to.add(e)
	return e.name
}

func (r *ranking) Len() int { return len(r.list) }
func (r *ranking) Less(i, j int) bool {
	return (compareRanked(r.list[i], r.list[j]) < 0) != r.youngestFirst
}

func (r *ranking) Swap(i, j int) {
	r.list[i], r.list[j] = r.list[j], r.list[i]
	r.list[i].place, r.list[j].place = i, j
}

// Push implements heap.Interface.
func (r *ranking) Push(x any) {
	e := x.(*ranked)
	e.place = len(r.list)
	r.list = append(r.list, e)
}

// Pop implements heap.Interface.
func (r *ranking) Pop() any {
	last := len(r.list) - 1
	e := r.list[last]
	r.list[last] = nil
	r.list = r.list[:last]
	return e
}
