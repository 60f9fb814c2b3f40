package clouddns_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/clouddns"
	"github.com/federation-dns/federation/test/fakecloud"
)

// changeOnly gives the fates to the requests that change something, in order,
// and none to those after them.
func changeOnly(fates ...fakecloud.Fate) func(fakecloud.Request) fakecloud.Fate {
	var mu sync.Mutex
	return func(r fakecloud.Request) fakecloud.Fate {
		mu.Lock()
		defer mu.Unlock()
		if r.Action != "changes.create" || len(fates) == 0 {
			return fakecloud.Fate{}
		}
		fate := fates[0]
		fates = fates[1:]
		return fate
	}
}

// always gives each request of the action this fate.
func always(action string, fate fakecloud.Fate) func(fakecloud.Request) fakecloud.Fate {
	return func(r fakecloud.Request) fakecloud.Fate {
		if r.Action == action {
			return fate
		}
		return fakecloud.Fate{}
	}
}

func isOpen(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, provider.ErrRefused) || errors.Is(err, provider.ErrConflict) {
		t.Errorf("error is %v, want one that leaves the outcome open", err)
	}
}

func TestHeals(t *testing.T) {
	const change, read = "changes.create", "resourceRecordSets.list"
	for _, tt := range []struct {
		name  string
		fates []fakecloud.Fate
		want  []string
	}{
		{"O3 the reply is lost after the change was made", []fakecloud.Fate{{Done: true, HangUp: true}}, []string{change, read}},
		{"O3 the request is lost", []fakecloud.Fate{{HangUp: true}}, []string{change, read, change}},
		{"O3 both, one after the other", []fakecloud.Fate{{HangUp: true}, {Done: true, HangUp: true}}, []string{change, read, change, read}},
		{"O3 no answer in time after the change was made", []fakecloud.Fate{{Done: true, Stall: time.Minute}}, []string{change, read}},
		{"X5a 503", []fakecloud.Fate{{Status: 503, Code: "backendError"}}, []string{change + " 503 backendError", read, change}},
		{"X5a 502 of something between", []fakecloud.Fate{{Status: 502, HTML: true}}, []string{change, read, change}},
		{"X5a 500 after the change was made", []fakecloud.Fate{{Status: 500, Code: "internalError", Done: true}}, []string{change + " 500 internalError", read}},
		{"X5a 429", []fakecloud.Fate{{Status: 429, Code: "rateLimitExceeded"}, {Status: 429, Code: "rateLimitExceeded"}}, []string{change + " 429 rateLimitExceeded", change + " 429 rateLimitExceeded", change}},
		{"X5a 429 without a reason", []fakecloud.Fate{{Status: 429, HTML: true}}, []string{change, change}},
		{"X5a 403 throttled", []fakecloud.Fate{{Status: 403, Code: "userRateLimitExceeded"}}, []string{change + " 403 userRateLimitExceeded", change}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, p := claimed(t, func(c *clouddns.Config) { c.Timeout = 10 * time.Second })
			if tt.fates[0].Stall > 0 {
				p = connect(t, s, func(c *clouddns.Config) { c.Timeout = 100 * time.Millisecond })
				has(t, p, name("nothing"))
				s.Reset()
			}
			c := create(1)[0]
			s.SetFaults(fakecloud.Faults{Fate: changeOnly(tt.fates...)})
			must(t, p, &claim, c)
			if diff := cmp.Diff(tt.want, actions(s)); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			has(t, p, c.Name, c.To...)
		})
	}
	t.Run("O3 an outcome that cannot be seen stays open", func(t *testing.T) {
		s, p := claimed(t, nil)
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate { return fakecloud.Fate{HangUp: true} }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range p.Apply(ctx, &claim, create(2)) {
			isOpen(t, err)
		}
	})
	t.Run("X5a a list is throttled", func(t *testing.T) {
		shared := fast()
		s, p := claimed(t, func(c *clouddns.Config) { c.Budget = shared })
		must(t, p, &claim, create(2)...)
		n := 0
		s.SetFaults(fakecloud.Faults{Fate: func(fakecloud.Request) fakecloud.Fate {
			if n++; n%2 == 1 {
				return fakecloud.Fate{Status: 429, Code: "rateLimitExceeded"}
			}
			return fakecloud.Fate{}
		}})
		if got := list(t, p, subtree); len(got) != 5 {
			t.Errorf("List yields %d RRsets, want 5", len(got))
		}
		if got := shared.Stats(); got.Throttled == 0 || got.Throttled >= got.Requests {
			t.Errorf("the budget has counted %+v", got)
		}
	})
	t.Run("X5a a limit of the project that is too low for us", func(t *testing.T) {
		s, p := claimed(t, nil)
		s.SetLimits(fakecloud.Limits{PerSecond: 3})
		for _, c := range create(8) {
			must(t, p, &claim, c)
		}
		if !slices.Contains(actions(s), "changes.create 429 rateLimitExceeded") {
			t.Error("nothing was throttled: the test shows nothing")
		}
	})
}

func TestShared(t *testing.T) {
	t.Run("X5b one change in flight for a managed zone, of several providers", func(t *testing.T) {
		s := start(t)
		var mu sync.Mutex
		under, most := 0, 0
		s.Observe(func(e fakecloud.Exchange) {
			if e.Action == "changes.create" {
				mu.Lock()
				under--
				mu.Unlock()
			}
		})
		s.SetFaults(fakecloud.Faults{Fate: func(r fakecloud.Request) fakecloud.Fate {
			if r.Action != "changes.create" {
				return fakecloud.Fate{}
			}
			mu.Lock()
			defer mu.Unlock()
			under++
			most = max(most, under)
			return fakecloud.Fate{Stall: 5 * time.Millisecond}
		}})
		shared := fast()
		var wg sync.WaitGroup
		for _, c := range create(24) {
			p := connect(t, s, func(c *clouddns.Config) { c.Budget = shared })
			wg.Go(func() {
				if err := p.Apply(t.Context(), nil, []plan.Change{c})[0]; err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most != 1 {
			t.Errorf("%d changes were in flight", most)
		}
	})
	t.Run("X5b the requests a second of a project, by several providers", func(t *testing.T) {
		const perSecond, count = 40, 60
		s := start(t)
		shared := budget.New(perSecond)
		var wg sync.WaitGroup
		begin := time.Now()
		for part := range slices.Chunk(create(count), count/3) {
			p := connect(t, s, func(c *clouddns.Config) { c.Budget = shared })
			wg.Go(func() {
				for _, c := range part {
					if err := p.Apply(t.Context(), nil, []plan.Change{c})[0]; err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if took, least := time.Since(begin), time.Second*(count+3-perSecond)/perSecond; took < least {
			t.Errorf("%d requests within %v, want at least %v", count+3, took, least)
		}
	})
}

func TestOnlySome(t *testing.T) {
	t.Run("X5a the names that the role does not have cost only themselves", func(t *testing.T) {
		s, p := claimed(t, nil)
		changes := create(40)
		denied := func(names []string) bool {
			return slices.ContainsFunc(names, func(n string) bool {
				return slices.ContainsFunc(changes[10:20], func(c plan.Change) bool { return string(c.Name) == n })
			})
		}
		s.SetFaults(fakecloud.Faults{Fate: func(r fakecloud.Request) fakecloud.Fate {
			if denied(r.Names) {
				return fakecloud.Fate{Status: 403, Code: "forbidden"}
			}
			return fakecloud.Fate{}
		}})
		for i, err := range p.Apply(t.Context(), &claim, changes) {
			if want := i >= 10 && i < 20; errors.Is(err, provider.ErrRefused) != want || !want && err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
	})
	t.Run("X7 reading is not allowed", func(t *testing.T) {
		s, p := claimed(t, nil)
		s.SetFaults(fakecloud.Faults{Fate: always("resourceRecordSets.list", fakecloud.Fate{Status: 403, Code: "forbidden"})})
		_, err := p.Get(t.Context(), name("nginx"))
		_, soaErr := p.NegativeTTL(t.Context())
		for _, err := range []error{err, soaErr, p.List(t.Context(), zone, func(federation.RRset) error { return nil })} {
			says(t, err, "forbidden", "dns.resourceRecordSets.list")
			if !errors.Is(err, provider.ErrRefused) {
				t.Errorf("error is %v", err)
			}
		}
	})
}
