package syncer

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
)

// metrics are the syncer's; labels are bounded by the configuration.
type metrics struct {
	registry *prometheus.Registry
	member   *prometheus.GaugeVec
	services *prometheus.GaugeVec
	held     *prometheus.GaugeVec
	problems *prometheus.GaugeVec
	state    *prometheus.GaugeVec
	changes  *prometheus.CounterVec
	conflict *prometheus.CounterVec
	errors   *prometheus.CounterVec
	audits   *prometheus.CounterVec
	drift    *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	reload   prometheus.Gauge
	leads    prometheus.Gauge
}

func newMetrics() *metrics {
	of := []string{"federation", "domain"}
	with := func(more ...string) []string { return append(append([]string{}, of...), more...) }
	gauge := func(name, help string, labels []string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "federation_syncer", Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "federation_syncer", Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		member:   gauge("member_standing", "1 for the standing of each member: starting, present, unreachable or gone.", with("member", "standing")),
		services: gauge("services", "Federated services that are known.", of),
		held:     gauge("held", "What is published without being seen healthy, by reason.", with("reason")),
		problems: gauge("problems", "What was refused or left out, by reason; the status names each.", with("reason")),
		state:    gauge("state", "1 if the federation is in the state: claimed, foreign, deposed, panic, provider_down.", with("state")),
		changes:  counter("changes_total", "Changes of names by result: ok, conflict, refused, failed.", with("result")),
		conflict: counter("conflicts_total", "Names that another writer had changed.", of),
		errors:   counter("provider_errors_total", "Requests to the provider that failed as a whole.", of),
		audits:   counter("audits_total", "Audits that were completed.", of),
		drift:    counter("audit_drift_total", "Names that an audit found not as they were left.", of),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "federation_syncer", Name: "change_duration_seconds",
			Help:    "Time from the watch event to the confirmed change.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
		}, of),
		reload: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "federation_syncer", Name: "config_last_reload_successful",
			Help: "1 if the configuration file as it is now is in use.",
		}),
		leads: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "federation_syncer", Name: "leader",
			Help: "1 if this replica is the one that writes; 0 while another one has the Lease, or none.",
		}),
	}
	m.registry.MustRegister(m.member, m.services, m.held, m.problems, m.state, m.changes, m.conflict, m.errors, m.audits, m.drift, m.latency, m.reload, m.leads)
	m.reload.Set(1)
	return m
}

// loopMetrics are those of one federation.
type loopMetrics struct {
	m              *metrics
	labels         prometheus.Labels
	conflicts      prometheus.Counter
	providerErrors prometheus.Counter
	audits         prometheus.Counter
	drift          prometheus.Counter
	latency        prometheus.Observer
}

func (m *metrics) forLoop(f Federation) *loopMetrics {
	labels := prometheus.Labels{"federation": string(f.Name), "domain": string(f.Domain)}
	return &loopMetrics{
		m: m, labels: labels,
		conflicts: m.conflict.With(labels), providerErrors: m.errors.With(labels),
		audits: m.audits.With(labels), drift: m.drift.With(labels), latency: m.latency.With(labels),
	}
}

func (lm *loopMetrics) change(result string) {
	lm.m.changes.MustCurryWith(lm.labels).WithLabelValues(result).Inc()
}

// forget drops the gauges of a federation that is not ours any more.
func (lm *loopMetrics) forget() {
	for _, v := range []*prometheus.GaugeVec{lm.m.member, lm.m.services, lm.m.held, lm.m.problems, lm.m.state} {
		v.DeletePartialMatch(lm.labels)
	}
}

// observe sets the gauges to what the loop knows; called in its goroutine.
func (lm *loopMetrics) observe(l *loop) {
	lm.m.member.DeletePartialMatch(lm.labels)
	for name := range l.members {
		lm.m.member.MustCurryWith(lm.labels).WithLabelValues(name, l.standing.Get(name).String()).Set(1)
	}
	lm.m.services.With(lm.labels).Set(float64(len(l.services)))
	held, problems := map[federation.Reason]int{}, map[federation.Reason]int{}
	for _, s := range l.services {
		for _, h := range s.held {
			held[h.Reason]++
		}
		for _, p := range s.problems {
			problems[p.Reason]++
		}
	}
	for _, ms := range l.members {
		for _, p := range ms.problems {
			problems[p.Reason]++
		}
	}
	for _, p := range l.levels.Problems() {
		problems[p.Reason]++
	}
	set := func(v *prometheus.GaugeVec, counts map[federation.Reason]int) {
		v.DeletePartialMatch(lm.labels)
		for reason, n := range counts {
			v.MustCurryWith(lm.labels).WithLabelValues(string(reason)).Set(float64(n))
		}
	}
	for _, r := range policy.HeldReasons {
		held[r] += 0
	}
	set(lm.m.held, held)
	set(lm.m.problems, problems)
	state := lm.m.state.MustCurryWith(lm.labels)
	for name, is := range map[string]bool{
		"claimed": l.held != nil, "foreign": l.isForeign(), "deposed": l.deposed != nil,
		"panic": !l.standing.Panic().IsZero(), "provider_down": l.backoff > 0,
	} {
		v := 0.0
		if is {
			v = 1
		}
		state.WithLabelValues(name).Set(v)
	}
}
