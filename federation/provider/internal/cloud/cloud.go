// Package cloud holds what the providers of cloud services have in common: the configuration's checks, the SDK's
// session, requests and their errors, the search for the zone, and what is at a name.
package cloud

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/lookup"
)

// Names reads single names of a zone. It implements the Get of provider.Provider, and provider.ClientView.
type Names struct {
	// Zone of the provider.
	Zone *lookup.Cached[Zone]
	// Read returns what is at the name, usually by one request.
	Read func(ctx context.Context, kind budget.Kind, zone Zone, name federation.FQDN) (batch.State, error)
}

// Get reads one name; see provider.Provider.
func (n Names) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	zone, err := n.Zone.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	if err := checkIn(zone.Name, "name", name); err != nil {
		return nil, err
	}
	state, err := n.Read(ctx, budget.Change, zone, name)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return state.Sets, nil
}

// Serves goes by the delegations and wildcards in the zone; see provider.ClientView.
func (n Names) Serves(ctx context.Context, suffix federation.FQDN) (provider.Served, error) {
	zone, err := n.Zone.Get(ctx)
	if err != nil {
		return provider.Served{}, err
	}
	return provider.View(zone.Name, suffix, func(name federation.FQDN) ([]string, error) {
		state, err := n.Read(ctx, budget.List, zone, name)
		return state.Types(), err
	})
}

// Subtree returns the zone for a list of the suffix.
func (n Names) Subtree(ctx context.Context, suffix federation.FQDN) (Zone, error) {
	zone, err := n.Zone.Get(ctx)
	if err != nil {
		return zone, fmt.Errorf("list of %q: %w", suffix, err)
	}
	return zone, checkIn(zone.Name, "suffix", suffix)
}

// checkIn returns an error that wraps provider.ErrRefused unless the name, a what, is in the zone.
func checkIn(zone federation.FQDN, what string, name federation.FQDN) error {
	if !name.In(zone) {
		return fmt.Errorf("%w: %s %q is not in zone %q", provider.ErrRefused, what, name, zone)
	}
	return nil
}

// FailAll returns err as the error of every change.
func FailAll(changes []plan.Change, err error) []error {
	errs := make([]error, len(changes))
	for i, c := range changes {
		errs[i] = fmt.Errorf("%q: %w", c.Name, err)
	}
	return errs
}

// Fields are those that the configurations of all services have.
type Fields struct {
	Domain               *federation.FQDN
	Visibility, Endpoint string
	Timeout              *time.Duration
	Budget               **budget.Budget
}

const defaultTimeout = 30 * time.Second

// Check sets the defaults and canonical names, or says which field is wrong and what is allowed.
func (f Fields) Check() error {
	domain, err := federation.ParseFQDN(string(*f.Domain))
	if err != nil {
		return fmt.Errorf("domain: %w", err)
	}
	*f.Domain = domain
	if f.Visibility != "" && f.Visibility != "public" && f.Visibility != "private" {
		return fmt.Errorf("visibility %q: \"public\" and \"private\" are allowed", f.Visibility)
	}
	if f.Endpoint != "" {
		if u, err := url.Parse(f.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("endpoint %q: http://HOST[:PORT] and https://HOST[:PORT] are allowed", f.Endpoint)
		}
	}
	switch {
	case *f.Timeout < 0:
		return fmt.Errorf("timeout %v is negative", *f.Timeout)
	case *f.Timeout == 0:
		*f.Timeout = defaultTimeout
	}
	if *f.Budget == nil {
		*f.Budget = budget.New(0)
	}
	return nil
}
