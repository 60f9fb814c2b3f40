package member

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation"
)

func healthyAPI() *api {
	a := newAPI()
	a.set(balanced(nginx, "192.0.2.1"), slice(nginx, "a", 2), node("n1", "us-central1", "us-central1-a"))
	return a
}

func TestList(t *testing.T) {
	t.Run("X2b everything in one event", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			equal(t, "list", start(t, healthyAPI(), testConfig(), nil).list(time.Second), ListEvent{
				Member: "gce",
				Shards: map[ShardKey]Shard{nginxKey: {
					Shard: federation.Shard{Member: "gce", Healthy: true, Addresses: addrs("192.0.2.1"),
						Ports: federation.MakePorts(nil)},
					ReadyEndpoints: 2, Known: []string{"192.0.2.1"},
				}},
				Topology: federation.Member{
					Name: "gce", Region: "us-central1", Zones: []federation.Label{"us-central1-a"},
				},
				ClusterUID: "3f0a7d0e-0000-4000-8000-000000000001", Version: "v1.37.2",
			})
		})
	})
}

func TestEvents(t *testing.T) {
	run := func(name string, f func(*bench)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, healthyAPI(), testConfig(), nil)
				b.list(time.Second)
				f(b)
			})
		})
	}
	run("H5 last endpoint not ready", func(b *bench) {
		b.api.set(slice(nginx, "a", 0))
		equal(b.T, "reason", b.shard(time.Second, nginxKey).Reason, federation.ReasonNoReadyEndpoints)
	})
	run("H5 address gone", func(b *bench) {
		b.api.set(balanced(nginx))
		equal(b.T, "reason", b.shard(time.Second, nginxKey).Reason, federation.ReasonNoAddress)
	})
	run("H5 Service gone", func(b *bench) {
		b.api.remove(balanced(nginx))
		equal(b.T, "shard", b.shard(time.Second, nginxKey), (*Shard)(nil))
	})
	run("H5 deletionTimestamp", func(b *bench) {
		s := balanced(nginx, "192.0.2.1")
		s.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		b.api.set(s)
		equal(b.T, "shard", b.shard(time.Second, nginxKey), (*Shard)(nil))
	})
	run("H1 no longer labeled", func(b *bench) {
		s := balanced(nginx, "192.0.2.1")
		s.Labels = nil
		b.api.set(s)
		equal(b.T, "shard", b.shard(time.Second, nginxKey), (*Shard)(nil))
	})
	run("H1 label of another syncer's federation", func(b *bench) {
		s := balanced(nginx, "192.0.2.1")
		s.Labels[LabelFederation] = "other"
		b.api.set(s)
		equal(b.T, "shard", b.shard(time.Second, nginxKey), (*Shard)(nil))
		b.w.Relist() // and it does not come back with a list
		equal(b.T, "shards", len(b.list(time.Second).Shards), 0)
	})
	run("H1 slices without label", func(b *bench) {
		s := slice(nginx, "a", 1)
		delete(s.Labels, LabelFederation)
		b.api.set(s)
		equal(b.T, "reason", b.shard(time.Second, nginxKey).Reason, federation.ReasonNoSlices)
	})
	run("X7 a label that names no federation", func(b *bench) {
		s := balanced(federation.ServiceName{Namespace: "ns", Name: "web"}, "192.0.2.2")
		s.Labels[LabelFederation] = "My_Federation"
		b.api.set(s)
		events := b.after(time.Second)
		equal(b.T, "events", len(events), 1)
		p := events[0].(TopologyEvent).Problems
		equal(b.T, "reasons", reasons(p), []federation.Reason{federation.ReasonBadLabel})
		if !strings.Contains(p[0].Detail, `"My_Federation"`) || p[0].Service.Name != "web" {
			b.Errorf("the problem does not name the thing: %+v", p[0])
		}
		b.api.remove(s)
		events = b.after(time.Second)
		equal(b.T, "problems", len(events[len(events)-1].(TopologyEvent).Problems), 0)
	})
	run("an event touches its service only", func(b *bench) {
		other := federation.ServiceName{Namespace: "ns", Name: "web"}
		b.api.set(balanced(other, "192.0.2.2"), slice(other, "a", 1))
		for _, e := range b.after(time.Second) {
			if s, ok := e.(ShardEvent); !ok || s.Key.Service != other {
				b.Errorf("unexpected %+v", e)
			}
		}
	})
	run("H6 topology of Nodes", func(b *bench) {
		b.api.set(node("n2", "us-central1", "us-central1-b"))
		events := b.after(time.Second)
		equal(b.T, "events", len(events), 1)
		equal(b.T, "zones", events[0].(TopologyEvent).Topology.Zones,
			[]federation.Label{"us-central1-a", "us-central1-b"})
		b.api.remove(node("n2", "", ""))
		equal(b.T, "events before a day is over", len(b.after(23*time.Hour)), 0)
		events = b.after(2 * time.Hour)
		equal(b.T, "events after a day", len(events), 1)
		equal(b.T, "zones", events[0].(TopologyEvent).Topology.Zones, []federation.Label{"us-central1-a"})
	})
	run("H6 a Node's heartbeat is no event", func(b *bench) {
		n := node("n1", "us-central1", "us-central1-a")
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady}}
		b.api.set(n)
		equal(b.T, "events", len(b.after(time.Second)), 0)
	})
}

func TestRelist(t *testing.T) {
	t.Run("X2b fresh list of all kinds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			b.list(time.Second)
			b.w.Relist()
			b.list(time.Second)
			for _, resource := range []string{"services", "endpointslices", "nodes"} {
				equal(t, "lists of "+resource, b.api.listsOf(resource), 2)
			}
		})
	})
	t.Run("X2b no list before all kinds are in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			b.list(time.Second)
			b.api.fault(func(a *api) { a.refuse["endpointslices"] = 500 })
			b.w.Relist()
			for _, e := range b.after(5 * time.Minute) {
				if _, ok := e.(TopologyEvent); !ok {
					t.Errorf("unexpected %+v", e)
				}
			}
			b.api.remove(balanced(nginx))
			b.api.fault(func(a *api) { delete(a.refuse, "endpointslices") })
			equal(t, "shards", len(b.list(20*time.Second).Shards), 0)
		})
	})
	t.Run("X2b a silent watch is listed again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			b.list(time.Second)
			b.api.fault(func(a *api) { a.mute = true })
			b.api.set(slice(nginx, "a", 0))
			equal(t, "events of the first 3 min", len(b.after(2*time.Minute+58*time.Second)), 0)
			b.api.fault(func(a *api) { a.mute = false })
			b.api.fault(func(a *api) { a.mute = true })
			l := b.list(time.Minute)
			equal(t, "reason", l.Shards[nginxKey].Reason, federation.ReasonNoReadyEndpoints)
		})
	})
	t.Run("X2b a watch with bookmarks is left alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			b.list(time.Second)
			equal(t, "events", len(b.after(time.Hour)), 0)
			equal(t, "lists", b.api.listsOf("services"), 1)
		})
	})
	t.Run("X2b no relist for silence while probes are not answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			b.list(time.Second)
			b.api.fault(func(a *api) { a.mute, a.refuse["probe"] = true, 500 })
			equal(t, "events", len(b.after(4*time.Minute)), 0)
			equal(t, "lists", b.api.listsOf("services"), 1)
		})
	})
	t.Run("X7 a refused kind is reported and affects nothing else", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := healthyAPI()
			a.refuse["nodes"] = 403
			b := start(t, a, testConfig(), nil)
			events := b.after(5 * time.Second)
			equal(t, "events", len(events), 1)
			equal(t, "reasons", reasons(events[0].(TopologyEvent).Problems),
				[]federation.Reason{federation.ReasonWatchFailed})
			l := b.list(time.Minute)
			equal(t, "healthy", l.Shards[nginxKey].Healthy, true)
			equal(t, "reasons", reasons(l.Problems), []federation.Reason{federation.ReasonWatchFailed})
			b.api.fault(func(a *api) { delete(a.refuse, "nodes") })
			l = b.list(time.Minute)
			equal(t, "region", l.Topology.Region, federation.Label("us-central1"))
			equal(t, "problems", len(l.Problems), 0)
		})
	})
	t.Run("X2b an expired watch is listed again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			b.list(time.Second)
			b.api.fault(func(a *api) { a.refuse["watch"] = 410 })
			b.after(15 * time.Minute) // until the watches have timed out
			b.api.remove(balanced(nginx))
			var last ListEvent
			for _, e := range b.after(time.Minute) {
				if l, ok := e.(ListEvent); ok {
					last = l
				} else {
					t.Errorf("unexpected %+v", e)
				}
			}
			equal(t, "member", last.Member, "gce")
			equal(t, "shards", len(last.Shards), 0)
			equal(t, "problems", reasons(last.Problems),
				[]federation.Reason{federation.ReasonWatchFailed, federation.ReasonWatchFailed,
					federation.ReasonWatchFailed})
		})
	})
	t.Run("H6 a refusal in passing does not cost the topology", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := healthyAPI()
			a.refuse["nodes"] = 503
			b := start(t, a, testConfig(), nil)
			b.after(time.Minute)
			b.api.fault(func(a *api) { a.refuse["nodes"] = 403 })
			b.after(10 * time.Second)
			b.api.fault(func(a *api) { delete(a.refuse, "nodes") })
			equal(t, "region", b.list(10*time.Second).Topology.Region, federation.Label("us-central1"))
		})
	})
	t.Run("H6 configured topology needs no Nodes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := healthyAPI()
			a.refuse["nodes"] = 403
			c := testConfig()
			c.Topology = &federation.Member{Name: "gce", Region: "eu"}
			l := start(t, a, c, nil).list(time.Second)
			equal(t, "region", l.Topology.Region, federation.Label("eu"))
			equal(t, "problems", len(l.Problems), 0)
		})
	})
	t.Run("X2b a member that was away says again which cluster it is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			b.list(time.Second)
			b.api.fault(func(a *api) {
				for _, r := range []string{"services", "endpointslices", "nodes", "kube-system", "version"} {
					a.refuse[r] = 503
				}
				a.uid = "another"
			})
			b.w.Relist()
			b.after(time.Hour)
			b.api.fault(func(a *api) { clear(a.refuse) })
			l := b.list(10 * time.Second)
			equal(t, "uid", l.ClusterUID, "another")
			equal(t, "version", l.Version, "v1.37.2")
		})
	})
	t.Run("the identity is not waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := healthyAPI()
			a.refuse["kube-system"] = 403
			l := start(t, a, testConfig(), nil).list(3 * time.Second)
			equal(t, "uid", l.ClusterUID, "")
			equal(t, "version", l.Version, "v1.37.2")
		})
	})
}

func TestProbe(t *testing.T) {
	probes := func(b *bench, d time.Duration) (out []ProbeEvent) {
		time.Sleep(d)
		synctest.Wait()
		for len(b.events) > 0 {
			if p, ok := (<-b.events).(ProbeEvent); ok {
				out = append(out, p)
			}
		}
		return out
	}
	t.Run("X2a interval", func(t *testing.T) {
		for after, want := range map[time.Duration]time.Duration{
			0: 5 * time.Second, 45 * time.Second: 5 * time.Second, 10 * time.Second: 2 * time.Second,
			time.Second: 200 * time.Millisecond,
		} {
			i, timeout := Config{UnreachableAfter: after}.probeTimes()
			equal(t, after.String(), i, want)
			equal(t, after.String(), timeout, min(3*time.Second, want))
		}
	})
	t.Run("X2a time in which the syncer did not run says nothing about the member", func(t *testing.T) {
		for between, want := range map[time.Duration]time.Duration{
			0: 0, 5 * time.Second: 0, 9 * time.Second: 0, 10 * time.Second: 5 * time.Second,
			time.Hour: time.Hour - 5*time.Second,
		} {
			equal(t, between.String(), standstill(between, 5*time.Second), want)
		}
	})
	t.Run("X2a every interval, whatever the watches do", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := healthyAPI()
			a.refuse["endpointslices"], a.refuse["nodes"] = 403, 500
			b := start(t, a, testConfig(), nil)
			got := probes(b, time.Minute+time.Second)
			equal(t, "probes in a minute", len(got), 13)
			for _, p := range got {
				if p.Err != nil {
					t.Error(p.Err)
				}
			}
		})
	})
	t.Run("X2a no answer in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, healthyAPI(), testConfig(), nil)
			probes(b, time.Second)
			b.api.fault(func(a *api) { a.hang = true })
			for _, p := range probes(b, 12*time.Second) {
				if p.Err == nil || !strings.Contains(p.Err.Error(), `member "gce": no answer to a probe within 3s`) {
					t.Errorf("error %v", p.Err)
				}
			}
		})
	})
	t.Run("X2a only 2xx is a contact, and 429: a server that is busy lives", func(t *testing.T) {
		for _, status := range []int{401, 403, 404, 429, 500, 503} {
			synctest.Test(t, func(t *testing.T) {
				a := healthyAPI()
				a.refuse["probe"] = status
				got := probes(start(t, a, testConfig(), nil), time.Second)
				if len(got) != 1 || (got[0].Err == nil) != (status == 429) {
					t.Errorf("status %d: %v", status, got)
				}
			})
		}
	})
}

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := healthyAPI()
		a.set(balanced(federation.ServiceName{Namespace: "ns", Name: "web"}, "lb.example.net"))
		b := start(t, a, testConfig(), fixed{"lb.example.net.": {"192.0.2.9"}})
		b.list(time.Second)
		b.stop() // and the bubble fails if a goroutine is left
		n := len(b.events)
		b.w.Relist()
		time.Sleep(time.Minute)
		equal(t, "events after the end", len(b.events), n)
	})
}

func TestWithoutURL(t *testing.T) {
	inner := errors.New("connection refused")
	equal(t, "error", withoutURL(inner).Error(), inner.Error())
}
