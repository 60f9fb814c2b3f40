package cloud

import (
	"context"
	"net/http"
	"sync"
)

// Session is an SDK's client with credentials, an S. It is loaded when it is first needed, and again after Forget:
// files may hold new credentials by then. Its methods may be called by several goroutines.
type Session[S any] struct {
	// Load returns a client and its transport. The transport of an earlier session is to be used again, nil if there is
	// none; with an error too, the one returned is kept.
	Load func(ctx context.Context, kept *http.Transport) (S, *http.Transport, error)

	loading sync.Mutex // held during Load
	mu      sync.Mutex
	loaded  bool
	current S
	web     *http.Transport
}

// Get returns the client. It is loaded in the background, as a metadata server may be slow: Get returns when ctx ends.
func (s *Session[S]) Get(ctx context.Context) (S, error) {
	if current, ok := s.get(); ok {
		return current, nil
	}
	type result struct {
		current S
		err     error
	}
	done := make(chan result, 1)
	go func() {
		current, err := s.load(ctx)
		done <- result{current, err}
	}()
	select {
	case r := <-done:
		return r.current, r.err
	case <-ctx.Done():
		var none S
		return none, ctx.Err()
	}
}

func (s *Session[S]) get() (S, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.loaded
}

func (s *Session[S]) load(ctx context.Context) (S, error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	if current, ok := s.get(); ok {
		return current, nil
	}
	s.mu.Lock()
	kept := s.web
	s.mu.Unlock()
	current, web, err := s.Load(ctx, kept)
	s.mu.Lock()
	defer s.mu.Unlock()
	if web != nil {
		s.web = web
	}
	if err == nil {
		s.current, s.loaded = current, true
	}
	return current, err
}

// Forget makes the next Get load the credentials again.
func (s *Session[S]) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var none S
	s.current, s.loaded = none, false
}

// Close closes idle connections. The session can be used again.
func (s *Session[S]) Close() error {
	s.Forget()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.web != nil {
		s.web.CloseIdleConnections()
	}
	s.web = nil
	return nil
}
