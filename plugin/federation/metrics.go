package federation

import (
	"context"
	"sync"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/coredns/coredns/request"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The metrics of Q13. No label names a Service.
var (
	requestCount = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "requests_total",
		Help: "Counter of federated names answered, by result: local, cname, nodata, nxdomain, servfail, refused.",
	}, []string{"server", "federation", "result"})
	chaseDuration = promauto.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "chase_duration_seconds",
		Help:    "Histogram of the time it took to follow a CNAME through the upstream.",
		Buckets: plugin.TimeBuckets,
	}, []string{"server"})
	collisions = promauto.NewGauge(prometheus.GaugeOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "namespace_collisions",
		Help: "Number of federations, over all server blocks, that have the name of a namespace of this cluster.",
	})
	topologyKnown = promauto.NewGauge(prometheus.GaugeOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "topology_known",
		Help: "1 if the topology of this node is known in all server blocks; 0 if names lead to global, as it is not.",
	})
)

// places are the running plugins, each with whether it knows its topology.
var places = placed{known: map[*Federation]bool{}}

type placed struct {
	mu    sync.Mutex
	known map[*Federation]bool
}

func (p *placed) set(f *Federation, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[f] = known
	p.show()
}

func (p *placed) drop(f *Federation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, f)
	p.show()
}

func (p *placed) show() {
	all := 1.0
	for _, known := range p.known {
		if !known {
			all = 0
		}
	}
	topologyKnown.Set(all)
}

// result is what became of a question that was ours (Q13).
type result uint8

const (
	resultLocal result = iota
	resultCNAME
	resultNoData
	resultNXDomain
	resultServFail
	resultRefused // class, opcode or type, or several questions at once
	results
)

func (r result) String() string {
	return [results]string{"local", "cname", "nodata", "nxdomain", "servfail", "refused"}[r]
}

// counters are those of one federation at one server, found once.
type counters struct {
	server string
	of     [results]prometheus.Counter
}

// count counts the answer, and tells it to the metadata functions.
func (a *answerer) count() {
	fed := a.m.fed
	server := metrics.WithServer(a.ctx)
	c := fed.counters.Load()
	if c == nil || c.server != server {
		c = &counters{server: server}
		for r := range results {
			c.of[r] = requestCount.WithLabelValues(server, string(fed.Name), r.String())
		}
		fed.counters.Store(c)
	}
	c.of[a.result].Inc()
	setResult(a.ctx, string(fed.Name), a.result.String())
}

// outcome is what the metadata functions tell after the question was answered.
type outcome struct{ federation, result string }

type outcomeKey struct{}

// Metadata implements metadata.Provider: federation/name and
// federation/result, empty for names that are not ours.
func (f *Federation) Metadata(ctx context.Context, state request.Request) context.Context {
	var m match
	if !f.matches(state.Req, &m) {
		return ctx
	}
	o := &outcome{}
	ctx = context.WithValue(ctx, outcomeKey{}, o)
	metadata.SetValueFunc(ctx, "federation/name", func() string { return o.federation })
	metadata.SetValueFunc(ctx, "federation/result", func() string { return o.result })
	return ctx
}

func setResult(ctx context.Context, federation, result string) {
	if o, ok := ctx.Value(outcomeKey{}).(*outcome); ok {
		o.federation, o.result = federation, result
	}
}
