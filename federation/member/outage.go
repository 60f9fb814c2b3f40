package member

import (
	"net/http"
	"sync/atomic"
)

// outage notes that a request of the watches found no API server. When there
// is one again it may be another, or have an older database: a watch that goes
// on from a resource version which that server has not reached shows nothing,
// for as long as that takes, and no order of versions is known (X2b). So the
// member is then listed afresh; for one that was away in passing that is cheap.
type outage struct{ seen atomic.Bool }

// over ends the outage, and reports whether there was one.
func (o *outage) over() bool { return o.seen.Swap(false) }

// note returns a RoundTripper that notes the requests without an answer.
func (o *outage) note(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err != nil && req.Context().Err() == nil {
			o.seen.Store(true)
		}
		return res, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
