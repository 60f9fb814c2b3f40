package member

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation"
)

// probed lets time pass, and returns the last probe and how often Services or EndpointSlices have been out of sight for
// longer than that, by the probes.
func (b *bench) probed(d, longer time.Duration) (last ProbeEvent, times int) {
	b.Helper()
	time.Sleep(d)
	synctest.Wait()
	for len(b.events) > 0 {
		if p, ok := (<-b.events).(ProbeEvent); ok {
			last = p
			if !p.Unwatched.IsZero() && p.At.Sub(p.Unwatched) > longer {
				times++
			}
		}
	}
	return last, times
}

func TestUnwatched(t *testing.T) {
	run := func(name string, f func(*bench)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, healthyAPI(), testConfig(), nil)
				b.list(time.Second)
				f(b)
			})
		})
	}
	for _, resource := range []string{"services", "endpointslices"} {
		for _, status := range []int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError,
		} {
			run("X2d "+resource+" that are refused: "+http.StatusText(status), func(b *bench) {
				b.api.fault(func(a *api) {
					a.refuse[resource] = status
					a.refuse["probe"] = http.StatusOK // it has a right of its own here
				})
				last, times := b.probed(time.Hour, 3*time.Minute)
				if last.Err != nil || last.Unwatched.IsZero() || times < 500 {
					b.Errorf("%d probes with it, the last is %+v", times, last)
				}
				b.api.fault(func(a *api) { delete(a.refuse, resource) })
				if last, _ := b.probed(10*time.Second, 0); !last.Unwatched.IsZero() {
					b.Errorf("though it can be watched again: %+v", last)
				}
			})
		}
	}
	run("X2d X2b while only the watch is refused, the member is listed every minute", func(b *bench) {
		for _, status := range []int{http.StatusForbidden, http.StatusTooManyRequests} {
			b.api.fault(func(a *api) { a.refuse["watch"] = status })
			b.probed(15*time.Minute, 0) // until the watches have ended
			if _, times := b.probed(time.Hour, 90*time.Second); times > 0 {
				b.Errorf("status %d: %d times out of sight", status, times)
			}
			b.api.set(slice(nginx, "a", 0))
			equal(b.T, "reason", lastShard(b.after(2*time.Minute)).Reason, federation.ReasonNoReadyEndpoints)
			b.api.set(slice(nginx, "a", 1))
			b.api.fault(func(a *api) { delete(a.refuse, "watch") })
			b.after(5 * time.Minute)
		}
	})
	run("X2d a server that has stopped answering all but the probes", func(b *bench) {
		b.api.fault(func(a *api) { a.hang, a.spareProbes, a.down = true, true, true })
		b.api.fault(func(a *api) { a.down = false }) // the watches have ended
		if last, times := b.probed(10*time.Minute, 3*time.Minute); last.Err != nil || times < 30 {
			b.Errorf("%d probes with it, the last is %+v", times, last)
		}
	})
	run("X2d a relist does not restart the time", func(b *bench) {
		b.api.fault(func(a *api) { a.refuse["endpointslices"], a.down = http.StatusForbidden, true })
		b.after(time.Second)
		b.api.fault(func(a *api) { a.down = false }) // the watches have ended
		b.after(2 * time.Minute)
		b.w.Relist()
		if last, _ := b.probed(30*time.Second, 0); last.At.Sub(last.Unwatched) < 2*time.Minute {
			b.Errorf("out of sight since %s at %s", last.Unwatched, last.At)
		}
	})
	run("X2d Nodes that are refused are a reason only", func(b *bench) {
		b.api.fault(func(a *api) { a.refuse["nodes"] = http.StatusForbidden })
		if _, times := b.probed(time.Hour, 0); times > 0 {
			b.Errorf("out of sight, by %d probes", times)
		}
		equal(b.T, "reasons", reasons(b.w.current.report.problems), []federation.Reason{federation.ReasonWatchFailed})
	})
}

// lastShard returns the last shard in the events.
func lastShard(events []Event) (s Shard) {
	for _, e := range events {
		switch e := e.(type) {
		case ListEvent:
			s = e.Shards[nginxKey]
		case ShardEvent:
			s = *e.Shard
		}
	}
	return s
}

func TestOneProblem(t *testing.T) {
	t.Run("X7 watches that fail in the same way are one problem", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := healthyAPI()
			for _, r := range []string{"services", "endpointslices", "nodes"} {
				a.refuse[r] = http.StatusInternalServerError
			}
			a.uniform = "out of order"
			b := start(t, a, testConfig(), nil)
			b.after(time.Minute)
			equal(t, "problems", b.w.current.report.problems,
				[]federation.Problem{{Member: "gce", Reason: federation.ReasonWatchFailed,
					Detail: `services, endpointslices, nodes of member "gce" cannot be listed: out of order`}})
		})
	})
	t.Run("X7 a refused connection is the probes' to report", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			b.list(time.Second)
			b.api.fault(func(a *api) { a.down = true })
			for _, e := range b.after(10 * time.Minute) {
				t.Errorf("unexpected %+v", e)
			}
		})
	})
	t.Run("X7 a watch that has no answer while the probes have is a problem", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			b.list(time.Second)
			b.api.fault(func(a *api) { a.hang, a.spareProbes, a.down = true, true, true })
			b.api.fault(func(a *api) { a.down = false })
			b.after(5 * time.Minute)
			equal(t, "reasons", slices.Compact(reasons(b.w.current.report.problems)),
				[]federation.Reason{federation.ReasonWatchFailed})
		})
	})
}

func TestOtherFederations(t *testing.T) {
	t.Run("H1 labels that name none of our federations are counted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := healthyAPI()
			for i, label := range []string{"fedd", "fedd", "x"} {
				s := balanced(federation.ServiceName{Namespace: "ns", Name: string(rune('a' + i))}, "192.0.2.9")
				s.Labels[LabelFederation] = label
				a.set(s)
			}
			b := start(t, a, testConfig(), nil)
			l := b.list(time.Second)
			equal(t, "problems", l.Problems,
				[]federation.Problem{{Member: "gce", Reason: federation.ReasonOtherFederation,
					Detail: "3 Services name federations that are none of ours: fedd, x"}})
			for _, name := range []string{"b", "c"} {
				a.remove(balanced(federation.ServiceName{Namespace: "ns", Name: name}))
			}
			b.after(2 * time.Second)
			equal(t, "detail", b.w.current.report.problems[0].Detail,
				"1 Service names a federation that is none of ours: fedd")
			a.remove(balanced(federation.ServiceName{Namespace: "ns", Name: "a"}))
			b.after(2 * time.Second)
			equal(t, "problems", len(b.w.current.report.problems), 0)
		})
	})
}
