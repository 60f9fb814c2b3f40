package schedule

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// change draws the changes of a round, those of mass deletions included, and
// takes them over.
func (g *Generator) change(r *Round) {
	busy := map[int][][2]time.Duration{} // by service: when others change it
	for _, f := range r.Faults {
		if f.Class == MassDelete {
			g.massDelete(r, f)
			for _, s := range f.Services {
				busy[s] = append(busy[s], [2]time.Duration{f.At - 6*time.Second, r.Length})
			}
		}
	}
	for at := time.Duration(0); ; {
		at += time.Duration(g.rng.ExpFloat64() / g.opt.PerSecond * float64(time.Second))
		if at >= r.Length {
			break
		}
		shard := g.shards[g.rng.IntN(len(g.shards))]
		if !within(busy[shard.Service], at) {
			g.changeOne(r, at, shard, busy[shard.Service])
		}
	}
	slices.SortStableFunc(r.Changes, func(a, b Change) int { return cmp.Compare(a.At, b.At) })
	// What was drawn later may come earlier: the order of time is the one that counts.
	for i := range r.Changes {
		c := &r.Changes[i]
		c.Target = then(c.Kind, g.now[c.Shard], c.Target)
		g.now[c.Shard] = c.Target
	}
}

func within(times [][2]time.Duration, at time.Duration) bool {
	return slices.ContainsFunc(times, func(t [2]time.Duration) bool { return at >= t[0] && at < t[1] })
}

// then is what a shard is after a change of the kind; drawn has what was drawn
// for it.
func then(kind string, before, drawn Target) Target {
	t := before
	switch kind {
	case "ready":
		t.Ready = true
	case "unready":
		t.Ready = false
	case "create":
		t.Exists, t.Ready = true, true
	case "delete":
		t.Exists = false
	case "relabel":
		t.Federation = drawn.Federation
	case "address":
		t.Version++
	}
	return t
}

// changeOne draws one change, and the one that ends it.
func (g *Generator) changeOne(r *Round, at time.Duration, shard Shard, busy [][2]time.Duration) {
	back := g.pause(shard)
	add := func(at time.Duration, kind string, t Target) {
		if at < r.Length && !within(busy, at) {
			r.Changes = append(r.Changes, Change{At: at, Kind: kind, Shard: shard, Target: t})
		}
	}
	switch n := g.rng.IntN(20); {
	case n < 13:
		add(at, "unready", Target{})
		add(at+back, "ready", Target{})
	case n < 16:
		add(at, "delete", Target{})
		add(at+back, "create", Target{})
	case n < 18:
		other := Target{Federation: NoFederation}
		if g.rng.IntN(2) == 0 {
			other.Federation = 1 - Of(shard.Service)
		}
		add(at, "relabel", other)
		add(at+back, "relabel", Target{Federation: Of(shard.Service)})
	default:
		add(at, "address", Target{})
	}
}

// pause draws how long a shard is away: shorter or longer than emptyGrace.
func (g *Generator) pause(shard Shard) time.Duration {
	ms := func(from, to int) time.Duration {
		return time.Duration(from+g.rng.IntN(to-from)) * time.Millisecond
	}
	if g.rng.IntN(3) == 0 {
		return ms(50, 2500)
	}
	return ms(2500, 12000)
}

// massDelete deletes all shards of the services at once, and makes them again
// afterwards.
func (g *Generator) massDelete(r *Round, f Fault) {
	for _, s := range f.Services {
		for m := range g.opt.Members {
			shard := Shard{m, s}
			if _, ok := g.now[shard]; !ok {
				continue
			}
			spread := time.Duration(rand.New(rand.NewPCG(uint64(s), uint64(m))).IntN(50)) * time.Millisecond
			r.Changes = append(r.Changes, Change{At: f.At + spread, Kind: "delete", Shard: shard},
				Change{At: f.At + f.For + spread, Kind: "create", Shard: shard})
		}
	}
}
