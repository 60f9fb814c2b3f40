// Package metrics has the syncer's metrics: counters that its loops count, and gauges that are set from snapshots at
// each scrape.
package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/provider/budget"
)

// Metrics are the metrics of a syncer. All methods may be called from any goroutine. Labels are bounded by the
// configuration.
type Metrics struct {
	registry *prometheus.Registry
	accounts *accounts
	gauges
	changes   *prometheus.CounterVec
	conflicts *prometheus.CounterVec
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	budget    *prometheus.CounterVec
	audits    *prometheus.CounterVec
	drift     *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	reload    prometheus.Gauge
	leads     prometheus.Gauge
	dropped   prometheus.Collector
	mirrors   mirrors
}

// gauges are set at each scrape, from a snapshot.
type gauges struct {
	member, answers, contact, shards *prometheus.GaugeVec
	services, records                *prometheus.GaugeVec
	held, problems, state            *prometheus.GaugeVec
}

func (g *gauges) vectors() []*prometheus.GaugeVec {
	return []*prometheus.GaugeVec{
		g.member, g.answers, g.contact, g.shards, g.services, g.records, g.held, g.problems, g.state,
	}
}

// New registers the metrics. accounts returns the statistics of each account's budgets; dropped returns the number of
// dropped log lines, and is nil if none are ever dropped. Both are called at each scrape.
func New(stats func() map[string]budget.Stats, dropped func() uint64) *Metrics {
	federationLabels := []string{"federation", "domain"}
	with := func(more ...string) []string { return append(append([]string{}, federationLabels...), more...) }
	gauge := func(name, help string, labels []string) *prometheus.GaugeVec {
		opts := prometheus.GaugeOpts{Namespace: "federation_syncer", Name: name, Help: help}
		return prometheus.NewGaugeVec(opts, labels)
	}
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		opts := prometheus.CounterOpts{Namespace: "federation_syncer", Name: name, Help: help}
		return prometheus.NewCounterVec(opts, labels)
	}
	histogram := func(name, help string, labels []string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "federation_syncer", Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		accounts: newAccounts(stats),
		gauges: gauges{
			member: gauge("member_standing", "1 for the standing of each member: starting, present, unreachable, "+
				"unwatched or departed.", with("member", "standing")),
			answers: gauge("member_reachable", "1 if the last probe of the member was answered.", with("member")),
			contact: gauge("member_last_contact_timestamp_seconds",
				"When the last probe that the member answered was sent; 0 if none was.", with("member")),
			shards: gauge("member_shards", "Shards of the member by state: healthy, unhealthy, or unknown while "+
				"the member is unreachable.", with("member", "state")),
			services: gauge("services", "Federated services that are known.", federationLabels),
			records:  gauge("names", "Names of services that have records.", federationLabels),
			held:     gauge("held", "What is published without being seen healthy, by reason.", with("reason")),
			problems: gauge("problems", "What was refused or left out, by reason; the status names each.",
				with("reason")),
			state: gauge("state",
				"1 if the federation is in the state: claimed, foreign, deposed, panic, provider_down.", with("state")),
		},
		changes: counter("changes_total", "Changes of names by result: ok, conflict, refused, failed.",
			with("result")),
		conflicts: counter("conflicts_total", "Names that another writer had changed.", federationLabels),
		requests: counter("provider_requests_total", "Requests to the provider by operation (apply, get, list, soa, "+
			"view) and result: ok, conflict, refused, throttled or failed; that of an apply is the first of its "+
			"changes that is not ok.", with("operation", "result")),
		budget: counter("provider_budget_waits_total", "Times that a change had to wait as the syncer keeps to its "+
			"own bound of requests a second.", federationLabels),
		audits: counter("audits_total", "Audits that were completed.", federationLabels),
		drift:  counter("audit_drift_total", "Names that an audit found not as they were left.", federationLabels),
		duration: histogram("provider_request_duration_seconds",
			"How long requests to the provider take, with what they wait for in it.", with("operation")),
		latency: histogram("change_duration_seconds", "Failover latency: from the watch event to the change that "+
			"the provider has confirmed.", federationLabels),
		reload: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "federation_syncer", Name: "config_last_reload_successful",
			Help: "1 if the configuration, with the files that it names, is in use as it is now; 0 if it is bad, and " +
				"the one before is in use.",
		}),
		leads: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "federation_syncer", Name: "leader",
			Help: "1 if this replica is the one that writes; 0 while another one has the Lease, or none.",
		}),
	}
	m.dropped = newDroppedLines(dropped)
	m.mirrors = mirrors{
		fresh: gauge("mirror_fresh", "1 if the member's mirror is complete and renewed.", with("member")),
		renewed: gauge("mirror_renewed_timestamp_seconds",
			"When the member's mirror was renewed last; 0 if it never was.", with("member")),
		services: gauge("mirror_services", "Services in the member's mirror.", with("member")),
		writes: counter("mirror_writes_total", "Writes to the member's mirror by result: ok, conflict, refused or "+
			"failed.", with("member", "result")),
		bytes: counter("mirror_written_bytes_total", "Bytes written into the member's mirror.", with("member")),
	}
	m.registry.MustRegister(m.collectors()...)
	m.reload.Set(1)
	return m
}

// collectors returns every collector, for registration.
func (m *Metrics) collectors() []prometheus.Collector {
	list := []prometheus.Collector{
		m.accounts, m.changes, m.conflicts, m.requests, m.duration, m.budget, m.audits, m.drift, m.latency,
		m.reload, m.leads, m.dropped,
	}
	for _, g := range m.vectors() {
		list = append(list, g)
	}
	for _, g := range m.mirrors.gauges() {
		list = append(list, g)
	}
	return append(list, m.mirrors.writes, m.mirrors.bytes)
}

// Gather implements prometheus.Gatherer.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) { return m.registry.Gather() }

// SetReload sets whether the current configuration file is in use.
func (m *Metrics) SetReload(good bool) { m.reload.Set(oneIf(good)) }

// SetLeads sets whether this replica writes.
func (m *Metrics) SetLeads(leads bool) { m.leads.Set(oneIf(leads)) }

// Federation are the metrics of one federation. The counters may be used from any goroutine.
type Federation struct {
	m         *Metrics
	labels    prometheus.Labels      // federation and domain
	changes   *prometheus.CounterVec // by result
	Conflicts prometheus.Counter     // names that another writer had changed
	Budget    prometheus.Counter     // waits for the bound on requests a second
	Audits    prometheus.Counter     // audits that were completed
	Drift     prometheus.Counter     // names that an audit found not as they were left
	Latency   prometheus.Observer    // seconds from the watch event to the confirmed change
}

// ForFederation returns the metrics of f. Two calls for the same name and domain share them.
func (m *Metrics) ForFederation(f config.Federation) *Federation {
	labels := prometheus.Labels{"federation": string(f.Name), "domain": string(f.Domain)}
	return &Federation{
		m: m, labels: labels,
		changes: m.changes.MustCurryWith(labels), Conflicts: m.conflicts.With(labels), Budget: m.budget.With(labels),
		Audits: m.audits.With(labels), Drift: m.drift.With(labels), Latency: m.latency.With(labels),
	}
}

// Change counts one change of a name by its result; err is nil for one that was made.
func (f *Federation) Change(err error) { f.changes.WithLabelValues(resultOf(err)).Inc() }

// Forget removes the gauges of a federation that is no longer ours; its counters stay.
func (f *Federation) Forget() {
	for _, v := range slices.Concat(f.m.vectors(), f.m.mirrors.gauges()) {
		v.DeletePartialMatch(f.labels)
	}
}

func newDroppedLines(count func() uint64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "federation_syncer", Name: "log_dropped_lines_total",
		Help: "Lines of the log that were dropped, as standard error did not take them: logging never delays a change.",
	}, func() float64 {
		if count == nil {
			return 0
		}
		return float64(count())
	})
}
