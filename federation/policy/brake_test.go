package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
)

func braked(i int) federation.ServiceName {
	return federation.ServiceName{Namespace: "ns", Name: fmt.Sprintf("s%03d", i)}
}

// labels are the names of a service in these tests, from the global one on.
var labels = []string{"global", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"}

func nameOf(i, label int) federation.FQDN {
	return federation.FQDN(fmt.Sprintf("%s.%s.", braked(i).Name, labels[label]))
}

// brakeTest is a Brake, and what the records of each service have.
type brakeTest struct {
	*Brake
	has map[federation.FQDN]bool
	of  func(i int) []string
}

// newBrake has n services with an address of a, each at that many names; of every third one b has an address too.
func newBrake(n, names int) *brakeTest {
	b := &brakeTest{Brake: NewBrake(Config{MaxDeletePercent: 30, HoldFor: 5 * time.Minute}),
		has: map[federation.FQDN]bool{}}
	b.of = func(i int) []string {
		if i%3 == 0 {
			return []string{"a", "b"}
		}
		return []string{"a"}
	}
	for i := range n {
		for label := range names {
			b.has[nameOf(i, label)] = true
		}
		b.observe(i)
	}
	return b
}

func (b *brakeTest) observe(i int) {
	p := Published{Address: b.has[nameOf(i, 0)], Members: b.of(i),
		Has: func(n federation.FQDN) bool { return b.has[n] }}
	for label := range labels {
		if b.has[nameOf(i, label)] {
			p.Names++
		}
	}
	b.Observe(braked(i), p)
}

// write makes the records of the service lose, or have again, these names.
func (b *brakeTest) write(i int, has bool, of ...int) {
	for _, label := range of {
		b.has[nameOf(i, label)] = has
	}
	b.observe(i)
}

// losing is a withdrawal of these names.
func losing(i int, watched bool, of ...int) (w Withdrawal) {
	for _, label := range of {
		w.Deletions = append(w.Deletions, Deletion{Name: nameOf(i, label), Empties: label == 0, Watched: watched})
	}
	return w
}

func (b *brakeTest) waits(at time.Time, i int, w Withdrawal) bool {
	waits, _ := b.Withdraw(at, braked(i), w)
	return len(waits) > 0
}

func minute(n float64) time.Time { return epoch.Add(time.Duration(n * float64(time.Minute))) }

// The grants of a service are summed, each from when it was made. See testdata for the other cases of X4.
func TestBrakeSums(t *testing.T) {
	t.Run("X4b names that go one by one are counted one by one", func(t *testing.T) {
		b := newBrake(40, 10)
		gone := 0
		for step := 1; step < 10; step++ {
			for i := range 40 {
				if !b.waits(minute(float64(step)/3), i, losing(i, false, step)) {
					b.write(i, false, step)
					gone++
				}
			}
		}
		if gone != 120 {
			t.Errorf("%d of 400 names are gone in 3 min, 120 may go", gone)
		}
	})
}

func TestLosses(t *testing.T) {
	svc := braked(1)
	for _, c := range []struct {
		name string
		play func(Losses)
		want bool
	}{
		{"a watch event that a shard is lost", func(l Losses) { l.Event(svc, false, true) }, true},
		{"a harmless event of a healthy one", func(l Losses) { l.Event(svc, true, true) }, false},
		{"and a list without it after", func(l Losses) { l.Event(svc, true, true); l.Missing(svc) }, false},
		{"an event that is not about it alone", func(l Losses) { l.Event(svc, false, false) }, false},
		{"a list that finds it lost, and an event of the lost one after",
			func(l Losses) { l.Listed(svc, false); l.Event(svc, false, true) }, false},
		{"a list that still finds it lost", func(l Losses) { l.Event(svc, false, true); l.Listed(svc, false) }, true},
		{"one that was healthy in between",
			func(l Losses) { l.Listed(svc, false); l.Listed(svc, true); l.Event(svc, false, true) }, true},
		{"one that a list lacks after the event", func(l Losses) { l.Event(svc, false, true); l.Missing(svc) }, false},
	} {
		t.Run("X4c "+c.name, func(t *testing.T) {
			l := Losses{}
			c.play(l)
			if l[svc] != c.want {
				t.Errorf("watched: %t", l[svc])
			}
		})
	}
}

// The tallies are sums over what stands, is wanted and was granted, whatever happened.
func TestBrakeTallies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBrake(0, 0)
		now := epoch
		service := func() int { return rapid.IntRange(0, 20).Draw(t, "service") }
		some := func() []int {
			return rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 0, 5, rapid.ID).Draw(t, "names")
		}
		t.Repeat(map[string]func(*rapid.T){
			"stands": func(t *rapid.T) {
				member := rapid.SampledFrom([]string{"a", "b", "c"})
				members := rapid.SliceOfNDistinct(member, 0, 3, rapid.ID).Draw(t, "members")
				b.of = func(int) []string { return members }
				b.write(service(), rapid.Bool().Draw(t, "has"), some()...)
			},
			"want": func(t *rapid.T) {
				i := service()
				w := losing(i, rapid.Bool().Draw(t, "watched"), some()...)
				w.Deletions = slices.DeleteFunc(w.Deletions, func(d Deletion) bool { return !b.has[d.Name] })
				w.Pending = rapid.Bool().Draw(t, "pending")
				b.Withdraw(now, braked(i), w)
			},
			"confirm": func(*rapid.T) {
				for _, held := range b.Waiting() {
					b.Confirm(held.Service, held.Names[:1])
				}
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "seconds")) * time.Second)
			},
			"": func(t *rapid.T) {
				var want serviceTally
				var names deletedNames
				for _, a := range b.services {
					has, lose := a.published.Address, false
					had := has
					names.names += a.published.Names
					names.wanted += len(a.wanted)
					for name, g := range a.granted {
						if !b.has[name] {
							names.names++
						}
						has = has && (!g.last.empties || !g.open)
						had = had || g.last.empties
					}
					for _, w := range a.wanted {
						lose = lose || w.Empties
					}
					want.has, want.had, want.losing = want.has+one(has), want.had+one(had), want.losing+one(lose)
				}
				for _, g := range b.grants {
					names.granted++
					want.lost += one(g.empties)
				}
				if b.emptied.total != want || b.deleted != names {
					t.Fatalf("X4a services %+v, want %+v; names %+v, want %+v", b.emptied.total, want, b.deleted, names)
				}
				for name, m := range b.emptied.members {
					if m.has < 0 || m.had < m.has || m.losing < 0 || m.lost < 0 {
						t.Fatalf("X4a member %s: %+v", name, *m)
					}
				}
			},
		})
	})
}
