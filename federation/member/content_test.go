package member

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/resolve"
)

// world is a content, and what its events add up to.
type world struct {
	content *content
	cancel  context.CancelFunc
	shards  map[ShardKey]Shard
	lists   int
}

type fataler interface{ Fatalf(string, ...any) }

// newWorld returns a content whose lists are in, and empty.
func newWorld(t fataler, c Config) *world {
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{cancel: cancel, shards: map[ShardKey]Shard{}}
	if c.Topology == nil {
		c.Topology = &federation.Member{Name: c.Name}
	}
	w.content = newContent(ctx, c, resolve.NewCache(fixed{}, func(ShardKey) {}), NewTopologyHistory(c.Name),
		func(e Event) { w.take(t, e) })
	w.locked(func() { w.content.identified(identity{}) })
	w.locked(func() { w.content.replace(kindServices, nil) })
	w.locked(func() { w.content.replace(kindSlices, nil) })
	if w.lists != 1 {
		t.Fatalf("%d ListEvents, want 1", w.lists)
	}
	return w
}

func (w *world) locked(f func()) { _ = w.content.locked(f) }
func (w *world) put(obj any)     { w.locked(func() { w.content.put(obj) }) }
func (w *world) drop(obj any)    { w.locked(func() { w.content.remove(obj) }) }

func (w *world) take(t fataler, e Event) {
	switch e := e.(type) {
	case ListEvent:
		w.lists++
		w.shards = e.Shards
	case ShardEvent:
		if e.Shard == nil {
			delete(w.shards, e.Key)
		} else {
			w.shards[e.Key] = *e.Shard
		}
	}
}

// genObject draws a Service or an EndpointSlice of one of a few services.
func genObject(t *rapid.T) metav1.Object {
	name := federation.ServiceName{Namespace: "ns", Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "service")}
	if rapid.Bool().Draw(t, "slice") {
		s := slice(name, rapid.SampledFrom([]string{"x", "y"}).Draw(t, "suffix"), rapid.IntRange(0, 2).Draw(t, "ready"))
		if rapid.IntRange(0, 9).Draw(t, "moves") == 0 {
			s.Labels[discoveryv1.LabelServiceName] = "a"
		}
		return s
	}
	addr := rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "10.0.0.1"})
	s := balanced(name, rapid.SliceOfN(addr, 0, 3).Draw(t, "ingress")...)
	label := rapid.SampledFrom([]string{"myfederation", "myfederation", "second", "other", "Bad"})
	s.Labels[LabelFederation] = label.Draw(t, "label")
	s.CreationTimestamp = metav1.Time{Time: time.Unix(int64(rapid.IntRange(0, 3).Draw(t, "created")), 0)}
	if rapid.IntRange(0, 9).Draw(t, "deleting") == 0 {
		s.DeletionTimestamp = &metav1.Time{Time: time.Unix(5, 0)}
	}
	return s
}

// TestAnyOrder checks that the events of any history add up to what a list shows at its end, whichever kind is listed
// first.
func TestAnyOrder(t *testing.T) {
	t.Run("P7 H5 order of slices and services", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			c := testConfig()
			c.Federations = append(c.Federations, "second")
			c.MaxServices = rapid.SampledFrom([]int{0, 1, 2}).Draw(t, "max")
			w := newWorld(t, c)
			defer w.cancel()
			final := map[string]metav1.Object{}
			for range rapid.IntRange(0, 30).Draw(t, "changes") {
				o := genObject(t)
				key := fmt.Sprintf("%T %s", o, o.GetName())
				if old := final[key]; old != nil && rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
					delete(final, key)
					w.drop(old)
					continue
				}
				final[key] = o
				w.put(o)
			}
			fresh := newWorld(t, c)
			defer fresh.cancel()
			var services, slices []any
			for _, o := range final {
				if s, ok := o.(*corev1.Service); ok {
					services = append(services, s)
				} else {
					slices = append(slices, o)
				}
			}
			first := rapid.Bool().Draw(t, "services first")
			for i := range 2 {
				if (i == 0) == first {
					fresh.locked(func() { fresh.content.replace(kindServices, services) })
				} else {
					fresh.locked(func() { fresh.content.replace(kindSlices, slices) })
				}
			}
			if got, want := fmt.Sprint(w.shards), fmt.Sprint(fresh.shards); got != want {
				t.Fatalf("by events\n%s\nby list\n%s", got, want)
			}
			if fresh.lists != 3 {
				t.Fatalf("%d ListEvents, want 3", fresh.lists)
			}
		})
	})
}

// slow is a resolver that takes its time.
type slow struct {
	time.Duration
	resolve.Resolver
}

func (s slow) Lookup(ctx context.Context, host federation.FQDN) (a, aaaa resolve.Answer) {
	select {
	case <-ctx.Done():
		return failing, failing
	case <-time.After(s.Duration):
		return s.Resolver.Lookup(ctx, host)
	}
}

func TestHostsAtStart(t *testing.T) {
	web := federation.ServiceName{Namespace: "ns", Name: "web"}
	webKey := ShardKey{"myfederation", web}
	run := func(name string, resolver resolve.Resolver, f func(*bench)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := healthyAPI()
				a.set(balanced(web, "lb.example.net"), slice(web, "a", 1))
				f(start(t, a, testConfig(), resolver))
			})
		})
	}
	run("H4 the first list waits for the lookups", slow{2 * time.Second, fixed{"lb.example.net.": {"192.0.2.9"}}},
		func(b *bench) {
			equal(b.T, "events", len(b.after(time.Second)), 0)
			equal(b.T, "healthy", b.list(2 * time.Second).Shards[webKey].Healthy, true)
		})
	run("H4 one bad name holds up the others only so long", slow{time.Hour, nil}, func(b *bench) {
		l := b.list(7 * time.Second)
		equal(b.T, "reason", l.Shards[webKey].Reason, federation.ReasonHostUnresolved)
		equal(b.T, "unresolved", l.Shards[webKey].Unresolved, []string{"lb.example.net."})
		equal(b.T, "the other", l.Shards[nginxKey].Healthy, true)
		b.api.set(slice(nginx, "a", 0))
		equal(b.T, "reason", b.shard(time.Second, nginxKey).Reason, federation.ReasonNoReadyEndpoints)
		b.w.Relist()
		b.list(time.Second)
	})
	run("H4 a name is looked up only while it is used", fixed{"lb.example.net.": {"192.0.2.9"}}, func(b *bench) {
		b.list(time.Second)
		equal(b.T, "users", len(b.w.hosts.Users()), 1)
		b.api.set(balanced(web, "192.0.2.5"))
		equal(b.T, "host", b.shard(time.Second, webKey).Host, federation.FQDN(""))
		equal(b.T, "users", len(b.w.hosts.Users()), 0)
	})
	run("H4 a service that went during a list releases its name", fixed{"lb.example.net.": {"192.0.2.9"}},
		func(b *bench) {
			b.list(time.Second)
			b.api.fault(func(a *api) { a.mute = true })
			b.api.remove(balanced(web))
			b.w.Relist()
			b.list(time.Second)
			equal(b.T, "users", len(b.w.hosts.Users()), 0)
		})
}
