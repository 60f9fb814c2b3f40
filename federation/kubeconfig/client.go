package kubeconfig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// headerTimeout bounds the time to the first byte of any response, also of one that may then take long.
const headerTimeout = time.Minute

// NewHTTPClient returns a client for an API server whose requests end with their context, or after the configuration's
// timeout, whatever a credential plugin or a proxy does (X2a), and whose responses are bounded (H3e): 64 MiB for a page
// of a list, an event of a watch or any other response.
func NewHTTPClient(c *rest.Config) (*http.Client, error) {
	transport, err := rest.TransportFor(c)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: bounded(newEnding(transport)), Timeout: c.Timeout}, nil
}

// ErrStuck is the error of a request that was not sent because an earlier one for the same purpose still hangs.
var ErrStuck = errors.New(
	"an earlier request still hangs: look at the credential plugin of the kubeconfig, and at proxies")

// ending makes each request end with its context, whatever the transport below does: client-go, for one, runs
// credential plugins without a context (X2a). Such a request is abandoned. Until it ends, later ones for the same
// purpose wait for it, within their own contexts, so that at most one is abandoned for each purpose.
type ending struct {
	next http.RoundTripper

	mu        sync.Mutex
	abandoned map[string]chan struct{} // by purpose; closed when the request has ended
}

func newEnding(next http.RoundTripper) *ending {
	return &ending{next: next, abandoned: map[string]chan struct{}{}}
}

// purpose returns the key of the requests that wait for one another.
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
		res, err := e.next.RoundTrip(req.WithContext(ctx)) //nolint:bodyclose // the receiver of the result closes it
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
	ended := e.abandon(p)
	go func() {
		defer ended()
		if r := <-done; r.err == nil {
			r.res.Body.Close()
		}
	}()
	return nil, context.Cause(ctx)
}

// wait returns when no abandoned request for the purpose is left, or with an error when ctx ends.
func (e *ending) wait(ctx context.Context, purpose string) error {
	for {
		e.mu.Lock()
		earlier := e.abandoned[purpose]
		e.mu.Unlock()
		if earlier == nil {
			return nil
		}
		select {
		case <-earlier:
		case <-ctx.Done():
			return ErrStuck
		}
	}
}

// abandon records that a request for the purpose was abandoned. The caller calls ended when the request has ended.
func (e *ending) abandon(purpose string) (ended func()) {
	done := make(chan struct{})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.abandoned[purpose] = done
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.abandoned[purpose] == done {
			delete(e.abandoned, purpose)
		}
		close(done)
	}
}

// endingBody cancels the context of its request when it is closed.
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
