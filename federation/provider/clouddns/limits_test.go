package clouddns_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	standin "github.com/federation-dns/federation/test/clouddns"
)

func TestLimits(t *testing.T) {
	t.Run("X5b a request has at most 1000 additions and 1000 deletions", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		changes := cloudtest.Create(1200)
		cloudtest.Must(t, p, &cloudtest.Claim, changes...)
		var next, back []plan.Change
		for _, c := range changes {
			alias := []federation.RRset{cloudtest.Set(c.Name, "CNAME", "www.example.org.")}
			next = append(next, plan.Change{Name: c.Name, From: c.To, To: alias})
			back = append(back, plan.Change{Name: c.Name, From: alias})
		}
		cloudtest.Must(t, p, &cloudtest.Claim, next...)
		cloudtest.Must(t, p, &cloudtest.Claim, back...)
		var got [][2]int
		for _, r := range s.Requests() {
			got = append(got, [2]int{r.Additions, r.Deletions})
		}
		want := [][2]int{{999, 1}, {999, 1}, {405, 1}, {500, 999}, {500, 999}, {203, 405}, {1, 1000},
			{1, 202}} // 1 of each is the claim
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("additions and deletions (-want +got):\n%s", diff)
		}
	})
	t.Run("X5b a request has at most 100,000 octets of data", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		changes, octets := cloudtest.CreateLong(990)
		cloudtest.Must(t, p, &cloudtest.Claim, changes...)
		for _, r := range s.Requests() {
			if r.Data > 100_000 || r.Code != "" {
				t.Errorf("a request of %d octets: %q", r.Data, r.Code)
			}
		}
		want := 1 + len(changes)/((100_000-2*(len(cloudtest.Claim.Data[0])+1))/(octets+1))
		if got := len(s.Requests()); got != want {
			t.Errorf("%d requests, want %d", got, want)
		}
	})
	t.Run("X5b short text of long data counts as data", func(t *testing.T) {
		s, p := service.Claimed(t, nil)
		var changes []plan.Change
		for i := range 900 {
			n := cloudtest.Name(fmt.Sprintf("s%d", i))
			var data []string
			for j := range 16 {
				data = append(data, fmt.Sprintf("::%x", j+1))
			}
			changes = append(changes, plan.Change{Name: n, To: []federation.RRset{cloudtest.Set(n, "AAAA", data...)}})
		}
		cloudtest.Must(t, p, &cloudtest.Claim, changes...)
		for _, r := range s.Requests() {
			if octets := (r.Additions - 1) * 16 * 16; octets > 100_000 {
				t.Errorf("a request of %d octets on the wire", octets)
			}
		}
	})
}

func TestTokenTimeout(t *testing.T) {
	t.Run("X5b a token that does not come", func(t *testing.T) {
		s := start(t)
		s.SetTokenFaults(standin.TokenFaults{Takes: time.Minute})
		p := connect(t, s.Server, nil)
		go func() { // it has the token's lock
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, _ = p.Get(ctx, cloudtest.Name("first"))
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		begin := time.Now()
		err := p.Apply(ctx, nil, cloudtest.Create(1))[0]
		if took := time.Since(begin); took > 2*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
		if len(s.Requests()) > 0 {
			t.Errorf("requests %v", cloudtest.Actions(s.Server))
		}
	})
}
