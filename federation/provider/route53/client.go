package route53

import (
	"context"
	"fmt"
	"net/http"

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

// load returns the SDK's client, with the credentials of its default chain.
func (c Config) load(ctx context.Context, web *http.Transport) (*sdk.Client, *http.Transport, error) {
	// The SDK does not retry: each request is in the budget, and a batch whose outcome is open is looked at before it
	// is sent again.
	loaded, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		awsconfig.WithLogger(logging.Nop{}), awsconfig.WithRegion(c.Region))
	if err != nil {
		return nil, nil, fmt.Errorf("the AWS configuration cannot be read: %w", err)
	}
	if loaded.Region == "" {
		loaded.Region = defaultRegion
	}
	if web == nil {
		web = transport(loaded)
	}
	loaded.HTTPClient = httpClient(web)
	if c.RoleARN != "" {
		assume := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), c.RoleARN,
			func(o *stscreds.AssumeRoleOptions) {
				o.RoleSessionName = "federation-syncer"
				if c.ExternalID != "" {
					o.ExternalID = aws.String(c.ExternalID)
				}
			})
		loaded.Credentials = aws.NewCredentialsCache(assume)
	}
	return sdk.NewFromConfig(loaded, func(o *sdk.Options) {
		o.HTTPClient = httpClient(cloud.Marking{Base: web})
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	}), web, nil
}

// transport has the certificates of AWS_CA_BUNDLE, if there is one. Unlike the SDK's client, it can be closed.
func transport(loaded aws.Config) *http.Transport {
	base, ok := loaded.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	return base.GetTransport()
}

// httpClient follows no redirections.
func httpClient(web http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     web,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call makes one request when the budget allows it. Its error is a *batch.Error unless the outcome is open.
func (p *Provider) call(ctx context.Context, kind budget.Kind, zone, action string,
	request func(context.Context, *sdk.Client) error) error {
	return p.client.Do(ctx, kind, zone, action, func(ctx context.Context, api *sdk.Client) error {
		return withoutLayers(request(ctx, api))
	})
}
