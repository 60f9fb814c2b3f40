package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/inmem"
	"github.com/federation-dns/federation/federation/retry"
)

var pay = federation.ServiceName{Namespace: "shop", Name: "pay"}

// ruled is what the publishing rule says of everything that the members show now, by name.
func (w *world) ruled(foreign ...federation.FQDN) map[federation.FQDN][]federation.RRset {
	f := w.config.Federations[0]
	opt := f.Options
	opt.Foreign = map[federation.FQDN]bool{}
	for _, level := range foreign {
		opt.Foreign[level] = true
	}
	var places []federation.Member
	shards := map[federation.ServiceName][]federation.Shard{}
	for _, m := range w.members {
		m.mu.Lock()
		places = append(places, m.place)
		for svc, shard := range m.shards {
			shards[svc] = append(shards[svc], shard.Shard)
		}
		m.mu.Unlock()
	}
	want := map[federation.FQDN][]federation.RRset{}
	levels := federation.NewLevels(f.Federation, places, opt)
	for svc, of := range shards {
		sets, _ := levels.RRsets(svc, of, true)
		for _, set := range sets {
			want[set.Name] = append(want[set.Name], set)
		}
	}
	return want
}

// wantRule compares the records with the rule, but for the names that except holds of.
func (w *world) wantRule(except func(federation.FQDN) bool, foreign ...federation.FQDN) {
	w.t.Helper()
	want, got := w.ruled(foreign...), map[federation.FQDN][]federation.RRset{}
	for _, set := range w.provider.RRsets() {
		if set.Type != federation.TypeTXT {
			got[set.Name] = append(got[set.Name], set)
		}
	}
	for _, sets := range []map[federation.FQDN][]federation.RRset{want, got} {
		maps.DeleteFunc(sets, func(name federation.FQDN, _ []federation.RRset) bool { return except(name) })
		for _, s := range sets {
			slices.SortFunc(s, federation.CompareRRsets)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		w.t.Fatalf("after %s: records (-rule +got):\n%s\nlog:\n%s", time.Since(w.began), d, w.log)
	}
}

// failing counts what is asked of names that fail with a kind.
type failing struct {
	mu    sync.Mutex
	asked int
}

func (f *failing) names(kind inmem.Kind, ops inmem.Op, names ...federation.FQDN) inmem.Faults {
	fail := inmem.FailNames(kind, ops, names...)
	return inmem.Faults{Fail: func(ctx context.Context, op inmem.Op, name federation.FQDN) error {
		err := fail(ctx, op, name)
		if err != nil {
			f.mu.Lock()
			f.asked++
			f.mu.Unlock()
		}
		return err
	}}
}

// below fails the test if more was asked than so often in a second on average.
func (f *failing) below(t *testing.T, perSecond float64, d time.Duration) {
	t.Helper()
	if n := float64(f.asked) / d.Seconds(); n > perSecond {
		t.Errorf("what fails was asked for %.2f times a second, want less than %.2f", n, perSecond)
	}
}

func TestFailing(t *testing.T) {
	const badName, southClaim = federation.FQDN("web.shop.fed.svc.east-1.example.com."),
		federation.FQDN("_claim.fed.svc.south-1.example.com.")
	listing := func(level federation.FQDN) federation.FQDN {
		return federation.Federation{Name: "fed", Domain: domain, Naming: federation.Flat}.ListingName(level, 1)
	}
	south := []federation.FQDN{"south.example.com.", "south-1.example.com."}
	for _, target := range []struct {
		what  string
		names []federation.FQDN
		moves bool              // c moves to south, whose levels are new
		open  []federation.FQDN // levels that may be written or not
	}{
		{"a service's name", []federation.FQDN{badName}, false, nil},
		{"a level's claim", []federation.FQDN{southClaim, "fed.svc.south-1.example.com."}, true, south[1:]},
		{"the claim of a level that is given up", []federation.FQDN{"_claim.fed.svc.west-2.example.com."}, true, nil},
		{"the list of levels", []federation.FQDN{"_levels.fed.svc.example.com.", listing("south.example.com."),
			listing("west-2.example.com.")}, true, south},
		{"the main claim", []federation.FQDN{"_claim.fed.svc.example.com."}, true, nil},
	} {
		for _, ops := range []struct {
			what string
			ops  inmem.Op
		}{{"write", inmem.Apply}, {"read", inmem.Get | inmem.List},
			{"write or read", inmem.Apply | inmem.Get | inmem.List}} {
			for _, kind := range inmem.Kinds() {
				bubble(t, fmt.Sprintf("X5a %s that fails to %s: %s",
					target.what, ops.what, kind.Name), func(t *testing.T) {
					w := three(t)
					for _, m := range []string{"a", "b", "c"} {
						w.set(m, pay, true)
					}
					w.start()
					w.after(10 * time.Second)
					var bad failing
					before := w.provider.Requests()
					faults := bad.names(kind, ops.ops, target.names...)
					if ops.ops&inmem.Apply == 0 { // what is asked of a name that was not changed: nothing
						faults.LoseReply = func(c plan.Change) bool { return slices.Contains(target.names, c.Name) }
					}
					w.provider.SetFaults(faults)
					if target.moves {
						w.moved("c", "south", "south-1")
					}
					except := func(name federation.FQDN) bool {
						_, level, ok := w.config.Federations[0].ParseOwner(name)
						return !ok || slices.Contains(target.names, name) || slices.Contains(target.open, level)
					}
					for i := range 60 {
						w.set("a", web, i%2 == 1)
						w.set([]string{"b", "c"}[i/2%2], pay, i%2 == 1)
						w.after(2 * time.Second)
						w.wantRule(except, w.foreignLevels()...)
						w.after(58 * time.Second)
					}
					bad.below(t, 1, time.Hour)
					after := w.provider.Requests()
					if n := after.Apply + after.Get + after.List - before.Apply - before.Get - before.List; n > 3600 {
						t.Errorf("%d requests in an hour", n)
					}
					if s := w.status(); s.State != "writing" {
						t.Errorf("state %s: %s", s.State, s.Error)
					}
					w.provider.SetFaults(inmem.Faults{})
					w.after(retry.MaxRefused + retry.MaxRefused/10)
					w.wantRule(func(name federation.FQDN) bool { return !strings.Contains(string(name), ".fed.svc.") })
					if n := len(w.foreignLevels()); n > 0 {
						t.Errorf("not ours: %v", w.foreignLevels())
					}
				})
			}
		}
	}
}

// foreignLevels are the levels that the loop does not write.
func (w *world) foreignLevels() (names []federation.FQDN) {
	w.loop.call(w.t.Context(), func() {}) // which may start what is due at this very moment
	synctest.Wait()
	w.loop.call(w.t.Context(), func() { names = slices.Sorted(maps.Keys(w.loop.unclaimed(w.loop.levels))) })
	return names
}
