package mirror

import (
	"sync"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
)

// gauges are what is shown of the mirrors that are read, by federation (Q13). Of the same federation in several server
// blocks, the worst is shown.
type gauges struct {
	mu    sync.Mutex
	lists map[int][]*Mirror
	next  int
}

var registered = &gauges{lists: map[int][]*Mirror{}}

func init() { prometheus.MustRegister(registered) }

func describe(o prometheus.Opts) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, "federation", o.Name), o.Help,
		[]string{"federation"}, nil)
}

var (
	freshDesc = describe(prometheus.Opts{Name: "mirror_fresh", Help: "1 if the mirror is fresh: misses are answered " +
		"from memory; 0 if it is not, or if there is none."})
	ageDesc = describe(prometheus.Opts{Name: "mirror_age_seconds", Help: "Time since the mirror's heartbeat was seen " +
		"to change. Absent until that was seen."})
	servicesDesc = describe(prometheus.Opts{Name: "mirror_services", Help: "Number of services in the mirror."})
)

// add adds mirrors, and returns what takes them away again.
func (g *gauges) add(list []*Mirror) (remove func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := g.next
	g.next++
	g.lists[id] = list
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.lists, id)
	}
}

// standings are how the mirrors stand, by federation.
func (g *gauges) standings(now time.Time) map[string]Standing {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[string]Standing{}
	for _, list := range g.lists {
		for _, m := range list {
			name, s := string(m.id.Federation), m.Standing(now)
			if other, ok := out[name]; ok {
				s.Fresh = s.Fresh && other.Fresh
				s.Services = min(s.Services, other.Services)
				if s.Age < 0 || other.Age < 0 {
					s.Age = -1
				} else {
					s.Age = max(s.Age, other.Age)
				}
			}
			out[name] = s
		}
	}
	return out
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	ch <- freshDesc
	ch <- ageDesc
	ch <- servicesDesc
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	for name, s := range g.standings(time.Now()) {
		fresh := 0.0
		if s.Fresh {
			fresh = 1
		}
		ch <- prometheus.MustNewConstMetric(freshDesc, prometheus.GaugeValue, fresh, name)
		ch <- prometheus.MustNewConstMetric(servicesDesc, prometheus.GaugeValue, float64(s.Services), name)
		if s.Age >= 0 {
			ch <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, s.Age.Seconds(), name)
		}
	}
}
