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

// The metrics (Q13). No label names a Service.
var (
	requestCount = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace, Subsystem: pluginName, Name: "requests_total",
		Help: "Counter of federated names answered, by result: local, mirror, cname, stale, nodata, " +
			"nxdomain, servfail, refused.",
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
		Help: "1 if the topology of this node is known in all server blocks; 0 if it is not: names point to global.",
	})
)

// knownTopologies is what topologyKnown shows: the plugins that run, each with whether it knows its topology.
var knownTopologies = topologyGauge{known: map[*Federation]bool{}}

type topologyGauge struct {
	mu    sync.Mutex
	known map[*Federation]bool
}

func (g *topologyGauge) set(f *Federation, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known[f] = known
	g.update()
}

func (g *topologyGauge) remove(f *Federation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.known, f)
	g.update()
}

func (g *topologyGauge) update() {
	value := 1.0
	for _, known := range g.known {
		if !known {
			value = 0
		}
	}
	topologyKnown.Set(value)
}

// result is how a question of ours was answered (Q13).
type result uint8

const (
	resultLocal result = iota
	resultCNAME
	resultNoData
	resultNXDomain
	resultServFail
	resultRefused // class, opcode or type, or several questions at once
	resultMirror  // records of the mirror in this cluster
	resultStale   // of the mirror, which was not fresh
	results
)

func (r result) String() string {
	return [results]string{"local", "cname", "nodata", "nxdomain", "servfail", "refused", "mirror", "stale"}[r]
}

// counters are the counters of one federation at one server. They are looked up once, not for every question.
type counters struct {
	server   string
	byResult [results]prometheus.Counter
}

// count counts the answer, and sets its metadata.
func (a *answerer) count() {
	fed := a.m.fed
	server := metrics.WithServer(a.ctx)
	c := fed.counters.Load()
	if c == nil || c.server != server {
		c = &counters{server: server}
		for r := range results {
			c.byResult[r] = requestCount.WithLabelValues(server, string(fed.Name), r.String())
		}
		fed.counters.Store(c)
	}
	c.byResult[a.result].Inc()
	setResult(a.ctx, string(fed.Name), a.result.String())
}

// outcome is what the metadata functions return. It is set once the question has been answered.
type outcome struct{ federation, result string }

type outcomeKey struct{}

// Metadata implements metadata.Provider: federation/name and federation/result, which are empty until the question has
// been answered.
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
