package reconcile

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

var seeds = flag.Int("seeds", 60, "how many histories TestRandom plays")

// TestRandom lets members, the provider and the syncer itself fail at random, with seeds. One shard is healthy and in
// reach all the time: its address must stand globally all the time, and no name may be empty. When all is well again
// the records are those of the rule. Every other history has mirrors, which say the same in the end.
func TestRandom(t *testing.T) {
	for seed := range uint64(*seeds) {
		bubble(t, fmt.Sprintf("P7 seed %d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t, "a east east-1", "b west west-1", "c west west-2", "d north north-1", "e east east-2")
			members := []string{"a", "b", "d", "e"} // c stays well
			w.mirrors = seed%2 == 1
			w.set("c", web, true)
			w.start()
			w.after(10 * time.Second)
			for range 40 {
				w.happen(rng, members[rng.IntN(len(members))])
				w.after(time.Duration(rng.ExpFloat64() * float64(20*time.Second)))
			}
			w.provider.SetFaults(inmem.Faults{})
			for _, m := range members {
				w.members[m].heal()
			}
			w.after(12 * time.Minute)
			w.neverEmpty()
			for i, sets := range w.provider.History(global) {
				if !slices.Contains(sets[0].Data, "203.0.113.3") {
					t.Fatalf("change %d of global lacks the shard that is well: %v\nlog:\n%s", i, sets, w.log)
				}
			}
			if d := cmp.Diff(w.rule(), w.records()); d != "" {
				t.Fatalf("records in the end (-rule +got):\n%s\nlog:\n%s", d, w.log)
			}
			if d := cmp.Diff(w.records(), w.answer(web)); w.mirrors && d != "" {
				t.Fatalf("mirrors in the end (-records +answer):\n%s\nlog:\n%s", d, w.log)
			}
		})
	}
}

// happen has one thing happen.
func (w *world) happen(rng *rand.Rand, name string) {
	m := w.members[name]
	switch rng.IntN(12) {
	case 0, 1, 2:
		w.set(name, web, rng.IntN(2) == 0)
	case 3:
		w.unset(name, web)
	case 4:
		m.cut()
	case 5, 6:
		m.heal()
	case 7:
		m.lag = time.Duration(rng.IntN(20)) * time.Second
		w.kill()
		w.after(time.Duration(rng.IntN(3000)) * time.Millisecond)
		w.start()
	case 8:
		lose := rand.New(rand.NewPCG(rng.Uint64(), 0)) // the provider's own
		w.provider.SetFaults(inmem.Faults{LoseReply: func(plan.Change) bool { return lose.IntN(2) == 0 }})
	case 9:
		w.provider.SetFaults(inmem.Faults{Refuse: inmem.RefuseName("web.shop.fed.svc.west.example.com.")})
	case 10:
		w.provider.SetFaults(inmem.Faults{Refuse: func(plan.Change) error { return errors.New("no answer") }})
	case 11:
		w.provider.SetFaults(inmem.Faults{})
	}
}

// rule is what the publishing rule says of the shards as they are.
func (w *world) rule() (lines []string) {
	f := w.config.Federations[0]
	var members []federation.Member
	var shards []federation.Shard
	for _, m := range w.members {
		members = append(members, m.place)
		if s, ok := m.shards[web]; ok {
			shards = append(shards, s.Shard)
		}
	}
	sets, _ := federation.NewLevels(f.Federation, members, f.Options).RRsets(web, shards, true)
	for _, set := range sets {
		name := strings.TrimSuffix(string(set.Name), "."+string(domain))
		lines = append(lines, name+" "+set.Type+" "+strings.Join(set.Data, " "))
	}
	slices.Sort(lines)
	return lines
}
