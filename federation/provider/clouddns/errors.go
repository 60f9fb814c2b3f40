package clouddns

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"cloud.google.com/go/auth"
	"google.golang.org/api/googleapi"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// notLoaded is the error of credentials that cannot be had. It may heal, so it
// is no refusal.
func notLoaded(err error) error {
	kind, text := batch.Rejected, err.Error()
	var refusal *auth.Error
	var network net.Error
	switch {
	case errors.As(err, &refusal):
		text = fmt.Sprintf("no token: status %d: %s", refusal.Response.StatusCode, refusal.Body)
		if refusal.Temporary() {
			kind = batch.Later
		}
	case errors.As(err, &network): // it was not reached, or did not answer in time
		kind = batch.Later
	}
	return &batch.Error{Kind: kind, Err: fmt.Errorf("clouddns: %w, check the application default credentials (GOOGLE_APPLICATION_CREDENTIALS, workload identity): %s", provider.ErrNotSent, oneLine(text))}
}

// failed turns the SDK's error into one that says what is open, and what to
// do.
func (p *Provider) failed(ctx context.Context, action, zone string, sent bool, err error) error {
	if ctx.Err() != nil {
		kind := provider.ErrNotSent
		if sent {
			kind = cloud.Lost(action == changeAction)
		}
		return fmt.Errorf("clouddns: %s: %w: %w", action, kind, ctx.Err())
	}
	var api *googleapi.Error
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case !sent: // it may be an answer of the token endpoint
		p.client.forget()
		return notLoaded(err)
	case errors.As(err, &api):
		return p.answered(action, zone, api)
	case errors.As(err, &op) && op.Op == "dial":
		return &batch.Error{Kind: batch.Later, Err: fmt.Errorf("clouddns: %s: %w: %w", action, provider.ErrNotSent, op)}
	case errors.As(err, &certificate):
		return &batch.Error{Kind: batch.Rejected, Err: fmt.Errorf("clouddns: %s: %w, check endpoint, and SSL_CERT_FILE: %w", action, provider.ErrNotSent, certificate)}
	}
	return fmt.Errorf("clouddns: %s: %w: no answer: %w", action, cloud.Lost(action == changeAction), err)
}

// answered is failed for an answer of the API: it goes by status and reason.
func (p *Provider) answered(action, zone string, api *googleapi.Error) error {
	reason, text := described(api)
	with := func(kind batch.Kind, format string, args ...any) error {
		err := fmt.Errorf("clouddns: %s: status %d: %s%s", action, api.Code, text, fmt.Sprintf(format, args...))
		if kind == batch.Rejected || kind == batch.Refused && action != changeAction {
			err = fmt.Errorf("%w: %w", provider.ErrRefused, err)
		}
		return &batch.Error{Kind: kind, Err: err, Throttled: kind == batch.Later}
	}
	switch reason {
	case "rateLimitExceeded", "userRateLimitExceeded", "throttled", "concurrentLimitExceeded":
		return with(batch.Later, " (another program of the project asks too much, or its quota of requests is low)")
	case "dailyLimitExceeded", "servingLimitExceeded":
		return with(batch.Rejected, ": have the project's quota of requests raised")
	case "quotaExceeded":
		return with(batch.Refused, ": have this quota of the project raised")
	case "accessNotConfigured", "SERVICE_DISABLED":
		return with(batch.Rejected, ": enable the Cloud DNS API in the project (gcloud services enable dns.googleapis.com)")
	case "insufficientPermissions":
		return with(batch.Rejected, ": check the credentials: they need the scope ndev.clouddns.readwrite or cloud-platform")
	}
	switch {
	case api.Code >= 500 || api.Code == http.StatusRequestTimeout:
		return fmt.Errorf("clouddns: %s: %w: status %d: %s", action, cloud.Lost(action == changeAction), api.Code, text)
	case api.Code == http.StatusTooManyRequests:
		return with(batch.Later, " (another program of the project asks too much, or its quota of requests is low)")
	case api.Code == http.StatusUnauthorized:
		p.client.forget()
		return with(batch.Rejected, ": check the credentials: they are expired, revoked or wrong")
	case api.Code == http.StatusForbidden && action == changeAction:
		return with(batch.Denied, ": the role needs dns.changes.create and dns.resourceRecordSets.* for managed zone %s (deploy/providers/clouddns-role.yaml)", zone)
	case api.Code == http.StatusForbidden && action == findAction:
		return with(batch.Rejected, ": without managedZone the role needs dns.%s (deploy/providers/clouddns-find-role.yaml), and project must be right", action)
	case api.Code == http.StatusForbidden:
		return with(batch.Rejected, ": the role needs dns.%s (deploy/providers/clouddns-role.yaml), and project must be right", action)
	case api.Code == http.StatusNotFound && !strings.Contains(api.Message, "entity.change."):
		p.zone.Forget()
		return with(batch.Rejected, ": check managedZone and project")
	case api.Code < 400:
		return with(batch.Rejected, ": check endpoint")
	}
	return with(batch.Refused, "")
}

// described returns the first reason of an error, and reason and message as one
// line. What stands behind "googleapi: Error" in the SDK's text is not used: it
// may be a whole page of HTML.
func described(api *googleapi.Error) (reason, text string) {
	for _, item := range api.Errors {
		if item.Reason != "" {
			reason = item.Reason
			break
		}
	}
	for _, detail := range api.Details {
		if info, ok := detail.(map[string]any); ok && reason == "" {
			reason, _ = info["reason"].(string)
		}
	}
	text = oneLine(api.Message)
	if text == "" {
		text = http.StatusText(api.Code)
	}
	if reason != "" {
		text = reason + ": " + text
	}
	if n := len(api.Errors); n > 1 {
		text += fmt.Sprintf(" (and %d more)", n-1)
	}
	return reason, text
}

// oneLine returns the text as one line that is not too long.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 500 {
		text = text[:500] + "..."
	}
	return text
}
