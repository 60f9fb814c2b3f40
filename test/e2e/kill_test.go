package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

var kills = flag.Int("kills", 10, "how often the syncer is killed")

// testKillSyncer kills the syncer with SIGKILL at seeded points of the
// walk-through, and starts it again a moment later. Each step must end in the
// same records as ever, without one mixed answer on the way, nor an empty one
// while a shard is healthy or held.
func testKillSyncer(t *testing.T, w *scenario.Play) {
	before := marks(t, w)
	rng := rand.New(rand.NewPCG(seedOf(t), 0))
	steps := scenario.Failures()
	rounds := (*kills + len(steps) - 1) / len(steps)
	// Which of the steps, in all rounds, have a kill: the first of a shuffled list.
	order := rng.Perm(rounds * len(steps))
	killed := make([]bool, len(order))
	for _, i := range order[:*kills] {
		killed[i] = true
	}
	for i := range order {
		step := steps[i%len(steps)]
		if killed[i] {
			step = withKill(t, step, newPoint(rng))
		}
		run(t, w, step)
	}
	watched(t, w)
	if diff := cmp.Diff(before, marks(t, w)); diff != "" {
		t.Errorf("claims and list of levels (-before +after):\n%s", diff)
	}
}

// marks are the TXT records of the zone, as comparable has them.
func marks(t *testing.T, w *scenario.Play) []string {
	t.Helper()
	txt, err := w.TXT(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return comparable(txt)
}

func seedOf(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv(envSeed); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("%s=%q is not a number", envSeed, s)
		}
	}
	t.Logf("%s=%d repeats this", envSeed, seed)
	return seed
}

// point is when the syncer is killed in a step, and for how long it is away.
type point struct {
	kind  string
	after time.Duration
	pause time.Duration
}

// The kinds of points.
const (
	beforeStep = "before the step"                   // and started after it
	someTime   = "after the start of the step"       // after some time
	atChange   = "after the first change of records" // while it may still be writing
)

func newPoint(rng *rand.Rand) point {
	p := point{kind: []string{beforeStep, someTime, atChange, atChange}[rng.IntN(4)],
		pause: time.Duration(rng.Int64N(int64(time.Second)))}
	switch p.kind {
	case someTime:
		p.after = time.Duration(rng.Int64N(int64(2 * time.Second)))
	case atChange:
		p.after = time.Duration(rng.Int64N(int64(4 * time.Millisecond)))
	}
	return p
}

func (p point) String() string {
	return fmt.Sprintf("killed %s %s, started %s later", p.after, p.kind, p.pause)
}

// withKill is the step with a kill of the syncer. What the step expects is the
// same, but for what a restarted syncer cannot know, and for emptyGrace, which
// it begins anew.
func withKill(t *testing.T, s scenario.Step, p point) scenario.Step {
	do := s.Do
	s.Do = func(ctx context.Context, w *scenario.Play) error {
		t.Logf("  %s", p)
		if p.kind == beforeStep {
			w.Syncer.Kill()
		}
		serial, err := world.Serial(ctx)
		if err != nil {
			return err
		}
		if err := do(ctx, w); err != nil {
			return err
		}
		if p.kind == atChange {
			if err := changed(ctx, serial); err != nil {
				return err
			}
		}
		wait(ctx, p.after)
		w.Syncer.Kill()
		wait(ctx, p.pause)
		return w.Syncer.Launch()
	}
	s.Limit = 40 * time.Second
	expect := s.Expect
	s.Expect = nil
	for _, c := range expect {
		if c.Hold == 0 && !c.Memory {
			s.Expect = append(s.Expect, c)
		}
	}
	return s
}

// changed waits until the serial of the zone is another.
func changed(ctx context.Context, before uint32) error {
	for {
		now, err := world.Serial(ctx)
		if err != nil || now != before {
			return err
		}
		wait(ctx, time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for a change of the zone: %w", ctx.Err())
		}
	}
}

// wait is part of the seeded schedule, not a wait for something to come true.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
