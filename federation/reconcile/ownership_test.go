package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

// claimOf is the claim of a level as another syncer would write it.
func claimOf(w *world, level federation.FQDN, owner string, generation uint64) federation.RRset {
	f := w.config.Federations[0]
	return federation.Claim{Owner: owner, Generation: generation, Federation: f.Name,
		Naming: f.Naming}.RRset(f.ClaimName(level))
}

func TestOwnership(t *testing.T) {
	bubble(t, "O1a claims come before the first record", func(t *testing.T) {
		w := three(t)
		var order []string
		w.start(func(c plan.Change) error {
			order = append(order, strings.TrimSuffix(string(c.Name), ".example.com."))
			if strings.Contains(string(c.Name), "._levels.") {
				time.Sleep(50 * time.Millisecond) // longer than a record waits to be published
			}
			return nil
		})
		w.after(time.Second)
		first := func(name string) int { return slices.Index(order, name) }
		for _, level := range []string{".east", ".east-1", ".west", ".west-1", ".west-2"} {
			list, claim, record := first(strings.TrimPrefix(level, ".")+"._levels.fed.svc"),
				first("_claim.fed.svc"+level), first("web.shop.fed.svc"+level)
			if list < 0 || list > claim || claim > record {
				t.Errorf("level %s: list %d, claim %d, first record %d of %v", level, list, claim, record, order)
			}
		}
		if first("_claim.fed.svc") != 0 {
			t.Errorf("the first change is of %s", order[0])
		}
	})
	bubble(t, "O1e what is at levels whose claims were deleted stays until they are claimed again", func(t *testing.T) {
		w := three(t)
		w.start(func(c plan.Change) error {
			if _, _, ours := w.config.Federations[0].ParseOwner(c.Name); ours && len(c.To) == 0 {
				t.Errorf("a change takes everything at %s away", c.Name)
			}
			return nil
		})
		w.after(time.Second)
		for _, name := range w.provider.Names() {
			if strings.HasPrefix(string(name), "_claim.") {
				w.provider.Remove(name, "TXT")
			}
		}
		w.set("a", web, false)
		w.after(time.Minute)
		w.want(withoutA...)
		if w.at("_claim.fed.svc.east-1.example.com.") == "" {
			t.Error("the level was not claimed again")
		}
		w.neverEmpty()
	})
	bubble(t, "O1a so they do at a level that comes later", func(t *testing.T) {
		w := three(t)
		var order []string
		w.start(func(c plan.Change) error {
			order = append(order, string(c.Name))
			if strings.HasPrefix(string(c.Name), "other.") {
				time.Sleep(50 * time.Millisecond)
			}
			return nil
		})
		w.after(time.Second)
		w.set("a", federation.ServiceName{Namespace: "shop", Name: "other"}, true)
		w.after(20 * time.Millisecond) // these changes are being made when the level comes
		w.moved("a", "east", "east-1", "east-9")
		w.after(2 * time.Second)
		claim, record := slices.Index(order, "_claim.fed.svc.east-9.example.com."),
			slices.Index(order, "web.shop.fed.svc.east-9.example.com.")
		if claim < 0 || record < claim {
			t.Errorf("claim %d, first record %d of %v", claim, record, order)
		}
	})
	bubble(t, "O1b a level is listed before it is claimed, and dropped together with its claim", func(t *testing.T) {
		const claim, record = federation.FQDN("_claim.fed.svc.east-9.example.com."),
			federation.FQDN("web.shop.fed.svc.east-9.example.com.")
		w := three(t)
		list := w.config.Federations[0].ListingName("east-9.example.com.", 1)
		listed := func() bool { return w.at(list) != "" }
		w.start(func(c plan.Change) error {
			switch {
			case c.Name == claim && len(c.To) > 0 && !listed():
				t.Error("it is claimed, and not in the list")
			case c.Name == list && len(c.To) == 0 && w.at(claim) != "":
				t.Error("it goes from the list while the claim is there")
			}
			return nil
		})
		w.after(time.Second)
		w.moved("a", "east", "east-1", "east-9")
		w.after(2 * time.Second)
		if !listed() || w.at(claim) == "" || w.at(record) == "" {
			t.Fatalf("listed %t, claim %q, record %q", listed(), w.at(claim), w.at(record))
		}
		w.moved("a", "east", "east-1")
		w.after(2 * time.Second)
		if listed() || w.at(claim) != "" || w.at(record) != "" {
			t.Fatalf("listed %t, claim %q, record %q", listed(), w.at(claim), w.at(record))
		}
	})
	bubble(t, "O1b a claim whose reply was lost does not stay when its level is gone again", func(t *testing.T) {
		const claim = federation.FQDN("_claim.fed.svc.east-9.example.com.")
		w := three(t)
		w.start()
		w.after(time.Second)
		w.provider.SetFaults(inmem.Faults{LoseReply: func(c plan.Change) bool { return c.Name == claim }})
		w.moved("a", "east", "east-1", "east-9")
		w.after(100 * time.Millisecond)
		w.moved("a", "east", "east-1")
		w.after(100 * time.Millisecond)
		if len(w.provider.History(claim)) == 0 {
			t.Fatal("it was not made")
		}
		w.provider.SetFaults(inmem.Faults{})
		w.after(2 * time.Minute)
		w.wantAt(claim, "")
		w.wantAt(w.config.Federations[0].ListingName("east-9.example.com.", 1), "")
	})
	bubble(t, "O1b a level that was given up with a lost reply "+
		"is claimed anew before it is written", func(t *testing.T) {
		const claim, record = federation.FQDN("_claim.fed.svc.east-9.example.com."),
			federation.FQDN("web.shop.fed.svc.east-9.example.com.")
		w := three(t)
		w.start()
		w.after(time.Second)
		w.moved("a", "east", "east-1", "east-9")
		w.after(2 * time.Second)
		list := w.config.Federations[0].ListingName("east-9.example.com.", 1)
		w.provider.SetFaults(inmem.Faults{LoseReply: func(c plan.Change) bool { return c.Name == list }})
		w.moved("a", "east", "east-1")
		w.after(10 * time.Second)
		w.provider.SetFaults(inmem.Faults{})
		w.moved("a", "east", "east-1", "east-9")
		w.after(5 * time.Second)
		if w.at(claim) == "" || w.at(record) == "" {
			t.Fatalf("claim %q, record %q\nlog:\n%s", w.at(claim), w.at(record), w.log)
		}
	})
	for _, wholeZone := range []bool{false, true} {
		bubble(t, fmt.Sprintf("X6 a start reads each level once, or the whole zone once (%t)",
			wholeZone), func(t *testing.T) {
			w := three(t)
			w.wholeZone = wholeZone
			w.start()
			w.after(time.Second)
			w.term()
			before := w.provider.Requests().List
			w.start()
			w.after(time.Second)
			want := 6 // levels
			if wholeZone {
				want = 1
			}
			if got := w.provider.Requests().List - before; got != want {
				t.Errorf("%d lists, want %d", got, want)
			}
			w.want(allHealthy...)
		})
	}
	bubble(t, "O1b what an earlier run wrote at a level that is gone is found by the list", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		w.term()
		w.members["a"].place = federation.Member{Name: "a", Region: "north", Zones: []federation.Label{"east-2"}}
		w.start()
		w.after(5 * time.Second)
		for _, name := range []federation.FQDN{"web.shop.fed.svc.east-1.example.com.",
			"_claim.fed.svc.east-1.example.com."} {
			if got := w.at(name); got != "" {
				t.Errorf("at %q there is still %q", name, got)
			}
		}
		w.wantAt("web.shop.fed.svc.east-2.example.com.", "203.0.113.1")
	})
	bubble(t, "O1b the list has the levels with their members", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		f := w.config.Federations[0].Federation
		listed := 0
		for _, set := range w.provider.RRsets() {
			if _, _, ok := f.ParseListingName(set.Name); !ok {
				continue
			}
			listed++
			l, err := f.ParseListing([]federation.RRset{set})
			if err != nil || l.Owner != "us" ||
				l.Name == "west.example.com." && !slices.Equal(l.Members, []string{"b", "c"}) {
				t.Errorf("%v: %v, %v", set, l, err)
			}
		}
		if listed != 6 {
			t.Errorf("%d levels", listed)
		}
	})
	bubble(t, "O1c a foreign main claim: nothing is written, and it is looked at again", func(t *testing.T) {
		w := three(t)
		w.provider.Put(claimOf(w, domain, "them", 4))
		w.start()
		w.after(30 * time.Second)
		w.want()
		if s := w.status(); s.State != "foreign" || !strings.Contains(s.Error, `"them"`) {
			t.Errorf("state %q, error %q", s.State, s.Error)
		}
		if n := w.provider.Requests().Changes; n != 0 {
			t.Errorf("%d changes", n)
		}
		w.provider.Remove(w.config.Federations[0].ClaimName(domain), federation.TypeTXT)
		w.after(foreignRetry + time.Second)
		w.want(allHealthy...)
	})
	bubble(t, "O1c records without a claim: nothing is written", func(t *testing.T) {
		w := three(t)
		w.provider.Put(federation.RRset{Name: global, Type: "A", TTL: 60, Data: []string{"192.0.2.7"}})
		w.start()
		w.after(time.Minute)
		w.want("web.shop.fed.svc A 192.0.2.7")
		if s := w.status(); s.State != "foreign" {
			t.Errorf("state %q", s.State)
		}
	})
	bubble(t, "O1c --adopt takes over", func(t *testing.T) {
		w := three(t)
		w.provider.Put(claimOf(w, domain, "them", 4))
		w.provider.Put(claimOf(w, "east.example.com.", "them", 1))
		w.provider.Put(federation.RRset{Name: global, Type: "A", TTL: 60, Data: []string{"192.0.2.7"}})
		w.provider.Put(federation.RRset{Name: "web.shop.fed.svc.east.example.com.", Type: "A", TTL: 60,
			Data: []string{"192.0.2.8"}})
		w.adopt = true
		w.start()
		w.after(3 * time.Second)
		w.want(allHealthy...)
	})
	bubble(t, "O1c a foreign level is left alone, and CNAMEs skip it (P2a)", func(t *testing.T) {
		w := three(t)
		w.provider.Put(claimOf(w, "east.example.com.", "them", 1))
		w.provider.Put(federation.RRset{Name: "web.shop.fed.svc.east.example.com.", Type: "A", TTL: 60,
			Data: []string{"192.0.2.8"}})
		w.set("a", web, false)
		w.start()
		w.after(time.Second)
		w.set("a", web, true)
		w.after(2 * time.Second)
		w.set("a", web, false)
		w.after(time.Second)
		w.wantAt("web.shop.fed.svc.east.example.com.", "192.0.2.8")
		w.wantAt("web.shop.fed.svc.east-1.example.com.", global)
		w.after(20 * time.Minute) // audits and looks at the claim again
		w.wantAt("web.shop.fed.svc.east.example.com.", "192.0.2.8")
	})
	bubble(t, "O1c a level that was listed but is foreign now keeps its records", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		w.term()
		w.provider.Put(claimOf(w, "east.example.com.", "them", 1))
		w.start()
		w.set("a", web, false)
		w.after(time.Minute)
		w.wantAt("web.shop.fed.svc.east.example.com.", "203.0.113.1")
	})
	bubble(t, "O1c a level that is lost while we run keeps its records", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		w.provider.Put(claimOf(w, "east.example.com.", "them", 1))
		w.after(12 * time.Minute) // an audit sees it
		w.logged("level is not ours")
		if strings.Contains(w.log.String(), "not as it was left") {
			t.Errorf("taken for drift:\n%s", w.log)
		}
		for _, m := range []string{"a", "b", "c"} {
			w.unset(m, web)
		}
		w.after(time.Minute)
		w.want("web.shop.fed.svc.east A 203.0.113.1")
	})
	bubble(t, "O2 other names below our suffix are never touched", func(t *testing.T) {
		w := three(t)
		w.provider.Put(federation.RRset{Name: "x.web.shop.fed.svc.example.com.", Type: "A", TTL: 60,
			Data: []string{"192.0.2.7"}})
		w.provider.Put(federation.RRset{Name: "_http._tcp.fed.svc.example.com.", Type: "A", TTL: 60,
			Data: []string{"192.0.2.7"}})
		w.start()
		w.after(20 * time.Minute)
		for _, m := range []string{"a", "b", "c"} {
			w.unset(m, web)
		}
		w.after(20 * time.Minute)
		w.want("_http._tcp.fed.svc A 192.0.2.7", "x.web.shop.fed.svc A 192.0.2.7")
	})
	bubble(t, "O3b a start rewrites the generation before it lists", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		old := w.loop
		w.kill()
		w.start()
		w.after(time.Second)
		if old.holding.Claim.Data[0] == w.loop.holding.Claim.Data[0] ||
			!strings.Contains(w.loop.holding.Claim.Data[0], "generation=2") {
			t.Errorf("claims: %s, then %s", old.holding.Claim.Data[0], w.loop.holding.Claim.Data[0])
		}
	})
	bubble(t, "O3c another generation: deposed, nothing is written any more", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		w.provider.Put(claimOf(w, domain, "us", 9))
		w.set("a", web, false)
		w.after(time.Hour)
		w.want(allHealthy...)
		if s := w.status(); s.State != "deposed" {
			t.Errorf("state %q", s.State)
		}
	})
	bubble(t, "O3c a name that somebody changed is read, reported and planned again", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.provider.Put(federation.RRset{Name: global, Type: "A", TTL: 60, Data: []string{"192.0.2.7"}})
		w.set("a", web, false)
		w.after(2 * time.Second)
		w.want(withoutA...)
		w.logged("another writer has changed a name")
	})
	bubble(t, "O3c a CNAME is not put beside foreign types", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.provider.Put(federation.RRset{Name: "web.shop.fed.svc.east.example.com.", Type: "MX", TTL: 60,
			Data: []string{"10 mail.example.org."}})
		w.set("a", web, false)
		w.after(2 * time.Second)
		w.wantAt(global, "203.0.113.2 203.0.113.3")
		w.wantAt("web.shop.fed.svc.east-1.example.com.", "web.shop.fed.svc.east.example.com.")
		if r := w.status().Services[0].Refused; len(r) != 1 {
			t.Errorf("refused: %v", r)
		}
	})
}

func TestProvider(t *testing.T) {
	bubble(t, "X5a a refused name stands alone, and is tried again slowly", func(t *testing.T) {
		w := three(t)
		bad := federation.FQDN("web.shop.fed.svc.west-1.example.com.")
		w.provider.SetFaults(inmem.Faults{Refuse: inmem.RefuseName(bad)})
		w.start()
		w.after(9 * time.Second)
		w.want(without(allHealthy, "web.shop.fed.svc.west-1 ")...)
		if r := w.status().Services[0].Refused; len(r) != 1 || r[0].Name != string(bad) {
			t.Errorf("refused: %v", r)
		}
		w.provider.SetFaults(inmem.Faults{})
		w.after(12 * time.Second)
		w.want(allHealthy...)
	})
	bubble(t, "X5a a provider that does not answer: backoff, then everything", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		down := errors.New("no answer")
		var calls atomic.Int32
		w.provider.SetFaults(inmem.Faults{
			Before:     func(context.Context, *federation.RRset, []plan.Change) error { calls.Add(1); return down },
			BeforeRead: func(context.Context) error { calls.Add(1); return down },
		})
		w.set("a", web, false)
		w.after(10 * time.Minute)
		if n := calls.Load(); n < 10 || n > 80 {
			t.Errorf("%d requests in 10 minutes", n)
		}
		if s := w.status(); s.State != "provider-down" {
			t.Errorf("state %q", s.State)
		}
		w.provider.SetFaults(inmem.Faults{})
		w.after(maxBackoff + time.Second)
		w.want(withoutA...)
	})
	bubble(t, "X5a a key that is refused for everything is the provider's failure", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		refused := fmt.Errorf("%w: bad key", provider.ErrRefused)
		w.provider.SetFaults(inmem.Faults{
			Before:     func(context.Context, *federation.RRset, []plan.Change) error { return refused },
			BeforeRead: func(context.Context) error { return refused },
		})
		w.set("a", web, false)
		w.after(time.Second)
		if s := w.status(); s.State != "provider-down" {
			t.Errorf("state %q", s.State)
		}
	})
	bubble(t, "X5a a lost reply: the name is read before it is changed again", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.provider.SetFaults(inmem.Faults{LoseReply: func(plan.Change) bool { return true }})
		w.set("a", web, false)
		w.after(100 * time.Millisecond)
		w.provider.SetFaults(inmem.Faults{})
		w.after(time.Minute)
		w.want(withoutA...)
		w.neverEmpty()
		if strings.Contains(w.log.String(), "another writer") {
			t.Errorf("taken for another writer's change:\n%s", w.log)
		}
	})
	bubble(t, "X5c additions of a restless name are damped, withdrawals are not", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		for range 10 {
			w.set("a", web, false)
			w.after(100 * time.Millisecond)
			w.wantAt(global, "203.0.113.2 203.0.113.3")
			w.set("a", web, true)
			w.after(1100 * time.Millisecond)
		}
		w.set("a", web, true)
		w.after(2 * time.Second)
		w.wantAt(global, "203.0.113.2 203.0.113.3")
		w.after(10 * time.Second)
		w.want(allHealthy...)
	})
	bubble(t, "X6 an audit finds and mends what others changed", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		w.provider.Put(federation.RRset{Name: global, Type: "A", TTL: 60, Data: []string{"192.0.2.7"}})
		w.provider.Remove("web.shop.fed.svc.east.example.com.", "A")
		w.after(12 * time.Minute)
		w.want(allHealthy...)
		w.logged("audit: a name is not as it was left")
	})
	bubble(t, "X6 a slow audit does not hold changes up", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		block := make(chan struct{})
		w.provider.SetFaults(inmem.Faults{BeforeRead: func(ctx context.Context) error {
			select {
			case <-block:
			case <-ctx.Done():
			}
			return nil
		}})
		w.after(15 * time.Minute) // an audit is under way
		w.set("a", web, false)
		w.after(time.Second)
		w.provider.SetFaults(inmem.Faults{})
		w.want(withoutA...)
		close(block)
		w.after(time.Second)
		w.want(withoutA...)
	})
	bubble(t, "X6 what was changed while an audit ran is not drift", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(time.Second)
		w.listLag.Store(int64(time.Minute)) // what it has read is old when it is seen
		w.after(12 * time.Minute)           // it runs
		w.set("a", web, false)
		w.after(20 * time.Minute)
		w.want(withoutA...)
		if strings.Contains(w.log.String(), "not as it was left") {
			t.Errorf("drift:\n%s", w.log)
		}
	})
	bubble(t, "X5b a stop lets the change under way end, and starts none", func(t *testing.T) {
		w := three(t)
		w.provider.SetFaults(inmem.Faults{Latency: time.Second})
		w.start()
		w.after(20 * time.Second)
		w.want(allHealthy...)
		w.set("a", web, false)
		w.after(100 * time.Millisecond)
		w.set("b", web, false)
		w.after(100 * time.Millisecond)
		begun := time.Now()
		w.term()
		if d := time.Since(begun); d > StopTimeout {
			t.Errorf("the stop took %s", d)
		}
		w.provider.SetFaults(inmem.Faults{})
		w.want(withoutA...)
	})
	bubble(t, "X5b a stop waits for at most 5 s", func(t *testing.T) {
		w := three(t)
		w.provider.SetFaults(inmem.Faults{Latency: time.Hour})
		w.start()
		w.after(time.Second)
		begun := time.Now()
		w.term()
		if d := time.Since(begun); d > StopTimeout {
			t.Errorf("the stop took %s", d)
		}
	})
}

func without(lines []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.HasPrefix(l, prefix) })
}

func TestAbstain(t *testing.T) {
	bubble(t, "O1e a loop that is deposed gives the Lease back", func(t *testing.T) {
		w := three(t)
		given := 0
		w.abstain = func() { given++ }
		w.start()
		w.after(10 * time.Second)
		w.loop.call(t.Context(), func() { w.loop.depose(errors.New("deposed")) })
		if given != 1 {
			t.Errorf("it was given back %d times", given)
		}
	})
}
