package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
	"github.com/federation-dns/federation/federation/retry"
	"github.com/federation-dns/federation/test/needs"
)

// manyServices are services that members a and b have, of names such as s-0012.
func manyServices(n int) (all []federation.ServiceName) {
	for i := range n {
		all = append(all, federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("s-%05d", i)})
	}
	return all
}

func TestFailingMany(t *testing.T) {
	sizes := []int{100, 1000}
	if needs.All() {
		sizes = []int{1000, 10000}
	}
	for i, kind := range append(inmem.Kinds(), inmem.Kinds()[4]) {
		n := sizes[i/len(inmem.Kinds())]
		bubble(t, fmt.Sprintf("X5a %d names that fail: %s", n, kind.Name), func(t *testing.T) {
			w := newWorld(t, "a east east-1", "b west west-1")
			all := manyServices(n)
			for _, svc := range append(all, web) {
				w.set("a", svc, true)
			}
			w.set("b", web, true)
			asked := 0
			var mu sync.Mutex
			w.provider.SetFaults(inmem.Faults{Fail: func(_ context.Context, op inmem.Op, name federation.FQDN) error {
				if !strings.HasPrefix(string(name), "s-") || !strings.Contains(string(name), ".east-1.") {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				asked++
				return kind.Error(name)
			}})
			w.start()
			w.after(5 * time.Minute)
			first := asked // each once or twice
			for i := range 20 {
				w.set("a", web, i%2 == 1)
				w.after(2 * time.Second)
				w.wantAt(global, []string{"203.0.113.2", "203.0.113.1 203.0.113.2"}[i%2])
				w.after(164 * time.Second)
			}
			if perSecond := float64(asked-first) / time.Since(w.began).Seconds(); perSecond > 5 || asked > 4*n+10000 {
				t.Errorf("what fails was asked for %d times, then %.2f times a second", first, perSecond)
			}
			w.provider.SetFaults(inmem.Faults{})
			w.after(retry.MaxRefused + retry.MaxRefused/5)
			w.wantRule(func(federation.FQDN) bool { return false })
		})
	}
	bubble(t, "X5a what can neither be written nor read waits name by name, and is shown", func(t *testing.T) {
		const bad = federation.FQDN("web.shop.fed.svc.east-1.example.com.")
		w := three(t)
		for _, m := range []string{"a", "b"} {
			w.set(m, pay, true)
		}
		w.start()
		w.after(10 * time.Second)
		servfail := errors.New("SERVFAIL")
		w.provider.SetFaults(inmem.Faults{
			LoseReply: func(c plan.Change) bool { return c.Name == bad },
			Fail: func(_ context.Context, op inmem.Op, name federation.FQDN) error {
				if op&inmem.Reads != 0 && (name == bad || name == "fed.svc.east-1.example.com.") {
					return servfail
				}
				return nil
			},
		})
		w.set("a", web, false)
		w.after(5 * time.Second)
		w.set("b", pay, false)
		w.after(time.Second)
		w.wantAt("pay.shop.fed.svc.example.com.", "203.0.113.1")
		for _, s := range w.status().Services {
			if s.Name == web.String() {
				if len(s.Refused) != 1 || s.Refused[0].Name != string(bad) ||
					!strings.Contains(s.Refused[0].Error, "SERVFAIL") {
					t.Errorf("refused: %v", s.Refused)
				}
			}
		}
		w.logged("a name could not be read")
	})
	for _, d := range []time.Duration{5 * time.Second, 16 * time.Minute} {
		for _, kind := range inmem.Kinds() {
			if errors.Is(kind.Err, provider.ErrConflict) {
				continue // not of all names at once
			}
			bubble(t, fmt.Sprintf("X5a changes follow within 30 s when none could be made for %s: %s",
				d, kind.Name), func(t *testing.T) {
				w := three(t)
				for _, svc := range manyServices(100) {
					w.set("a", svc, true)
					w.set("b", svc, true)
				}
				w.start()
				w.after(10 * time.Second)
				var n atomic.Int32
				w.provider.SetFaults(inmem.Faults{Refuse: func(c plan.Change) error {
					n.Add(1)
					return kind.Error(c.Name)
				}})
				for _, svc := range manyServices(100) {
					w.set("a", svc, false)
				}
				w.set("a", web, false)
				w.moved("c", "south", "south-1") // claims are tried again too
				w.after(d)
				tried := n.Load()
				w.provider.SetFaults(inmem.Faults{})
				w.after(32 * time.Second)
				w.wantRule(func(federation.FQDN) bool { return false })
				if d > time.Minute && tried > 600 {
					t.Errorf("%d changes were tried meanwhile", tried)
				}
			})
		}
	}
	for _, first := range []federation.FQDN{"south.", "south-1."} {
		bubble(t, "X5a changes follow within 30 s when the first that is made is a claim's: "+string(first),
			func(t *testing.T) {
				w := three(t)
				w.set("a", pay, true)
				w.start()
				w.after(10 * time.Second)
				var mended atomic.Bool
				var at time.Time
				w.provider.SetFaults(inmem.Faults{Refuse: func(c plan.Change) error {
					if time.Since(w.began) > 16*time.Minute && strings.HasPrefix(string(c.Name), string(first)) {
						at = time.Now()
						mended.Store(true)
					}
					if mended.Load() {
						return nil
					}
					return fmt.Errorf("%w: not now", provider.ErrRefused)
				}})
				w.set("a", pay, false)
				w.set("a", web, false)
				w.moved("c", "south", "south-1")
				for !mended.Load() {
					w.after(time.Second)
				}
				w.after(time.Until(at.Add(32 * time.Second)))
				w.wantRule(func(federation.FQDN) bool { return false })
			})
	}
	bubble(t, "X5a a name in conflict again and again is read and tried ever more slowly", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		var mu sync.Mutex
		asked := 0
		conflict := inmem.FailNames(inmem.Kinds()[0], inmem.Apply, global)
		w.provider.SetFaults(inmem.Faults{Fail: func(ctx context.Context, op inmem.Op, name federation.FQDN) error {
			mu.Lock()
			defer mu.Unlock()
			if name == global || name == w.config.Federations[0].ClaimName(domain) {
				asked++
			}
			return conflict(ctx, op, name)
		}})
		w.set("a", web, false)
		w.after(time.Minute)
		if asked < 3 || asked > 60 {
			t.Errorf("%d requests in a minute", asked)
		}
		w.logged("another writer has changed a name")
		if r := w.status().Services[0].Refused; len(r) != 1 || r[0].Name != string(global) {
			t.Errorf("status: %v", r)
		}
		w.wantAt("web.shop.fed.svc.east-1.example.com.", "web.shop.fed.svc.east.example.com.")
	})
	for _, list := range []bool{true, false} {
		bubble(t, fmt.Sprintf("X5a an open batch of 200 services at a slow provider delays no other's failover "+
			"(lists work: %t)", list), func(t *testing.T) {
			w := newWorld(t, "a east east-1", "b west west-1")
			all := manyServices(200)
			for _, svc := range append(all, web) {
				w.set("a", svc, true)
				w.set("b", svc, true)
			}
			w.start()
			w.after(20 * time.Second)
			lose := true
			w.provider.SetFaults(inmem.Faults{
				Latency: 200 * time.Millisecond,
				Before: func(_ context.Context, _ *federation.RRset, changes []plan.Change) error {
					if lose && len(changes) > 100 {
						lose = false
						return errors.New("the reply was lost")
					}
					return nil
				},
				Fail: func(_ context.Context, op inmem.Op, name federation.FQDN) error {
					if op == inmem.List && !list {
						return errors.New("no lists")
					}
					return nil
				},
			})
			for _, svc := range all {
				w.set("a", svc, false)
			}
			w.after(time.Second) // its names are being read
			w.set("a", web, false)
			w.after(2 * time.Second)
			w.wantAt(global, "203.0.113.2")
			w.after(10 * time.Minute)
			w.wantRule(func(federation.FQDN) bool { return false })
		})
	}
	bubble(t, "X5a what was refused at services that are gone is forgotten", func(t *testing.T) {
		w := newWorld(t, "a east east-1", "b west west-1")
		w.set("b", web, true)
		w.provider.SetFaults(inmem.Faults{Refuse: func(c plan.Change) error {
			if strings.HasPrefix(string(c.Name), "s-") {
				return fmt.Errorf("%w: no", provider.ErrRefused)
			}
			return nil
		}})
		w.start()
		w.after(10 * time.Second)
		for _, svc := range manyServices(500) {
			w.set("a", svc, true)
		}
		w.after(time.Minute)
		for _, svc := range manyServices(500) {
			w.unset("a", svc)
		}
		w.after(15 * time.Minute)
		w.loop.call(t.Context(), func() {
			if len(w.loop.names) > 10 || w.loop.retries.Len() > 0 || len(w.loop.members["a"].losses) > 0 ||
				len(w.loop.services) > 1 {
				t.Errorf("%d names, %d that fail, %d losses, %d services are remembered",
					len(w.loop.names), w.loop.retries.Len(), len(w.loop.members["a"].losses), len(w.loop.services))
			}
		})
	})
	bubble(t, "X5a a slow list delays no publication", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.listLag.Store(int64(time.Minute))
		w.moved("c", "south", "south-1") // what is there is listed before it is claimed
		w.after(5 * time.Second)
		w.set("a", web, false)
		w.after(time.Second)
		w.wantAt(global, "203.0.113.2 203.0.113.3")
		w.after(5 * time.Minute)
		w.wantRule(func(federation.FQDN) bool { return false })
	})
	bubble(t, "X5b of everything else, one request starts between two publications", func(t *testing.T) {
		w := newWorld(t, "a east east-1", "b west west-1")
		for _, svc := range manyServices(200) {
			w.set("a", svc, true)
			w.set("b", svc, true)
		}
		w.start()
		w.after(20 * time.Second)
		var mu sync.Mutex
		lost, published, reads, most := false, 0, 0, 0
		w.provider.SetFaults(inmem.Faults{
			Before: func(_ context.Context, _ *federation.RRset, changes []plan.Change) error {
				if !lost {
					lost = true
					return errors.New("the reply was lost")
				}
				mu.Lock()
				if published++; published > 1 && published < 5 {
					most = max(most, reads)
				}
				reads = 0
				mu.Unlock()
				time.Sleep(2 * time.Second)
				return nil
			},
			Fail: func(_ context.Context, op inmem.Op, name federation.FQDN) error {
				mu.Lock()
				defer mu.Unlock()
				switch op {
				case inmem.Get:
					reads++
				case inmem.List:
					return errors.New("no lists")
				}
				return nil
			},
		})
		for _, svc := range manyServices(200) {
			w.set("a", svc, false)
		}
		w.after(10 * time.Millisecond)
		for i := range 1000 {
			w.set("a", federation.ServiceName{Namespace: "new", Name: fmt.Sprintf("s-%d", i)}, true)
		}
		w.after(time.Minute)
		if published < 5 || most > maxReads+1 { // and the main claim
			t.Errorf("%d publications, with up to %d reads between two", published, most)
		}
	})
}
