package route53

import (
	"errors"
	"fmt"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// changeAction is the only action that changes something.
const changeAction = "ChangeResourceRecordSets"

// notLoaded is the error of credentials or a configuration that cannot be loaded. That may heal, so it is no refusal.
func notLoaded(err error) error {
	err = fmt.Errorf("route53: %w, check the credentials (environment, shared files, web identity or instance role): "+
		"%w", provider.ErrNotSent, err)
	return &batch.Error{Kind: batch.Rejected, Err: err}
}

// throttled holds the codes for too many requests.
var throttled = map[string]bool{
	"Throttling": true, "ThrottlingException": true, "ThrottledException": true, "RequestLimitExceeded": true,
	"TooManyRequestsException": true,
}

// answered returns the error of an answer of the API, by its code.
func (p *Provider) answered(action, zone string, err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return nil
	}
	code := api.ErrorCode()
	with := func(kind batch.Kind, format string, args ...any) error {
		text := fmt.Sprintf("%s: %s%s", code, message(api), fmt.Sprintf(format, args...))
		return p.client.Refused(kind, action, throttled[code], text)
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
		p.names.Zone.Forget()
		return with(batch.Rejected, ": hosted zone %s: check hostedZoneID, and the account that the credentials "+
			"belong to", zone)
	case "AccessDenied", "AccessDeniedException", "NotAuthorizedException", "OptInRequired":
		if action != changeAction {
			return with(batch.Rejected, ": the policy needs route53:%s", action)
		}
		return with(batch.Denied, ": the policy needs route53:%s for hosted zone %s, these names and types "+
			"(deploy/providers/route53-policy.json)", action, zone)
	case "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		return with(batch.Later, ": check the clock of this host")
	case "SignatureDoesNotMatch", "InvalidSignatureException":
		if errors.As(err, &retry) && retry.RetryableError() {
			// The SDK has corrected its clock by the answer's.
			return with(batch.Later, ": check the clock of this host")
		}
	}
	switch {
	case errors.As(err, &status) && status.HTTPStatusCode() >= 500:
		return p.client.Lost(action, fmt.Errorf("status %d: %s: %s", status.HTTPStatusCode(), code, message(api)))
	case errors.As(err, &status) && (status.HTTPStatusCode() == 401 || status.HTTPStatusCode() == 403):
		p.client.Session.Forget()
		return with(batch.Rejected, ": check the credentials: they are expired, unknown or wrong")
	}
	return with(batch.Refused, "")
}

// message returns the first line of the API's message: the next ones may be the whole request with its session token.
// An InvalidChangeBatch of the older form has several messages.
func message(api smithy.APIError) string {
	text := api.ErrorMessage()
	var bad *types.InvalidChangeBatch
	if errors.As(api, &bad) && len(bad.Messages) > 0 {
		text = strings.Join(bad.Messages, "; ")
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return cloud.Shorten(text)
}

// withoutLayers strips what the SDK puts around an error.
func withoutLayers(err error) error {
	var request *smithy.OperationError
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}
