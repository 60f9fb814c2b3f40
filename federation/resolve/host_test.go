package resolve

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// testLookup is one lookup of a host name.
type testLookup struct {
	at      time.Time
	answers [2]Answer
}

// drawLookups draws lookups of one name, at times near the bounds.
func drawLookups(t *rapid.T) (lookups []testLookup) {
	at := time.Unix(1e9, 0)
	for range rapid.IntRange(1, 20).Draw(t, "lookups") {
		at = at.Add(rapid.SampledFrom([]time.Duration{
			time.Second, 29 * time.Second, 59 * time.Second, 60 * time.Second, 2 * time.Minute,
			299 * time.Second, 300 * time.Second, 599 * time.Second, 600 * time.Second,
		}).Draw(t, "after"))
		l := testLookup{at: at}
		for i, list := range [2][]string{{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, {"2001:db8::1", "2001:db8::2"}} {
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				l.answers[i] = failing
			case 1, 2:
				l.answers[i] = missing
			case 3:
				l.answers[i] = Answer{Denial: NoData}
			default:
				some := rapid.SliceOfNDistinct(rapid.SampledFrom(list), 1, len(list), rapid.ID).Draw(t, "addresses")
				slices.Sort(some)
				l.answers[i] = Answer{Addresses: addrs(some...), TTL: time.Minute}
			}
		}
		lookups = append(lookups, l)
	}
	return lookups
}

func hasAddresses(l testLookup) bool {
	return len(l.answers[0].Addresses)+len(l.answers[1].Addresses) > 0
}

func denied(l testLookup) bool {
	return l.answers[0].Denial == NXDomain && l.answers[1].Denial == NXDomain
}

// TestHistory holds what is known after any sequence of lookups against the words of H4, read off the whole sequence.
func TestHistory(t *testing.T) {
	run := func(rule string, check func(*rapid.T, []testLookup, time.Time, Host)) {
		t.Run(rule, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				lookups := drawLookups(t)
				h := &history{added: lookups[0].at}
				for i, l := range lookups {
					h.record(l.at, l.answers)
					later := l.at.Add(rapid.SampledFrom([]time.Duration{
						0, time.Minute, 599 * time.Second, 600 * time.Second,
					}).Draw(t, "then"))
					check(t, lookups[:i+1], later, h.host(later))
				}
			})
		})
	}
	// confirmed reports whether two denials, with no address in between, are 60 s apart, and no address follows.
	confirmed := func(lookups []testLookup) bool {
		var first time.Time
		is := false
		for _, l := range lookups {
			switch {
			case hasAddresses(l):
				first, is = time.Time{}, false
			case denied(l) && first.IsZero():
				first = l.at
			case denied(l):
				is = is || l.at.Sub(first) >= time.Minute
			}
		}
		return is
	}
	run("H4 NXDOMAIN twice, 60 s apart, and nothing else, is evidence",
		func(t *rapid.T, lookups []testLookup, _ time.Time, h Host) {
			if h.Nonexistent != confirmed(lookups) {
				t.Fatalf("nonexistent is %v after %v", h.Nonexistent, lookups)
			}
			if h.Nonexistent && len(h.Addresses) > 0 {
				t.Fatalf("nonexistent, with addresses %v", h.Addresses)
			}
		})
	run("H4 unknown for 10 minutes, until an answer with addresses, or evidence",
		func(t *rapid.T, lookups []testLookup, now time.Time, h Host) {
			want := !slices.ContainsFunc(lookups, hasAddresses) && !confirmed(lookups) &&
				now.Sub(lookups[0].at) < 10*time.Minute
			if h.Unresolved != want {
				t.Fatalf("unresolved is %v after %v", h.Unresolved, lookups)
			}
		})
	run("H4 the union of the 5 minutes before the last answer, which is kept for 10",
		func(t *rapid.T, lookups []testLookup, now time.Time, h Host) {
			var want []netip.Addr
			for i := range 2 {
				type answered struct {
					at    time.Time
					addrs []netip.Addr
				}
				var list []answered // of this type, since the last evidence
				for j, l := range lookups {
					if confirmed(lookups[:j+1]) {
						list = nil
					} else if hasAddresses(l) && l.answers[i].Err == nil {
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
			if want = slices.Compact(want); !slices.Equal(h.Addresses, want) {
				t.Fatalf("%v count, want %v after %v", h.Addresses, want, lookups)
			}
		})
}
