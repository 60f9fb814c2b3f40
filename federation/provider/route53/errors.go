package route53

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// changeAction is the one action that changes something.
const changeAction = "ChangeResourceRecordSets"

// notLoaded is the error of credentials or a configuration that cannot be had.
// It may heal, so it is no refusal.
func notLoaded(err error) error {
	return &batch.Error{Kind: batch.Rejected, Err: fmt.Errorf("route53: %w, check the credentials (environment, shared files, web identity or instance role): %w", provider.ErrNotSent, err)}
}

// failed turns the SDK's error into one that says what is open, and what to
// do.
func (p *Provider) failed(ctx context.Context, action, zone string, sent bool, err error) error {
	if ctx.Err() != nil {
		kind := provider.ErrNotSent
		if sent {
			kind = cloud.Lost(action == changeAction)
		}
		return fmt.Errorf("route53: %s: %w: %w", action, kind, ctx.Err())
	}
	var api smithy.APIError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case !sent: // it may be an answer of STS
		return notLoaded(short(err))
	case errors.As(err, &api):
		return p.answered(action, zone, api, err)
	case errors.As(err, &op) && op.Op == "dial":
		return &batch.Error{Kind: batch.Later, Err: fmt.Errorf("route53: %s: %w: %w", action, provider.ErrNotSent, op)}
	case errors.As(err, &certificate):
		return &batch.Error{Kind: batch.Rejected, Err: fmt.Errorf("route53: %s: %w, check endpoint, and AWS_CA_BUNDLE: %w", action, provider.ErrNotSent, certificate)}
	}
	return fmt.Errorf("route53: %s: %w: no answer: %w", action, cloud.Lost(action == changeAction), short(err))
}

// throttled are the codes that say that the account asks too much.
var throttled = map[string]bool{
	"Throttling": true, "ThrottlingException": true, "ThrottledException": true, "RequestLimitExceeded": true, "TooManyRequestsException": true,
}

// answered is failed for an answer of the API: it goes by the code.
func (p *Provider) answered(action, zone string, api smithy.APIError, err error) error {
	code := api.ErrorCode()
	with := func(kind batch.Kind, format string, args ...any) error {
		text := fmt.Errorf("route53: %s: %s: %s%s", action, code, message(api), fmt.Sprintf(format, args...))
		if kind == batch.Rejected || kind == batch.Refused && action != changeAction {
			text = fmt.Errorf("%w: %w", provider.ErrRefused, text)
		}
		return &batch.Error{Kind: kind, Err: text, Throttled: throttled[code]}
	}
	var retry interface{ RetryableError() bool }
	var status *awshttp.ResponseError
	if throttled[code] {
		return with(batch.Later, " (another program of the account asks too much, or the account's limit is low)")
	}
	switch code {
	case "PriorRequestNotComplete":
		return with(batch.Later, " (another program changes hosted zone %s)", zone)
	case "InvalidChangeBatch", "InvalidInput":
		if strings.Contains(message(api), "records limit") {
			return with(batch.Refused, ": have this quota of hosted zone %s raised", zone)
		}
		return with(batch.Refused, "")
	case "NoSuchHostedZone":
		p.zone.Forget()
		return with(batch.Rejected, ": hosted zone %s: check hostedZoneID, and the account that the credentials belong to", zone)
	case "AccessDenied", "AccessDeniedException", "NotAuthorizedException", "OptInRequired":
		if action != changeAction {
			return with(batch.Rejected, ": the policy needs route53:%s", action)
		}
		return with(batch.Denied, ": the policy needs route53:%s for hosted zone %s, these names and types (deploy/providers/route53-policy.json)", action, zone)
	case "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		return with(batch.Later, ": check the clock of this host")
	case "SignatureDoesNotMatch", "InvalidSignatureException":
		if errors.As(err, &retry) && retry.RetryableError() {
			// The SDK has seen another time in the answer, and goes by it now.
			return with(batch.Later, ": check the clock of this host")
		}
	}
	switch {
	case errors.As(err, &status) && status.HTTPStatusCode() >= 500:
		return fmt.Errorf("route53: %s: %w: status %d: %s: %s", action, cloud.Lost(action == changeAction), status.HTTPStatusCode(), code, message(api))
	case errors.As(err, &status) && (status.HTTPStatusCode() == 401 || status.HTTPStatusCode() == 403):
		p.client.forget()
		return with(batch.Rejected, ": check the credentials: they are expired, unknown or wrong")
	}
	return with(batch.Refused, "")
}

// message is what the API says: its first line, as what follows may be the
// whole request with its session token, or what stands in an
// InvalidChangeBatch of the older form.
func message(api smithy.APIError) string {
	text := api.ErrorMessage()
	var bad *types.InvalidChangeBatch
	if errors.As(api, &bad) && len(bad.Messages) > 0 {
		text = strings.Join(bad.Messages, "; ")
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if len(text) > 500 {
		text = text[:500] + "..."
	}
	return text
}

// short leaves out the layers that the SDK puts around a network error.
func short(err error) error {
	var request *smithy.OperationError
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}
