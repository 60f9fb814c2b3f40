package route53

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// Config says which hosted zone, and whose. Credentials come from the SDK's default chain: environment, shared files,
// web identity, container, instance.
type Config struct {
	// Domain is the federation's; the hosted zone is that of the domain or of a parent of it.
	Domain federation.FQDN
	// HostedZoneID is with or without "/hostedzone/". If it is "", the hosted zone is looked up: the longest name that
	// holds Domain.
	HostedZoneID string
	// Visibility is "public" or "private": which one is meant if there are both.
	Visibility string
	// RoleARN is a role to assume; "" is none.
	RoleARN string
	// ExternalID goes with RoleARN.
	ExternalID string
	// Region signs the requests; "" is that of the environment or the shared files, else us-east-1. Only China and
	// GovCloud need one.
	Region string
	// Endpoint is the URL of the API; "" is that of AWS for the region.
	Endpoint string
	// WaitInSync has Apply return only when all name servers of Route 53 have the changes, which takes up to a minute.
	WaitInSync bool
	// Timeout is how long a request may take; 0 is 30 s.
	Timeout time.Duration
	// Budget is shared with all providers of the same account; nil is one of its own.
	Budget *budget.Budget
}

// BudgetKey is the same for providers whose configuration names the same account: they share a Budget. The credentials
// of the default chain count as an account of their own.
func (c Config) BudgetKey() string {
	account := "default"
	if parts := roleARN.FindStringSubmatch(c.RoleARN); parts != nil {
		account = parts[1]
	}
	return strings.TrimSpace("route53 " + account + " " + c.Endpoint)
}

var (
	zoneID  = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)
	region  = regexp.MustCompile(`^[a-z0-9-]+$`)
	roleARN = regexp.MustCompile(`^arn:[a-z0-9-]+:iam::([0-9]{12}):role/.+$`)
)

// checked returns the configuration with its defaults and canonical names, or says which field is wrong and what is
// allowed.
func (c Config) checked() (Config, error) {
	err := cloud.Fields{
		Domain: &c.Domain, Visibility: c.Visibility, Endpoint: c.Endpoint, Timeout: &c.Timeout, Budget: &c.Budget,
	}.Check()
	if err != nil {
		return c, err
	}
	c.HostedZoneID = strings.TrimPrefix(c.HostedZoneID, "/hostedzone/")
	switch {
	case c.HostedZoneID != "" && !zoneID.MatchString(c.HostedZoneID):
		return c, fmt.Errorf("hostedZoneID %q: up to 32 of A-Z and 0-9 are allowed, as in Z0123456789ABC",
			c.HostedZoneID)
	case c.Region != "" && !region.MatchString(c.Region):
		return c, fmt.Errorf("region %q: a-z, 0-9 and - are allowed, as in us-east-1", c.Region)
	case c.RoleARN != "" && !roleARN.MatchString(c.RoleARN):
		return c, fmt.Errorf("roleARN %q: arn:aws:iam::ACCOUNT:role/NAME is allowed", c.RoleARN)
	case c.ExternalID != "" && c.RoleARN == "":
		return c, fmt.Errorf("externalID is there without a roleARN")
	}
	return c, nil
}
