// Package e2e has the tests of the whole system: real API servers, real DNS
// servers, the real programs, real queries, in a private network namespace.
package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

// envSeed repeats the run of a seed.
const envSeed = "SEED"

func TestMain(m *testing.M) {
	programs.Main(m, "API servers, DNS servers, compilers and a private network namespace")
}

// newWorld makes a World that ends with the test.
func newWorld(t *testing.T, change ...func(*world.Options)) *scenario.Play {
	t.Helper()
	opt := options(t)
	for _, f := range change {
		f(&opt)
	}
	w, err := scenario.NewPlay(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return w
}

// options are the programs, and a folder, which stays if the test failed.
func options(t *testing.T) world.Options {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("kept: %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	deploy, err := filepath.Abs("../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	return world.Options{
		Dir: dir, CoreDNS: programs.CoreDNS(), Syncer: programs.Syncer(), Testcluster: programs.Testcluster(),
		Deploy: deploy,
	}
}

// run makes the steps, and says how long each took.
func run(t *testing.T, w *scenario.Play, steps ...scenario.Step) {
	t.Helper()
	if err := scenario.Run(t.Context(), w, reporter{t}, steps); err != nil {
		t.Fatal(err)
	}
}

// reporter logs only the names of the steps: a failure says all else.
type reporter struct{ t *testing.T }

func (r reporter) Begin(number, total int, s scenario.Step) {
	r.t.Logf("[%d/%d] %s", number, total, s.Name)
}
func (r reporter) Seen(scenario.Check, string) {}
func (r reporter) Done(took time.Duration)     { r.t.Logf("  %.1f s", took.Seconds()) }

// watched fails the test if a wrong answer was seen, or too many questions
// were not answered.
func watched(t *testing.T, w *scenario.Play) {
	t.Helper()
	seen := w.Watch().Seen()
	t.Logf("%d questions, %d not answered", seen.Asked, seen.Silent)
	for _, wrong := range seen.Wrong {
		t.Error(wrong)
	}
	if seen.Silent > seen.Asked/1000 {
		t.Errorf("%d of %d questions were not answered", seen.Silent, seen.Asked)
	}
}

// confirmAll confirms everything that waits, until the returned function is
// called.
func confirmAll(t *testing.T, w *scenario.Play) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() { done <- w.Syncer.ConfirmAll(ctx) }()
	return func() {
		cancel()
		if times := <-done; times == 0 {
			t.Error("X4c nothing had to be confirmed")
		}
	}
}
