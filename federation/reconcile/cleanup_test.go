package reconcile

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

// cleanup looks at what the world's federation has, as the owner.
func (w *world) cleanup(owner string, adopt bool) (*claim.Cleanup, error) {
	return claim.NewCleanup(w.t.Context(), w.provider, w.config.Federations[0].Federation, owner,
		claim.CleanupOptions{Adopt: adopt})
}

// put writes an RRset that is not the syncer's.
func (w *world) put(set federation.RRset) {
	w.t.Helper()
	if err := errors.Join(w.provider.Apply(w.t.Context(), nil,
		[]plan.Change{{Name: set.Name, To: []federation.RRset{set}}})...); err != nil {
		w.t.Fatal(err)
	}
}

// removed is the claim that cleanup leaves.
const removed = "_claim.fed.svc state=removed"

func TestCleanup(t *testing.T) {
	none := func(int, int) {}
	stopped := func(t *testing.T) *world {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.term()
		return w
	}
	bubble(t, "O1b everything goes, also at levels that no member has any more, and nothing else", func(t *testing.T) {
		w := stopped(t)
		others := []federation.RRset{
			{Name: "www.example.com.", Type: "A", TTL: 60, Data: []string{"192.0.2.1"}},
			{Name: "web.shop.other.svc.example.com.", Type: "A", TTL: 60, Data: []string{"192.0.2.2"}},
			// in no list
			{Name: "web.shop.fed.svc.south.example.com.", Type: "A", TTL: 60, Data: []string{"192.0.2.3"}},
		}
		for _, o := range others {
			w.put(o)
		}
		cl, err := w.cleanup("us", false)
		if err != nil {
			t.Fatal(err)
		}
		want := []claim.CleanupLevel{
			{Name: "east-1.example.com.", Names: 1}, {Name: "east.example.com.", Names: 1},
			{Name: "example.com.", Names: 1},
			{Name: "west-1.example.com.", Names: 1}, {Name: "west-2.example.com.", Names: 1},
			{Name: "west.example.com.", Names: 1},
		}
		if d := cmp.Diff(want, cl.Removed); d != "" {
			t.Errorf("what is shown (-want +got):\n%s", d)
		}
		var last [2]int
		if err := cl.Run(t.Context(), func(done, of int) { last = [2]int{done, of} }); err != nil {
			t.Fatal(err)
		}
		if last != [2]int{6, 6} {
			t.Errorf("progress %v", last)
		}
		w.want("web.shop.fed.svc.south A 192.0.2.3", "web.shop.other.svc A 192.0.2.2", "www A 192.0.2.1")
		w.wantMarks(removed)
	})
	bubble(t, "O1b an interrupted one goes on with the next run", func(t *testing.T) {
		w := stopped(t)
		for lost := range 10 {
			cl, err := w.cleanup("us", false)
			if errors.Is(err, claim.ErrNothing) {
				if lost < 3 {
					t.Errorf("it took %d runs", lost)
				}
				w.want()
				w.wantMarks(removed)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			w.provider.SetFaults(inmem.Faults{LoseReply: func(plan.Change) bool { n++; return n > 2*lost+1 }})
			err = cl.Run(t.Context(), none)
			w.provider.SetFaults(inmem.Faults{})
			if err == nil {
				continue
			}
		}
		t.Error("it never ends")
	})
	bubble(t, "O1c another owner's federation is left alone, but with --adopt", func(t *testing.T) {
		w := stopped(t)
		if _, err := w.cleanup("them", false); !errors.Is(err, claim.ErrForeign) {
			t.Fatalf("%v", err)
		}
		w.want(allHealthy...)
		cl, err := w.cleanup("them", true)
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.Run(t.Context(), none); err != nil {
			t.Fatal(err)
		}
		w.want()
		w.wantMarks("_claim.fed.svc owner=them state=removed")
	})
	bubble(t, "O1c a foreign level stays", func(t *testing.T) {
		w := stopped(t)
		theirs := claimOf(w, "east.example.com.", "them", 1)
		ours := claimOf(w, "east.example.com.", "us", 1)
		if err := errors.Join(w.provider.Apply(t.Context(), nil,
			[]plan.Change{{Name: theirs.Name, From: []federation.RRset{ours},
				To: []federation.RRset{theirs}}})...); err != nil {
			t.Fatal(err)
		}
		cl, err := w.cleanup("us", false)
		if err != nil {
			t.Fatal(err)
		}
		if len(cl.Foreign) != 1 || cl.Foreign["east.example.com."] == nil {
			t.Errorf("foreign: %v", cl.Foreign)
		}
		if err := cl.Run(t.Context(), none); err != nil {
			t.Fatal(err)
		}
		w.want("web.shop.fed.svc.east A 203.0.113.1")
		w.wantMarks(removed, `_claim.fed.svc.east owner=them`)
	})
	bubble(t, "O3b a syncer that still runs is deposed by it", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		cl, err := w.cleanup("us", false)
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.Run(t.Context(), none); err != nil {
			t.Fatal(err)
		}
		w.set("a", web, false)
		w.after(30 * time.Minute)
		w.want()
		if s := w.status(); s.State != "deposed" {
			t.Errorf("state %q", s.State)
		}
	})
	bubble(t, "O3c a name that changes meanwhile is an error that says what to do", func(t *testing.T) {
		w := stopped(t)
		cl, err := claim.NewCleanup(t.Context(), changing{w.provider}, w.config.Federations[0].Federation, "us",
			claim.CleanupOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.Run(t.Context(), none); !errors.Is(err, provider.ErrConflict) ||
			!strings.Contains(err.Error(), "does a syncer still have this federation?") {
			t.Errorf("%v", err)
		}
	})
	bubble(t, "O1b nothing there is an error", func(t *testing.T) {
		w := three(t)
		if _, err := w.cleanup("us", false); !errors.Is(err, claim.ErrNothing) {
			t.Errorf("%v", err)
		}
	})
}

// changing is a provider at which somebody changes the global name before each change of records.
type changing struct{ *inmem.Provider }

func (p changing) Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	for _, c := range changes {
		if c.Name == global {
			p.Provider.Apply(ctx, nil,
				[]plan.Change{{Name: global, From: c.From,
					To: []federation.RRset{{Name: global, Type: "A", TTL: 60, Data: []string{"192.0.2.9"}}}}})
		}
	}
	return p.Provider.Apply(ctx, claim, changes)
}
