package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

// gathered are the metrics of a world as a scrape has them: a line each, without the labels of the federation and
// without zeros.
func (w *world) gathered() map[string]string {
	w.t.Helper()
	w.loop.SetGauges()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "federation_syncer_")
			for _, l := range m.GetLabel() {
				if l.GetName() != "federation" && l.GetName() != "domain" {
					name += " " + l.GetValue()
				}
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue()
			if h := m.GetHistogram(); h != nil {
				value = float64(h.GetSampleCount())
			}
			if value != 0 {
				out[name] = fmt.Sprint(value)
			}
		}
	}
	return out
}

// wantMetrics compares some of them; "" is zero.
func (w *world) wantMetrics(want map[string]string) {
	w.t.Helper()
	got := w.gathered()
	for name, value := range want {
		if got[name] != value {
			w.t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	if w.t.Failed() {
		w.t.Fatalf("of %v", got)
	}
}

func TestMetrics(t *testing.T) {
	bubble(t, "X2a members", func(t *testing.T) {
		w := three(t)
		w.set("c", web, false)
		w.start()
		w.after(12 * time.Second)
		w.members["a"].cut()
		w.after(time.Minute)
		contact := func(at time.Duration) string { return fmt.Sprint(float64(946684800 + int(at.Seconds()))) }
		w.wantMetrics(map[string]string{
			"member_standing a unreachable": "1", "member_standing b present": "1",
			"member_reachable a": "", "member_reachable b": "1",
			"member_last_contact_timestamp_seconds a": contact(10 * time.Second),
			"member_last_contact_timestamp_seconds b": contact(70 * time.Second),
			"member_shards a unknown":                 "1",
			"member_shards a healthy":                 "",
			"member_shards b healthy":                 "1",
			"member_shards c unhealthy":               "1",
			"services":                                "1", "names": "6",
		})
		w.drain("b")
		w.after(time.Second)
		w.wantMetrics(map[string]string{"member_shards b healthy": "", "member_shards b unhealthy": "1"})
		w.unset("c", web)
		w.after(time.Second)
		w.wantMetrics(map[string]string{"member_shards c unhealthy": "", "member_shards c healthy": ""})
	})
	bubble(t, "X5a X6 plans: changes, held, refused, conflicts, drift, latency", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.wantMetrics(map[string]string{"changes_total ok": "6", "change_duration_seconds": "1", "held EmptyGrace": ""})
		w.provider.SetFaults(inmem.Faults{Refuse: inmem.RefuseName("web.shop.fed.svc.east.example.com.")})
		w.set("a", web, false)
		w.after(time.Second)
		w.wantMetrics(map[string]string{
			"changes_total ok": "8", "changes_total refused": "1", "change_duration_seconds": "2",
		})
		w.provider.SetFaults(inmem.Faults{})
		w.after(time.Minute)
		w.provider.Put(federation.RRset{Name: global, Type: "A", TTL: 60, Data: []string{"192.0.2.7"}})
		w.set("a", web, true)
		w.after(10 * time.Second)
		w.wantMetrics(map[string]string{"changes_total conflict": "1", "conflicts_total": "1"})
		w.provider.Put(federation.RRset{Name: global, Type: "A", TTL: 60, Data: []string{"192.0.2.7"}})
		w.after(12 * time.Minute)
		w.wantMetrics(map[string]string{"audit_drift_total": "1", "audits_total": "1"})
		for _, m := range []string{"a", "b", "c"} {
			w.set(m, web, false)
		}
		w.after(time.Second)
		w.wantMetrics(map[string]string{"held EmptyGrace": "1"})
	})
	bubble(t, "X5a requests to the provider, by operation and result", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		before := w.gathered()
		if before["provider_requests_total apply ok"] == "" || before["provider_requests_total list ok"] == "" ||
			before["provider_requests_total soa ok"] != "1" {
			t.Errorf("%v", before)
		}
		if before["provider_requests_total apply ok"] != before["provider_request_duration_seconds apply"] {
			t.Errorf("not as many durations as requests: %v", before)
		}
		errs := []error{errors.New("no answer"), fmt.Errorf("%w: a lot", provider.ErrThrottled),
			fmt.Errorf("%w: bad key", provider.ErrRefused)}
		results := []string{"failed", "throttled", "refused"}
		for i, err := range errs {
			w.provider.SetFaults(inmem.Faults{Before: func(context.Context, *federation.RRset, []plan.Change) error {
				return err
			}})
			w.set("a", web, i%2 == 1)
			w.after(100 * time.Millisecond)
			w.provider.SetFaults(inmem.Faults{})
			w.after(time.Minute)
			w.wantMetrics(map[string]string{"provider_requests_total apply " + results[i]: "1"})
		}
	})
	bubble(t, "X5b waits for the syncer's own bound", func(t *testing.T) {
		w := newWorld(t, "a east east-1")
		w.start()
		w.after(10 * time.Second)
		for i := range 300 {
			w.set("a", federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("web-%03d", i)}, true)
			w.after(6 * time.Millisecond)
		}
		w.after(time.Minute)
		if got := w.gathered(); got["provider_budget_waits_total"] == "" {
			t.Errorf("%v", got)
		}
	})
	bubble(t, "C1 those of a federation that is gone go too", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.gathered()
		w.loop.ForgetGauges()
		families, err := w.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetType().String() == "GAUGE" && len(f.GetMetric()) > 0 && len(f.GetMetric()[0].GetLabel()) > 0 {
				t.Errorf("%s is left", f.GetName())
			}
		}
	})
}

// conflictMetric is how many conflicts of labels the metrics tell.
func (w *world) conflictMetric() float64 {
	w.t.Helper()
	w.loop.SetGauges()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "federation_syncer_problems" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "reason" && l.GetValue() == string(federation.ReasonLabelConflict) {
					return m.GetGauge().GetValue()
				}
			}
		}
	}
	return 0
}
