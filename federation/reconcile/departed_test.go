package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// without makes the world's configuration one without these members, in the running syncer too.
func (w *world) without(names ...string) {
	w.t.Helper()
	var rest []string
	for _, c := range w.config.Clusters {
		if !slices.Contains(names, c.Member.Name) {
			rest = append(rest, c.Member.Name)
		}
	}
	w.configured(rest...)
}

func (w *world) memberStatus(name string) string {
	for _, m := range w.status().Members {
		if m.Name == name {
			return m.Status
		}
	}
	return ""
}

// The records of three() with a out of reach.
var withoutAddressOfA = append([]string{
	"web.shop.fed.svc.east CNAME " + global,
	"web.shop.fed.svc.east-1 CNAME web.shop.fed.svc.east.example.com.",
}, withoutAltogether...)

// TestDeparture takes members out of the configuration: while the syncer runs, and between two runs.
func TestDeparture(t *testing.T) {
	for _, restart := range []bool{false, true} {
		depart := func(w *world, names ...string) {
			if restart {
				w.kill()
				w.loop = nil
				w.without(names...)
				w.start()
			} else {
				w.without(names...)
			}
			w.after(2 * time.Minute)
		}
		when := map[bool]string{false: " while the syncer runs", true: " between two runs"}[restart]
		bubble(t, "X4d a member taken from the file waits for confirm, "+
			"and counts as unreachable until then"+when, func(t *testing.T) {
			w := three(t)
			w.start()
			w.after(10 * time.Second)
			depart(w, "a")
			w.want(withoutAddressOfA...)
			w.wantMarks(marksOfAll...)
			want := []admin.Waiting{{
				Federation: "fed", Domain: "example.com.", Member: "a", Names: 2,
				Levels: []federation.FQDN{"east-1.example.com.", "east.example.com."},
			}}
			if d := cmp.Diff(want, w.waits()); d != "" {
				t.Errorf("what waits (-want +got):\n%s", d)
			}
			if got := w.memberStatus("a"); got != "departed" {
				t.Errorf("status %q", got)
			}
			w.after(48 * time.Hour)
			w.wantMarks(marksOfAll...)
			if n := w.confirm(); n != 1 {
				t.Fatalf("%d were confirmed", n)
			}
			w.after(5 * time.Second)
			w.want(withoutAltogether...)
			w.wantMarks(marksWithoutA...)
			if len(w.waits()) > 0 || w.memberStatus("a") != "" {
				t.Errorf("%v wait; status %q", w.waits(), w.memberStatus("a"))
			}
		})
		bubble(t, "X4d the only address stays until confirm, beyond heldMax"+when, func(t *testing.T) {
			w := three(t)
			w.unset("b", web)
			w.unset("c", web)
			w.start()
			w.after(10 * time.Second)
			depart(w, "a")
			w.after(48 * time.Hour)
			w.wantAt(global, "203.0.113.1")
			if got := heldReasons(w.status()); !slices.Equal(got, []string{"a MemberDeparted"}) {
				t.Errorf("held: %v", got)
			}
			if list := w.waits(); len(list) != 1 || list[0].Services != 1 || list[0].Names != 6 {
				t.Errorf("what waits: %+v", list)
			}
			w.confirm()
			w.after(25 * time.Second)
			w.wantAt(global, "203.0.113.1") // emptyGrace
			w.after(10 * time.Second)
			w.want()
			w.wantMarks(marksWithoutA...)
		})
		bubble(t, "X4d in the file again it is as if it had been unreachable"+when, func(t *testing.T) {
			w := three(t)
			w.start()
			w.after(10 * time.Second)
			depart(w, "a")
			w.configured("a", "b", "c")
			w.members["a"].relist()
			w.after(10 * time.Second)
			w.want(allHealthy...)
			if len(w.waits()) > 0 || w.memberStatus("a") != "present" {
				t.Errorf("%v wait; status %q", w.waits(), w.memberStatus("a"))
			}
			w.neverEmpty()
		})
		bubble(t, "X4d all taken from the file: everything stays until confirm"+when, func(t *testing.T) {
			w := three(t)
			w.start()
			w.after(10 * time.Second)
			depart(w, "a", "b", "c")
			w.after(48 * time.Hour)
			w.want(allHealthy...)
			if n := w.confirm(); n != 3 {
				t.Fatalf("%d were confirmed", n)
			}
			w.after(time.Minute)
			w.want()
			w.wantMarks("_claim.fed.svc", "_levels.fed.svc level=example.com. kind=global")
		})
		bubble(t, "X4d a member that was never seen leaves nothing to confirm"+when, func(t *testing.T) {
			w := newWorld(t, "a east east-1", "b west west-1", "mistyped - -")
			w.set("a", web, true)
			w.members["mistyped"].cut()
			w.start()
			w.after(2 * time.Minute)
			depart(w, "mistyped")
			if len(w.waits()) > 0 || w.memberStatus("mistyped") != "" {
				t.Errorf("%v wait; status %q", w.waits(), w.memberStatus("mistyped"))
			}
			w.unset("a", web)
			w.after(10 * time.Minute)
			w.want() // nothing keeps the name of a service that is gone (P4)
		})
		bubble(t, "X4d what goes with a confirmed member is confirmed with it, "+
			"and nothing else"+when, func(t *testing.T) {
			w, services := many(t)
			for _, svc := range services[:20] {
				w.unset("b", svc)
			}
			for _, svc := range services[20:] {
				w.unset("a", svc)
			}
			w.start()
			w.after(10 * time.Second)
			depart(w, "a")
			for _, svc := range services[20:] { // not watched: it would wait
				w.members["b"].mu.Lock()
				delete(w.members["b"].shards, svc)
				w.members["b"].mu.Unlock()
			}
			w.members["b"].relist()
			w.after(time.Minute)
			var list []admin.Waiting
			for _, one := range w.waits() {
				if one.Member != "" {
					list = append(list, one)
				}
			}
			w.loop.call(t.Context(), func() { confirmer{w.loop}.confirm(list) })
			w.after(time.Minute)
			for _, svc := range services[:20] {
				w.wantAt(federation.FQDN(svc.Name+".shop.fed.svc.example.com."), "")
			}
			if n := len(w.waits()); n != 20 || w.withAddress() != 20 {
				t.Errorf("%d wait, %d have an address, want 20", n, w.withAddress())
			}
		})
	}
	bubble(t, "X3a members taken from the file are no sign of a cut", func(t *testing.T) {
		w := newWorld(t, "a east east-1", "b west west-1", "c west west-2", "d north north-1")
		for _, name := range []string{"a", "b", "c", "d"} {
			w.set(name, web, true)
		}
		w.start()
		w.after(10 * time.Second)
		w.without("a", "b")
		w.members["c"].cut() // one of two is no majority
		w.after(2 * time.Minute)
		w.wantAt(global, "203.0.113.4")
	})
}

// drain drains members by the configuration, all others not.
func (w *world) drain(names ...string) {
	w.t.Helper()
	next := *w.config
	next.Clusters = slices.Clone(next.Clusters)
	for i := range next.Clusters {
		next.Clusters[i].Drain = slices.Contains(names, next.Clusters[i].Member.Name)
	}
	w.config = &next
	w.loop.call(w.t.Context(), func() { w.loop.configure(&next, next.Federations[0]) })
}

func TestDrain(t *testing.T) {
	bubble(t, "H5 a drained member is unhealthy at once, keeps its levels, and comes back at once", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.drain("a")
		w.after(time.Second)
		w.want(withoutAddressOfA...)
		w.wantMarks(marksOfAll...)
		w.drain()
		w.after(2 * time.Second)
		w.want(allHealthy...)
		w.neverEmpty()
	})
	bubble(t, "H5 a drained member that is out of reach is not held", func(t *testing.T) {
		w := three(t)
		w.unset("b", web)
		w.unset("c", web)
		w.start()
		w.after(10 * time.Second)
		w.members["a"].cut()
		w.after(2 * time.Minute)
		w.wantAt(global, "203.0.113.1")
		w.drain("a")
		w.after(time.Second)
		w.wantAt(global, "")
	})
	bubble(t, "P3a what a drain empties goes at once", func(t *testing.T) {
		w := three(t)
		w.unset("b", web)
		w.unset("c", web)
		w.start()
		w.after(10 * time.Second)
		w.drain("a")
		w.after(time.Second)
		w.wantAt(global, "")
		w.wantAt("web.shop.fed.svc.west.example.com.", global)
	})
	bubble(t, "P3a a service that is rolled after a drain has its emptyGrace", func(t *testing.T) {
		w := three(t)
		w.unset("c", web)
		w.start()
		w.after(10 * time.Second)
		w.drain("a")
		w.after(10 * time.Second)
		w.wantAt(global, "203.0.113.2")
		w.set("b", web, false)
		w.after(25 * time.Second)
		w.wantAt(global, "203.0.113.2")
		w.after(10 * time.Second)
		w.wantAt(global, "")
	})
}
