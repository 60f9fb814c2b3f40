// Package lookup remembers what a provider has to look for once, such as the
// zone that it writes to.
package lookup

import (
	"context"
	"fmt"
	"sync"

	"github.com/federation-dns/federation/federation/provider"
)

// Cached is a value that is looked for when it is first needed. Its methods may
// be called by several goroutines.
type Cached[T any] struct {
	find func(context.Context) (T, error)
	turn chan struct{} // one looks at a time

	mu    sync.Mutex
	found *T
}

// New returns a Cached that has not been looked for.
func New[T any](find func(context.Context) (T, error)) *Cached[T] {
	return &Cached[T]{find: find, turn: make(chan struct{}, 1)}
}

// Get returns the value, and looks for it if it is not known; an error is not
// remembered. One call looks at a time, the others wait for it, or until ctx
// ends: the error says then that nothing was sent.
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

// Forget has the value looked for anew when it is next needed.
func (c *Cached[T]) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = nil
}
