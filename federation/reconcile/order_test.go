package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

func TestOrder(t *testing.T) {
	bubble(t, "X5b live names, then new ones, then deletions", func(t *testing.T) {
		w := newWorld(t, "a east east-1", "b west west-1")
		old := federation.ServiceName{Namespace: "shop", Name: "aged"}
		fresh := federation.ServiceName{Namespace: "shop", Name: "fresh"}
		for _, m := range []string{"a", "b"} {
			w.set(m, web, true)
			w.set(m, old, true)
		}
		w.start()
		w.after(10 * time.Second)
		w.provider.SetFaults(inmem.Faults{
			Before: func(context.Context, *federation.RRset, []plan.Change) error { return errors.New("no answer") },
		})
		for _, m := range []string{"a", "b"} {
			w.unset(m, old)
		}
		w.after(time.Minute) // emptyGrace
		w.set("a", fresh, true)
		w.set("a", web, false)
		w.after(time.Minute)
		w.provider.SetFaults(inmem.Faults{})
		sent := len(w.requests())
		w.after(maxBackoff + time.Second)
		var order []string
		for _, r := range w.requests()[sent:] {
			for _, c := range r.changes {
				name, _, _ := strings.Cut(string(c.Name), ".")
				if !slices.Contains(order, name) {
					order = append(order, name)
				}
			}
		}
		if !slices.Equal(order, []string{"web", "fresh", "aged"}) {
			t.Errorf("order %v", order)
		}
	})
	bubble(t, "X5b no more requests a second than the budget has", func(t *testing.T) {
		w := newWorld(t, "a east east-1")
		w.start()
		w.after(10 * time.Second)
		var at []time.Time
		w.provider.SetFaults(inmem.Faults{Before: func(context.Context, *federation.RRset, []plan.Change) error {
			at = append(at, time.Now())
			return nil
		}})
		for i := range 2000 { // a service every millisecond, each a change of its own
			w.set("a", federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("web-%04d", i)}, true)
			w.after(6 * time.Millisecond)
		}
		w.after(time.Minute)
		w.provider.SetFaults(inmem.Faults{})
		for i := range at {
			// a full budget, and two seconds' share
			if j := i + 3*requestsPerSecond; j < len(at) && at[j].Sub(at[i]) < 2*time.Second {
				t.Fatalf("%d requests within %s", 3*requestsPerSecond, at[j].Sub(at[i]))
			}
		}
		if n := w.withAddress(); n != 2000 {
			t.Errorf("%d services have an address", n)
		}
	})
	bubble(t, "X5b an audit takes at most a fifth of the budget", func(t *testing.T) {
		var places []string
		for i := range 100 {
			places = append(places, fmt.Sprintf("m%d r%d z%d", i, i, i))
		}
		w := newWorld(t, places...)
		w.start()
		w.after(10 * time.Second)
		var at []time.Time
		w.provider.SetFaults(inmem.Faults{BeforeRead: func(context.Context) error {
			at = append(at, time.Now())
			return nil
		}})
		w.after(12 * time.Minute)
		w.provider.SetFaults(inmem.Faults{})
		if len(at) < 200 {
			t.Fatalf("%d reads, want one a level", len(at))
		}
		const most = 2*requestsPerSecond/5 + 2 // the audit's, and the questions for what is served (O5)
		for i, j := 0, most; j < len(at); i, j = i+1, j+1 {
			if d := at[j].Sub(at[i]); d < time.Second {
				t.Fatalf("%d reads within %s", most+1, d)
			}
		}
	})
	bubble(t, "X6 between audits a change costs one request, and no read", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		before := w.provider.Requests()
		w.set("a", web, false)
		w.after(time.Minute)
		w.want(withoutA...)
		after := w.provider.Requests()
		if after.Apply-before.Apply != 1 || after.Get+after.List != before.Get+before.List {
			t.Errorf("%+v, then %+v", before, after)
		}
	})
	bubble(t, "X6 a TTL that somebody changed is mended", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		w.provider.Put(federation.RRset{Name: global, Type: "A", TTL: 86400,
			Data: []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"}})
		w.after(12 * time.Minute)
		sets, err := w.provider.Get(t.Context(), global)
		if err != nil || len(sets) != 1 || sets[0].TTL != federation.DefaultTTL {
			t.Errorf("%v %v", sets, err)
		}
	})
	for what, data := range map[string][]string{
		"edited": {`"nonsense"`}, "removed": nil, "shortened": {`"level=example.com." "kind=global" "m=a,b,c"`},
	} {
		bubble(t, "X6 a list of levels that somebody has "+what+" is mended", func(t *testing.T) {
			w := three(t)
			w.start()
			w.after(time.Second)
			if name := w.config.Federations[0].ListingName("east-1."+domain, 1); data == nil {
				w.provider.Remove(name, "TXT")
			} else {
				w.provider.Put(federation.RRset{Name: name, Type: "TXT", TTL: 180, Data: data})
			}
			w.after(12 * time.Minute)
			w.want(allHealthy...)
			w.wantMarks(marksOfAll...)
			w.logged("audit: a level is not in the list as it was left")
		})
		bubble(t, "X6 a list of earlier releases that somebody has "+what+" is mended", func(t *testing.T) {
			w := three(t)
			w.start()
			w.after(time.Second)
			if name := w.config.Federations[0].LevelsName(); data == nil {
				w.provider.Remove(name, "TXT")
			} else {
				w.provider.Put(federation.RRset{Name: name, Type: "TXT", TTL: 180, Data: data})
			}
			w.after(12 * time.Minute)
			w.want(allHealthy...)
			w.wantMarks(marksOfAll...)
			w.logged("audit: the list of levels of earlier releases is not as it was left")
		})
	}
	bubble(t, "X1c the topology of a member that is not listed is that of the list of levels", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.kill()
		w.members["a"].cut()
		w.start()
		w.after(10 * time.Second)
		w.want(allHealthy...)
		w.set("b", web, false)
		w.set("c", web, false)
		w.after(5 * time.Second)
		w.wantAt("web.shop.fed.svc.west-1.example.com.", "web.shop.fed.svc.west.example.com.")
		w.wantAt(global, "203.0.113.1") // a is the shard of east-1
		w.wantAt("web.shop.fed.svc.east-1.example.com.", "203.0.113.1")
		for _, m := range w.status().Members {
			if m.Name == "a" && (m.Region != "east" || !slices.Equal(m.Zones, []string{"east-1"})) {
				t.Errorf("a is in %q %v", m.Region, m.Zones)
			}
		}
	})
	bubble(t, "X1c a configured topology goes before the list of levels", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.kill()
		w.members["a"].cut()
		next := *w.config
		next.Clusters = slices.Clone(next.Clusters)
		next.Clusters[0].Member.Topology = &federation.Member{Name: "a", Region: "north",
			Zones: []federation.Label{"north-1"}}
		w.config = &next
		w.start()
		w.after(10 * time.Second)
		for _, m := range w.status().Members {
			if m.Name == "a" && (m.Region != "north" || !slices.Equal(m.Zones, []string{"north-1"})) {
				t.Errorf("a is in %q %v", m.Region, m.Zones)
			}
		}
	})
}
