package syncer

import (
	"container/heap"
	"time"

	"github.com/federation-dns/federation/federation"
)

// timers says when a service has to be planned again though nothing happens:
// the earliest time asked for counts. The zero value is empty.
type timers struct {
	heap timerHeap
	at   map[federation.ServiceName]time.Time
}

type timer struct {
	at   time.Time
	name federation.ServiceName
}

// set asks for the service at that time; zero asks for nothing.
func (t *timers) set(name federation.ServiceName, at time.Time) {
	if old, ok := t.at[name]; at.IsZero() || ok && !at.Before(old) {
		return
	}
	if t.at == nil {
		t.at = map[federation.ServiceName]time.Time{}
	}
	t.at[name] = at
	heap.Push(&t.heap, timer{at, name})
}

// next is the earliest time asked for; zero if there is none.
func (t *timers) next() time.Time {
	for len(t.heap) > 0 {
		if first := t.heap[0]; t.at[first.name].Equal(first.at) {
			return first.at
		}
		heap.Pop(&t.heap) // an earlier one has been asked for since
	}
	return time.Time{}
}

// due takes out the services whose time has come.
func (t *timers) due(now time.Time) (names []federation.ServiceName) {
	for at := t.next(); !at.IsZero() && !now.Before(at); at = t.next() {
		name := t.heap[0].name
		heap.Pop(&t.heap)
		delete(t.at, name)
		names = append(names, name)
	}
	return names
}

type timerHeap []timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)        { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
