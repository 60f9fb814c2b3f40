package snapshot

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Views is what readers see of a loop (S1). The loop publishes immutable values at the end of each turn; readers load
// them, and never run in the loop's goroutine or wait for it.
type Views struct {
	current  atomic.Pointer[Federation]
	services sync.Map // federation.ServiceName -> *serviceView
	// turnBegan is when the turn under way began, in nanoseconds since epoch; 0 if the loop waits for events.
	turnBegan atomic.Int64
}

// epoch is what turnBegan counts from: a monotonic clock, which no adjustment moves.
var epoch = time.Now()

// BeginTurn notes that the loop works.
func (v *Views) BeginTurn() { v.turnBegan.Store(int64(time.Since(epoch)) | 1) }

// EndTurn notes that it waits for events.
func (v *Views) EndTurn() { v.turnBegan.Store(0) }

// Stuck reports whether one turn of the loop has taken longer than limit.
func (v *Views) Stuck(limit time.Duration) bool {
	began := v.turnBegan.Load()
	return began != 0 && time.Since(epoch)-time.Duration(began) > limit
}

// List returns the services' views in order of their names.
func (v *Views) List() (list []*Service) {
	v.Each(func(s *Service) { list = append(list, s) })
	slices.SortFunc(list, func(a, b *Service) int { return federation.CompareServiceNames(a.Name, b.Name) })
	return list
}

// Current returns the last snapshot; nil before the first.
func (v *Views) Current() *Federation { return v.current.Load() }

// Set publishes a snapshot.
func (v *Views) Set(s *Federation) { v.current.Store(s) }

// SetService publishes what is known of a service.
func (v *Views) SetService(s *Service) { v.services.Store(s.Name, s) }

// RemoveService removes a service that is no longer known.
func (v *Views) RemoveService(name federation.ServiceName) { v.services.Delete(name) }

// Each calls do for each service, in no order.
func (v *Views) Each(do func(*Service)) {
	v.services.Range(func(_, view any) bool {
		do(view.(*Service))
		return true
	})
}
