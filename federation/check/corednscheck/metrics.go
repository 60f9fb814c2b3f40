package corednscheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/util/net"

	"github.com/federation-dns/federation/federation/check"
)

// metrics are those of one replica.
type metrics map[string]*dto.MetricFamily

// scrape reads the metrics of a replica, by pods/proxy.
func (s *server) scrape(ctx context.Context, c *check.Client, pod string) (metrics, error) {
	port := s.file.MetricsPort()
	if port == "" {
		return nil, errNoMetrics
	}
	result := c.CoreV1().RESTClient().Get().Namespace(s.namespace).Resource("pods").
		Name(net.JoinSchemeNamePort("http", pod, port)).SubResource("proxy").Suffix("metrics").Do(ctx)
	if err := result.Error(); err != nil { // that of Raw does not say which right is missing
		return nil, fmt.Errorf("pod %s: %w", pod, err)
	}
	body, err := result.Raw()
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", pod, err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("pod %s: its metrics cannot be read: %w", pod, err)
	}
	return families, nil
}

// errNoMetrics is the error of a Corefile without metrics.
var errNoMetrics = errors.New("its Corefile has no metrics: add the line \"prometheus :9153\"")

// sum adds the values of all samples of a counter or gauge that have this label; of all without one.
func (m metrics) sum(name, label, value string) (total float64, samples int) {
	for _, one := range m[name].GetMetric() {
		match := label == ""
		for _, l := range one.GetLabel() {
			match = match || l.GetName() == label && l.GetValue() == value
		}
		if match {
			total += one.GetCounter().GetValue() + one.GetGauge().GetValue() + one.GetUntyped().GetValue()
			samples++
		}
	}
	return total, samples
}

// hasPlugin reports whether the CoreDNS runs the plugin.
func (m metrics) hasPlugin() bool {
	enabled, _ := m.sum("coredns_plugin_enabled", "name", "federation")
	return enabled > 0
}

// topologyUnknown reports whether the plugin says that it does not know where its node is.
func (m metrics) topologyUnknown() bool {
	known, samples := m.sum("coredns_federation_topology_known", "", "")
	return samples > 0 && known == 0
}

// answers are how often the plugin has answered, and how often of them with SERVFAIL.
type answers struct{ all, servfail float64 }

func (m metrics) answers() (a answers) {
	const requests = "coredns_federation_requests_total"
	a.all, _ = m.sum(requests, "", "")
	a.servfail, _ = m.sum(requests, "result", "servfail")
	return a
}
