package schedule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func options(favour ...Class) Options {
	return Options{Members: 4, Services: 32, PerSecond: 3, Favour: favour}
}

func rounds(seed uint64, opt Options, n int) (out []Round) {
	g := New(seed, opt)
	for range n {
		out = append(out, g.Next())
	}
	return out
}

func TestSameSeedSameSchedule(t *testing.T) {
	if d := cmp.Diff(rounds(7, options(), 20), rounds(7, options(), 20)); d != "" {
		t.Errorf("the second schedule of the seed differs:\n%s", d)
	}
	if cmp.Equal(rounds(7, options(), 2), rounds(8, options(), 2)) {
		t.Error("two seeds have the same schedule")
	}
}

// TestAllClasses: in ten minutes each class comes up, however the seed is.
func TestAllClasses(t *testing.T) {
	for seed := range uint64(50) {
		count := map[Class]int{}
		for _, r := range rounds(seed, options(), 16) {
			for _, f := range r.Faults {
				count[f.Class]++
			}
		}
		for _, c := range Classes {
			if count[c] < 2 {
				t.Errorf("seed %d: %d faults %s in 16 rounds, want 2", seed, count[c], c)
			}
		}
	}
}

// TestWithout: what a host cannot play comes up on the other one only, or not
// at all.
func TestWithout(t *testing.T) {
	opt := options()
	opt.Without = [Federations][]Class{{ZoneRestored, LevelDelegated}, {ZoneRestored}}
	delegated := 0
	for _, r := range rounds(1, opt, 30) {
		for _, f := range r.Faults {
			switch {
			case f.Class == ZoneRestored, f.Class == LevelDelegated && f.Federation == 0:
				t.Errorf("round %d has %+v", r.Number, f)
			case f.Class == LevelDelegated:
				delegated++
			}
		}
	}
	if delegated == 0 {
		t.Error("no level was delegated at the other host")
	}
}

// TestInMember: the API server that keeps records does not fail together with what fails of them.
func TestInMember(t *testing.T) {
	opt := options(APIKill, APIStop, DNSDown, ClaimDeleted)
	opt.InMember = true
	both := 0
	for seed := range uint64(10) {
		for _, r := range rounds(seed, opt, 20) {
			for _, f := range r.Faults {
				for _, o := range r.Faults {
					if !f.Class.OfAPI() || f.Members[0] != 0 || !o.Class.OfProvider() {
						continue
					}
					if both++; f.near(o, apart) {
						t.Errorf("seed %d, round %d: %+v and %+v", seed, r.Number, f, o)
					}
				}
			}
		}
	}
	if both == 0 {
		t.Error("no round had both")
	}
}

// TestOfWhom: a plugin hangs only where there is one, and the service whose name
// cannot be read is one of the federation.
func TestOfWhom(t *testing.T) {
	for seed := range uint64(10) {
		for _, r := range rounds(seed, options(PluginHang, NameUnreadable, DNSRefuse), 20) {
			for _, f := range r.Faults {
				if f.Class == PluginHang && !HasPlugin(f.Members[0]) {
					t.Errorf("seed %d, round %d: %+v", seed, r.Number, f)
				}
				if len(f.Services) > 0 && (Of(f.Services[0]) != f.Federation || f.Services[0] < Steady ||
					f.Services[0] >= options().Services) {
					t.Errorf("seed %d, round %d: %+v", seed, r.Number, f)
				}
			}
		}
	}
}

// TestApart: no two faults of a member, a DNS server or the syncer at once, and
// never half of the members or more but by a cut of most.
func TestApart(t *testing.T) {
	for seed := range uint64(50) {
		for _, r := range rounds(seed, options(), 10) {
			for i, f := range r.Faults {
				for _, o := range r.Faults[:i] {
					overlap := f.near(o, 0)
					switch {
					case !overlap:
					case f.Class.OfMember() && o.Class.OfMember() && f.Members[0] == o.Members[0],
						f.Class.OfMembers() && (o.Class.OfMember() || o.Class.OfSyncer() || o.Class.OfMembers()),
						f.Class.OfProvider() && o.Class.OfProvider() && f.Federation == o.Federation,
						f.Class == Takeover && o.Class.OfClaim(), o.Class == Takeover && f.Class.OfClaim(),
						f.Class.OfSyncer() && o.Class.OfSyncer():
						t.Errorf("seed %d, round %d: %+v and %+v", seed, r.Number, f, o)
					}
				}
				if f.Class == MassDelete && f.At+f.For > r.Length {
					t.Errorf("seed %d, round %d: %+v lasts longer than the round", seed, r.Number, f)
				}
			}
		}
	}
}

func TestChanges(t *testing.T) {
	g := New(3, options())
	now := g.Shards()
	steady := 0
	for range 10 {
		r := g.Next()
		last := time.Duration(0)
		for _, c := range r.Changes {
			if c.At < last || c.At > r.Length {
				t.Fatalf("round %d: a change at %s after %s", r.Number, c.At, last)
			}
			last = c.At
			if _, ok := now[c.Shard]; !ok {
				t.Fatalf("round %d: %v is no shard", r.Number, c.Shard)
			}
			if c.Shard.Service < Steady {
				steady++
			}
			now[c.Shard] = c.Target
		}
		if d := cmp.Diff(g.Shards(), now); d != "" {
			t.Fatalf("round %d: the changes do not lead to what there is:\n%s", r.Number, d)
		}
	}
	if steady > 0 {
		t.Errorf("steady services have %d changes", steady)
	}
}

func TestFavour(t *testing.T) {
	for _, r := range rounds(1, options(CutAll), 5) {
		if len(r.Faults) != 1 || r.Faults[0].Class != CutAll || len(r.Faults[0].Members) != 4 {
			t.Errorf("round %d has %+v, want one cut of all", r.Number, r.Faults)
		}
	}
}
