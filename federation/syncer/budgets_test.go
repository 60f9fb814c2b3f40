package syncer

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/metrics"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/route53"
)

func TestBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var budgets budgets
		m := metrics.New(budgets.stats, nil)
		b := budgets.forProvider(config.Provider{
			Route53: &route53.Config{RoleARN: "arn:aws:iam::123456789012:role/dns"}, RequestsPerSecond: 1,
		})
		for i := range 3 {
			_ = b.Do(t.Context(), budget.Change, "", func() error {
				if i == 1 {
					return fmt.Errorf("%w: slower", provider.ErrThrottled)
				}
				return nil
			})
		}
		families, err := m.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, metric := range f.GetMetric() {
				for _, label := range metric.GetLabel() {
					if label.GetName() == "account" {
						got[f.GetName()+" "+label.GetValue()] = metric.GetCounter().GetValue()
					}
				}
			}
		}
		want := map[string]float64{
			"federation_syncer_account_requests_total route53 123456789012":     3,
			"federation_syncer_account_throttled_total route53 123456789012":    1,
			"federation_syncer_account_wait_seconds_total route53 123456789012": 2,
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("X5b: -want +got:\n%s", d)
		}
	})
}
