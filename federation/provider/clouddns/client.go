package clouddns

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/httptransport"
	sdk "google.golang.org/api/dns/v1"
	"google.golang.org/api/option"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// client makes the SDK's client when it is first needed, and anew after the
// credentials were refused: files may have new ones by then.
type client struct {
	config Config

	loading sync.Mutex // held while credentials are looked for
	mu      sync.Mutex
	session *session
	web     *http.Transport
}

// session is the SDK's client with credentials.
type session struct {
	api     *sdk.Service
	project string // of the credentials; may be ""
}

// get returns the session. Credentials are looked for in the background, as the
// metadata server may take its time.
func (c *client) get(ctx context.Context) (*session, error) {
	if s := c.current(); s != nil {
		return s, nil
	}
	type result struct {
		session *session
		err     error
	}
	loaded := make(chan result, 1)
	go func() {
		s, err := c.load(ctx)
		loaded <- result{s, err}
	}()
	select {
	case r := <-loaded:
		return r.session, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *client) current() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

func (c *client) load(ctx context.Context) (*session, error) {
	c.loading.Lock()
	defer c.loading.Unlock()
	if s := c.current(); s != nil {
		return s, nil
	}
	web := c.transport()
	creds, err := credentials.DetectDefault(&credentials.DetectOptions{
		Scopes: []string{sdk.NdevClouddnsReadwriteScope},
		Client: &http.Client{Transport: web, Timeout: c.config.Timeout},
	})
	if err != nil {
		return nil, err
	}
	authorized := &http.Client{Transport: cloud.Marking{Base: web}}
	if err := httptransport.AddAuthorizationMiddleware(authorized, creds); err != nil {
		return nil, err
	}
	quota, err := creds.QuotaProjectID(ctx)
	if err != nil {
		return nil, err
	}
	project := c.config.Project
	if project == "" {
		if project, err = creds.ProjectID(ctx); err != nil {
			return nil, err
		}
	}
	options := []option.ClientOption{option.WithHTTPClient(&http.Client{
		Transport:     patient{authorized.Transport, creds, quota},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})}
	if c.config.Endpoint != "" {
		options = append(options, option.WithEndpoint(c.config.Endpoint))
	}
	api, err := sdk.NewService(ctx, options...)
	if err != nil {
		return nil, err
	}
	s := &session{api: api, project: project}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
	return s, nil
}

// transport is the one for all connections, so that they can be closed.
func (c *client) transport() *http.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.web == nil {
		c.web = http.DefaultTransport.(*http.Transport).Clone()
	}
	return c.web
}

// forget has the credentials read again before the next request.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = nil
}

func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.web != nil {
		c.web.CloseIdleConnections()
	}
	c.session, c.web = nil, nil
}

// patient waits for a token only as long as the request's context allows: the
// library has all requests wait for the first one's.
type patient struct {
	base  http.RoundTripper
	creds *auth.Credentials
	quota string // the project that pays for the request, "" is that of the credentials
}

func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	fetched := make(chan error, 1)
	go func() {
		_, err := p.creds.Token(r.Context())
		fetched <- err
	}()
	select {
	case err := <-fetched:
		if err != nil {
			return nil, err
		}
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if p.quota != "" {
		r = r.Clone(r.Context())
		r.Header.Set("X-Goog-User-Project", p.quota)
	}
	return p.base.RoundTrip(r)
}

// call makes one request when the budget allows it. Its error is a
// *batch.Error unless the outcome is open.
func (p *Provider) call(ctx context.Context, kind budget.Kind, zone, action string, request func(context.Context, *session) error) error {
	return p.config.Budget.Do(ctx, kind, zone, func() error {
		s, err := p.client.get(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("clouddns: %s: %w: %w", action, provider.ErrNotSent, ctx.Err())
		case err != nil:
			return notLoaded(err)
		case s.project == "":
			return &batch.Error{Kind: batch.Rejected, Err: fmt.Errorf("%w: clouddns: the credentials name no project: say which is meant by project", provider.ErrRefused)}
		}
		limited, flight := cloud.WithFlight(ctx)
		limited, cancel := context.WithTimeout(limited, p.config.Timeout)
		defer cancel()
		err = request(limited, s)
		if err == nil {
			return nil
		}
		return p.failed(ctx, action, zone, flight.Sent(), err)
	})
}
