package reconcile

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

// script is a life with failures, a step every two minutes; there is a healthy or held shard all the time.
var script = []func(w *world){
	func(w *world) { w.set("a", web, false) },
	func(w *world) { w.set("b", web, false); w.set("c", web, false); w.set("a", web, true) },
	func(w *world) { w.members["b"].cut(); w.set("b", web, true); w.set("c", web, true) },
	func(w *world) { w.members["b"].heal() },
	func(w *world) { w.set("a", federation.ServiceName{Namespace: "shop", Name: "other"}, true) },
	func(w *world) { w.set("a", web, false); w.members["c"].cut() },
	func(w *world) { w.members["c"].heal(); w.set("a", web, true) },
}

// TestKill kills the syncer at each change that it makes in the script, before the change or after it, and starts
// another one: the zone after each step must be the same as without, and no name may be empty on the way.
func TestKill(t *testing.T) {
	var total int
	var want [][]string
	synctest.Test(t, func(t *testing.T) {
		w := three(t)
		w.start(func(plan.Change) error { total++; return nil })
		want = w.play(func() {})
		w.neverEmpty()
	})
	if total < 40 {
		t.Fatalf("the script makes only %d changes", total)
	}
	for k := range total {
		for _, made := range []bool{false, true} {
			name := fmt.Sprintf("change %d made %t", k, made)
			bubble(t, name, func(t *testing.T) {
				w := three(t)
				for i, name := range []string{"a", "b", "c"} { // who is listed first differs
					w.members[name].lag = time.Duration((i+k)%3) * 3 * time.Second
				}
				n := 0
				doomed := make(chan struct{}, 1)
				w.start(func(c plan.Change) error {
					if n++; n <= k {
						return nil
					}
					if n == k+1 {
						doomed <- struct{}{}
						if made {
							_ = w.provider.Apply(t.Context(), nil, []plan.Change{c})
						}
					}
					return errors.New("killed")
				})
				got := w.play(func() {
					select {
					case <-doomed:
						w.kill()
						w.start()
					default:
					}
				})
				if d := cmp.Diff(want, got); d != "" {
					t.Fatalf("records after the steps (-want +got):\n%s\nlog:\n%s", d, w.log)
				}
				w.neverEmpty()
			})
		}
	}
}

// play runs the script and returns the records after each step; often is called ten times a second.
func (w *world) play(often func()) (records [][]string) {
	wait := func() {
		for range 2400 {
			w.after(50 * time.Millisecond)
			often()
		}
		records = append(records, w.records())
	}
	wait()
	for _, step := range script {
		step(w)
		wait()
	}
	return records
}
