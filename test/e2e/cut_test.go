package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
)

// The times of the syncer's configuration in these tests, and what a change and
// a look at it take besides, on a busy machine.
const (
	unreachableAfter = 5 * time.Second
	probeInterval    = unreachableAfter / 5
	looking          = 700 * time.Millisecond
	backWithin       = 2 * time.Second
)

// testCut cuts the syncer off from one cluster in both ways, and from all. Its
// times are those of the rules; the log says when each probe was answered.
func testCut(t *testing.T, w *scenario.Play) {
	all, without := scenario.ExpectedTable("all"), scenario.ExpectedTable("without-asia")
	m := w.Member(asia)
	// A name that has changed often gets addresses added every 10 s only (X5c);
	// a syncer that has just started has changed none.
	if err := w.Syncer.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.Syncer.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []cutproxy.Mode{cutproxy.Blackhole, cutproxy.Reset} {
		t.Run(fmt.Sprintf("X2a X2b one cluster is cut off (%s), and back", mode), func(t *testing.T) {
			var cut time.Time
			change(t, w, without, func() { cut = time.Now(); m.Link.Set(mode) })
			gone := time.Since(cut)
			t.Logf("its addresses are gone after %s", gone.Round(time.Millisecond))
			if gone < unreachableAfter-probeInterval-looking || gone > unreachableAfter+probeInterval+looking {
				t.Errorf("its addresses are gone after %s, want unreachableAfter, which is %s, and a probe",
					gone, unreachableAfter)
			}
			var healed time.Time
			change(t, w, all, func() { healed = time.Now(); m.Link.Set(cutproxy.Pass) })
			answered := probeAnswered(t, w, asia, healed)
			back := time.Since(answered)
			t.Logf("the first good probe came after %s, its addresses %s later",
				answered.Sub(healed).Round(time.Millisecond), back.Round(time.Millisecond))
			if back > backWithin {
				t.Errorf("its addresses are back %s after the first good probe, want %s", back, backWithin)
			}
		})
	}
	t.Run("X3b all clusters are cut off: nothing changes at all", func(t *testing.T) {
		before, lines := serial(t, w), len(logLines(t, w))
		for _, m := range w.Members() {
			m.Link.Set(cutproxy.Blackhole)
		}
		logged(t, w, lines, "most members became unreachable at once", 3*unreachableAfter)
		for end := time.Now().Add(2 * unreachableAfter); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if now := serial(t, w); now != before {
				t.Fatalf("the zone has changed: serial %d, then %d", before, now)
			}
		}
		for _, m := range w.Members() {
			m.Link.Set(cutproxy.Pass)
		}
		logged(t, w, lines, "the syncer is no longer assumed to be isolated", 3*unreachableAfter)
		if now := serial(t, w); now != before {
			t.Errorf("the zone has changed: serial %d, then %d", before, now)
		}
	})
	watched(t, w)
}

// change does something after which the records are these, and waits for that.
func change(t *testing.T, w *scenario.Play, to world.Table, do func()) {
	t.Helper()
	err := w.Change(t.Context(), to, func(context.Context) error { do(); return nil })
	if err != nil {
		t.Fatalf("%v\n%s", err, w.Tails(15))
	}
}

func serial(t *testing.T, w *scenario.Play) uint32 {
	t.Helper()
	n, err := world.Serial(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, w.Tails(5))
	}
	return n
}

// logLines are what the syncer has logged.
func logLines(t *testing.T, w *scenario.Play) []string {
	t.Helper()
	text, err := w.Syncer.Log()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(text, "\n")
}

// probeAnswered is when the syncer logged that a probe of the member works
// again, after that time.
func probeAnswered(t *testing.T, w *scenario.Play, member string, after time.Time) time.Time {
	t.Helper()
	for _, line := range logLines(t, w) {
		if !strings.Contains(line, "probe of a member works again") || !strings.Contains(line, "member="+member) {
			continue
		}
		stamp, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if at.After(after) {
			return at
		}
	}
	t.Fatalf("the syncer has not logged that probes of %s work again", member)
	return time.Time{}
}

// logged waits until the syncer has logged something after so many lines.
func logged(t *testing.T, w *scenario.Play, after int, text string, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		for _, line := range logLines(t, w)[after:] {
			if strings.Contains(line, text) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the syncer has not logged %q:\n%s", text, w.Tails(15))
		}
	}
}
