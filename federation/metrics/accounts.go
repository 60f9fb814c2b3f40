package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/federation-dns/federation/federation/provider/budget"
)

// accounts collects the metrics of the accounts' budgets (X5b).
type accounts struct {
	stats                       func() map[string]budget.Stats
	requests, throttled, waited *prometheus.Desc
}

func newAccounts(stats func() map[string]budget.Stats) *accounts {
	desc := func(name, help string) *prometheus.Desc {
		fqName := prometheus.BuildFQName("federation_syncer", "account", name)
		return prometheus.NewDesc(fqName, help, []string{"account"}, nil)
	}
	return &accounts{
		stats: stats,
		requests: desc("requests_total",
			"Requests to the API of a provider that counts them by account (Route 53, Cloud DNS)."),
		throttled: desc("throttled_total",
			"Those of them that the provider has put off, as the account asked too much."),
		waited: desc("wait_seconds_total", "How long requests have waited for the budget of the account, together."),
	}
}

// Describe implements prometheus.Collector.
func (a *accounts) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{a.requests, a.throttled, a.waited} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (a *accounts) Collect(out chan<- prometheus.Metric) {
	for account, stats := range a.stats() {
		counter := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, account)
		}
		counter(a.requests, float64(stats.Requests))
		counter(a.throttled, float64(stats.Throttled))
		counter(a.waited, stats.Waited.Seconds())
	}
}
