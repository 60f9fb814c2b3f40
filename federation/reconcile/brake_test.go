package reconcile

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// many is a world of two members that have 40 services, all healthy in both.
func many(t *testing.T) (*world, []federation.ServiceName) {
	w := newWorld(t, "a east east-1", "b west west-1")
	var services []federation.ServiceName
	for i := range 40 {
		svc := federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("web-%02d", i)}
		services = append(services, svc)
		w.set("a", svc, true)
		w.set("b", svc, true)
	}
	return w, services
}

// withAddress counts the services that have an address globally.
func (w *world) withAddress() (n int) {
	for _, r := range w.records() {
		if name, data, _ := strings.Cut(r, " "); strings.HasSuffix(name, ".fed.svc") && strings.HasPrefix(data, "A ") {
			n++
		}
	}
	return n
}

func TestBrake(t *testing.T) {
	bubble(t, "X4b services that fail over are no loss", func(t *testing.T) {
		w, services := many(t)
		w.start()
		w.after(10 * time.Second)
		for _, svc := range services {
			w.set("a", svc, false)
		}
		w.after(5 * time.Second)
		w.wantAt("web-07.shop.fed.svc.example.com.", "203.0.113.2")
		if len(w.waits()) > 0 {
			t.Errorf("%d wait", len(w.waits()))
		}
	})
	bubble(t, "X4b X4c a mass of last addresses waits for holdFor if it was watched", func(t *testing.T) {
		w, services := many(t)
		w.start()
		w.after(10 * time.Second)
		for _, svc := range services[:20] {
			w.set("a", svc, false)
			w.set("b", svc, false)
		}
		w.after(time.Minute)
		if n := w.withAddress(); n != 40 {
			t.Fatalf("%d of 40 have an address after emptyGrace", n)
		}
		if got := heldReasons(w.status()); !slices.Equal(got, []string{"TooMuchAtOnce"}) {
			t.Errorf("held: %v", got)
		}
		w.set("a", services[3], true)
		w.after(5*time.Minute - 15*time.Second)
		if n := w.withAddress(); n != 21 {
			t.Errorf("%d have an address after holdFor, want 21", n)
		}
		w.neverEmptyAt(services[3])
	})
	bubble(t, "X4c an empty list waits for confirm", func(t *testing.T) {
		w, services := many(t)
		w.start()
		w.after(10 * time.Second)
		for _, m := range []string{"a", "b"} {
			w.members[m].vanish()
		}
		w.after(time.Hour)
		if n := w.withAddress(); n != 40 || len(w.waits()) != 40 {
			t.Fatalf("%d of 40 have an address, %d wait", n, len(w.waits()))
		}
		w.loop.call(t.Context(), func() { confirmer{w.loop}.confirm(w.loop.Snapshot().Waiting()[:1]) })
		w.after(10 * time.Second)
		if n := w.withAddress(); n != 39 {
			t.Errorf("one was confirmed, and %d have an address", n)
		}
		if n := w.confirm(); n != 39 {
			t.Errorf("%d are confirmed", n)
		}
		w.after(10 * time.Second)
		for _, svc := range services {
			w.wantAt(federation.FQDN(svc.Name+".shop.fed.svc.example.com."), "")
		}
		w.want()
	})
	bubble(t, "X4c over a restart what is missing still waits", func(t *testing.T) {
		w, _ := many(t)
		w.start()
		w.after(10 * time.Second)
		w.kill()
		for _, m := range []string{"a", "b"} {
			w.members[m].vanish()
		}
		w.start()
		w.after(time.Hour)
		if n := w.withAddress(); n != 40 || len(w.waits()) != 40 {
			t.Fatalf("%d of 40 have an address, %d wait", n, len(w.waits()))
		}
	})
	bubble(t, "X4b a level that many services leave waits, and all else goes on", func(t *testing.T) {
		w, _ := many(t)
		w.start()
		w.after(10 * time.Second)
		w.moved("a", "north", "north-1")
		w.moved("b", "south", "south-1")
		w.after(time.Minute)
		waits := w.waits() // about 30 percent of the names have gone
		if len(waits) < 20 || len(waits) == 40 {
			t.Fatalf("%d of 40 wait", len(waits))
		}
		svc := federation.ServiceName{Namespace: waits[0].Namespace, Name: waits[0].Service}
		at := func(level string) federation.FQDN {
			return federation.FQDN(svc.Name + ".shop.fed.svc." + level + "example.com.")
		}
		w.wantAt(at("north-1."), "203.0.113.1")
		w.wantAt(at("east-1."), "203.0.113.1")
		w.set("a", svc, false)
		w.after(5 * time.Second)
		w.wantAt(at("north-1."), string(at("north.")))
		w.confirm()
		w.after(time.Minute)
		w.wantAt(at("east-1."), "")
		w.wantAt("_claim.fed.svc.east-1.example.com.", "")
	})
	bubble(t, "X4c names of a level that is forgotten were never watched, "+
		"whatever the watches showed", func(t *testing.T) {
		w, services := many(t)
		w.start()
		w.after(10 * time.Second)
		for _, svc := range services { // an event of each shard, which loses nothing
			w.set("a", svc, true)
			w.set("b", svc, true)
		}
		w.moved("a", "north", "north-1")
		w.moved("b", "south", "south-1")
		w.after(time.Minute)
		before := w.waits()
		if len(before) < 20 {
			t.Fatalf("%d of 40 wait", len(before))
		}
		w.after(time.Hour)
		after := w.waits()
		if len(after) != len(before) {
			t.Errorf("%d waited, and an hour later %d", len(before), len(after))
		}
		for _, wait := range after {
			if wait.Watched {
				t.Errorf("%s counts as watched", wait.Service)
			}
		}
	})
	bubble(t, "X4c a name that waits is a CNAME to global unless all its addresses are healthy", func(t *testing.T) {
		w, _ := many(t)
		w.start()
		w.after(10 * time.Second)
		w.moved("a", "north", "north-1")
		w.moved("b", "south", "south-1")
		w.after(time.Minute)
		waits := w.waits()
		if len(waits) < 2 {
			t.Fatalf("%d wait", len(waits))
		}
		at := func(i int, level string) federation.FQDN {
			return federation.FQDN(waits[i].Service + ".shop.fed.svc." + level + "example.com.")
		}
		w.set("a", federation.ServiceName{Namespace: waits[0].Namespace, Name: waits[0].Service}, false)
		w.after(24 * time.Hour)
		w.wantAt(at(0, "east-1."), string(at(0, "")))
		w.wantAt(at(0, ""), "203.0.113.2")
		w.wantAt(at(1, "east-1."), "203.0.113.1")
	})
	bubble(t, "X4c a member goes with what was shown, never with more", func(t *testing.T) {
		w, services := many(t)
		w.start()
		w.after(10 * time.Second)
		w.without("a")
		w.after(time.Minute)
		shown := w.waits()
		if len(shown) != 1 || shown[0].Member != "a" || shown[0].Services != 0 {
			t.Fatalf("shown: %+v", shown)
		}
		for _, svc := range services[:5] { // a's is the only one that was healthy now
			w.set("b", svc, false)
		}
		w.after(time.Minute)
		var n int
		w.loop.call(t.Context(), func() { n = confirmer{w.loop}.confirm(shown) })
		w.after(time.Minute)
		if n != 0 || w.withAddress() != 40 {
			t.Fatalf("an old list confirmed %d, and %d of 40 have an address", n, w.withAddress())
		}
		w.logged("more goes with the member now than was shown")
		if n := w.confirm(); n != 1 {
			t.Errorf("what is shown now confirms %d", n)
		}
		w.after(time.Minute)
		if n := w.withAddress(); n != 35 {
			t.Errorf("%d have an address, want 35", n)
		}
	})
	bubble(t, "X4b zones that vanish one by one delete no more than all at once", func(t *testing.T) {
		w, services := many(t)
		zones := []federation.Label{"e1", "e2", "e3", "e4", "e5", "e6"}
		w.members["a"].place.Zones = zones
		w.start()
		w.after(10 * time.Second)
		all := len(w.records())
		for i := range zones[1:] {
			w.moved("a", "east", zones[:5-i]...)
			w.after(20 * time.Second)
		}
		if gone := all - len(w.records()); gone*100 > 30*all || gone == 0 {
			t.Errorf("%d of %d names are gone", gone, all)
		}
		if len(w.waits()) < len(services)/2 {
			t.Errorf("%d services wait", len(w.waits()))
		}
	})
	bubble(t, "X4c a confirmation of a list that is out of date "+
		"lets no more happen than it has shown", func(t *testing.T) {
		w, _ := many(t)
		w.start()
		w.after(10 * time.Second)
		w.moved("a", "north", "north-1")
		w.moved("b", "south", "south-1")
		w.after(time.Minute)
		list := w.waits()
		w.members["a"].vanish()
		w.members["b"].vanish()
		w.after(time.Minute)
		var n int
		w.loop.call(t.Context(), func() { n = confirmer{w.loop}.confirm(list) })
		w.after(time.Minute)
		if got := w.withAddress(); got != 40 || n != 0 {
			t.Errorf("%d of 40 have an address, %d were confirmed", got, n)
		}
	})
	bubble(t, "X4b what waits goes when it is not too much any more", func(t *testing.T) {
		w, services := many(t)
		w.start()
		w.after(10 * time.Second)
		w.members["a"].vanish()
		w.members["b"].vanish()
		w.after(10 * time.Minute)
		if len(w.waits()) != 40 {
			t.Fatalf("%d wait", len(w.waits()))
		}
		for _, svc := range services[5:] {
			w.set("a", svc, true)
		}
		w.members["a"].relist()
		w.after(time.Minute)
		if n := w.withAddress(); n != 35 || len(w.waits()) != 0 {
			t.Errorf("%d have an address, %d wait", n, len(w.waits()))
		}
	})
	bubble(t, "X4b ten services go as ever", func(t *testing.T) {
		w, services := many(t)
		w.start()
		w.after(10 * time.Second)
		for _, svc := range services[:10] {
			w.set("a", svc, false)
			w.set("b", svc, false)
		}
		w.after(40 * time.Second)
		if n := w.withAddress(); n != 30 {
			t.Errorf("%d have an address, want 30", n)
		}
	})
}

// vanish takes all shards of a member away behind its watch, which lists afresh.
func (m *fakeMember) vanish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.shards)
	m.listed = false
}

// neverEmptyAt fails if the service's global name was ever empty after it had records.
func (w *world) neverEmptyAt(svc federation.ServiceName) {
	w.t.Helper()
	name := w.config.Federations[0].OwnerName(svc, domain)
	for _, sets := range w.provider.History(name) {
		if len(sets) == 0 {
			w.t.Fatalf("%q was empty: %v", name, w.provider.History(name))
		}
	}
}

func TestConfirmOverTheSocket(t *testing.T) {
	bubble(t, "X4c what is confirmed is exactly what was shown", func(t *testing.T) {
		w, _ := many(t)
		w.start()
		w.after(10 * time.Second)
		w.members["a"].vanish()
		w.members["b"].vanish()
		w.after(time.Hour)
		done := make(chan struct{})
		w.loop.done = done
		handler := admin.Handler(socket{w.loop})
		call := func(method, path, body string) (int, string) {
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
			return rec.Code, rec.Body.String()
		}
		code, body := call("GET", "/waiting", "")
		var list []admin.Waiting
		if err := json.Unmarshal([]byte(body), &list); err != nil || code != 200 || len(list) != 40 {
			t.Fatalf("%d %v: %s", code, err, body)
		}
		some, _ := json.Marshal(append(list[:2:2], admin.Waiting{
			Federation: "other", Domain: "example.com.", Namespace: "shop", Service: "web-05",
		}))
		if code, body := call("POST", "/confirm", string(some)); code != 200 || strings.TrimSpace(body) != "2" {
			t.Errorf("%d %s", code, body)
		}
		if code, _ := call("POST", "/confirm", "all"); code != 400 {
			t.Errorf("what is no list is answered %d", code)
		}
		w.after(10 * time.Second)
		if n := w.withAddress(); n != 38 {
			t.Errorf("%d have an address, want 38", n)
		}
	})
}
