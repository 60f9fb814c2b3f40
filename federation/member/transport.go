package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

const (
	// headerTimeout is how long any request may take to its first answer, those included that may go on for long then.
	headerTimeout = time.Minute
	// maxAnswer is the most octets of one page of a list, of one event of a watch, or of any other answer (H3e).
	maxAnswer = 64 << 20
	// maxList is the most octets of all pages of one list: a server may go on with pages for ever.
	maxList = 4 * maxAnswer
)

// ending has each request of a client end with its context, whatever the transport below does: a credential plugin, for
// one, is run by client-go without a context (X2a). Such a request is left behind. Until it ends, those for the same
// purpose wait for it, as long as their own context lets them: so there is at most one for each purpose.
type ending struct {
	next http.RoundTripper

	mu   sync.Mutex
	left map[string]chan struct{} // by purpose: closed when the request that was left behind has ended
}

// endAndBound returns a transport of which each request ends with its context, and each answer has a bound.
func endAndBound(next http.RoundTripper) http.RoundTripper {
	return bounded(&ending{next: next, left: map[string]chan struct{}{}})
}

// NewHTTPClient returns a client for an API server whose requests end with their context, or after the configuration's
// time-out, whatever its credential plugin or proxy does (X2a), and whose answers are bounded (H3e).
func NewHTTPClient(c *rest.Config) (*http.Client, error) {
	transport, err := rest.TransportFor(c)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: endAndBound(transport), Timeout: c.Timeout}, nil
}

// errStuck is the error of a request that could not begin.
var errStuck = errors.New("an earlier request still hangs: look at the credential plugin of the kubeconfig, and at proxies")

// purpose tells requests apart of which there may be one each.
func purpose(req *http.Request) string {
	if isWatch(req) {
		return "watch " + req.URL.Path
	}
	return req.URL.Path
}

func isWatch(req *http.Request) bool { return req.URL.Query().Has("watch") }

// RoundTrip implements http.RoundTripper.
func (e *ending) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(headerTimeout, func() { cancel(fmt.Errorf("no answer within %s", headerTimeout)) })
	defer timer.Stop()
	p := purpose(req)
	if err := e.wait(ctx, p); err != nil {
		return nil, err
	}
	type result struct {
		res *http.Response
		err error
	}
	done := make(chan result, 1)
	go func() {
		res, err := e.next.RoundTrip(req.WithContext(ctx)) //nolint:bodyclose // whoever takes the result closes it
		done <- result{res, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			cancel(nil)
			return nil, r.err
		}
		r.res.Body = endingBody{r.res.Body, cancel}
		return r.res, nil
	case <-ctx.Done():
	}
	ended := e.leave(p)
	go func() {
		defer ended()
		if r := <-done; r.err == nil {
			r.res.Body.Close()
		}
	}()
	return nil, context.Cause(ctx)
}

// wait returns when no request for the purpose is left behind any more, or with an error at the end of ctx.
func (e *ending) wait(ctx context.Context, purpose string) error {
	for {
		e.mu.Lock()
		left := e.left[purpose]
		e.mu.Unlock()
		if left == nil {
			return nil
		}
		select {
		case <-left:
		case <-ctx.Done():
			return errStuck
		}
	}
}

// leave notes that a request is left behind; the returned function, that it has ended.
func (e *ending) leave(purpose string) (ended func()) {
	left := make(chan struct{})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.left[purpose] = left
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.left[purpose] == left {
			delete(e.left, purpose)
		}
		close(left)
	}
}

// endingBody ends the context of its request when it is closed.
type endingBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close implements io.Closer.
func (b endingBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// bounded returns a RoundTripper whose answers have a bound each (H3e): a member that answers without end, be it by
// mistake, must not take the memory of the syncer.
func bounded(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err != nil {
			return res, err
		}
		b := &boundedBody{ReadCloser: res.Body, left: maxAnswer, list: listBudget(req.Context())}
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

// listBudgetKey is the key of what is left for a whole list in the context of its pages.
type listBudgetKey struct{}

func withListBudget(ctx context.Context, left *atomic.Int64) context.Context {
	return context.WithValue(ctx, listBudgetKey{}, left)
}

func listBudget(ctx context.Context) *atomic.Int64 {
	left, _ := ctx.Value(listBudgetKey{}).(*atomic.Int64)
	return left
}

// boundedBody ends with an error when the answer has become too large.
type boundedBody struct {
	io.ReadCloser
	left   int64
	list   *atomic.Int64 // of all pages; nil if it is no list
	events *jsonValues   // of a watch: each has the bound
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.events != nil {
		if last, ended := b.events.read(p[:n]); ended {
			b.left = maxAnswer - last
		} else {
			b.left -= last
		}
	} else {
		b.left -= int64(n)
	}
	if b.left < 0 {
		return 0, fmt.Errorf("the answer has more than %d MiB", maxAnswer>>20)
	}
	if b.list != nil && b.list.Add(-int64(n)) < 0 {
		return 0, fmt.Errorf("the list has more than %d MiB", maxList>>20)
	}
	return n, err
}

// jsonValues finds the ends of JSON objects that follow one another. White space is part of what follows it.
type jsonValues struct {
	depth   int
	quoted  bool
	escaped bool
}

// read goes on with some octets. It returns how many of them belong to a value that has not ended yet, and whether one
// has ended.
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
