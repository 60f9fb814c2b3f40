package budget_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
)

// starts makes count requests at once and returns when each started.
func starts(t *testing.T, b *budget.Budget, kind budget.Kind, zone func(i int) string, count int) []time.Duration {
	t.Helper()
	begin := time.Now()
	at := make([]time.Duration, count)
	var wg sync.WaitGroup
	for i := range count {
		wg.Go(func() {
			if err := b.Do(t.Context(), kind, zone(i),
				func() error { at[i] = time.Since(begin); return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	slices.Sort(at)
	return at
}

func none(int) string { return "" }

func TestRate(t *testing.T) {
	t.Run("X5b five requests a second and as many at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			at := starts(t, budget.New(0), budget.Change, none, 55)
			if at[4] != 0 || at[5] < 199*time.Millisecond {
				t.Errorf("the fifth started after %v, the sixth after %v", at[4], at[5])
			}
			for i := range at[:len(at)-10] {
				if within := at[i+10] - at[i]; within < 990*time.Millisecond {
					t.Fatalf("11 requests within %v, from %v on", within, at[i])
				}
			}
			if last := at[len(at)-1]; last < 9900*time.Millisecond || last > 10100*time.Millisecond {
				t.Errorf("the last started after %v", last)
			}
		})
	})
	t.Run("X5b several zones share it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			zones := []string{"Z1", "Z2", "Z3"}
			at := starts(t, budget.New(10), budget.Change, func(i int) string { return zones[i%3] }, 60)
			if last := at[len(at)-1]; last < 4900*time.Millisecond {
				t.Errorf("60 requests within %v", last)
			}
		})
	})
	t.Run("X5b lists take a fifth while changes are made", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(10)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var changes, lists int
			var wg sync.WaitGroup
			for _, kind := range []budget.Kind{budget.Change, budget.List, budget.List} {
				count := &lists
				if kind == budget.Change {
					count = &changes
				}
				wg.Go(func() {
					if kind == budget.List {
						time.Sleep(time.Second) // the changes have begun
					}
					for b.Do(ctx, kind, "Z1", func() error { *count++; return nil }) == nil {
					}
				})
			}
			wg.Wait()
			if share := float64(lists) / float64(lists+changes); share > 0.2 || changes < 240 || lists < 50 {
				t.Errorf("%d changes and %d lists within 30 s", changes, lists)
			}
		})
	})
	for name, kind := range map[string]budget.Kind{"lists": budget.List, "reads of one name": budget.Change} {
		t.Run("X5b an audit's "+name+" take a fifth, whatever else is asked", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(2 * time.Second)
				b := budget.New(10)
				ctx, cancel := context.WithTimeout(provider.ForAudit(t.Context()), time.Minute)
				defer cancel()
				audited, listed := 0, 0
				var wg sync.WaitGroup
				wg.Go(func() {
					for b.Do(ctx, kind, "Z1", func() error { audited++; return nil }) == nil {
					}
				})
				wg.Go(func() { // a start's list beside it
					for listed < 100 {
						if err := b.Do(t.Context(), budget.List, "Z2",
							func() error { listed++; return nil }); err != nil {
							t.Error(err)
						}
					}
				})
				begin := time.Now()
				synctest.Wait()
				wg.Wait()
				if took := time.Since(begin); audited > 122 || audited < 115 || took < time.Minute {
					t.Errorf("%d requests of an audit within %v", audited, took)
				}
			})
		})
	}
	t.Run("X5b lists have it all while none is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(2 * time.Second)
			at := starts(t, budget.New(10), budget.List, none, 40)
			if last := at[len(at)-1]; last > 3100*time.Millisecond {
				t.Errorf("40 lists took %v", last)
			}
		})
	})
}

func TestZone(t *testing.T) {
	t.Run("X5b one in flight for a zone, several for several", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(1000)
			var inZone [2]atomic.Int32
			var all, most atomic.Int32
			var wg sync.WaitGroup
			for i := range 20 {
				zone := i % 2
				wg.Go(func() {
					_ = b.Do(t.Context(), budget.Kind(i/2%2), []string{"Z1", "Z2"}[zone], func() error {
						if n := inZone[zone].Add(1); n > 1 {
							t.Errorf("%d requests in flight for a zone", n)
						}
						if n := all.Add(1); n > most.Load() {
							most.Store(n)
						}
						time.Sleep(time.Second)
						all.Add(-1)
						inZone[zone].Add(-1)
						return nil
					})
				})
			}
			wg.Wait()
			if most.Load() != 2 {
				t.Errorf("%d requests in flight at most, want one for each of 2 zones", most.Load())
			}
		})
	})
	t.Run("X5b a request that fails gives its turn on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, wrong := budget.New(10), errors.New("wrong")
			for range 3 {
				if err := b.Do(t.Context(), budget.Change, "Z1", func() error { return wrong }); !errors.Is(err,
					wrong) {
					t.Errorf("error is %v", err)
				}
			}
		})
	})
}

func TestCancelled(t *testing.T) {
	never := func() error { panic("a request after the context has ended") }
	t.Run("X5b before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, kind := range []budget.Kind{budget.Change, budget.List} {
			if err := budget.New(0).Do(ctx, kind, "Z1", never); !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v", err)
			}
		}
	})
	t.Run("X5b while another has the zone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(0)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := b.Do(t.Context(), budget.Change, "Z1", func() error {
				begin := time.Now()
				err := b.Do(ctx, budget.Change, "Z1", never)
				if took := time.Since(begin); took != time.Second {
					t.Errorf("it took %v to notice", took)
				}
				return err
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error is %v", err)
			}
		})
	})
	t.Run("X5b while the rate is used up, which costs nothing of it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(1)
			grant := func() error { return nil }
			begin := time.Now()
			if err := b.Do(t.Context(), budget.Change, "", grant); err != nil {
				t.Error(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
			defer cancel()
			if err := b.Do(ctx, budget.Change, "", never); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error is %v", err)
			}
			if err := b.Do(t.Context(), budget.Change, "", grant); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took != time.Second {
				t.Errorf("the next request started after %v", took)
			}
		})
	})
}

func TestStats(t *testing.T) {
	t.Run("X5b requests, those the server put off, and how long all waited", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(1)
			for _, err := range []error{nil, fmt.Errorf("%w: slower", provider.ErrThrottled), errors.New("no answer")} {
				if got := b.Do(t.Context(), budget.Change, "", func() error { return err }); !errors.Is(got, err) {
					t.Errorf("error is %v, want %v", got, err)
				}
			}
			if got, want := b.Stats(), (budget.Stats{Requests: 3, Throttled: 1, Waited: 2 * time.Second}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	})
}
