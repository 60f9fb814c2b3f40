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

// The operations of a provider, as label values.
const (
	operationApply = "apply"
	operationGet   = "get"
	operationList  = "list"
	operationSOA   = "soa"
	operationView  = "view"
)

// measured counts and times the requests to a provider.
type measured struct {
	provider.Provider
	requests *prometheus.CounterVec // by operation and result
	duration prometheus.ObserverVec // by operation
}

// Measured returns p with each request counted and timed. The result implements provider.ClientView whether or not p
// does; its Serves fails if p does not.
func (f *Federation) Measured(p provider.Provider) provider.Provider {
	return measured{p, f.m.requests.MustCurryWith(f.labels), f.m.duration.MustCurryWith(f.labels)}
}

// observe counts a request that started at began.
func (m measured) observe(operation string, began time.Time, err error) {
	m.requests.WithLabelValues(operation, resultOf(err)).Inc()
	m.duration.WithLabelValues(operation).Observe(time.Since(began).Seconds())
}

// resultOf returns the label value for the result of a request or of a change: ok, throttled, conflict, refused or
// failed.
func resultOf(err error) string {
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
	m.observe(operationApply, began, first)
	return errs
}

// Get counts one request.
func (m measured) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	began := time.Now()
	sets, err := m.Provider.Get(ctx, name)
	m.observe(operationGet, began, err)
	return sets, err
}

// List counts one request.
func (m measured) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	began := time.Now()
	err := m.Provider.List(ctx, suffix, yield)
	m.observe(operationList, began, err)
	return err
}

// NegativeTTL counts one request.
func (m measured) NegativeTTL(ctx context.Context) (uint32, error) {
	began := time.Now()
	ttl, err := m.Provider.NegativeTTL(ctx)
	m.observe(operationSOA, began, err)
	return ttl, err
}

// Serves counts one request; it fails if the provider has no ClientView.
func (m measured) Serves(ctx context.Context, suffix federation.FQDN) (provider.Served, error) {
	view, ok := m.Provider.(provider.ClientView)
	if !ok {
		return provider.Served{}, errors.New("the provider cannot say what clients are told")
	}
	began := time.Now()
	served, err := view.Serves(ctx, suffix)
	m.observe(operationView, began, err)
	return served, err
}
