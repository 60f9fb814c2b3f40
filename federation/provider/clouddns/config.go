package clouddns

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/cloud"
)

// Config says which managed zone, and whose. Credentials are the application default ones:
// GOOGLE_APPLICATION_CREDENTIALS, those of gcloud, or the metadata server.
type Config struct {
	// Domain is the federation's; the managed zone is that of the domain or of a parent of it.
	Domain federation.FQDN
	// Project has the managed zone; "" is the project of the credentials.
	Project string
	// ManagedZone is its name, or its id. If it is "", the managed zone is looked up: the longest DNS name that holds
	// Domain.
	ManagedZone string
	// Visibility is "public" or "private": which one is meant if there are both.
	Visibility string
	// Endpoint is the URL of the API; "" is that of Google.
	Endpoint string
	// Timeout is how long a request may take; 0 is 30 s.
	Timeout time.Duration
	// Budget is shared with all providers of the same project; nil is one of its own.
	Budget *budget.Budget
}

// BudgetKey is the same for providers whose configuration names the same project: they share a Budget. The project of
// the credentials counts as one of its own.
func (c Config) BudgetKey() string {
	project := c.Project
	if project == "" {
		project = "default"
	}
	return strings.TrimSpace("clouddns " + project + " " + c.Endpoint)
}

var (
	projectID = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$|^[0-9]{1,20}$`)
	zoneName  = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$|^[0-9]{1,20}$`)
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
	switch {
	case c.Project != "" && !projectID.MatchString(c.Project):
		return c, fmt.Errorf("project %q: an id of 6 to 30 of a-z, 0-9 and - is allowed, as in my-project-123, or "+
			"its number", c.Project)
	case c.ManagedZone != "" && !zoneName.MatchString(c.ManagedZone):
		return c, fmt.Errorf("managedZone %q: up to 63 of a-z, 0-9 and - are allowed, as in example-com, or its id",
			c.ManagedZone)
	}
	if c.Endpoint != "" {
		c.Endpoint = strings.TrimSuffix(c.Endpoint, "/") + "/"
	}
	return c, nil
}
