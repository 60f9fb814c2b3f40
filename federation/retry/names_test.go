package retry

import (
	"fmt"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
)

func TestNames(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	svc := federation.ServiceName{Namespace: "shop", Name: "web"}
	anyOrder := func(federation.FQDN) int { return 0 }
	// outage returns ten names that have failed for d, each of which waits for the longest time.
	outage := func(d time.Duration) (names *Names, now time.Time) {
		n := NewNames()
		now = begin.Add(d)
		for i := range 10 {
			name := federation.FQDN(fmt.Sprintf("s-%d.example.com.", i))
			n.Add(svc, name, &Name{Failure: Backoff{Tries: 1 + i}})
			n.Schedule(name, now.Add(MaxRefused))
		}
		n.RequestEnded(begin, 0, 0, true)
		for at := n.Next(); at.Before(now); at = n.Next() {
			for _, name := range n.Due(at, anyOrder) {
				n.RequestEnded(at, 0, 0, true)
				n.Schedule(name, now.Add(MaxRefused))
			}
		}
		return &n, now
	}

	t.Run("X5a the canary of an outage clears all backoffs", func(t *testing.T) {
		n, now := outage(16 * time.Minute)
		now = now.Add(maxCanary)
		if got := n.Due(now, anyOrder); len(got) != 1 {
			t.Fatalf("retried: %v, want one", got)
		}
		if !n.RequestEnded(now, 1, 1, false) {
			t.Error("the backoffs stay")
		}
	})
	t.Run("X5a a lasting outage that something else ends has the canary retried at once", func(t *testing.T) {
		n, now := outage(16 * time.Minute)
		if n.RequestEnded(now, 1, 0, false) {
			t.Error("the backoffs were cleared by a change that had not failed")
		}
		if next := n.Next(); !next.IsZero() {
			t.Errorf("the next retry is in %s", next.Sub(now))
		}
		if got := n.Due(now, anyOrder); len(got) != 1 || got[0] != "s-0.example.com." {
			t.Errorf("retried: %v, want the one with the fewest failures", got)
		}
		if !n.RequestEnded(now, 1, 1, false) {
			t.Error("the backoffs stay")
		}
	})
	t.Run("X5a a canary that fails again proves nothing for those after it", func(t *testing.T) {
		n, now := outage(16 * time.Minute)
		n.RequestEnded(now, 1, 0, false)
		n.Due(now, anyOrder)
		n.RequestEnded(now, 0, 0, true)
		n.RequestEnded(now, 1, 0, false)
		if n.RequestEnded(now, 1, 1, false) {
			t.Error("the backoffs were cleared")
		}
	})
	t.Run("X5a a short outage costs no retry", func(t *testing.T) {
		n, now := outage(2 * time.Second)
		n.RequestEnded(now, 1, 0, false)
		if next := n.Next(); next.Sub(now) != MaxRefused {
			t.Errorf("the next retry is in %s", next.Sub(now))
		}
	})
	t.Run("X5a a lasting outage of names that are gone clears what else failed", func(t *testing.T) {
		n, now := outage(16 * time.Minute)
		for name := range n.All() {
			n.Remove(svc, name)
		}
		if !n.RequestEnded(now, 1, 0, false) {
			t.Error("the backoffs of levels stay")
		}
	})
}
