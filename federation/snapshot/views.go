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
	services sync.Map // federation.ServiceName -> *Service
	// turnBegan is when the turn under way began, in nanoseconds since epoch; 0 while the loop waits for events.
	turnBegan atomic.Int64
	log       changeLog
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

// List returns the services in the order of their names.
func (v *Views) List() (list []*Service) {
	v.Each(func(s *Service) { list = append(list, s) })
	slices.SortFunc(list, func(a, b *Service) int { return federation.CompareServiceNames(a.Name, b.Name) })
	return list
}

// Current returns the last snapshot; nil before the first.
func (v *Views) Current() *Federation { return v.current.Load() }

// Set publishes a snapshot, which must not be changed afterwards.
func (v *Views) Set(s *Federation) { v.current.Store(s) }

// SetService publishes the state of a service, which must not be changed afterwards.
func (v *Views) SetService(s *Service) { v.services.Store(s.Name, s) }

// Service returns the state of a service; nil if none is known.
func (v *Views) Service(name federation.ServiceName) *Service {
	view, _ := v.services.Load(name)
	s, _ := view.(*Service)
	return s
}

// RemoveService removes a service that is no longer known.
func (v *Views) RemoveService(name federation.ServiceName) { v.services.Delete(name) }

// Each calls do for each service, in no order.
func (v *Views) Each(do func(*Service)) {
	v.services.Range(func(_, view any) bool {
		do(view.(*Service))
		return true
	})
}
