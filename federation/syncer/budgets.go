package syncer

import (
	"sync"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/provider/budget"
)

// budgets are the accounts' budgets. They live as long as the syncer: a federation whose loop is started again goes on
// with what is left (X5b). Safe for concurrent use.
type budgets struct {
	mu    sync.Mutex
	byKey map[budgetKey]*budget.Budget
}

type budgetKey struct {
	account           string
	requestsPerSecond int
}

// forProvider returns the budget of the provider's account; nil if it has none.
func (b *budgets) forProvider(p config.Provider) *budget.Budget {
	key := budgetKey{p.Account(), p.RequestsPerSecond}
	if key.account == "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byKey == nil {
		b.byKey = map[budgetKey]*budget.Budget{}
	}
	if b.byKey[key] == nil {
		b.byKey[key] = budget.New(float64(key.requestsPerSecond))
	}
	return b.byKey[key]
}

// stats returns the statistics of each account, summed over its budgets.
func (b *budgets) stats() map[string]budget.Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := map[string]budget.Stats{}
	for key, one := range b.byKey {
		s, more := counts[key.account], one.Stats()
		s.Requests += more.Requests
		s.Throttled += more.Throttled
		s.Waited += more.Waited
		counts[key.account] = s
	}
	return counts
}
