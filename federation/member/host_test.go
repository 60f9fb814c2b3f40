package member

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation/resolve"
)

// lookedUp is one lookup of a history.
type lookedUp struct {
	at      time.Time
	answers [2]resolve.Answer
}

// genHistory draws lookups of one name, with times that are near the bounds.
func genHistory(t *rapid.T) (history []lookedUp) {
	at := time.Unix(1e9, 0)
	for range rapid.IntRange(1, 20).Draw(t, "lookups") {
		at = at.Add(rapid.SampledFrom([]time.Duration{time.Second, 29 * time.Second, 59 * time.Second, 60 * time.Second, 2 * time.Minute, 299 * time.Second, 300 * time.Second, 599 * time.Second, 600 * time.Second}).Draw(t, "after"))
		l := lookedUp{at: at}
		for i, list := range [2][]string{{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, {"2001:db8::1", "2001:db8::2"}} {
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				l.answers[i] = failing
			case 1, 2:
				l.answers[i] = missing
			case 3:
				l.answers[i] = resolve.Answer{Denial: resolve.NoData}
			default:
				some := rapid.SliceOfNDistinct(rapid.SampledFrom(list), 1, len(list), rapid.ID).Draw(t, "addresses")
				slices.Sort(some)
				l.answers[i] = resolve.Answer{Addresses: addrs(some...), TTL: time.Minute}
			}
		}
		history = append(history, l)
	}
	return history
}

func answeredWith(l lookedUp) bool {
	return len(l.answers[0].Addresses)+len(l.answers[1].Addresses) > 0
}

func denied(l lookedUp) bool {
	return l.answers[0].Denial == resolve.NXDomain && l.answers[1].Denial == resolve.NXDomain
}

// TestHistory holds what is known after any history of lookups against the
// words of H4, read off the whole history.
func TestHistory(t *testing.T) {
	run := func(rule string, check func(*rapid.T, []lookedUp, time.Time, resolved)) {
		t.Run(rule, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				history := genHistory(t)
				n := &hostName{asked: history[0].at}
				for i, l := range history {
					n.take(l.at, l.answers)
					later := l.at.Add(rapid.SampledFrom([]time.Duration{0, time.Minute, 599 * time.Second, 600 * time.Second}).Draw(t, "then"))
					check(t, history[:i+1], later, n.resolved(later))
				}
			})
		})
	}
	// gone reports whether two denials, with no address between, are 60 s apart,
	// and there is no address after.
	isGone := func(history []lookedUp) bool {
		var first time.Time
		is := false
		for _, l := range history {
			switch {
			case answeredWith(l):
				first, is = time.Time{}, false
			case denied(l) && first.IsZero():
				first = l.at
			case denied(l):
				is = is || l.at.Sub(first) >= time.Minute
			}
		}
		return is
	}
	run("H4 NXDOMAIN twice, 60 s apart, and nothing else, is evidence", func(t *rapid.T, history []lookedUp, _ time.Time, r resolved) {
		if r.gone != isGone(history) {
			t.Fatalf("gone is %v after %v", r.gone, history)
		}
		if r.gone && len(r.addrs) > 0 {
			t.Fatalf("gone, with addresses %v", r.addrs)
		}
	})
	run("H4 unknown for 10 minutes, until an answer with addresses, or evidence", func(t *rapid.T, history []lookedUp, now time.Time, r resolved) {
		if want := !slices.ContainsFunc(history, answeredWith) && !isGone(history) && now.Sub(history[0].at) < 10*time.Minute; r.unheard != want {
			t.Fatalf("unheard is %v after %v", r.unheard, history)
		}
	})
	run("H4 the union of the 5 minutes before the last answer, which is kept for 10", func(t *rapid.T, history []lookedUp, now time.Time, r resolved) {
		var want []netip.Addr
		for i := range 2 {
			type answered struct {
				at    time.Time
				addrs []netip.Addr
			}
			var list []answered // of this type, since it was gone last
			for j, l := range history {
				if isGone(history[:j+1]) {
					list = nil
				} else if answeredWith(l) && l.answers[i].Err == nil {
					list = append(list, answered{l.at, l.answers[i].Addresses})
				}
			}
			if len(list) == 0 || now.Sub(list[len(list)-1].at) >= 10*time.Minute {
				continue
			}
			for _, a := range list {
				if list[len(list)-1].at.Sub(a.at) < 5*time.Minute {
					want = append(want, a.addrs...)
				}
			}
		}
		slices.SortFunc(want, netip.Addr.Compare)
		if want = slices.Compact(want); !slices.Equal(r.addrs, want) {
			t.Fatalf("%v are published, want %v after %v", r.addrs, want, history)
		}
	})
}
