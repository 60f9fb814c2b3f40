package syncer

import (
	"container/heap"
	"time"
)

// timers says when each key is due though nothing happens: the earliest time asked for counts. The zero value is
// empty.
type timers[K comparable] struct {
	heap timerHeap[K]
	at   map[K]time.Time
}

type timer[K comparable] struct {
	at  time.Time
	key K
}

// set asks for the key at that time; zero asks for nothing.
func (t *timers[K]) set(key K, at time.Time) {
	if old, ok := t.at[key]; at.IsZero() || ok && !at.Before(old) {
		return
	}
	if t.at == nil {
		t.at = map[K]time.Time{}
	}
	t.at[key] = at
	heap.Push(&t.heap, timer[K]{at, key})
}

// unset takes the key out.
func (t *timers[K]) unset(key K) { delete(t.at, key) }

// next is the earliest time asked for; zero if there is none.
func (t *timers[K]) next() time.Time {
	for len(t.heap) > 0 {
		if first := t.heap[0]; t.at[first.key].Equal(first.at) {
			return first.at
		}
		heap.Pop(&t.heap) // an earlier one has been asked for since, or none any more
	}
	return time.Time{}
}

// due takes out the keys whose time has come.
func (t *timers[K]) due(now time.Time) (keys []K) {
	for at := t.next(); !at.IsZero() && !now.Before(at); at = t.next() {
		keys = append(keys, t.pop())
	}
	return keys
}

// pop takes out the key of the earliest time; next must not be zero.
func (t *timers[K]) pop() K {
	key := t.heap[0].key
	heap.Pop(&t.heap)
	delete(t.at, key)
	return key
}

type timerHeap[K comparable] []timer[K]

func (h timerHeap[K]) Len() int           { return len(h) }
func (h timerHeap[K]) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap[K]) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *timerHeap[K]) Push(x any)        { *h = append(*h, x.(timer[K])) }
func (h *timerHeap[K]) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
