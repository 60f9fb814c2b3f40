package cloud

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
)

// Client makes requests to one service by its SDK, whose client is an S.
type Client[S any] struct {
	// Service begins all errors: "route53".
	Service string
	// Change is the one action that changes something.
	Change string
	// TrustedBy is the environment variable for certificates to trust.
	TrustedBy string
	Timeout   time.Duration
	Budget    *budget.Budget
	Session   *Session[S]
	// NotLoaded returns the error of credentials or a configuration that cannot be loaded.
	NotLoaded func(error) error
	// Answered returns the error of an answer of the API, nil if err is no answer.
	Answered func(action, zone string, err error) error
}

// Do makes one request when the budget allows it. Its error is a *batch.Error unless the outcome is open.
func (c *Client[S]) Do(ctx context.Context, kind budget.Kind, zone, action string,
	request func(context.Context, S) error) error {
	return c.Budget.Do(ctx, kind, zone, func() error {
		sdk, err := c.Session.Get(ctx)
		var refused *batch.Error
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %s: %w: %w", c.Service, action, provider.ErrNotSent, ctx.Err())
		case errors.As(err, &refused):
			return refused
		case err != nil:
			return c.NotLoaded(err)
		}
		f := &flight{}
		limited, cancel := context.WithTimeout(context.WithValue(ctx, flightKey{}, f), c.Timeout)
		defer cancel()
		err = request(limited, sdk)
		if err == nil {
			return nil
		}
		return c.failed(ctx, action, zone, f.sent, err)
	})
}

// failed turns the SDK's error into one that says whether the request was sent, and what to do.
func (c *Client[S]) failed(ctx context.Context, action, zone string, sent bool, err error) error {
	if ctx.Err() != nil {
		kind := provider.ErrNotSent
		if sent {
			kind = c.lost(action)
		}
		return fmt.Errorf("%s: %s: %w: %w", c.Service, action, kind, ctx.Err())
	}
	if !sent { // it may be an answer of what issues credentials
		return c.NotLoaded(err)
	}
	if answer := c.Answered(action, zone, err); answer != nil {
		return answer
	}
	notSent := func(kind batch.Kind, advice string, err error) error {
		err = fmt.Errorf("%s: %s: %w%s: %w", c.Service, action, provider.ErrNotSent, advice, err)
		return &batch.Error{Kind: kind, Err: err}
	}
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return notSent(batch.Later, "", op)
	case errors.As(err, &certificate):
		return notSent(batch.Rejected, ", check endpoint, and "+c.TrustedBy, certificate)
	}
	return c.Lost(action, fmt.Errorf("no answer: %w", err))
}

// Lost returns the error of a request without an answer that says whether it was carried out.
func (c *Client[S]) Lost(action string, cause error) error {
	return fmt.Errorf("%s: %s: %w: %w", c.Service, action, c.lost(action), cause)
}

func (c *Client[S]) lost(action string) error {
	if action == c.Change {
		return provider.ErrUnknownOutcome
	}
	return provider.ErrUnavailable
}

// Refused returns the error of an answer that says that the request was not carried out. Throttled as in batch.Error.
func (c *Client[S]) Refused(kind batch.Kind, action string, throttled bool, text string) error {
	err := fmt.Errorf("%s: %s: %s", c.Service, action, text)
	if kind == batch.Rejected || kind == batch.Refused && action != c.Change {
		err = fmt.Errorf("%w: %w", provider.ErrRefused, err)
	}
	return &batch.Error{Kind: kind, Err: err, Throttled: throttled}
}

// Shorten returns text that is not too long for a log.
func Shorten(text string) string {
	if len(text) > 500 {
		return text[:500] + "..."
	}
	return text
}

// flight is a request in flight. What fails before it is sent, such as fetching credentials, had no effect.
type flight struct{ sent bool }

type flightKey struct{}

// Marking is a transport that marks requests as sent. The SDK's client must use it for the API, and not for
// credentials.
type Marking struct{ Base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (m Marking) RoundTrip(r *http.Request) (*http.Response, error) {
	if f, ok := r.Context().Value(flightKey{}).(*flight); ok {
		f.sent = true
	}
	return m.Base.RoundTrip(r)
}
