package policy

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
)

// TestP7 draws what happens to four members, plays it in two orders, lets all holds run out, and wants the same RRsets:
// what stands is a function of what the shards count as, not of the way there.
func TestP7(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	f := federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}
	var members []federation.Member
	for _, n := range names {
		members = append(members, federation.Member{Name: n, Region: federation.Label("r" + n)})
	}
	levels := federation.NewLevels(f, members, federation.PublishOptions{})
	svc := federation.ServiceName{Namespace: "shop", Name: "web"}

	rapid.Check(t, func(t *rapid.T) {
		healthy := rapid.SliceOfN(rapid.Bool(), len(names), len(names)).Draw(t, "healthy") // at first
		ends := rapid.SliceOfN(rapid.Bool(), len(names), len(names)).Draw(t, "ends")       // healthy in the end
		down := rapid.SliceOfN(rapid.Bool(), len(names), len(names)).Draw(t, "down")       // lost in the end
		// With none reachable, X3 holds without limit.
		down[rapid.IntRange(0, len(names)-1).Draw(t, "up")] = false
		for i := range names {
			if down[i] {
				ends[i] = healthy[i] // what happens out of sight is not seen
			}
		}
		play := func(order []int, pause time.Duration) []federation.RRset {
			w := newLifeOf(names, healthy)
			for _, i := range order {
				w.pass(pause)
				w.healthy[i] = ends[i]
				w.down[i] = down[i]
			}
			w.pass(40 * 24 * time.Hour)
			var shards []ShardState
			for i, n := range names {
				shards = append(shards, ShardState{Shard: federation.Shard{
					Member: n, Healthy: w.healthy[i],
					Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})},
				}, Reach: w.m.Get(n)})
			}
			s := Service{Shards: shards, AllMembers: w.m.Summary(), Had: true}
			s.EmptySince = Decide(w.now, config, s).EmptySince
			v := Decide(w.now.Add(time.Hour), config, s)
			if v.Keep {
				return []federation.RRset{{Name: "kept."}}
			}
			sets, _ := levels.RRsets(svc, v.Shards, true)
			return sets
		}
		one := play(rapid.Permutation([]int{0, 1, 2, 3}).Draw(t, "one"), time.Hour)
		two := play(rapid.Permutation([]int{0, 1, 2, 3}).Draw(t, "two"), 10*time.Minute)
		if !federation.EqualRRsets(one, two) {
			t.Fatalf("one way ends in\n%v\nthe other in\n%v", one, two)
		}
	})
}

// TestOrder: the order of the shards changes nothing but the order of the answer.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Service
		for _, n := range []string{"a", "b", "c", "d"} {
			st := rapid.SampledFrom([]Reach{starting, present, lost, panicked}).Draw(t, n)
			if rapid.Bool().Draw(t, n+" there") {
				s.Shards = append(s.Shards, shard(n, rapid.Bool().Draw(t, n+" healthy"), st))
			}
		}
		s.Had = rapid.Bool().Draw(t, "had")
		now := epoch.Add(time.Duration(rapid.IntRange(0, 100000).Draw(t, "seconds")) * time.Second)
		one := Decide(now, config, s)
		s.Shards = rapid.Permutation(s.Shards).Draw(t, "order")
		two := Decide(now, config, s)
		for _, v := range []*Verdict{&one, &two} {
			slices.SortFunc(v.Shards, func(a, b federation.Shard) int { return int(a.Member[0]) - int(b.Member[0]) })
		}
		if counts(one) != counts(two) || one.Next != two.Next || one.EmptySince != two.EmptySince ||
			len(one.Held) != len(two.Held) {
			t.Fatalf("%+v\n%+v", one, two)
		}
	})
}

// lifeOf is members with shards over which time passes.
type lifeOf struct {
	m             *Roster
	names         []string
	now           time.Time
	healthy, down []bool
}

func newLifeOf(names []string, healthy []bool) *lifeOf {
	w := &lifeOf{m: NewRoster(config), names: names, now: epoch, healthy: slices.Clone(healthy),
		down: make([]bool, len(names))}
	for _, n := range names {
		w.m.Add(epoch, n, 0)
	}
	w.m.Begin(epoch, nil)
	for _, n := range names {
		w.m.List(n)
	}
	w.m.Step(epoch, true)
	return w
}

// pass lets time pass: with probes for some minutes, then at one go.
func (w *lifeOf) pass(d time.Duration) {
	end := w.now.Add(d)
	for range 100 {
		w.now = w.now.Add(5 * time.Second)
		for i, n := range w.names {
			w.m.Probe(w.now, n, !w.down[i])
		}
		w.m.Step(w.now, true)
	}
	if end.After(w.now) {
		w.now = end.Add(-10 * time.Second)
		for range 2 {
			w.now = w.now.Add(5 * time.Second)
			for i, n := range w.names {
				w.m.Probe(w.now, n, !w.down[i])
			}
			w.m.Step(w.now, true)
		}
	}
}
