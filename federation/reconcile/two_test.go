package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

// another is a second world on the same provider, with members of its own that show the same: a second syncer, as it
// might be started by mistake.
func (w *world) another(owner string) *world {
	o := three(w.t)
	o.provider = w.provider
	config := *o.config
	config.Owner = owner
	o.config = &config
	return o
}

// both has both syncers see a change.
func both(worlds []*world, f func(*world)) {
	for _, w := range worlds {
		f(w)
	}
}

// writes counts the changes of records that a syncer has made.
func (w *world) writes() int { return strings.Count(w.log.String(), "msg=changed ") }

// TestTwoSyncers sets two syncers against each other, without a Lease.
func TestTwoSyncers(t *testing.T) {
	bubble(t, "O1c another owner writes nothing, whatever happens", func(t *testing.T) {
		w := three(t)
		o := w.another("them")
		w.start()
		w.after(10 * time.Second)
		o.start()
		for i := range 10 {
			both([]*world{w, o}, func(w *world) { w.set("a", web, i%2 == 1) })
			w.after(7 * time.Minute)
		}
		w.want(allHealthy...)
		if n := o.writes(); n > 0 {
			t.Errorf("it has written %d times\n%s", n, o.log)
		}
		if state := o.status().State; state != "foreign" {
			t.Errorf("state %q", state)
		}
		w.neverEmpty()
	})
	bubble(t, "O1c two owners that adopt: the later one writes, the other one never again", func(t *testing.T) {
		w := three(t)
		o := w.another("them")
		w.adopt, o.adopt = true, true
		w.start()
		w.after(10 * time.Second)
		o.start()
		w.after(10 * time.Second)
		before := w.writes()
		both([]*world{w, o}, func(w *world) { w.set("a", web, false) })
		w.after(time.Hour)
		w.want(withoutA...)
		if n := w.writes() - before; n > 0 || o.writes() == 0 || w.status().State != "deposed" {
			t.Errorf("the first one has written %d times, the other one %d times; state %q", n, o.writes(),
				w.status().State)
		}
	})
	bubble(t, "O3c the same owner id: the later one writes, the other one never again", func(t *testing.T) {
		w := three(t)
		o := w.another("us")
		w.start()
		w.after(10 * time.Second)
		o.start()
		w.after(10 * time.Second)
		before := w.writes()
		w.set("a", web, false) // the first one alone sees it
		w.after(time.Minute)
		w.want(allHealthy...)
		o.set("b", web, false) // the later one alone
		w.after(time.Minute)
		w.wantAt(global, "203.0.113.1 203.0.113.3")
		if n := w.writes() - before; n > 0 || w.status().State != "deposed" || o.status().State != "writing" {
			t.Errorf("the first one has written %d times; states %q and %q", n, w.status().State, o.status().State)
		}
		w.neverEmpty()
	})
	bubble(t, "O3b the same owner id, started at the same moment: one is left", func(t *testing.T) {
		w := three(t)
		o := w.another("us")
		worlds := []*world{w, o}
		both(worlds, func(w *world) { w.start() })
		w.after(time.Minute)
		both(worlds, func(w *world) { w.set("a", web, false) })
		w.after(5 * time.Minute)
		w.want(withoutA...)
		states := []string{w.status().State, o.status().State}
		slices.Sort(states)
		if !slices.Equal(states, []string{"deposed", "writing"}) {
			t.Errorf("states %v", states)
		}
	})
	bubble(t, "O3a a change that is sent late, by one that was stopped, is not made", func(t *testing.T) {
		w := three(t)
		o := w.another("us")
		woken := make(chan struct{})
		w.start(func(c plan.Change) error {
			if c.Name == global && len(c.From) > 0 {
				<-woken // SIGSTOP: it is sent when the process goes on
			}
			return nil
		})
		w.after(10 * time.Second)
		w.set("a", web, false)
		w.after(time.Second)
		o.start() // its members show a healthy
		o.after(5 * time.Second)
		o.want(allHealthy...)
		close(woken)
		w.after(time.Minute)
		w.want(allHealthy...)
		if w.status().State != "deposed" {
			t.Errorf("state %q\n%s", w.status().State, w.log)
		}
	})
	bubble(t, "O3a every change but that of the main claim asserts the claim", func(t *testing.T) {
		w := three(t)
		f := w.config.Federations[0]
		for i := range 2 { // a first start, and one that finds everything
			w.start()
			w.after(10 * time.Second)
			w.set("a", web, i == 1)
			w.after(10 * time.Second)
			w.term()
		}
		asserted := 0
		for _, r := range w.requests() {
			if len(r.changes) == 1 && r.changes[0].Name == f.ClaimName(f.Domain) {
				continue
			}
			asserted++
			if r.claim == nil || r.claim.Name != f.ClaimName(f.Domain) || len(r.claim.Data) != 1 {
				t.Errorf("changes %v assert %v", r.changes, r.claim)
			}
		}
		if asserted < 4 {
			t.Errorf("%d requests", asserted)
		}
	})
	bubble(t, "O3a each change carries what is believed to be there, and what shall be", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.set("a", web, false)
		w.after(10 * time.Second)
		believed := map[federation.FQDN][]federation.RRset{}
		for _, r := range w.requests() {
			for _, c := range r.changes {
				if !federation.EqualRRsets(believed[c.Name], c.From) {
					t.Errorf("%q: from %v, there was %v", c.Name, c.From, believed[c.Name])
				}
				believed[c.Name] = c.To
			}
		}
	})
}
