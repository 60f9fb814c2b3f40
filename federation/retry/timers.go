package retry

import (
	"container/heap"
	"time"
)

// Timers says when each key is due though nothing happens: the earliest time asked for counts. The zero value is
// empty.
type Timers[K comparable] struct {
	heap timerHeap[K]
	at   map[K]time.Time
}

type timer[K comparable] struct {
	at  time.Time
	key K
}

// Set asks for the key at that time; zero asks for nothing.
func (t *Timers[K]) Set(key K, at time.Time) {
	if old, ok := t.at[key]; at.IsZero() || ok && !at.Before(old) {
		return
	}
	if t.at == nil {
		t.at = map[K]time.Time{}
	}
	t.at[key] = at
	heap.Push(&t.heap, timer[K]{at, key})
}

// Unset takes the key out.
func (t *Timers[K]) Unset(key K) { delete(t.at, key) }

// Has reports whether the key was asked for, and is not taken out yet.
func (t *Timers[K]) Has(key K) bool {
	_, ok := t.at[key]
	return ok
}

// Next is the earliest time asked for; zero if there is none.
func (t *Timers[K]) Next() time.Time {
	for len(t.heap) > 0 {
		if first := t.heap[0]; t.at[first.key].Equal(first.at) {
			return first.at
		}
		heap.Pop(&t.heap) // an earlier one has been asked for since, or none any more
	}
	return time.Time{}
}

// Due takes out the keys whose time has come.
func (t *Timers[K]) Due(now time.Time) (keys []K) {
	for at := t.Next(); !at.IsZero() && !now.Before(at); at = t.Next() {
		keys = append(keys, t.Pop())
	}
	return keys
}

// Pop takes out the key of the earliest time; next must not be zero.
func (t *Timers[K]) Pop() K {
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
