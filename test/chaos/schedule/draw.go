package schedule

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// roundLength is how long faults begin.
	roundLength = 30 * time.Second
	// perRound is how many faults there are in a round, if they fit.
	perRound = 8
	// tries is how often a time is drawn for a fault before it waits for the next
	// round.
	tries = 30
	// leaseRunsOut is how long it takes at most until another syncer writes.
	leaseRunsOut = 24 * time.Second
)

// Generator draws round after round.
type Generator struct {
	opt    Options
	rng    *rand.Rand
	shards []Shard // those that change
	now    map[Shard]Target
	deck   []Class // the next classes
	round  int
}

// New returns a Generator for a seed.
func New(seed uint64, opt Options) *Generator {
	g := &Generator{opt: opt, rng: rand.New(rand.NewPCG(seed, 0)), now: map[Shard]Target{}}
	for s := range opt.Services {
		for _, m := range g.home(s) {
			shard := Shard{m, s}
			g.now[shard] = Target{Exists: true, Federation: Of(s), Ready: true, Version: 1}
			if s >= Steady {
				g.shards = append(g.shards, shard)
			}
		}
	}
	return g
}

// home draws the members that have a shard of the service.
func (g *Generator) home(service int) []int {
	n := g.opt.Members
	all := g.rng.Perm(n)
	switch {
	case service < Steady:
		return all
	case service < Steady+Lonely:
		return all[:1]
	}
	return all[:2+g.rng.IntN(n-1)]
}

// Shards are what there is before the next round.
func (g *Generator) Shards() map[Shard]Target {
	out := make(map[Shard]Target, len(g.now))
	for s, t := range g.now {
		out[s] = t
	}
	return out
}

// Next draws the next round.
func (g *Generator) Next() Round {
	g.round++
	r := Round{Number: g.round, Length: roundLength}
	var later []Class
	for len(r.Faults) < perRound && len(later) < len(Classes) {
		if len(g.deck) == 0 {
			g.deck = g.shuffled()
		}
		class := g.deck[0]
		g.deck = g.deck[1:]
		if f, ok := g.place(class, r.Faults); ok {
			r.Faults = append(r.Faults, f)
		} else {
			later = append(later, class)
		}
	}
	g.deck = append(later, g.deck...)
	slices.SortFunc(r.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	g.change(&r)
	return r
}

func (g *Generator) shuffled() []Class {
	deck := g.opt.Classes()
	g.rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	return deck
}

// Classes are those that come up.
func (o Options) Classes() []Class {
	all := Classes
	if len(o.Favour) > 0 {
		all = o.Favour
	}
	return slices.DeleteFunc(slices.Clone(all), func(c Class) bool { return len(o.hosts(c)) == 0 })
}

// hosts are the federations whose hosts the class can be played on.
func (o Options) hosts(c Class) (federations []int) {
	for f, without := range o.Without {
		if !slices.Contains(without, c) {
			federations = append(federations, f)
		}
	}
	return federations
}

// place draws a fault of the class that does not get in the way of the others.
func (g *Generator) place(class Class, others []Fault) (Fault, bool) {
	for range tries {
		f := g.draw(class)
		if g.fits(f, others) {
			return f, true
		}
	}
	return Fault{}, false
}

// lengths are the shortest and the longest of each class.
var lengths = map[Class][2]time.Duration{
	APIKill: {500 * time.Millisecond, 4 * time.Second}, APIStop: {2 * time.Second, 12 * time.Second},
	Blackhole: {2 * time.Second, 15 * time.Second}, Reset: {2 * time.Second, 15 * time.Second},
	SlowLink: {3 * time.Second, 10 * time.Second}, Revoke: {3 * time.Second, 15 * time.Second},
	CutMajority: {9 * time.Second, 13 * time.Second}, CutAll: {9 * time.Second, 13 * time.Second},
	DNSDown: {1 * time.Second, 7 * time.Second}, DNSRefuse: {3 * time.Second, 7 * time.Second},
	DNSSlow: {3 * time.Second, 8 * time.Second}, DNSServfail: {1 * time.Second, 6 * time.Second},
	ReplyLost: {3 * time.Second, 7 * time.Second}, RequestLost: {2 * time.Second, 6 * time.Second},
	DNSKill: {200 * time.Millisecond, 2 * time.Second}, SyncerKill: {100 * time.Millisecond, 3 * time.Second},
	SyncerStop: {2 * time.Second, 9 * time.Second}, Takeover: {8 * time.Second, 12 * time.Second},
	MassDelete: {10 * time.Second, 12 * time.Second},
	PluginHang: {14 * time.Second, 22 * time.Second}, WatchForbidden: {4 * time.Second, 14 * time.Second},
	Throttled: {7 * time.Second, 14 * time.Second}, LabelStorm: {4 * time.Second, 10 * time.Second},
	EndlessAnswers: {6 * time.Second, 13 * time.Second}, NameUnreadable: {3 * time.Second, 8 * time.Second},
	ClaimDeleted: {8 * time.Second, 12 * time.Second}, ZoneRestored: {8 * time.Second, 12 * time.Second},
	LevelDelegated: {4 * time.Second, 10 * time.Second},
	MirrorDeleted:  {1 * time.Second, 4 * time.Second}, MirrorEdited: {3 * time.Second, 6 * time.Second},
	MirrorForeign: {4 * time.Second, 8 * time.Second}, MirrorNamespace: {2 * time.Second, 6 * time.Second},
	MirrorRevoked: {22 * time.Second, 26 * time.Second}, HeartbeatStopped: {20 * time.Second, 26 * time.Second},
	CoreDNSRestart: {100 * time.Millisecond, 2 * time.Second},
}

func (g *Generator) draw(class Class) Fault {
	l := lengths[class]
	hosts := g.opt.hosts(class)
	f := Fault{
		Class: class, For: l[0] + time.Duration(g.rng.Int64N(int64(l[1]-l[0]))),
		Federation: hosts[g.rng.IntN(len(hosts))], Variant: g.rng.IntN(1 << 16),
	}
	f.Away = f.For
	if g.opt.Lease && (class == SyncerKill || class == Takeover) {
		f.Away = max(f.For, leaseRunsOut)
	}
	latest := roundLength - 5*time.Second
	if class == MirrorRevoked || class == HeartbeatStopped { // or nothing of the round is left to show it
		latest = 8 * time.Second
	}
	if class.OfMembers() || class == MassDelete { // there is only one of them, and the round is to hold it
		latest = roundLength - f.For
	}
	f.At = time.Second + time.Duration(g.rng.Int64N(int64(latest-time.Second)))
	members := g.rng.Perm(g.opt.Members)
	switch {
	case class == PluginHang:
		f.Members = slices.DeleteFunc(members, func(m int) bool { return !HasPlugin(m) })[:1]
	case class.OfMember():
		f.Members = members[:1]
	case class == CutMajority:
		f.Members = members[:g.opt.Members/2+1]
	case class == CutAll:
		f.Members = members
	case class == DNSRefuse || class == NameUnreadable:
		services := (g.opt.Services - Steady) / Federations
		f.Services = []int{Steady + f.Federation + Federations*g.rng.IntN(services)}
	case class == MassDelete:
		var of []int
		for s := Steady; s < g.opt.Services; s++ {
			if Of(s) == f.Federation {
				of = append(of, s)
			}
		}
		g.rng.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
		f.Services = slices.Sorted(slices.Values(of[:massDeleted]))
	}
	slices.Sort(f.Members)
	return f
}

// The times that faults keep from each other, so that each can show what comes
// of it: a member has to be back before it fails again, and most members are
// not to be away by chance.
const (
	apart      = 4 * time.Second
	apartLost  = 12 * time.Second
	apartGroup = 13 * time.Second
)

// ofRecords reports whether the fault is one of the API server that keeps records.
func (g *Generator) ofRecords(f Fault) bool {
	return g.opt.InMember && f.Class.OfAPI() && f.Members[0] == 0
}

func (f Fault) near(o Fault, d time.Duration) bool {
	return f.At < o.At+o.Away+d && o.At < f.At+f.Away+d
}

func (g *Generator) fits(f Fault, others []Fault) bool {
	lost := map[int]bool{}
	for _, o := range others {
		switch {
		case f.Class == MassDelete && o.Class == MassDelete, (f.Class.OfMembers() && o.Class.OfMembers()):
			return false
		case f.Class.OfProvider() && o.Class.OfProvider() && f.Federation == o.Federation && f.near(o, apart),
			g.ofRecords(f) && o.Class.OfProvider() && f.near(o, apart),
			g.ofRecords(o) && f.Class.OfProvider() && f.near(o, apart),
			f.Class.OfSyncer() && o.Class.OfSyncer() && f.near(o, 2*apart),
			f.Class == Takeover && o.Class.OfClaim() && f.near(o, apartGroup),
			o.Class == Takeover && f.Class.OfClaim() && f.near(o, apartGroup),
			f.Class.OfMembers() && (o.Class.OfMember() || o.Class.OfSyncer()) && f.near(o, apartGroup),
			o.Class.OfMembers() && (f.Class.OfMember() || f.Class.OfSyncer()) && f.near(o, apartGroup):
			return false
		case f.Class.OfMember() && o.Class.OfMember() && f.near(o, apartLost):
			if f.Members[0] == o.Members[0] {
				return false
			}
			if f.Class.Loses() && o.Class.Loses() {
				lost[o.Members[0]] = true
			}
		}
	}
	return (len(lost)+1)*2 <= g.opt.Members
}
