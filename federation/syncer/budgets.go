package syncer

import (
	"sync"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/provider/budget"
)

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
func (b *budgets) of(p config.Provider) *budget.Budget {
	key := budgetKey{p.Account(), p.RequestsPerSecond}
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
