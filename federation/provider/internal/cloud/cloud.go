package cloud

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// Flight is a request on its way. What fails before the request is given to the
// network, such as fetching credentials, was surely not sent.
type Flight struct{ sent bool }

type flightKey struct{}

// WithFlight returns a context for one request that goes through a Marking.
func WithFlight(ctx context.Context) (context.Context, *Flight) {
	f := &Flight{}
	return context.WithValue(ctx, flightKey{}, f), f
}

// Sent reports whether the request was given to the network. Call it after the
// request has ended.
func (f *Flight) Sent() bool { return f.sent }

// Marking is a transport that marks the Flight of each request as sent.
type Marking struct{ Base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (m Marking) RoundTrip(r *http.Request) (*http.Response, error) {
	if f, ok := r.Context().Value(flightKey{}).(*Flight); ok {
		f.sent = true
	}
	return m.Base.RoundTrip(r)
}

// Lost returns the kind of error of a request without an answer that says
// whether it was carried out.
func Lost(changes bool) error {
	if changes {
		return provider.ErrUnknownOutcome
	}
	return provider.ErrUnavailable
}

// FailAll returns err as the error of every change.
func FailAll(changes []plan.Change, err error) []error {
	errs := make([]error, len(changes))
	for i, c := range changes {
		errs[i] = fmt.Errorf("%q: %w", c.Name, err)
	}
	return errs
}

// CheckIn returns an error that wraps provider.ErrRefused unless the name, which
// is called what, is in the zone.
func CheckIn(zone federation.FQDN, what string, name federation.FQDN) error {
	if !name.In(zone) {
		return fmt.Errorf("%w: %s %q is not in zone %q", provider.ErrRefused, what, name, zone)
	}
	return nil
}

// CheckVisibility checks a field of the configuration; "" is allowed.
func CheckVisibility(visibility string) error {
	switch visibility {
	case "", "public", "private":
		return nil
	}
	return fmt.Errorf("visibility %q: \"public\" and \"private\" are allowed", visibility)
}

// CheckEndpoint checks a field of the configuration; "" is allowed.
func CheckEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("endpoint %q: http://HOST[:PORT] and https://HOST[:PORT] are allowed", endpoint)
	}
	return nil
}
