package federation

import (
	"bytes"
	"context"
	"io"
	golog "log"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// TestCollisionGauge: each server block has its own federations, and counts them until it is stopped.
func TestCollisionGauge(t *testing.T) {
	t.Run("Q4a the gauge is the number over all server blocks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gauge := func(want float64) {
				t.Helper()
				synctest.Wait()
				if got := counted(t, "coredns_federation_namespace_collisions", ""); got != want {
					t.Errorf("%v, want %v", got, want)
				}
			}
			before := counted(t, "coredns_federation_namespace_collisions", "")
			c := newCluster()
			var stops []func()
			for _, name := range []string{"ns", "ns", "other"} {
				f := newPlugin(t, c, nil, usualKubernetes, "federation {\n "+name+" example.com\n}")
				ctx, cancel := context.WithCancel(t.Context())
				stops = append(stops, cancel)
				go f.watchCollisions(ctx)
			}
			gauge(before + 2)
			c.setNamespace("ns", false)
			time.Sleep(time.Minute) // the clock of synctest
			gauge(before)
			c.setNamespace("ns", true)
			time.Sleep(time.Minute)
			gauge(before + 2)
			stops[0]()
			gauge(before + 1)
			stops[1]()
			stops[2]()
			gauge(before)
		})
	})
}

// captureLog returns what is logged until the test ends.
func captureLog(t *testing.T) *syncBuffer {
	logged := &syncBuffer{}
	golog.SetOutput(logged)
	t.Cleanup(func() { golog.SetOutput(io.Discard) })
	return logged
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestCollisionWarnings(t *testing.T) {
	t.Run("Q4a a warning at start, and once an hour later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			logged := captureLog(t)
			c := newCluster()
			c.unsynced.Store(true)
			f := newPlugin(t, c, nil, usualKubernetes, "federation {\n ns example.com\n other example.com\n}")
			ctx, cancel := context.WithCancel(t.Context())
			defer synctest.Wait()
			defer cancel()
			go f.watchCollisions(ctx)
			warnings := func(want int) {
				t.Helper()
				synctest.Wait()
				const warning = `[WARNING] plugin/federation: federation "ns" has the name of a namespace`
				text := logged.String()
				if got := strings.Count(text, warning); got != want || strings.Contains(text, `"other" has`) {
					t.Errorf("%d warnings, want %d:\n%s", got, want, logged)
				}
			}
			time.Sleep(10 * time.Second) // the clock of synctest
			warnings(0)
			c.unsynced.Store(false)
			time.Sleep(10 * time.Second)
			warnings(1)
			time.Sleep(49 * time.Minute)
			warnings(1)
			time.Sleep(12 * time.Minute)
			warnings(2)
		})
	})
	t.Run("Q4b a warning at start", func(t *testing.T) {
		logged := captureLog(t)
		newPlugin(t, newCluster(), nil, usualKubernetes, "federation {\n dev example.com\n myfed example.com\n}")
		if text := logged.String(); !strings.Contains(text,
			`[WARNING] plugin/federation: federation "dev" has the name of a public top-level domain`) ||
			strings.Contains(text, `"myfed" has`) {
			t.Errorf("logged %s", text)
		}
	})
}

func TestNamespaceThatComes(t *testing.T) {
	t.Run("Q4a a namespace that is made later counts after a tenth of a second", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster()
			f := newPlugin(t, c, newRecords(t), usualKubernetes, usualFederation)
			const name = "nowhere.com.myfed.svc.cluster.local."
			if got := short(ask(t, f, name, dns.TypeCNAME)); !strings.HasPrefix(got, "NOERROR; "+name+" CNAME ") {
				t.Errorf("before: %s", got)
			}
			c.setNamespace("myfed", true)
			time.Sleep(100 * time.Millisecond) // the clock of synctest
			synctest.Wait()
			if got, want := short(ask(t, f, name, dns.TypeCNAME)), "NXDOMAIN; soa cluster.local."; got != want {
				t.Errorf("after: got %s, want %s", got, want)
			}
		})
	})
}

// TestLearnWarnings: what is wrong with the node's labels is logged once.
func TestLearnWarnings(t *testing.T) {
	t.Setenv("NODE_NAME", "node1")
	t.Run("Q10 what is wrong with the node is logged once, and by name", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			logged := captureLog(t)
			c := newCluster()
			f := newPlugin(t, c, nil, usualKubernetes, "federation {\n myfed example.com\n}")
			ctx, cancel := context.WithCancel(t.Context())
			defer synctest.Wait()
			defer cancel()
			go f.learnTopology(ctx, c)
			says := func(want string) {
				t.Helper()
				synctest.Wait()
				if n := strings.Count(logged.String(), "[WARNING]"); !strings.Contains(logged.String(), want) ||
					n > 1 ||
					want == "" && n > 0 {
					t.Errorf("logged %q, want %q", logged, want)
				}
				logged.Reset()
			}
			says(`names point to global (set "topology REGION [ZONE]" if it has no labels): ` +
				`node "node1": nodes "node1" not found (the ClusterRole needs nodes: get)`)
			time.Sleep(10 * topologyRetry) // the clock of synctest
			says("")
			c.setNode("node1", map[string]string{"topology.kubernetes.io/region": "r",
				"topology.kubernetes.io/zone": "zone_1"})
			time.Sleep(topologyRetry)
			says(`topology of this node: node "node1": label topology.kubernetes.io/zone: label "zone_1"`)
			time.Sleep(5 * topologyRefresh)
			says("")
			c.setNode("node1", map[string]string{"topology.kubernetes.io/region": "a.b",
				"topology.kubernetes.io/zone": "zone_1"})
			time.Sleep(topologyRefresh)
			says(`cannot read the topology of this node again, keeping the last one: node "node1": ` +
				`label topology.kubernetes.io/region: label "a.b"`)
			time.Sleep(5 * topologyRefresh)
			says("")
			if got := f.feds[0].levels.Load().suffixes[0]; got != "myfed.svc.r.example.com." {
				t.Errorf("names point to %q", got)
			}
		})
	})
}

// TestTopologyKnown: an upgrade of the platform may take the right to read nodes away, which is to be seen.
func TestTopologyKnown(t *testing.T) {
	t.Setenv("NODE_NAME", "node1")
	gauge := func(t *testing.T, want float64) {
		t.Helper()
		synctest.Wait()
		if got := counted(t, "coredns_federation_topology_known", ""); got != want {
			t.Errorf("coredns_federation_topology_known is %v, want %v", got, want)
		}
	}
	t.Run("Q10 the gauge says that names point to global, and the first retry is soon", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			lastTopology.Store(nil)
			c := newCluster()
			asked := func() int {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.nodesAsked
			}
			k := stanza(t, c, usualKubernetes)
			first := newPlugin(t, c, nil, usualKubernetes, usualFederation)
			first.start(k)
			defer first.stop()
			gauge(t, 1) // of the Corefile
			second := newPlugin(t, c, nil, usualKubernetes, "federation {\n other example.com\n}")
			second.start(k)
			gauge(t, 0)
			for i, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
				topologyRetry, topologyRetry} {
				time.Sleep(wait) // the clock of synctest
				synctest.Wait()
				if n := asked(); n != i+2 {
					t.Errorf("after retry %d the node was asked for %d times", i+1, n)
				}
			}
			gauge(t, 0)
			c.setNode("node1", map[string]string{"topology.kubernetes.io/region": "r"})
			time.Sleep(topologyRetry)
			gauge(t, 1)
			third := newPlugin(t, newCluster(), nil, usualKubernetes, "federation {\n third example.com\n}")
			third.start(stanza(t, newCluster(), usualKubernetes))
			gauge(t, 1) // of a plugin that ran here before, until it is known again
			third.stop()
			second.stop()
			gauge(t, 1)
			lastTopology.Store(nil)
		})
	})
}

// TestInstances: a reload that fails leaves CoreDNS with the old instance.
func TestInstances(t *testing.T) {
	t.Run("Q10 what a failed reload has started is stopped", func(t *testing.T) {
		var list instances
		stopped := map[string]int{}
		add := func(of any, name string) *Federation {
			f := &Federation{stop: func() { stopped[name]++ }}
			list.add(of, f)
			return f
		}
		serving, failed, next := new(int), new(int), new(int)
		one, two := add(serving, "one"), add(serving, "two")
		for range 5 {
			add(failed, "three")
			add(failed, "four")
			list.stopAfter(serving)
			list.stopAfter(serving) // once for each block of the old instance
		}
		if stopped["three"] != 5 || stopped["four"] != 5 || stopped["one"]+stopped["two"] != 0 {
			t.Errorf("stopped: %v", stopped)
		}
		add(next, "five")
		list.stop(one)
		list.stop(two)
		list.stop(&Federation{}) // one that has never started
		if stopped["one"] != 1 || stopped["two"] != 1 || stopped["five"] != 0 || len(list.list) != 1 {
			t.Errorf("after a reload stopped: %v", stopped)
		}
		list.stopAfter(serving) // it has been stopped
		if stopped["five"] != 0 {
			t.Errorf("stopped: %v", stopped)
		}
	})
}
