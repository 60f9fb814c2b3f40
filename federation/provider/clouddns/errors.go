package clouddns

import (
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

// notLoaded is the error of credentials that cannot be loaded. That may heal, so it is no refusal; a file may be
// replaced.
func (p *Provider) notLoaded(err error) error {
	p.client.Session.Forget()
	kind, text := batch.Rejected, err.Error()
	var refusal *auth.Error
	var network net.Error
	switch {
	case errors.As(err, &refusal):
		text = fmt.Sprintf("no token: status %d: %s", refusal.Response.StatusCode, refusal.Body)
		if refusal.Temporary() {
			kind = batch.Later
		}
	case errors.As(err, &network): // not reached, or no answer in time
		kind = batch.Later
	}
	err = fmt.Errorf("clouddns: %w, check the application default credentials (GOOGLE_APPLICATION_CREDENTIALS, "+
		"workload identity): %s", provider.ErrNotSent, oneLine(text))
	return &batch.Error{Kind: kind, Err: err}
}

// answered returns the error of an answer of the API, by its status and reason.
func (p *Provider) answered(action, zone string, err error) error {
	var api *googleapi.Error
	if !errors.As(err, &api) {
		return nil
	}
	reason, text := described(api)
	with := func(kind batch.Kind, format string, args ...any) error {
		text := fmt.Sprintf("status %d: %s%s", api.Code, text, fmt.Sprintf(format, args...))
		return p.client.Refused(kind, action, kind == batch.Later, text)
	}
	switch reason {
	case "rateLimitExceeded", "userRateLimitExceeded", "throttled", "concurrentLimitExceeded":
		return with(batch.Later, " (another program of the project asks too much, or its quota of requests is low)")
	case "dailyLimitExceeded", "servingLimitExceeded":
		return with(batch.Rejected, ": have the project's quota of requests raised")
	case "quotaExceeded":
		return with(batch.Refused, ": have this quota of the project raised")
	case "accessNotConfigured", "SERVICE_DISABLED":
		return with(batch.Rejected, ": enable the Cloud DNS API in the project (gcloud services enable "+
			"dns.googleapis.com)")
	case "insufficientPermissions":
		return with(batch.Rejected, ": check the credentials: they need the scope ndev.clouddns.readwrite or "+
			"cloud-platform")
	}
	switch {
	case api.Code >= 500 || api.Code == http.StatusRequestTimeout:
		return p.client.Lost(action, fmt.Errorf("status %d: %s", api.Code, text))
	case api.Code == http.StatusTooManyRequests:
		return with(batch.Later, " (another program of the project asks too much, or its quota of requests is low)")
	case api.Code == http.StatusUnauthorized:
		p.client.Session.Forget()
		return with(batch.Rejected, ": check the credentials: they are expired, revoked or wrong")
	case api.Code == http.StatusForbidden && action == changeAction:
		return with(batch.Denied, ": the role needs dns.changes.create and dns.resourceRecordSets.* for managed zone "+
			"%s (deploy/providers/clouddns-role.yaml)", zone)
	case api.Code == http.StatusForbidden && action == findAction:
		return with(batch.Rejected, ": without managedZone the role needs dns.%s "+
			"(deploy/providers/clouddns-find-role.yaml), and project must be right", action)
	case api.Code == http.StatusForbidden:
		return with(batch.Rejected, ": the role needs dns.%s (deploy/providers/clouddns-role.yaml), and project must "+
			"be right", action)
	case api.Code == http.StatusNotFound && !strings.Contains(api.Message, "entity.change."):
		p.names.Zone.Forget()
		return with(batch.Rejected, ": check managedZone and project")
	case api.Code < 400:
		return with(batch.Rejected, ": check endpoint")
	}
	return with(batch.Refused, "")
}

// described returns the first reason of an error, and reason and message as one line. The text of the SDK's error is
// not used: it may be a whole page of HTML.
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

// oneLine returns the text as one line for a log.
func oneLine(text string) string {
	return cloud.Shorten(strings.Join(strings.Fields(text), " "))
}
