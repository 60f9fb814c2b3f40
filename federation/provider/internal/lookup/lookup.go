// Package lookup caches what a provider looks up once, such as the zone that it writes to.
package lookup

import (
	"context"
	"fmt"
	"sync"

	"github.com/federation-dns/federation/federation/provider"
)

// Cached is a value that is looked up when it is first needed. Its methods may be called by several goroutines.
type Cached[T any] struct {
	find func(context.Context) (T, error)
	turn chan struct{} // one lookup at a time

	mu    sync.Mutex
	found *T
}

// New returns a Cached without a value.
func New[T any](find func(context.Context) (T, error)) *Cached[T] {
	return &Cached[T]{find: find, turn: make(chan struct{}, 1)}
}

// Get returns the value, and looks it up if it is not known; an error is not cached. One call does so at a time, the
// others wait for it or until ctx ends: the error then wraps provider.ErrNotSent.
func (c *Cached[T]) Get(ctx context.Context) (none T, err error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", provider.ErrNotSent, ctx.Err())
	}
	if ctx.Err() != nil {
		return none, fmt.Errorf("%w: %w", provider.ErrNotSent, ctx.Err())
	}
	c.mu.Lock()
	found := c.found
	c.mu.Unlock()
	if found != nil {
		return *found, nil
	}
	value, err := c.find(ctx)
	if err != nil {
		return value, err
	}
	c.mu.Lock()
	c.found = &value
	c.mu.Unlock()
	return value, nil
}

// Forget makes the next Get look the value up again.
func (c *Cached[T]) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = nil
}
