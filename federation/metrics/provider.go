package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// The operations of a provider, as the metrics call them.
const (
	operationApply = "apply"
	operationGet   = "get"
	operationList  = "list"
	operationSOA   = "soa"
	operationView  = "view"
)

// measured counts and times what is asked of a provider, whichever it is.
type measured struct {
	provider.Provider
	requests *prometheus.CounterVec // by operation and result
	duration prometheus.ObserverVec // by operation
}

// Measured returns p with its requests counted and timed; it has provider.ClientView whether or not p has.
func (m *Metrics) Measured(p provider.Provider, labels prometheus.Labels) provider.Provider {
	return measured{p, m.requests.MustCurryWith(labels), m.duration.MustCurryWith(labels)}
}

// took counts a request that began at that time.
func (m measured) took(operation string, began time.Time, err error) {
	m.requests.WithLabelValues(operation, ResultOf(err)).Inc()
	m.duration.WithLabelValues(operation).Observe(time.Since(began).Seconds())
}

// ResultOf is the result of a request, or of a change, in a word.
func ResultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, provider.ErrThrottled):
		return "throttled"
	case errors.Is(err, provider.ErrConflict):
		return "conflict"
	case errors.Is(err, provider.ErrRefused):
		return "refused"
	}
	return "failed"
}

// Apply counts one request, with the first error of its changes.
func (m measured) Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	began := time.Now()
	errs := m.Provider.Apply(ctx, claim, changes)
	var first error
	for _, err := range errs {
		if first = err; err != nil {
			break
		}
	}
	m.took(operationApply, began, first)
	return errs
}

// Get counts one request.
func (m measured) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	began := time.Now()
	sets, err := m.Provider.Get(ctx, name)
	m.took(operationGet, began, err)
	return sets, err
}

// List counts one request.
func (m measured) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	began := time.Now()
	err := m.Provider.List(ctx, suffix, yield)
	m.took(operationList, began, err)
	return err
}

// NegativeTTL counts one request.
func (m measured) NegativeTTL(ctx context.Context) (uint32, error) {
	began := time.Now()
	ttl, err := m.Provider.NegativeTTL(ctx)
	m.took(operationSOA, began, err)
	return ttl, err
}

// Serves counts one request, if the provider knows this one.
func (m measured) Serves(ctx context.Context, suffix federation.FQDN) (provider.Served, error) {
	asker, ok := m.Provider.(provider.ClientView)
	if !ok {
		return provider.Served{}, errors.New("the provider cannot say what clients are told")
	}
	began := time.Now()
	served, err := asker.Serves(ctx, suffix)
	m.took(operationView, began, err)
	return served, err
}
