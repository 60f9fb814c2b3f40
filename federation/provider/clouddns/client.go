package clouddns

import (
	"context"
	"fmt"
	"net/http"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/httptransport"
	sdk "google.golang.org/api/dns/v1"
	"google.golang.org/api/option"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// session is the SDK's client with credentials.
type session struct {
	api     *sdk.Service
	project string
}

// load returns a session with the application default credentials.
func (c Config) load(ctx context.Context, web *http.Transport) (*session, *http.Transport, error) {
	if web == nil {
		web = http.DefaultTransport.(*http.Transport).Clone()
	}
	s, err := c.session(ctx, web)
	return s, web, err
}

func (c Config) session(ctx context.Context, web *http.Transport) (*session, error) {
	creds, err := credentials.DetectDefault(&credentials.DetectOptions{
		Scopes: []string{sdk.NdevClouddnsReadwriteScope},
		Client: &http.Client{Transport: web, Timeout: c.Timeout},
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
	project := c.Project
	if project == "" {
		if project, err = creds.ProjectID(ctx); err != nil {
			return nil, err
		}
	}
	if project == "" {
		err := fmt.Errorf("%w: clouddns: the credentials name no project: say which is meant by project",
			provider.ErrRefused)
		return nil, &batch.Error{Kind: batch.Rejected, Err: err}
	}
	options := []option.ClientOption{option.WithHTTPClient(&http.Client{
		Transport:     patient{authorized.Transport, creds, quota},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})}
	if c.Endpoint != "" {
		options = append(options, option.WithEndpoint(c.Endpoint))
	}
	api, err := sdk.NewService(ctx, options...)
	if err != nil {
		return nil, err
	}
	return &session{api: api, project: project}, nil
}

// patient waits for a token only as long as the request's context allows: in the library, all requests wait for the
// first one's token.
type patient struct {
	base  http.RoundTripper
	creds *auth.Credentials
	quota string // the project that is billed; "" is that of the credentials
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
