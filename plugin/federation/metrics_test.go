package federation

import (
	"context"
	"testing"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
)

func TestMetrics(t *testing.T) {
	results := map[string]struct {
		name  string
		qtype uint16
	}{
		"local":    {"healthy.ns.myfed.svc.cluster.local.", dns.TypeA},
		"cname":    {"dead.ns.myfed.svc.cluster.local.", dns.TypeA},
		"nodata":   {"healthy.ns.myfed.svc.cluster.local.", dns.TypeAAAA},
		"nxdomain": {"nowhere.ns.myfed.svc.cluster.local.", dns.TypeA},
		"servfail": {"broken.ns.myfed.svc.cluster.local.", dns.TypeA},
	}
	up := newRecords(t, published...)
	up.rcode["broken.ns.myfed.svc.zone1.example.com."] = dns.RcodeServerFailure
	for result, q := range results {
		t.Run("Q13 "+result, func(t *testing.T) {
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			before := counted(t, "coredns_federation_requests_total", result)
			ask(t, f, q.name, q.qtype)
			if got := counted(t, "coredns_federation_requests_total", result) - before; got != 1 {
				t.Errorf("counted %v times", got)
			}
		})
		t.Run("Q13 metadata of "+result, func(t *testing.T) {
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			r := new(dns.Msg).SetQuestion(q.name, q.qtype)
			w := &test.ResponseWriter{}
			ctx := f.Metadata(metadata.ContextWithMetadata(context.Background()), request.Request{W: w, Req: r})
			if _, err := f.ServeDNS(ctx, w, r); err != nil {
				t.Fatal(err)
			}
			if name, got := metadata.ValueFunc(ctx, "federation/name")(),
				metadata.ValueFunc(ctx, "federation/result")(); name != "myfed" || got != result {
				t.Errorf("federation/name %q, federation/result %q", name, got)
			}
		})
	}
	t.Run("Q13 the time of a chase", func(t *testing.T) {
		before := counted(t, "coredns_federation_chase_duration_seconds", "")
		f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
		ask(t, f, "dead.ns.myfed.svc.cluster.local.", dns.TypeA)
		if got := counted(t, "coredns_federation_chase_duration_seconds", "") - before; got != 1 {
			t.Errorf("observed %v times", got)
		}
	})
	t.Run("Q13 names that are not ours are not counted", func(t *testing.T) {
		f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
		before := counted(t, "coredns_federation_requests_total", "")
		ask(t, f, "healthy.ns.svc.cluster.local.", dns.TypeA)
		if got := counted(t, "coredns_federation_requests_total", "") - before; got != 0 {
			t.Errorf("counted %v times", got)
		}
	})
}

// counted returns the sum of a counter or gauge, or the count of a histogram: of those with the result, if it is not
// "".
func counted(t *testing.T, name, result string) (sum float64) {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			has := result == ""
			for _, l := range m.GetLabel() {
				has = has || l.GetName() == "result" && l.GetValue() == result
			}
			if has {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}
