package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

// wantConflicts compares the conflicts in the status, and in metrics and log.
func (w *world) wantConflicts(details ...string) {
	w.t.Helper()
	var got []string
	for _, p := range w.status().Problems {
		if p.Reason == string(federation.ReasonLabelConflict) {
			got = append(got, p.Detail)
		}
	}
	if d := cmp.Diff(details, got); d != "" {
		w.t.Fatalf("conflicts in the status (-want +got):\n%s", d)
	}
	if n := w.conflictMetric(); n != float64(len(details)) {
		w.t.Errorf("the metric tells %v conflicts, want %d", n, len(details))
	}
	for _, d := range details {
		w.logged(strings.ReplaceAll(d, `"`, `\"`))
	}
}

type move struct {
	member string
	region federation.Label
	zones  []federation.Label
}

// TestConflicts has labels that come to stand for two places while the syncer runs: two members, a and b, with a
// healthy shard each, of which b moves.
func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		name     string
		places   []string // of a and b
		move     move     // makes the conflict
		conflict string   // "" for none
		at       []string // the records then
		broken   []string // ... when a's shard is not healthy besides
		unseen   []string // ... at a start while b cannot be seen; nil is at
	}{
		{
			name:   "N5a a topology zone named like its own region is that region's level",
			places: []string{"a east east-1", "b west west-1"}, move: move{"b", "west", []federation.Label{"west"}},
			at: []string{
				"web.shop.fed.svc A 203.0.113.1 203.0.113.2",
				"web.shop.fed.svc.east A 203.0.113.1", "web.shop.fed.svc.east-1 A 203.0.113.1",
				"web.shop.fed.svc.west A 203.0.113.2",
			},
			broken: []string{
				"web.shop.fed.svc A 203.0.113.2",
				"web.shop.fed.svc.east CNAME " + global,
				"web.shop.fed.svc.east-1 CNAME web.shop.fed.svc.east.example.com.",
				"web.shop.fed.svc.west A 203.0.113.2",
			},
		},
		{
			name:   "N5b a label that is a topology zone in two regions",
			places: []string{"a east z", "b west west-1"}, move: move{"b", "west", []federation.Label{"west-1", "z"}},
			conflict: `label "z" is a topology zone of region "east" and of region "west": its name leads to global`,
			at: []string{
				"web.shop.fed.svc A 203.0.113.1 203.0.113.2",
				"web.shop.fed.svc.east A 203.0.113.1", "web.shop.fed.svc.z CNAME " + global,
				"web.shop.fed.svc.west A 203.0.113.2", "web.shop.fed.svc.west-1 A 203.0.113.2",
			},
			broken: []string{
				"web.shop.fed.svc A 203.0.113.2",
				"web.shop.fed.svc.east CNAME " + global, "web.shop.fed.svc.z CNAME " + global,
				"web.shop.fed.svc.west A 203.0.113.2", "web.shop.fed.svc.west-1 A 203.0.113.2",
			},
		},
		{
			name:     "N5b a topology zone of one region that is another region's name",
			places:   []string{"a east east-1", "b west west-1"},
			move:     move{"b", "west", []federation.Label{"east", "west-1"}},
			conflict: `label "east" is a region and also a topology zone of region "west": its name leads to global`,
			at: []string{
				"web.shop.fed.svc A 203.0.113.1 203.0.113.2",
				"web.shop.fed.svc.east CNAME " + global, "web.shop.fed.svc.east-1 A 203.0.113.1",
				"web.shop.fed.svc.west A 203.0.113.2", "web.shop.fed.svc.west-1 A 203.0.113.2",
			},
			broken: []string{ // the topology zone passes its region over
				"web.shop.fed.svc A 203.0.113.2",
				"web.shop.fed.svc.east CNAME " + global, "web.shop.fed.svc.east-1 CNAME " + global,
				"web.shop.fed.svc.west A 203.0.113.2", "web.shop.fed.svc.west-1 A 203.0.113.2",
			},
		},
		{
			name:   "N5b a region that gets the name of another region's topology zone",
			places: []string{"a east z", "b west west-1"}, move: move{"b", "z", []federation.Label{"west-1"}},
			conflict: `label "z" is a region and also a topology zone of region "east": its name leads to global`,
			at: []string{
				"web.shop.fed.svc A 203.0.113.1 203.0.113.2",
				"web.shop.fed.svc.east A 203.0.113.1", "web.shop.fed.svc.z CNAME " + global,
				"web.shop.fed.svc.west-1 A 203.0.113.2",
			},
			broken: []string{
				"web.shop.fed.svc A 203.0.113.2",
				"web.shop.fed.svc.east CNAME " + global, "web.shop.fed.svc.z CNAME " + global,
				"web.shop.fed.svc.west-1 A 203.0.113.2",
			},
		},
		{
			name:   "N5b a topology zone of a region, and of none",
			places: []string{"a east z", "b west west-1"}, move: move{"b", "", []federation.Label{"z"}},
			conflict: `label "z" is a topology zone without a region and of region "east": its name leads to global`,
			at: []string{
				"web.shop.fed.svc A 203.0.113.1 203.0.113.2",
				"web.shop.fed.svc.east A 203.0.113.1", "web.shop.fed.svc.z CNAME " + global,
			},
			broken: []string{
				"web.shop.fed.svc A 203.0.113.2",
				"web.shop.fed.svc.east CNAME " + global, "web.shop.fed.svc.z CNAME " + global,
			},
			unseen: []string{ // b has no level but global, which does not say whose an address is (X1b)
				"web.shop.fed.svc A 203.0.113.1",
				"web.shop.fed.svc.east A 203.0.113.1", "web.shop.fed.svc.z CNAME " + global,
			},
		},
	} {
		begin := func(t *testing.T) (w *world, before []string) {
			w = newWorld(t, c.places...)
			w.set("a", web, true)
			w.set("b", web, true)
			w.start()
			w.after(10 * time.Second)
			return w, w.records()
		}
		conflicts := func() []string {
			if c.conflict == "" {
				return nil
			}
			return []string{c.conflict}
		}
		bubble(t, c.name+": it comes and goes while the syncer runs", func(t *testing.T) {
			w, before := begin(t)
			marks := w.marks()
			w.moved(c.move.member, c.move.region, c.move.zones...)
			w.after(2 * time.Second)
			w.want(c.at...)
			w.wantConflicts(conflicts()...)
			w.set("a", web, false)
			w.after(2 * time.Second)
			w.want(c.broken...)
			w.set("a", web, true)
			w.after(2 * time.Second)
			w.want(c.at...)
			w.moved("b", "west", "west-1")
			w.after(2 * time.Second)
			w.want(before...)
			w.wantConflicts()
			w.wantMarks(marks...)
			for _, name := range w.provider.Names() { // those that are there all the time
				if slices.ContainsFunc(before, has(name)) && slices.ContainsFunc(c.at, has(name)) &&
					slices.ContainsFunc(w.provider.History(name),
						func(s []federation.RRset) bool { return len(s) == 0 }) {
					t.Errorf("%q was empty: %v", name, w.provider.History(name))
				}
			}
		})
		bubble(t, c.name+": it is there at a start, and a member cannot be reached", func(t *testing.T) {
			w, before := begin(t)
			w.moved(c.move.member, c.move.region, c.move.zones...)
			w.after(2 * time.Second)
			w.term()
			w.members["b"].cut()
			w.start()
			w.after(30 * time.Second) // b is taken to stand where it stood (X1c)
			if c.unseen != nil {
				w.want(c.unseen...)
			} else {
				w.want(c.at...)
			}
			w.wantConflicts(conflicts()...)
			m := w.members["b"]
			m.mu.Lock()
			m.place = federation.Member{Name: "b", Region: "west", Zones: []federation.Label{"west-1"}}
			m.mu.Unlock()
			m.heal()
			w.after(30 * time.Second)
			w.want(before...)
			w.wantConflicts()
		})
	}
}

// has reports whether a line is a record of that name.
func has(name federation.FQDN) func(string) bool {
	return func(line string) bool {
		return strings.HasPrefix(line, strings.TrimSuffix(string(name), "."+string(domain))+" ")
	}
}

// TestMoves has a member whose Nodes get other labels while the syncer runs, and while it is stopped: a, which is in
// region east and its topology zone east-1.
func TestMoves(t *testing.T) {
	rest := []string{
		"web.shop.fed.svc A 203.0.113.1 203.0.113.2 203.0.113.3",
		"web.shop.fed.svc.west-1 A 203.0.113.2", "web.shop.fed.svc.west-2 A 203.0.113.3",
	}
	west := append([]string{"web.shop.fed.svc.west A 203.0.113.2 203.0.113.3"}, rest...)
	marks := []string{
		"_claim.fed.svc", "_claim.fed.svc.west", "_claim.fed.svc.west-1", "_claim.fed.svc.west-2",
		"_levels.fed.svc level=example.com. kind=global m=a,b,c",
		"_levels.fed.svc level=west-1 kind=topology-zone region=west zone=west-1 m=b",
		"_levels.fed.svc level=west-2 kind=topology-zone region=west zone=west-2 m=c",
	}
	marksWest := append([]string{"_levels.fed.svc level=west kind=region region=west m=b,c"}, marks...)
	for _, c := range []struct {
		name    string
		to      move
		records []string
		marks   []string
	}{
		{
			"H6 another topology zone", move{"a", "east", []federation.Label{"east-1", "east-2"}},
			append([]string{"web.shop.fed.svc.east A 203.0.113.1", "web.shop.fed.svc.east-1 A 203.0.113.1",
				"web.shop.fed.svc.east-2 A 203.0.113.1"}, west...),
			append([]string{
				"_claim.fed.svc.east", "_claim.fed.svc.east-1", "_claim.fed.svc.east-2",
				"_levels.fed.svc level=east kind=region region=east m=a",
				"_levels.fed.svc level=east-1 kind=topology-zone region=east zone=east-1 m=a",
				"_levels.fed.svc level=east-2 kind=topology-zone region=east zone=east-2 m=a",
			}, marksWest...),
		},
		{
			"P4 its topology zone changes", move{"a", "east", []federation.Label{"east-2"}},
			append([]string{"web.shop.fed.svc.east A 203.0.113.1", "web.shop.fed.svc.east-2 A 203.0.113.1"}, west...),
			append([]string{
				"_claim.fed.svc.east", "_claim.fed.svc.east-2",
				"_levels.fed.svc level=east kind=region region=east m=a",
				"_levels.fed.svc level=east-2 kind=topology-zone region=east zone=east-2 m=a",
			}, marksWest...),
		},
		{
			"P4 its topology zone goes, its region stays", move{"a", "east", nil},
			append([]string{"web.shop.fed.svc.east A 203.0.113.1"}, west...),
			append([]string{"_claim.fed.svc.east", "_levels.fed.svc level=east kind=region region=east m=a"},
				marksWest...),
		},
		{
			"P4 its region goes, its topology zone stays", move{"a", "", []federation.Label{"east-1"}},
			append([]string{"web.shop.fed.svc.east-1 A 203.0.113.1"}, west...),
			append([]string{"_claim.fed.svc.east-1", "_levels.fed.svc level=east-1 kind=topology-zone zone=east-1 m=a"},
				marksWest...),
		},
		{
			"P4 its region changes, its topology zone keeps its name", move{"a", "north", []federation.Label{"east-1"}},
			append([]string{"web.shop.fed.svc.north A 203.0.113.1", "web.shop.fed.svc.east-1 A 203.0.113.1"}, west...),
			append([]string{
				"_claim.fed.svc.north", "_claim.fed.svc.east-1",
				"_levels.fed.svc level=east-1 kind=topology-zone region=north zone=east-1 m=a",
				"_levels.fed.svc level=north kind=region region=north m=a",
			}, marksWest...),
		},
		{
			"P4 it moves into the region of others", move{"a", "west", []federation.Label{"west-1"}},
			[]string{
				"web.shop.fed.svc A 203.0.113.1 203.0.113.2 203.0.113.3",
				"web.shop.fed.svc.west A 203.0.113.1 203.0.113.2 203.0.113.3",
				"web.shop.fed.svc.west-1 A 203.0.113.1 203.0.113.2", "web.shop.fed.svc.west-2 A 203.0.113.3",
			},
			[]string{
				"_claim.fed.svc", "_claim.fed.svc.west", "_claim.fed.svc.west-1", "_claim.fed.svc.west-2",
				"_levels.fed.svc level=example.com. kind=global m=a,b,c",
				"_levels.fed.svc level=west kind=region region=west m=a,b,c",
				"_levels.fed.svc level=west-1 kind=topology-zone region=west zone=west-1 m=a,b",
				"_levels.fed.svc level=west-2 kind=topology-zone region=west zone=west-2 m=c",
			},
		},
		{
			"H6 all labels go at once: it keeps its place", move{"a", "", nil}, allHealthy, marksOfAll,
		},
	} {
		bubble(t, c.name+", and back", func(t *testing.T) {
			w := three(t)
			w.start()
			w.after(10 * time.Second)
			w.moved(c.to.member, c.to.region, c.to.zones...)
			w.after(2 * time.Second)
			w.want(c.records...)
			w.wantMarks(c.marks...)
			w.moved("a", "east", "east-1")
			w.after(2 * time.Second)
			w.want(allHealthy...)
			w.wantMarks(marksOfAll...)
		})
		for first, lag := range map[string]time.Duration{"the records": 3 * time.Second, "the members": 0} {
			bubble(t, c.name+" while the syncer is stopped, which then sees "+first+" first", func(t *testing.T) {
				w := three(t)
				w.start()
				w.after(10 * time.Second)
				w.term()
				w.members["a"].place = federation.Member{Name: "a", Region: c.to.region, Zones: c.to.zones}
				for _, m := range w.members {
					m.lag = lag
				}
				w.provider.SetFaults(inmem.Faults{Latency: 100 * time.Millisecond})
				w.start()
				w.after(20 * time.Second)
				// of its region the topology zone is kept
				if slices.Contains(c.records, "web.shop.fed.svc.east A 203.0.113.1") {
					w.wantAt("web.shop.fed.svc.east-1.example.com.", "203.0.113.1")
					w.after(24 * time.Hour)
				}
				w.want(c.records...)
				w.wantMarks(c.marks...)
			})
		}
	}
}

// TestPastLevels has a member whose Nodes get other labels again and again, beside two that stay.
func TestPastLevels(t *testing.T) {
	zone := func(i int) federation.Label { return federation.Label(fmt.Sprintf("storm-%d", i)) }
	storm := func(t *testing.T) *world {
		w, _ := many(t)
		w.start()
		w.after(10 * time.Second)
		for i := range 40 {
			w.moved("a", "east", zone(i))
			w.after(time.Minute)
		}
		return w
	}
	bubble(t, "X4c a member that keeps moving stops when 16 levels "+
		"that it has left still have names", func(t *testing.T) {
		w := storm(t)
		past := 0
		for _, lv := range w.loop.holding.Entries {
			if strings.HasPrefix(string(lv.Name), "storm-") {
				past++
			}
		}
		if past > maxPastLevels+2 {
			t.Errorf("%d levels are listed of a member that has moved 40 times, at most %d may be", past,
				maxPastLevels+2)
		}
		w.logged("moves to new levels too often")
		if !slices.ContainsFunc(w.status().Problems, func(p admin.ProblemStatus) bool {
			return p.Member == "a" && p.Reason == "LabelsUnstable"
		}) {
			t.Errorf("the status does not say that member a stays where it is: %+v", w.status().Problems)
		}
		w.wantAt("web-07.shop.fed.svc.west-1.example.com.", "203.0.113.2")
	})
	bubble(t, "X4c a member that had to stay moves when what it left is gone", func(t *testing.T) {
		w := storm(t)
		w.wantAt(federation.FQDN("web-07.shop.fed.svc."+string(zone(39))+".example.com."), "")
		for range 3 {
			w.confirm()
			w.after(time.Minute)
		}
		w.wantAt(federation.FQDN("web-07.shop.fed.svc."+string(zone(39))+".example.com."), "203.0.113.1")
		if slices.ContainsFunc(w.status().Problems,
			func(p admin.ProblemStatus) bool { return p.Reason == "LabelsUnstable" }) {
			t.Errorf("the status still says that it stays: %+v", w.status().Problems)
		}
	})
	bubble(t, "X4c it may go back to a level that it has left", func(t *testing.T) {
		w := storm(t)
		w.moved("a", "east", zone(1))
		w.after(time.Minute)
		if slices.ContainsFunc(w.status().Problems,
			func(p admin.ProblemStatus) bool { return p.Reason == "LabelsUnstable" }) {
			t.Errorf("it stays where it is: %+v", w.status().Problems)
		}
	})
	bubble(t, "H6 a topology zone without a Node counts for 24 h after a restart", func(t *testing.T) {
		const name = federation.FQDN("web.shop.fed.svc.east-1.example.com.")
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.term()
		w.members["a"].place = federation.Member{Name: "a", Region: "east", Zones: []federation.Label{"east-2"}}
		w.start()
		w.after(23 * time.Hour)
		w.wantAt(name, "203.0.113.1")
		w.after(time.Hour)
		w.wantAt(name, "")
	})
}
