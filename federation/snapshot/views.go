package snapshot

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Views holds what readers see of a loop (S1). Only the loop may call the methods that publish: BeginTurn, EndTurn,
// Set, SetService, RemoveService and AddChange; the others may be called from any goroutine. The zero value has no
// snapshot yet.
type Views struct {
	current  atomic.Pointer[Federation]
	services sync.Map // federation.ServiceName -> *cell
	// known changes whenever a service becomes known, or is no longer: then sorted is out of date.
	known  atomic.Uint64
	sorted atomic.Pointer[sorted]
	// turnBegan is when the turn under way began, in nanoseconds since epoch; 0 while the loop waits for events.
	turnBegan atomic.Int64
	log       changeLog
	feed      feed
	mirrors   sync.Map // by member: MirrorState
	found     sync.Map // by member: *mirror.Contents
}

// cell has the view of one service. It stays the same when the service changes.
type cell = atomic.Pointer[Service]

// sorted are the services in the order of their names, as of one state of Views.known.
type sorted struct {
	known uint64
	cells []*cell
}

// epoch is what turnBegan counts from, on the monotonic clock.
var epoch = time.Now()

// BeginTurn notes that the loop has begun to work.
func (v *Views) BeginTurn() { v.turnBegan.Store(int64(time.Since(epoch)) | 1) }

// EndTurn notes that the loop waits for events again.
func (v *Views) EndTurn() { v.turnBegan.Store(0) }

// Stuck reports whether one turn of the loop has taken longer than limit.
func (v *Views) Stuck(limit time.Duration) bool {
	began := v.turnBegan.Load()
	return began != 0 && time.Since(epoch)-time.Duration(began) > limit
}

// List returns the services in the order of their names. They are sorted only after one was added or removed.
func (v *Views) List() []*Service {
	order := v.sorted.Load()
	if known := v.known.Load(); order == nil || order.known != known {
		order = v.sort(known)
		v.sorted.Store(order)
	}
	list := make([]*Service, 0, len(order.cells))
	for _, c := range order.cells {
		if s := c.Load(); s != nil { // it has not been removed since
			list = append(list, s)
		}
	}
	return list
}

func (v *Views) sort(known uint64) *sorted {
	type named struct {
		name federation.ServiceName
		cell *cell
	}
	var list []named
	v.services.Range(func(name, c any) bool {
		list = append(list, named{name.(federation.ServiceName), c.(*cell)})
		return true
	})
	slices.SortFunc(list, func(a, b named) int { return federation.CompareServiceNames(a.name, b.name) })
	order := &sorted{known: known, cells: make([]*cell, len(list))}
	for i := range list {
		order.cells[i] = list[i].cell
	}
	return order
}

// Current returns the last snapshot; nil before the first.
func (v *Views) Current() *Federation { return v.current.Load() }

// Set publishes a snapshot, which must not be changed afterwards.
func (v *Views) Set(s *Federation) { v.current.Store(s) }

// SetService publishes the state of a service, which must not be changed afterwards.
func (v *Views) SetService(s *Service) {
	defer v.feed.add(s.Name)
	if c, ok := v.services.Load(s.Name); ok {
		c.(*cell).Store(s)
		return
	}
	c := &cell{}
	c.Store(s)
	v.services.Store(s.Name, c)
	v.known.Add(1)
}

// Service returns the state of a service; nil if none is known.
func (v *Views) Service(name federation.ServiceName) *Service {
	c, ok := v.services.Load(name)
	if !ok {
		return nil
	}
	return c.(*cell).Load()
}

// RemoveService removes a service that is no longer known.
func (v *Views) RemoveService(name federation.ServiceName) {
	defer v.feed.add(name)
	if c, ok := v.services.LoadAndDelete(name); ok {
		c.(*cell).Store(nil)
		v.known.Add(1)
	}
}

// Each calls do for each service, in no order.
func (v *Views) Each(do func(*Service)) {
	v.services.Range(func(_, c any) bool {
		if s := c.(*cell).Load(); s != nil {
			do(s)
		}
		return true
	})
}
