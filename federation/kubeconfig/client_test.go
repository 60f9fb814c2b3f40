package kubeconfig

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stubborn is a transport that ignores the contexts of requests: it responds when let is closed.
type stubborn struct {
	let     chan struct{}
	current atomic.Int32
	most    atomic.Int32
	closed  atomic.Int32
}

func (s *stubborn) RoundTrip(*http.Request) (*http.Response, error) {
	n := s.current.Add(1)
	defer s.current.Add(-1)
	s.most.Store(max(s.most.Load(), n))
	<-s.let
	return &http.Response{StatusCode: http.StatusOK, Body: closes{strings.NewReader("{}"), &s.closed}}, nil
}

type closes struct {
	io.Reader
	n *atomic.Int32
}

func (c closes) Close() error { c.n.Add(1); return nil }

func get(ctx context.Context, rt http.RoundTripper, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://member.example"+path, nil)
	if err != nil {
		return err
	}
	res, err := rt.RoundTrip(req)
	if err == nil {
		err = res.Body.Close()
	}
	return err
}

func TestRequestsEnd(t *testing.T) {
	run := func(name string, f func(*testing.T, *stubborn, *ending)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stubborn{let: make(chan struct{})}
				f(t, s, newEnding(s))
			})
		})
	}
	run("X2a a request ends with its context, whatever the transport does", func(t *testing.T, s *stubborn, e *ending) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := get(ctx, e, "/a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		equal(t, "time", time.Since(began), 3*time.Second)
		close(s.let)
		synctest.Wait()
		equal(t, "bodies closed", s.closed.Load(), int32(1))
	})
	run("X2a without a context's end it ends after a minute", func(t *testing.T, s *stubborn, e *ending) {
		began := time.Now()
		if err := get(t.Context(), e, "/a?watch=true"); err == nil || err.Error() != "no answer within 1m0s" {
			t.Errorf("error %v", err)
		}
		equal(t, "time", time.Since(began), time.Minute)
		close(s.let)
	})
	run("X2a one request is left behind for each purpose", func(t *testing.T, s *stubborn, e *ending) {
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := get(ctx, e, "/a")
			if stuck := errors.Is(err, ErrStuck); stuck != (i > 0) {
				t.Errorf("request %d: %v", i, err)
			}
			cancel()
		}
		equal(t, "left behind", s.current.Load(), int32(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := get(ctx, e, "/a?watch=1"); errors.Is(err, ErrStuck) {
			t.Error("a request for another purpose waits for it")
		}
		close(s.let)
		synctest.Wait()
		if err := get(t.Context(), e, "/a"); err != nil {
			t.Errorf("after it has ended: %v", err)
		}
		equal(t, "at once", s.most.Load(), int32(2))
	})
	run("X2a one that waits for another goes on when that has ended", func(t *testing.T, s *stubborn, e *ending) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = get(ctx, e, "/a")
		time.AfterFunc(5*time.Second, func() { close(s.let) })
		began := time.Now()
		if err := get(t.Context(), e, "/a"); err != nil {
			t.Error(err)
		}
		equal(t, "time", time.Since(began), 5*time.Second)
	})
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
