package route53_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	"github.com/federation-dns/federation/test/fakecloud"
)

func TestLimits(t *testing.T) {
	t.Run("X5b a request has at most 1000 values", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		changes := cloudtest.Create(1200)
		cloudtest.Must(t, p, &cloudtest.Claim, changes...)
		cloudtest.Must(t, p, &cloudtest.Claim, cloudtest.Undo(changes)...)
		got := values(s)
		// 2 for the claim in each; what goes counts as what comes does.
		if want := []int{1000, 1000, 406, 1000, 1000, 406}; !slices.Equal(got, want) {
			t.Errorf("requests of %v values, want %v", got, want)
		}
	})
	t.Run("X5b a request has at most 32,000 characters", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		changes, octets := cloudtest.CreateLong(400)
		cloudtest.Must(t, p, &cloudtest.Claim, changes...)
		for _, r := range s.Requests() {
			if r.Data > 32_000 || r.Code != "" {
				t.Errorf("a request of %d characters: %q", r.Data, r.Code)
			}
		}
		want := 1 + len(changes)/((32_000-2*len(cloudtest.Claim.Data[0]))/octets)
		if got := len(s.Requests()); got != want {
			t.Errorf("%d requests, want %d", got, want)
		}
	})
	t.Run("X5b the escapes of the API count", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		var changes []plan.Change
		for i := range 100 {
			n := federation.FQDN(fmt.Sprintf("_levels.f%d.svc.%s", i, zone))
			changes = append(changes, plan.Change{Name: n,
				To: []federation.RRset{cloudtest.Set(n, "TXT", `"`+strings.Repeat(`\200`, 250)+`"`)}})
		}
		cloudtest.Must(t, p, &cloudtest.Claim, changes...)
		for _, r := range s.Requests() {
			if r.Code != "" {
				t.Errorf("a request of %d characters: %q", r.Data, r.Code)
			}
		}
	})
}

func values(s *fakecloud.Server) (out []int) {
	for _, r := range s.Requests() {
		out = append(out, r.Values)
	}
	return out
}
