package syncer

import (
	"errors"
	"sync"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
	"github.com/federation-dns/federation/federation/provider/route53"
)

// Provider says who hosts the zone of a federation: one of its pointers is set.
type Provider struct {
	RFC2136  *rfc2136.Config
	Route53  *route53.Config
	CloudDNS *clouddns.Config
	// RequestsPerSecond is the budget of the account, shared by all its
	// federations. RFC 2136 servers have none.
	RequestsPerSecond int
}

// account names the budget that the provider shares; "" if it has none.
func (p Provider) account() string {
	switch {
	case p.Route53 != nil:
		return p.Route53.BudgetKey()
	case p.CloudDNS != nil:
		return p.CloudDNS.BudgetKey()
	}
	return ""
}

// hosted is a provider with connections of its own.
type hosted interface {
	provider.Provider
	Close() error
}

// open returns the provider, or says what is wrong with its configuration. It
// does not connect. The budget is nil if nobody shares one.
func (p Provider) open(b *budget.Budget) (hosted, error) {
	switch {
	case p.RFC2136 != nil:
		return rfc2136.New(*p.RFC2136)
	case p.Route53 != nil:
		c := *p.Route53
		c.Budget = b
		return route53.New(c)
	case p.CloudDNS != nil:
		c := *p.CloudDNS
		c.Budget = b
		return clouddns.New(c)
	}
	return nil, errors.New("no provider")
}

// budgets are those of the accounts, for as long as the syncer runs: a federation
// that is opened anew goes on with what is left (X5b).
type budgets struct {
	mu  sync.Mutex
	all map[budgetKey]*budget.Budget
}

type budgetKey struct {
	account           string
	requestsPerSecond int
}

// of returns the budget of the provider's account; nil if it has none.
func (b *budgets) of(p Provider) *budget.Budget {
	key := budgetKey{p.account(), p.RequestsPerSecond}
	if key.account == "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[budgetKey]*budget.Budget{}
	}
	if b.all[key] == nil {
		b.all[key] = budget.New(float64(key.requestsPerSecond))
	}
	return b.all[key]
}

// stats are the counts of each account: of all budgets that it has had.
func (b *budgets) stats() map[string]budget.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]budget.Stats{}
	for key, of := range b.all {
		s, more := all[key.account], of.Stats()
		s.Requests += more.Requests
		s.Throttled += more.Throttled
		s.Waited += more.Waited
		all[key.account] = s
	}
	return all
}
