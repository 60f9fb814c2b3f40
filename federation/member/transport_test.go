package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stubborn is a transport that passes over the contexts of requests: it answers when it is let.
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
				f(t, s, &ending{next: s, left: map[string]chan struct{}{}})
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
			if stuck := errors.Is(err, errStuck); stuck != (i > 0) {
				t.Errorf("request %d: %v", i, err)
			}
			cancel()
		}
		equal(t, "left behind", s.current.Load(), int32(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := get(ctx, e, "/a?watch=1"); errors.Is(err, errStuck) {
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

// answer is a transport that gives this body, in pieces.
func answer(contentType, body string, times int) http.RoundTripper {
	return roundTripper(func(*http.Request) (*http.Response, error) {
		var parts []io.Reader
		for range times {
			parts = append(parts, strings.NewReader(body))
		}
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {contentType}},
			Body: io.NopCloser(io.MultiReader(parts...)),
		}, nil
	})
}

// fetched reads the answer to a request for path, and returns its size and the error.
func fetched(ctx context.Context, t *testing.T, rt http.RoundTripper, path string) (int64, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://member.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := bounded(rt).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return io.Copy(io.Discard, res.Body)
}

func TestBounds(t *testing.T) {
	mib := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name, path, contentType, body string
		times                         int
		refused                       bool
	}{
		{"H3e a page of 64 MiB", "/a", "application/json", mib, 64, false},
		{"H3e a page of 65 MiB", "/a", "application/json", mib, 65, true},
		{"H3e an event of 65 MiB", "/a?watch=1", "application/json", `{"a": "` + mib, 65, true},
		{"H3e a watch of 150 MiB of events", "/a?watch=1", "application/json;stream=watch", `{"a": [{"b": "}\"{` + mib + `"}]}`, 150, false},
		{"H3e an event whose texts look like its end", "/a?watch=1", "application/json", `{"a": "}` + mib + `", `, 65, true},
		{"H3e an event with white space that has no end", "/a?watch=1", "application/json", strings.Repeat(" \n", 1<<20), 65, true},
		{"H3e a watch in frames is bounded by the frames", "/a?watch=1", "application/vnd.kubernetes.protobuf;stream=watch", mib, 100, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := fetched(t.Context(), t, answer(c.contentType, c.body, c.times), c.path)
			if (err != nil) != c.refused {
				t.Errorf("%d octets, error %v", n, err)
			}
			if c.refused && n > maxAnswer {
				t.Errorf("%d octets were handed on", n)
			}
		})
	}
	t.Run("H3e a list has an end, however small its pages", func(t *testing.T) {
		var budget atomic.Int64
		budget.Store(maxList)
		ctx := withListBudget(t.Context(), &budget)
		pages := 0
		for ; pages < 100; pages++ {
			if _, err := fetched(ctx, t, answer("application/json", mib, 10), "/a"); err != nil {
				break
			}
		}
		equal(t, "pages of 10 MiB", pages, maxList/(10<<20))
	})
}

// endless is an API server that answers each request without an end.
type endless struct{}

func (endless) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	rw.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(rw, `{"kind": "ServiceList", "apiVersion": "v1", "items": [{"metadata": {"name": "`)
	part := []byte(strings.Repeat("x", 1<<20))
	for req.Context().Err() == nil {
		if _, err := rw.Write(part); err != nil {
			return
		}
	}
}

func TestEndlessServer(t *testing.T) {
	t.Run("H3e a member that answers without end is one that fails", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n, err := fetched(ctx, t, transport{endless{}}, "/api/v1/services")
		if err == nil || !strings.Contains(err.Error(), "more than 64 MiB") || n > maxAnswer {
			t.Errorf("%d octets, error %v", n, err)
		}
	})
}
