package kubeconfig

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime"
)

const (
	// maxResponse bounds one page of a list, one event of a watch, or any other response, in bytes (H3e).
	maxResponse = 64 << 20
	// maxList bounds all pages of one list together: a server might never stop sending pages.
	maxList = 4 * maxResponse
)

// bounded limits the size of responses (H3e), so that a server that never stops sending cannot exhaust memory.
func bounded(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err != nil {
			return res, err
		}
		b := &boundedBody{ReadCloser: res.Body, left: maxResponse, list: listBudget(req.Context())}
		if isWatch(req) && res.StatusCode == http.StatusOK {
			if media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); media != runtime.ContentTypeJSON {
				return res, err // in frames, whose length client-go bounds
			}
			b.events = &jsonValues{}
		}
		res.Body = b
		return res, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// ListBudget bounds all pages of one list together, at 256 MiB (H3e).
type ListBudget struct{ left atomic.Int64 }

// Reset starts another list.
func (b *ListBudget) Reset() { b.left.Store(maxList) }

// Context returns a context whose requests draw on the budget.
func (b *ListBudget) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, listBudgetKey{}, b)
}

type listBudgetKey struct{}

func listBudget(ctx context.Context) *ListBudget {
	b, _ := ctx.Value(listBudgetKey{}).(*ListBudget)
	return b
}

// boundedBody fails reads once the response is too large.
type boundedBody struct {
	io.ReadCloser
	left   int64
	list   *ListBudget // nil if the response is not a page of a list
	events *jsonValues // of a watch, where each event has the bound
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.events != nil {
		if last, ended := b.events.read(p[:n]); ended {
			b.left = maxResponse - last
		} else {
			b.left -= last
		}
	} else {
		b.left -= int64(n)
	}
	if b.left < 0 {
		return 0, fmt.Errorf("the response has more than %d MiB", maxResponse>>20)
	}
	if b.list != nil && b.list.left.Add(-int64(n)) < 0 {
		return 0, fmt.Errorf("the list has more than %d MiB", maxList>>20)
	}
	return n, err
}

// jsonValues finds the ends of consecutive JSON objects and arrays. White space belongs to the value after it.
type jsonValues struct {
	depth   int
	quoted  bool
	escaped bool
}

// read scans more bytes. It returns how many of them belong to an unfinished value, and whether a value has ended.
func (j *jsonValues) read(p []byte) (since int64, ended bool) {
	for _, c := range p {
		since++
		switch {
		case j.escaped:
			j.escaped = false
		case j.quoted:
			j.escaped = c == '\\'
			j.quoted = c != '"'
		case c == '"':
			j.quoted = true
		case c == '{' || c == '[':
			j.depth++
		case c == '}' || c == ']':
			if j.depth--; j.depth == 0 {
				since, ended = 0, true
			}
		}
	}
	return since, ended
}
