package reconcile

import (
	"net/netip"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
)

// TestBeginning: what the records say of members that have not been listed in this run.
func TestBeginning(t *testing.T) {
	// with gives a member a shard that has the address of another one.
	with := func(w *world, m string, svc federation.ServiceName, healthy bool, addr netip.Addr) {
		w.members[m].change(svc, &member.Shard{
			Shard: federation.Shard{Member: m, Healthy: healthy, Addresses: []netip.Addr{addr}},
			Known: []string{addr.String()},
		})
	}
	// away is a restart while a, which alone has web, is cut off; before it happens what change makes happen.
	away := func(t *testing.T, placeOfC string, change func(*world)) *world {
		w := newWorld(t, "a east east-1", "b west west-1", placeOfC)
		w.set("a", web, true)
		w.start()
		w.after(10 * time.Second)
		w.kill()
		w.members["a"].cut()
		change(w)
		w.start()
		w.after(10 * time.Minute)
		return w
	}
	stays := func(w *world) {
		w.t.Helper()
		w.wantAt(global, "203.0.113.1")
		w.wantAt("web.shop.fed.svc.east-1.example.com.", "203.0.113.1")
	}
	bubble(t, "X1b an address on another service accounts for nothing", func(t *testing.T) {
		stays(away(t, "c east east-1", func(w *world) { with(w, "c", api, true, w.members["a"].address) }))
	})
	bubble(t, "X1b nor does one on the same service elsewhere", func(t *testing.T) {
		stays(away(t, "c west west-2", func(w *world) { with(w, "c", web, false, w.members["a"].address) }))
	})
	bubble(t, "X1b nor at a level above, if the member has a topology zone", func(t *testing.T) {
		stays(away(t, "c east east-2", func(w *world) { with(w, "c", web, false, w.members["a"].address) }))
	})
	bubble(t, "X1b the same service at the same level accounts for it", func(t *testing.T) {
		w := away(t, "c east east-1", func(w *world) { with(w, "c", web, false, w.members["a"].address) })
		w.wantAt(global, "")
	})
	bubble(t, "X1b a member that is listed before the records are accounts for what it has", func(t *testing.T) {
		w := away(t, "c east east-1", func(w *world) {
			w.listLag.Store(int64(3 * time.Second))
			with(w, "c", web, false, w.members["a"].address)
		})
		w.wantAt(global, "")
	})
	bubble(t, "X1c after a start beside a drained shard emptyGrace begins anew", func(t *testing.T) {
		w := newWorld(t, "a east east-1", "b west west-1")
		w.set("a", web, true)
		w.set("b", web, true)
		w.start()
		w.after(10 * time.Second)
		w.drain("a")
		w.after(10 * time.Second)
		w.wantAt(global, "203.0.113.2")
		for _, lag := range []time.Duration{0, 500 * time.Millisecond, 5 * time.Second} {
			w.kill()
			w.listLag.Store(int64(lag))
			w.set("b", web, false)
			w.start()
			w.after(lag + 29*time.Second)
			w.wantAt(global, "203.0.113.2")
		}
		w.after(30 * time.Second) // several lists, each that late
		w.wantAt(global, "")
	})
	bubble(t, "X1c a drain of this run empties at once, after a start too", func(t *testing.T) {
		w := newWorld(t, "a east east-1", "b west west-1")
		w.set("a", web, true)
		w.start()
		w.after(10 * time.Second)
		w.kill()
		w.start()
		w.after(10 * time.Second)
		w.drain("a")
		w.after(time.Second)
		w.wantAt(global, "")
	})
}
