package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

const mainClaim federation.FQDN = "_claim.fed.svc.example.com."

// claim is the main claim that is there now.
func (w *world) claim() federation.Claim {
	w.t.Helper()
	sets, err := w.provider.Get(w.t.Context(), mainClaim)
	if err != nil || len(sets) != 1 {
		w.t.Fatalf("the main claim is %v, error %v\nlog:\n%s", sets, err, w.log)
	}
	c, err := federation.ParseClaim(sets[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// TestClaimStates changes the main claim while the syncer runs (O1e).
func TestClaimStates(t *testing.T) {
	puts := func(change func(c *federation.Claim)) func(*world) {
		return func(w *world) {
			c := w.claim()
			change(&c)
			w.provider.Put(c.RRset(mainClaim))
		}
	}
	for name, lose := range map[string]func(*world){
		"deleted":                          func(w *world) { w.provider.Remove(mainClaim, "TXT") },
		"restored with an older one of us": puts(func(c *federation.Claim) { c.Generation--; c.Instance = "before" }),
	} {
		bubble(t, "O1e a main claim that was "+name+" is made again, and failover goes on", func(t *testing.T) {
			w := three(t)
			for range 3 { // some generations
				w.start()
				w.after(10 * time.Second)
				w.term()
			}
			w.start()
			w.after(10 * time.Second)
			was, drift := w.claim(), w.gathered()["audit_drift_total"]
			lose(w)
			w.set("a", web, false)
			w.after(10 * time.Second)
			w.want(withoutA...)
			if is := w.claim(); is.Generation != was.Generation+1 || is.Instance == was.Instance || is.Owner != "us" {
				t.Errorf("the claim is %+v, it was %+v", is, was)
			}
			if now := w.gathered()["audit_drift_total"]; w.status().State != "writing" || drift != "" || now == "" {
				t.Errorf("state %q, drift %q", w.status().State, now)
			}
			w.logged("the main claim was lost, and is made again")
			w.neverEmpty()
		})
		bubble(t, "O1e a main claim that was "+name+" is found by an audit if nothing happens", func(t *testing.T) {
			w := three(t)
			w.start()
			w.after(10 * time.Second)
			w.term()
			w.start()
			w.after(10 * time.Second)
			was := w.claim()
			lose(w)
			w.after(15 * time.Minute)
			w.want(allHealthy...)
			if is := w.claim(); is.Generation <= was.Generation {
				t.Errorf("the claim is %+v, it was %+v", is, was)
			}
		})
	}
	bubble(t, "O1e a whole zone that was restored is repaired", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		zone := w.provider.RRsets() // all healthy
		w.term()
		w.start()
		w.after(10 * time.Second)
		w.set("a", web, false)
		w.after(10 * time.Second)
		w.want(withoutA...)
		w.provider.Restore(zone)
		w.want(allHealthy...)
		w.after(15 * time.Minute)
		w.want(withoutA...)
		if w.status().State != "writing" {
			t.Errorf("state %q", w.status().State)
		}
		w.neverEmpty()
	})
	for name, take := range map[string]func(*world){
		"another owner":                        puts(func(c *federation.Claim) { c.Owner = "them" }),
		"another owner, an older generation":   puts(func(c *federation.Claim) { c.Owner = "them"; c.Generation = 0 }),
		"a newer generation of ours":           puts(func(c *federation.Claim) { c.Generation++ }),
		"another instance, same generation":    puts(func(c *federation.Claim) { c.Instance = "other" }),
		"the mark of cleanup":                  puts(func(c *federation.Claim) { c.Removed = true; c.Generation++ }),
		"the mark of cleanup, older than ours": puts(func(c *federation.Claim) { c.Removed = true; c.Generation-- }),
	} {
		bubble(t, "O1e "+name+" deposes, and a deposed loop never claims again by itself", func(t *testing.T) {
			w := three(t)
			w.start()
			w.after(10 * time.Second)
			take(w)
			theirs := w.at(mainClaim)
			w.set("a", web, false)
			w.after(time.Hour)
			if state := w.status().State; state != "deposed" {
				t.Fatalf("state %q", state)
			}
			w.provider.Remove(mainClaim, "TXT") // whoever took it is gone
			w.set("b", web, false)
			w.after(3 * time.Hour)
			w.want(allHealthy...)
			if is := w.at(mainClaim); is != "" {
				t.Errorf("the claim is %q, after %q", is, theirs)
			}
		})
	}
	bubble(t, "O1e another that takes a lost claim first deposes", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.provider.Remove(mainClaim, "TXT")
		c := claimOf(w, domain, "them", 1)
		w.provider.SetFaults(inmem.Faults{Fail: inmem.FailNames(
			inmem.Kind{Name: "unavailable", Err: provider.ErrUnavailable}, inmem.Apply, mainClaim)})
		w.set("a", web, false)
		w.after(5 * time.Second) // it is being claimed again when another takes it
		w.provider.Put(c)
		w.provider.SetFaults(inmem.Faults{})
		w.after(time.Hour)
		if state := w.status().State; state != "deposed" || !strings.Contains(w.at(mainClaim), "owner=them") {
			t.Errorf("state %q, claim %q", state, w.at(mainClaim))
		}
		w.want(allHealthy...)
	})
	for _, kind := range inmem.Kinds() {
		bubble(t, "O1e a claim that cannot be read, "+kind.Name+", deposes nobody", func(t *testing.T) {
			w := three(t)
			w.start()
			w.after(10 * time.Second)
			generation := w.claim().Generation
			w.provider.SetFaults(inmem.Faults{Fail: inmem.FailNames(kind, inmem.Get, mainClaim)})
			w.set("a", web, false)
			w.after(time.Hour)
			if state := w.status().State; state == "deposed" || state == "foreign" {
				t.Errorf("state %q", state)
			}
			w.provider.SetFaults(inmem.Faults{})
			w.after(5 * time.Minute)
			w.want(withoutA...)
			if is := w.claim(); is.Generation != generation {
				t.Errorf("generation %d, was %d", is.Generation, generation)
			}
		})
	}
}

func TestClaimsGoneAtStart(t *testing.T) {
	for _, lag := range []time.Duration{0, time.Second} {
		name := fmt.Sprintf("O1e X1b a start without claims, which take %s to make, withdraws nothing of a member "+
			"that cannot be reached", lag)
		bubble(t, name, func(t *testing.T) { claimsGoneAtStart(t, lag) })
	}
}

func claimsGoneAtStart(t *testing.T, lag time.Duration) {
	w := three(t)
	w.start()
	w.after(10 * time.Second)
	w.term()
	for _, set := range w.provider.RRsets() {
		if strings.HasPrefix(string(set.Name), "_claim.") {
			w.provider.Remove(set.Name, federation.TypeTXT)
		}
	}
	w.members["c"].cut()
	before := len(w.provider.History(global))
	w.listLag.Store(int64(lag))
	w.start()
	w.after(10 * time.Second)
	w.wantAt(global, "203.0.113.1 203.0.113.2 203.0.113.3")
	if after := len(w.provider.History(global)); after != before {
		t.Errorf("the global name was changed on the way: %v", w.provider.History(global))
	}
}
