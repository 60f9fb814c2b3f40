package reconcile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/explain"
)

// TestPredictDrain predicts what a drain, and its end, make of random worlds, and then does it.
func TestPredictDrain(t *testing.T) {
	var changed, emptied, braked, held int
	for seed := range uint64(*seeds) {
		bubble(t, fmt.Sprintf("V7 seed %d: the prediction is what the rule then says", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			w := drainWorld(t, rng)
			member := w.config.Clusters[rng.IntN(2)].Member.Name
			d := w.predicts(admin.Assumption{Member: member, Drained: true}, func() { w.drain(member) })
			w.predicts(admin.Assumption{Member: member}, func() { w.drain() })
			changed, emptied, braked = changed+len(d.Services), emptied+len(d.Emptied()), braked+d.Braked
			for _, s := range d.Services {
				held += len(s.Held)
			}
		})
	}
	if changed == 0 || emptied == 0 || braked == 0 || held == 0 {
		t.Errorf("in all worlds %d services change, %d are emptied, %d wait, %d have only what is held",
			changed, emptied, braked, held)
	}
}

// drainWorld is a settled world with services in random members, some of which may be out of reach.
func drainWorld(t *testing.T, rng *rand.Rand) *world {
	places := []string{"a east east-1", "b west west-1", "c west west-2", "d north north-1", "e east east-1"}
	w := newWorld(t, places[:2+rng.IntN(len(places)-1)]...)
	f := &w.config.Federations[0]
	f.Options.ShardLevelsOnly = rng.IntN(3) == 0
	if rng.IntN(3) == 0 {
		f.Options.RegionFallback = map[federation.Label][]federation.Label{"west": {"north", "east"}}
	}
	alone := rng.IntN(3) == 0 // most shards are in one member, so that the brake has its say
	for i := range 1 + rng.IntN(25) {
		svc := federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("s%02d", i)}
		for j, c := range w.config.Clusters {
			if alone && j == 0 || rng.IntN(2) == 0 && (!alone || rng.IntN(4) == 0) {
				w.set(c.Member.Name, svc, rng.IntN(4) > 0)
			}
		}
	}
	w.start()
	w.after(20 * time.Second)
	if rng.IntN(2) == 0 {
		w.members["b"].cut()
	}
	w.after(15 * time.Minute) // also past the window of the brake
	return w
}

// predicts compares what the assumption is said to lead to with what happens.
func (w *world) predicts(a admin.Assumption, do func()) explain.FederationDrain {
	w.t.Helper()
	s, err := socket{w.loop}.StatusIf(w.t.Context(), a)
	if err != nil {
		w.t.Fatal(err)
	}
	s.Federations[0].Services = slices.Collect(s.Federations[0].Stream)
	d, err := explain.PredictDrain(&s)
	if err != nil {
		w.t.Fatal(err)
	}
	before, waited := w.status(), w.waits()
	do()
	w.after(time.Minute)
	after, predicted := w.status(), d.Federations[0]
	waiting := map[string]bool{}
	for _, x := range w.waits() {
		if !slices.ContainsFunc(waited, func(y admin.Waiting) bool { return y.Service == x.Service }) {
			waiting[x.Namespace+"/"+x.Service] = true
		}
	}
	if len(waiting) != predicted.Braked {
		w.t.Fatalf("%+v: %d services wait, %d were predicted", a, len(waiting), predicted.Braked)
	}
	for i, is := range after.Services {
		want := before.Services[i].Records
		j := slices.IndexFunc(predicted.Services, func(p explain.ServiceDrain) bool { return p.Name == is.Name })
		if waiting[is.Name] {
			if j < 0 || !predicted.Services[j].Emptied() {
				w.t.Fatalf("%+v: %s waits, and was not said to be emptied", a, is.Name)
			}
			continue
		}
		if j >= 0 {
			want = predicted.Services[j].Records
		}
		if diff := cmp.Diff(data(want), data(is.Records)); diff != "" {
			w.t.Fatalf("%+v: %s (-predicted +is):\n%s", a, is.Name, diff)
		}
	}
	p := d.Progress(&admin.Status{Federations: []admin.FederationStatus{after}})
	if p.Changed != p.Services-predicted.Braked || p.Wait != predicted.Braked {
		w.t.Fatalf("%+v: progress %+v of %+v", a, p, predicted)
	}
	return predicted
}

// data are the records, without their reasons.
func data(sets []admin.RRsetStatus) (out []string) {
	for _, s := range sets {
		out = append(out, fmt.Sprint(s.Name, " ", s.Type, " ", s.TTL, " ", s.Data))
	}
	slices.Sort(out)
	return out
}
