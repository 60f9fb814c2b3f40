package syncer

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/federation-dns/federation/federation/config"
)

// metrics are the syncer's; labels are bounded by the configuration.
type metrics struct {
	registry *prometheus.Registry
	accounts *accounts
	member   *prometheus.GaugeVec
	answers  *prometheus.GaugeVec
	contact  *prometheus.GaugeVec
	shards   *prometheus.GaugeVec
	services *prometheus.GaugeVec
	records  *prometheus.GaugeVec
	held     *prometheus.GaugeVec
	problems *prometheus.GaugeVec
	state    *prometheus.GaugeVec
	changes  *prometheus.CounterVec
	conflict *prometheus.CounterVec
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	budget   *prometheus.CounterVec
	audits   *prometheus.CounterVec
	drift    *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	reload   prometheus.Gauge
	leads    prometheus.Gauge
	dropped  *droppedLines
}

func newMetrics(b *budgets) *metrics {
	of := []string{"federation", "domain"}
	with := func(more ...string) []string { return append(append([]string{}, of...), more...) }
	gauge := func(name, help string, labels []string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "federation_syncer", Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "federation_syncer", Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, labels []string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "federation_syncer", Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		accounts: newAccounts(b),
		member:   gauge("member_standing", "1 for the standing of each member: starting, present, unreachable, unwatched or departed.", with("member", "standing")),
		answers:  gauge("member_reachable", "1 if the last probe of the member was answered.", with("member")),
		contact:  gauge("member_last_contact_timestamp_seconds", "When the last probe that the member answered was sent; 0 if none was.", with("member")),
		shards:   gauge("member_shards", "Shards of the member by state: healthy, unhealthy, or unknown while the member is unreachable.", with("member", "state")),
		services: gauge("services", "Federated services that are known.", of),
		records:  gauge("names", "Names of services that have records.", of),
		held:     gauge("held", "What is published without being seen healthy, by reason.", with("reason")),
		problems: gauge("problems", "What was refused or left out, by reason; the status names each.", with("reason")),
		state:    gauge("state", "1 if the federation is in the state: claimed, foreign, deposed, panic, provider_down.", with("state")),
		changes:  counter("changes_total", "Changes of names by result: ok, conflict, refused, failed.", with("result")),
		conflict: counter("conflicts_total", "Names that another writer had changed.", of),
		requests: counter("provider_requests_total", "Requests to the provider by operation (apply, get, list, soa, view) and result: ok, conflict, refused, throttled or failed; that of an apply is the first of its changes that is not ok.", with("operation", "result")),
		budget:   counter("provider_budget_waits_total", "Times that a change had to wait as the syncer keeps to its own bound of requests a second.", of),
		audits:   counter("audits_total", "Audits that were completed.", of),
		drift:    counter("audit_drift_total", "Names that an audit found not as they were left.", of),
		duration: histogram("provider_request_duration_seconds", "How long requests to the provider take, with what they wait for in it.", with("operation")),
		latency:  histogram("change_duration_seconds", "Failover latency: from the watch event to the change that the provider has confirmed.", of),
		reload: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "federation_syncer", Name: "config_last_reload_successful",
			Help: "1 if the configuration, with the files that it names, is in use as it is now; 0 if it is bad, and the one before is in use.",
		}),
		leads: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "federation_syncer", Name: "leader",
			Help: "1 if this replica is the one that writes; 0 while another one has the Lease, or none.",
		}),
	}
	m.dropped = newDroppedLines()
	m.registry.MustRegister(m.all()...)
	m.reload.Set(1)
	return m
}

// all are all of them.
func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		m.accounts, m.member, m.answers, m.contact, m.shards, m.services, m.records, m.held, m.problems, m.state, m.changes, m.conflict,
		m.requests, m.duration, m.budget, m.audits, m.drift, m.latency, m.reload, m.leads, m.dropped,
	}
}

// loopMetrics are those of one federation.
type loopMetrics struct {
	m         *metrics
	labels    prometheus.Labels
	changes   *prometheus.CounterVec // by result
	conflicts prometheus.Counter
	budget    prometheus.Counter
	audits    prometheus.Counter
	drift     prometheus.Counter
	latency   prometheus.Observer
}

func (m *metrics) forLoop(f config.Federation) *loopMetrics {
	labels := prometheus.Labels{"federation": string(f.Name), "domain": string(f.Domain)}
	return &loopMetrics{
		m: m, labels: labels,
		changes: m.changes.MustCurryWith(labels), conflicts: m.conflict.With(labels), budget: m.budget.With(labels),
		audits: m.audits.With(labels), drift: m.drift.With(labels), latency: m.latency.With(labels),
	}
}

func (lm *loopMetrics) change(result string) {
	lm.changes.WithLabelValues(result).Inc()
}

// forget drops the gauges of a federation that is not ours any more.
func (lm *loopMetrics) forget() {
	for _, v := range []*prometheus.GaugeVec{
		lm.m.member, lm.m.answers, lm.m.contact, lm.m.shards, lm.m.services, lm.m.records, lm.m.held, lm.m.problems, lm.m.state,
	} {
		v.DeletePartialMatch(lm.labels)
	}
}

// droppedLines counts the lines of the log that were dropped.
type droppedLines struct {
	prometheus.CounterFunc
	count func() uint64 // nil if none can be
}

func newDroppedLines() *droppedLines {
	d := &droppedLines{}
	d.CounterFunc = prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "federation_syncer", Name: "log_dropped_lines_total",
		Help: "Lines of the log that were dropped, as standard error did not take them: logging never delays a change.",
	}, func() float64 {
		if d.count == nil {
			return 0
		}
		return float64(d.count())
	})
	return d
}
