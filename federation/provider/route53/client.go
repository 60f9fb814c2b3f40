package route53

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// defaultRegion signs requests where none is configured: Route 53 is global.
const defaultRegion = "us-east-1"

// client makes the SDK's client when it is first needed, and anew after the
// credentials were refused: files may have new ones by then.
type client struct {
	config Config

	mu  sync.Mutex
	api *sdk.Client
	web *http.Client
}

func (c *client) get(ctx context.Context) (*sdk.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.api != nil {
		return c.api, nil
	}
	// No retries of the SDK's own: each request is in the budget, and a batch
	// whose outcome is open is looked at before it is sent again.
	loaded, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		awsconfig.WithLogger(logging.Nop{}), awsconfig.WithRegion(c.config.Region))
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration cannot be read: %w", err)
	}
	if loaded.Region == "" {
		loaded.Region = defaultRegion
	}
	if c.web == nil {
		c.web = webClient(loaded)
	}
	loaded.HTTPClient = c.web
	if c.config.RoleARN != "" {
		loaded.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), c.config.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "federation-syncer"
			if c.config.ExternalID != "" {
				o.ExternalID = aws.String(c.config.ExternalID)
			}
		}))
	}
	c.api = sdk.NewFromConfig(loaded, func(o *sdk.Options) {
		o.HTTPClient = &http.Client{Transport: cloud.Marking{Base: c.web.Transport}, CheckRedirect: c.web.CheckRedirect}
		if c.config.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.config.Endpoint)
		}
	})
	return c.api, nil
}

// webClient is one that can be closed, with the certificates of AWS_CA_BUNDLE
// if there is one.
func webClient(loaded aws.Config) *http.Client {
	base, ok := loaded.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	return &http.Client{
		Transport:     base.GetTransport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// forget has the credentials read again before the next request.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.api = nil
}

func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.web != nil {
		c.web.CloseIdleConnections()
	}
	c.api, c.web = nil, nil
}

// call makes one request when the budget allows it. Its error is a
// *batch.Error unless the outcome is open.
func (p *Provider) call(ctx context.Context, kind budget.Kind, zone, action string, request func(context.Context, *sdk.Client) error) error {
	return p.config.Budget.Do(ctx, kind, zone, func() error {
		api, err := p.client.get(ctx)
		if err != nil {
			return notLoaded(err)
		}
		limited, flight := cloud.WithFlight(ctx)
		limited, cancel := context.WithTimeout(limited, p.config.Timeout)
		defer cancel()
		err = request(limited, api)
		if err == nil {
			return nil
		}
		return p.failed(ctx, action, zone, flight.Sent(), err)
	})
}
