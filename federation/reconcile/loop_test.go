package reconcile

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
)

// The records of three() while all are healthy.
var allHealthy = []string{
	"web.shop.fed.svc A 203.0.113.1 203.0.113.2 203.0.113.3",
	"web.shop.fed.svc.east A 203.0.113.1",
	"web.shop.fed.svc.east-1 A 203.0.113.1",
	"web.shop.fed.svc.west A 203.0.113.2 203.0.113.3",
	"web.shop.fed.svc.west-1 A 203.0.113.2",
	"web.shop.fed.svc.west-2 A 203.0.113.3",
}

// ... and while a is not.
var withoutA = []string{
	"web.shop.fed.svc A 203.0.113.2 203.0.113.3",
	"web.shop.fed.svc.east CNAME " + global,
	"web.shop.fed.svc.east-1 CNAME web.shop.fed.svc.east.example.com.",
	"web.shop.fed.svc.west A 203.0.113.2 203.0.113.3",
	"web.shop.fed.svc.west-1 A 203.0.113.2",
	"web.shop.fed.svc.west-2 A 203.0.113.3",
}

// ... and while none is, after emptyGrace.
var noneHealthy = []string{
	"web.shop.fed.svc.east CNAME " + global,
	"web.shop.fed.svc.east-1 CNAME web.shop.fed.svc.east.example.com.",
	"web.shop.fed.svc.west CNAME " + global,
	"web.shop.fed.svc.west-1 CNAME web.shop.fed.svc.west.example.com.",
	"web.shop.fed.svc.west-2 CNAME web.shop.fed.svc.west.example.com.",
}

// bubble runs f as a subtest with its own time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestPublish(t *testing.T) {
	bubble(t, "P1 all healthy", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		w.want(allHealthy...)
	})
	bubble(t, "P2a a shard fails and comes back", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.set("a", web, false)
		w.after(100 * time.Millisecond)
		w.want(withoutA...)
		w.set("a", web, true)
		w.after(2 * time.Second)
		w.want(allHealthy...)
		w.neverEmpty()
	})
	bubble(t, "P3a the last shard fails: all stays for emptyGrace", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		for _, m := range []string{"a", "b", "c"} {
			w.set(m, web, false)
		}
		w.after(29 * time.Second)
		w.want(allHealthy...)
		if got := heldReasons(w.status()); !slices.Equal(got, []string{"EmptyGrace"}) {
			t.Errorf("held: %v", got)
		}
		w.after(2 * time.Second)
		w.want(noneHealthy...)
	})
	bubble(t, "P3a a break in the emptiness begins it anew", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		for _, m := range []string{"a", "b", "c"} {
			w.set(m, web, false)
		}
		w.after(20 * time.Second)
		w.set("b", web, true)
		w.after(2 * time.Second)
		w.set("b", web, false)
		w.after(20 * time.Second)
		w.wantAt(global, "203.0.113.2")
		w.after(12 * time.Second)
		w.wantAt(global, "")
	})
	bubble(t, "P3b recovery costs one change at global and the shard's levels", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		for _, m := range []string{"a", "b", "c"} {
			w.set(m, web, false)
		}
		w.after(time.Minute)
		before := w.provider.Requests()
		w.set("a", web, true)
		w.after(time.Second)
		after := w.provider.Requests()
		w.wantAt(global, "203.0.113.1")
		if n := after.Changes - before.Changes; n != 3 || after.Apply-before.Apply != 1 {
			t.Errorf("%d changes in %d requests, want global, region and topology zone in one", n,
				after.Apply-before.Apply)
		}
		if after.Get+after.List != before.Get+before.List {
			t.Errorf("a change read the provider (X6)")
		}
	})
	bubble(t, "P3c a service that never had a healthy shard has no records", func(t *testing.T) {
		w := newWorld(t, "a east east-1")
		w.set("a", web, false)
		w.start()
		w.after(time.Minute)
		w.want()
	})
	bubble(t, "P3d a long negative TTL is a warning", func(t *testing.T) {
		w := three(t)
		w.provider.SetSOA(3600)
		w.start()
		w.after(time.Second)
		w.logged("negativeTTL=3600")
	})
	bubble(t, "P4 the last Service is un-labelled: its records go after emptyGrace", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		for _, m := range []string{"a", "b", "c"} {
			w.unset(m, web)
		}
		w.after(29 * time.Second)
		w.want(allHealthy...)
		w.after(2 * time.Second)
		w.want()
		if n := len(w.status().Services); n != 0 {
			t.Errorf("%d services are remembered", n)
		}
	})
	bubble(t, "P4 a member leaves the configuration: its levels go, with claims and entries", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		next := *w.config
		next.Clusters = next.Clusters[1:]
		w.loop.call(t.Context(), func() { w.loop.configure(&next, next.Federations[0]) })
		w.confirm()
		w.after(2 * time.Second)
		w.want(
			"web.shop.fed.svc A 203.0.113.2 203.0.113.3",
			"web.shop.fed.svc.west A 203.0.113.2 203.0.113.3",
			"web.shop.fed.svc.west-1 A 203.0.113.2",
			"web.shop.fed.svc.west-2 A 203.0.113.3",
		)
		if got := claimNames(w); !slices.Equal(got, []string{
			"_claim.fed.svc.example.com.", "_claim.fed.svc.west-1.example.com.", "_claim.fed.svc.west-2.example.com.",
			"_claim.fed.svc.west.example.com.", "_global._levels.fed.svc.example.com.", "_levels.fed.svc.example.com.",
			"west-1._levels.fed.svc.example.com.", "west-2._levels.fed.svc.example.com.",
			"west._levels.fed.svc.example.com.",
		}) {
			t.Errorf("claims: %v", got)
		}
	})
}

// claimNames are the names of all TXT RRsets.
func claimNames(w *world) (names []string) {
	for _, set := range w.provider.RRsets() {
		if set.Type == federation.TypeTXT {
			names = append(names, string(set.Name))
		}
	}
	return names
}

func TestUnknown(t *testing.T) {
	bubble(t, "X2a a member is lost after unreachableAfter", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(12 * time.Second)
		w.members["a"].cut()
		w.after(42 * time.Second) // last contact was 2 s before the cut
		w.want(allHealthy...)
		w.after(3 * time.Second)
		w.want(withoutA...)
		w.neverEmpty()
	})
	bubble(t, "X2b it is back after a fresh list", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(12 * time.Second)
		w.members["a"].cut()
		w.after(2 * time.Minute)
		w.members["a"].heal()
		w.after(probeEvery + 2*time.Second)
		w.want(allHealthy...)
	})
	bubble(t, "X2c without a healthy shard the lost ones are held, for heldMax", func(t *testing.T) {
		w := newWorld(t, "a east east-1", "b west west-1", "c west west-2")
		w.set("a", web, true)
		w.start()
		w.after(12 * time.Second)
		w.members["a"].cut()
		w.after(23 * time.Hour)
		w.wantAt(global, "203.0.113.1")
		if got := heldReasons(w.status()); !slices.Equal(got, []string{"a MemberUnreachable"}) {
			t.Errorf("held: %v", got)
		}
		w.after(time.Hour + 2*time.Minute)
		w.wantAt(global, "")
	})
	bubble(t, "X3b all cut: nothing changes at all", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(12 * time.Second)
		before := w.provider.Requests().Changes
		for _, m := range w.members {
			m.cut()
		}
		w.after(48 * time.Hour)
		w.want(allHealthy...)
		if n := w.provider.Requests().Changes - before; n != 0 {
			t.Errorf("%d changes", n)
		}
		if w.status().PanicSince == nil {
			t.Error("no panic in the status")
		}
		for _, m := range w.members {
			m.heal()
		}
		w.after(10 * time.Second)
		w.want(allHealthy...)
		if w.status().PanicSince != nil {
			t.Error("the panic has not ended")
		}
	})
	bubble(t, "X3b evidence from a reachable member is written in a panic", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(12 * time.Second)
		w.members["a"].cut()
		w.members["b"].cut()
		w.after(time.Minute)
		w.want(allHealthy...)
		w.set("c", web, false)
		w.after(time.Second)
		w.wantAt(global, "203.0.113.1 203.0.113.2")
	})
	bubble(t, "X3c after panicHold X2 acts, as a member and the provider answer", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(12 * time.Second)
		w.members["a"].cut()
		w.members["b"].cut()
		w.after(5 * time.Minute)
		w.want(allHealthy...)
		w.after(time.Minute)
		w.wantAt(global, "203.0.113.3")
	})
}

func TestStart(t *testing.T) {
	restart := func(t *testing.T) *world {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.term()
		return w
	}
	bubble(t, "X1a additions by synced members are written at once", func(t *testing.T) {
		w := restart(t)
		other := federation.ServiceName{Namespace: "shop", Name: "other"}
		w.set("b", other, true)
		w.members["a"].cut()
		w.start()
		w.after(time.Second)
		w.wantAt("other.shop.fed.svc.example.com.", "203.0.113.2")
	})
	bubble(t, "X1b what an unsynced member may have stays, until it is lost", func(t *testing.T) {
		w := restart(t)
		w.members["a"].cut()
		w.start()
		w.after(30 * time.Second)
		w.want(allHealthy...)
		if got := heldReasons(w.status()); !slices.Equal(got, []string{"a MemberStarting"}) {
			t.Errorf("held: %v", got)
		}
		w.after(30 * time.Second)
		w.want(withoutA...)
		w.neverEmpty()
	})
	bubble(t, "X1b a slow list counts as lost after startupTimeout", func(t *testing.T) {
		w := restart(t)
		w.members["a"].slow = true
		w.start()
		w.after(59 * time.Second)
		w.want(allHealthy...)
		w.after(2 * time.Second)
		w.want(withoutA...)
		w.members["a"].mu.Lock()
		w.members["a"].slow = false
		w.members["a"].mu.Unlock()
		w.after(10 * time.Second)
		w.want(allHealthy...)
	})
	bubble(t, "X1b an address that its member gave up is not another's", func(t *testing.T) {
		w := newWorld(t, "a west west-1", "b west west-1")
		w.set("a", web, true)
		w.start()
		w.after(10 * time.Second)
		w.term()
		w.members["b"].cut()
		w.start()
		w.after(10 * time.Second)
		other := w.members["a"].shards[web]
		other.Addresses, other.Known = nil, nil
		other.Healthy = false
		w.members["a"].change(web, &other)
		w.after(time.Second)
		w.wantAt(global, "203.0.113.1") // nobody else is known: b is starting
		w.after(time.Minute + 30*time.Second)
		w.wantAt(global, "")
	})
	bubble(t, "X1c emptyGrace begins anew", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		for _, m := range []string{"a", "b", "c"} {
			w.set(m, web, false)
		}
		w.after(20 * time.Second)
		w.kill()
		w.start()
		w.after(29 * time.Second)
		w.want(allHealthy...)
		w.after(2 * time.Second)
		w.want(noneHealthy...)
	})
	bubble(t, "X1c a service nobody has any more goes after emptyGrace", func(t *testing.T) {
		w := restart(t)
		for _, m := range []string{"a", "b", "c"} {
			w.unset(m, web)
		}
		w.start()
		w.after(29 * time.Second)
		if w.at(global) == "" {
			t.Fatalf("gone before emptyGrace\n%s", w.log)
		}
		w.after(2 * time.Second)
		w.want()
	})
	bubble(t, "X3a at start the members of the list of levels count", func(t *testing.T) {
		w := restart(t)
		for _, m := range w.members {
			m.cut()
		}
		w.start()
		w.after(time.Hour)
		w.want(allHealthy...)
		if w.status().PanicSince == nil {
			t.Error("no panic in the status")
		}
	})
	bubble(t, "P3b known after a restart by the records", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		for _, m := range []string{"a", "b", "c"} {
			w.set(m, web, false)
		}
		w.after(time.Minute)
		w.kill()
		w.start()
		w.after(2 * time.Minute)
		w.want(noneHealthy...)
	})
	bubble(t, "X1a the order of lists does not matter for what stands in the end", func(t *testing.T) {
		w := restart(t)
		w.members["b"].slow = true
		w.start()
		w.after(2 * time.Second)
		w.want(allHealthy...)
		w.set("c", web, false)
		w.after(2 * time.Second)
		w.wantAt("web.shop.fed.svc.west.example.com.", "203.0.113.2")
		w.neverEmpty()
	})
}

func TestReasonsAreBounded(t *testing.T) {
	if len(policy.HeldReasons) != 8 {
		t.Errorf("reasons of the metric: %v", policy.HeldReasons)
	}
}

func TestTurn(t *testing.T) {
	// The line is written between the decision what is due and the one when to look again. The wait for related events
	// (debounce) ends meanwhile.
	bubbles := func(name string, f func(t *testing.T)) {
		for range 8 { // what happens at the same moment has no order
			bubble(t, name, f)
		}
	}
	bubbles("X5a what becomes due during a turn that takes long is not forgotten", func(t *testing.T) {
		w := three(t)
		w.members["c"].lag = 20 * time.Second
		w.log.lag = func(line string) time.Duration {
			if strings.Contains(line, `msg="member is present"`) && strings.Contains(line, "member=c") {
				return 4 * debounce
			}
			return 0
		}
		w.start()
		w.after(19 * time.Second)
		w.wantAt(global, "203.0.113.1 203.0.113.2")
		w.after(2 * time.Second)
		w.wantAt(global, "203.0.113.1 203.0.113.2 203.0.113.3")
	})
}
