package retry

import (
	"container/heap"
	"time"
)

// Timers holds when each key is due: at the earliest time asked for. The zero value is empty.
type Timers[K comparable] struct {
	heap  timerHeap[K]
	times map[K]time.Time
}

type timer[K comparable] struct {
	at  time.Time
	key K
}

// Set makes the key due at that time, unless it is due earlier; the zero time is ignored.
func (t *Timers[K]) Set(key K, at time.Time) {
	if old, ok := t.times[key]; at.IsZero() || ok && !at.Before(old) {
		return
	}
	if t.times == nil {
		t.times = map[K]time.Time{}
	}
	t.times[key] = at
	heap.Push(&t.heap, timer[K]{at, key})
}

// Unset removes the key.
func (t *Timers[K]) Unset(key K) { delete(t.times, key) }

// Has reports whether the key is set.
func (t *Timers[K]) Has(key K) bool {
	_, ok := t.times[key]
	return ok
}

// Next returns the earliest time; zero if no key is set.
func (t *Timers[K]) Next() time.Time {
	for len(t.heap) > 0 {
		if first := t.heap[0]; t.times[first.key].Equal(first.at) {
			return first.at
		}
		heap.Pop(&t.heap) // it has been set to an earlier time since, or removed
	}
	return time.Time{}
}

// Due removes the keys that are due at now, and returns them in the order of their times.
func (t *Timers[K]) Due(now time.Time) (keys []K) {
	for next := t.Next(); !next.IsZero() && !now.Before(next); next = t.Next() {
		keys = append(keys, t.Pop())
	}
	return keys
}

// Pop removes the key with the earliest time, and returns it. Next must not be zero, and must have been called since
// the last change.
func (t *Timers[K]) Pop() K {
	key := t.heap[0].key
	heap.Pop(&t.heap)
	delete(t.times, key)
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
