package member

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/resolve"
)

func TestQuota(t *testing.T) {
	name := func(i int) federation.ServiceName {
		return federation.ServiceName{Namespace: "ns", Name: fmt.Sprintf("s%02d", i)}
	}
	t.Run("H3d the oldest count, whatever has come and gone", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			most := rapid.IntRange(1, 5).Draw(t, "most")
			r := newQuota(most)
			created, over := map[federation.ServiceName]time.Time{}, map[federation.ServiceName]bool{}
			for range rapid.IntRange(0, 60).Draw(t, "changes") {
				n := name(rapid.IntRange(0, 12).Draw(t, "service"))
				var moved []federation.ServiceName
				if _, has := created[n]; has && rapid.Bool().Draw(t, "remove") {
					delete(created, n)
					moved = r.remove(n)
				} else {
					created[n] = time.Unix(int64(rapid.IntRange(0, 6).Draw(t, "created")), 0)
					moved = r.set(n, created[n])
				}
				var all []*quotaEntry
				for n, at := range created {
					all = append(all, &quotaEntry{name: n, created: at})
				}
				slices.SortFunc(all, compareAge)
				for i, e := range all {
					if r.exceeds(e.name) != (i >= most) {
						t.Fatalf("%s is over: %t", e.name, r.exceeds(e.name))
					}
					if before, had := over[e.name]; had && before != (i >= most) && e.name != n &&
						!slices.Contains(moved, e.name) {
						t.Fatalf("%s has crossed the limit, and is not returned", e.name)
					}
				}
				clear(over)
				for i, e := range all {
					over[e.name] = i >= most
				}
			}
		})
	})
	t.Run("H3e tens of thousands of Services beyond maxServices", func(t *testing.T) {
		c := testConfig()
		c.MaxServices = 100
		w := newWorld(t, c)
		defer w.cancel()
		began := time.Now()
		const services = 30_000
		for i := range services { // each older than all before: it takes the place of one
			s := balanced(federation.ServiceName{Namespace: "ns", Name: fmt.Sprintf("s%05d", i)}, "192.0.2.1")
			s.CreationTimestamp = metav1.Time{Time: time.Unix(int64(services-i), 0)}
			w.put(s)
		}
		for i := services - 1; i >= services-1000; i-- {
			w.drop(balanced(federation.ServiceName{Namespace: "ns", Name: fmt.Sprintf("s%05d", i)}))
		}
		if took := time.Since(began); took > 30*time.Second { // sorting them each time takes an hour
			t.Errorf("%s", took)
		}
		counting := 0
		for _, s := range w.shards {
			if s.Reason != federation.ReasonTooManyServices {
				counting++
			}
		}
		equal(t, "Services that count", counting, c.MaxServices)
	})
}

// topologies returns the topologies in the events, without repetitions.
func topologies(events []Event) (out []federation.Member) {
	for _, e := range events {
		switch e := e.(type) {
		case TopologyEvent:
			out = append(out, e.Topology)
		case ListEvent:
			out = append(out, e.Topology)
		}
	}
	return slices.CompactFunc(out, sameTopology)
}

func TestLabelStorm(t *testing.T) {
	run := func(name string, f func(*bench)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, healthyAPI(), testConfig(), nil)
				b.list(time.Second)
				f(b)
			})
		})
	}
	run("H3e labels that change five times a second", func(b *bench) {
		var events []Event
		for i := range 1500 {
			b.api.set(node("n1", "us-central1", []string{"us-central1-a", "us-central1-b"}[i%2]),
				node("n2", "us-central1", fmt.Sprintf("storm-%d", i)))
			events = append(events, b.after(200*time.Millisecond)...)
		}
		if n := len(topologies(events)); n > 12 { // in 5 min: 5 at once, then one a minute
			b.Errorf("%d changes of the place", n)
		}
		if n := len(events); n > 301 {
			b.Errorf("%d events in 300 s", n)
		}
		if !slices.Contains(reasons(b.w.current.report.problems), federation.ReasonLabelsUnstable) &&
			!slices.Contains(reasons(b.w.current.report.problems), federation.ReasonTooManyZones) {
			b.Errorf("problems: %v", b.w.current.report.problems)
		}
		b.api.set(node("n1", "us-central1", "us-central1-a"), node("n2", "us-central1", "us-central1-b"))
		b.w.Relist() // a list is no way around it
		last := topologies(b.after(2 * time.Minute))
		if zones := b.w.history.current().Zones; !slices.Contains(zones, "us-central1-a") ||
			!slices.Contains(zones, "us-central1-b") {
			b.Errorf("after the storm: %v, events %v", zones, last)
		}
		for _, p := range b.w.current.report.problems {
			if p.Reason == federation.ReasonLabelsUnstable {
				b.Errorf("after the storm: %v", p)
			}
		}
	})
	run("H3e a few changes are taken at once", func(b *bench) {
		for i := range changeBurst {
			b.api.set(node("n2", "us-central1", fmt.Sprintf("z%d", i)))
			equal(b.T, "zone", slices.Contains(topologies(b.after(1100 * time.Millisecond))[0].Zones,
				federation.Label(fmt.Sprintf("z%d", i))), true)
		}
		b.api.set(node("n2", "us-central1", "last"))
		equal(b.T, "changes", len(topologies(b.after(50*time.Second))), 1) // it has the problem
		equal(b.T, "zone", slices.Contains(b.w.history.current().Zones, "last"), false)
		b.after(20 * time.Second)
		equal(b.T, "zone after a minute", slices.Contains(b.w.history.current().Zones, "last"), true)
	})
	t.Run("H3e a member has few levels in a day, whatever its Nodes show", func(t *testing.T) {
		p := NewTopologyHistory("gce")
		now, seen := time.Unix(1_800_000_000, 0), map[federation.Label]bool{}
		regions := map[federation.Label]bool{}
		for i := range 24 * 60 { // a new place each minute
			nodes := map[string]nodeLabels{}
			for z := range MaxZones {
				nodes[fmt.Sprint(z)] = nodeLabels{fmt.Sprintf("r%d", i), fmt.Sprintf("z%d-%d", i, z)}
			}
			m, problems, _ := p.update(nodes, now.Add(time.Duration(i)*time.Minute))
			for _, z := range m.Zones {
				seen[z] = true
			}
			regions[m.Region] = true
			if i > 10 && len(problems) == 0 {
				t.Fatal("nothing is reported")
			}
		}
		if len(seen) > maxZonesKept || len(regions) > maxRegionsKept {
			t.Errorf("%d topology zones, %d regions", len(seen), len(regions))
		}
		m, _, _ := p.update(map[string]nodeLabels{"n": {"r", "z"}}, now.Add(72*time.Hour))
		equal(t, "days later", m, federation.Member{Name: "gce", Region: "r", Zones: []federation.Label{"z"}})
	})
	run("H3e thousands of Services with an invalid label", func(b *bench) {
		for i := range 3_000 {
			s := balanced(federation.ServiceName{Namespace: "ns", Name: fmt.Sprintf("s%05d", i)})
			s.Labels[LabelFederation] = "Not_One"
			b.api.set(s)
		}
		events := b.after(10 * time.Second)
		if len(events) > 12 {
			b.Errorf("%d events", len(events))
		}
		b.api.set(slice(nginx, "a", 0)) // its neighbors are seen
		equal(b.T, "reason", b.shard(time.Second, nginxKey).Reason, federation.ReasonNoReadyEndpoints)
	})
}

func TestLargeService(t *testing.T) {
	shardOf := func(c Config, s *corev1.Service) (Shard, int) {
		asked := map[federation.FQDN]bool{}
		return c.shard(trimService(s), endpoints{slices: 1, ready: 1}, false, func(h federation.FQDN) resolve.Host {
			asked[h] = true
			return resolve.Host{}
		}), len(asked)
	}
	t.Run("H3e 5,000 host names: 16 are looked up", func(t *testing.T) {
		var hosts []string
		for i := range 5000 {
			hosts = append(hosts, fmt.Sprintf("lb%d.example.net", i))
		}
		s, asked := shardOf(testConfig(), balanced(nginx, hosts...))
		equal(t, "asked", asked, 16)
		equal(t, "reported", slices.Contains(reasons(s.Problems), federation.ReasonTooManyAddresses), true)
		slices.Reverse(hosts)
		again, _ := shardOf(testConfig(), balanced(nginx, hosts...))
		equal(t, "in another order", again, s)
	})
	t.Run("H3e 5,000 addresses: 16 are published", func(t *testing.T) {
		var list []string
		for i := range 5000 {
			list = append(list, fmt.Sprintf("192.0.%d.%d", 2+i/250, 1+i%250))
		}
		s, _ := shardOf(testConfig(), balanced(nginx, list...))
		equal(t, "addresses", len(s.Addresses), 16)
		equal(t, "reasons", slices.Compact(reasons(s.Problems)), []federation.Reason{federation.ReasonTooManyAddresses})
		if len(s.Known) > 256 {
			t.Errorf("%d are known", len(s.Known))
		}
	})
	t.Run("H3e private addresses do not crowd out the others", func(t *testing.T) {
		var list []string
		for i := range 40 {
			list = append(list, fmt.Sprintf("10.0.0.%d", i))
		}
		s, _ := shardOf(testConfig(), balanced(nginx, append(list, "192.0.2.1")...))
		equal(t, "addresses", s.Addresses, addrs("192.0.2.1"))
	})
	t.Run("H3e an annotation of 200 KiB", func(t *testing.T) {
		c := testConfig()
		c.AddressPolicy.AllowAddressAnnotation = true
		s, _ := shardOf(c, annotated(nginx, AnnotationAddresses, strings.Repeat("x", 200<<10), "192.0.2.1"))
		equal(t, "reason", s.Reason, federation.ReasonNoAddress)
		for _, p := range s.Problems {
			if len(p.Detail) > 3*maxAnnotation {
				t.Errorf("a problem of %d octets", len(p.Detail))
			}
		}
	})
	t.Run("H5 an endpoint that has only a name is not ready", func(t *testing.T) {
		s := slice(nginx, "a", 3)
		s.AddressType = "FQDN"
		equal(t, "ready", sum([]endpointSlice{trimSlice(s)}).ready, 0)
	})
}

func TestTopologyHistoryOutlivesWatchers(t *testing.T) {
	t.Run("H6 a label outlives its last Node, and the Watcher that saw it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, history := healthyAPI(), NewTopologyHistory("gce")
			a.set(node("n2", "us-central1", "us-central1-b"))
			b := startAt(t, a, testConfig(), nil, history)
			b.list(time.Second)
			a.remove(node("n2", "", ""))
			b.after(time.Hour)
			b.stop()
			b = startAt(t, a, testConfig(), nil, history)
			equal(t, "zones", b.list(time.Second).Topology.Zones, []federation.Label{"us-central1-a", "us-central1-b"})
			last := topologies(b.after(24 * time.Hour))
			if len(last) == 0 {
				t.Fatal("no other topology a day later")
			}
			equal(t, "a day later", last[len(last)-1].Zones, []federation.Label{"us-central1-a"})
		})
	})
}
