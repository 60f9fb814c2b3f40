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
	b := &brakeTest{Brake: NewBrake(Config{MaxDeletePercent: 30, HoldFor: 5 * time.Minute}), has: map[federation.FQDN]bool{}}
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
		b.stands(i)
	}
	return b
}

func (b *brakeTest) stands(i int) {
	p := Published{Address: b.has[nameOf(i, 0)], Members: b.of(i), Has: func(n federation.FQDN) bool { return b.has[n] }}
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
	b.stands(i)
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

// held counts those of the services that have to wait when they lose these names.
func (b *brakeTest) held(at time.Time, from, to int, of ...int) (n int) {
	for i := from; i < to; i++ {
		if b.waits(at, i, losing(i, false, of...)) {
			n++
		}
	}
	return n
}

// pending makes the services wait for emptyGrace.
func (b *brakeTest) grace(at time.Time, from, to int) {
	for i := from; i < to; i++ {
		w := losing(i, false, 0)
		w.Pending = true
		b.Withdraw(at, braked(i), w)
	}
}

func minute(n float64) time.Time { return epoch.Add(time.Duration(n * float64(time.Minute))) }

func TestBrakeCounts(t *testing.T) {
	t.Run("X4b up to 10 go, whatever they are of", func(t *testing.T) {
		if n := newBrake(12, 3).held(epoch, 0, 10, 0); n != 0 {
			t.Errorf("%d are held", n)
		}
	})
	t.Run("X4b above 30 percent and 10 the others are held one by one", func(t *testing.T) {
		if n := newBrake(100, 3).held(epoch, 0, 50, 0); n != 20 {
			t.Errorf("%d of 50 are held, 30 go", n)
		}
	})
	t.Run("X4b 30 percent go", func(t *testing.T) {
		if n := newBrake(100, 3).held(epoch, 0, 30, 0); n != 0 {
			t.Errorf("%d are held", n)
		}
	})
	t.Run("X4b what waits for emptyGrace counts already", func(t *testing.T) {
		b := newBrake(100, 3)
		b.grace(epoch, 0, 50)
		if n := b.held(minute(0.5), 0, 50, 0); n != 50 {
			t.Errorf("%d of 50 are held, 20 must go back first", n)
		}
	})
	t.Run("X4b all of a federation that has more than one", func(t *testing.T) {
		b := newBrake(2, 3)
		b.grace(epoch, 0, 2)
		if n := b.held(minute(0.5), 0, 2, 0); n != 2 {
			t.Errorf("%d of 2 are held", n)
		}
	})
	t.Run("X4b the only one goes", func(t *testing.T) {
		if n := newBrake(1, 3).held(epoch, 0, 1, 0, 1, 2); n != 0 {
			t.Error("it is held")
		}
	})
	t.Run("X4a those of one member count for themselves", func(t *testing.T) {
		b := newBrake(90, 3) // 30 have an address of b
		n := 0
		for i := 0; i < 45; i += 3 { // 15 of 90, and of b's 30
			n += b.held(epoch, i, i+1, 0)
		}
		if n != 5 {
			t.Errorf("%d of 15 are held, 10 of 30 go", n)
		}
	})
	t.Run("X4b names", func(t *testing.T) {
		if n := newBrake(10, 3).held(epoch, 0, 10, 1, 2); n != 5 {
			t.Errorf("%d of 10 are held, 10 of 30 names go", n)
		}
	})
	t.Run("X4a what was done counts for holdFor", func(t *testing.T) {
		b := newBrake(100, 3)
		b.held(epoch, 0, 30, 0)
		for i := range 30 {
			b.write(i, false, 0)
		}
		if n := b.held(minute(4.9), 30, 31, 0); n != 1 {
			t.Error("one more goes")
		}
		if n := b.held(minute(5), 30, 31, 0); n != 0 {
			t.Error("it is held for ever")
		}
	})
}

// The grants of a service are summed, each from when it was made.
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
	t.Run("X4b a service that is emptied twice counts twice", func(t *testing.T) {
		b := newBrake(40, 3)
		for i := range 10 {
			b.held(epoch, i, i+1, 0)
			b.write(i, false, 0)
			b.waits(minute(1), i, Withdrawal{})
			b.write(i, true, 0)
		}
		if n := b.held(minute(4.9), 0, 10, 0); n != 8 { // 12 of 40
			t.Errorf("%d of 10 are held the second time, 2 go", n)
		}
		b.write(0, false, 0)
		b.write(1, false, 0)
		if n := b.held(minute(5.1), 10, 20, 0); n != 8 {
			t.Errorf("%d of 10 others are held, 2 go: 8 wait, 2 went just now", n)
		}
	})
	t.Run("X4b a retry is free, however often", func(t *testing.T) {
		b := newBrake(100, 3)
		b.held(epoch, 0, 30, 0)
		b.held(epoch, 30, 60, 0)
		for i := range 10 {
			if n := b.held(minute(float64(i)/3), 0, 30, 0); n != 0 {
				t.Errorf("%d are held again", n)
			}
		}
	})
	t.Run("X4b a retry with one more name is a request for that one", func(t *testing.T) {
		b := newBrake(10, 3)
		b.held(epoch, 0, 9, 1)
		if b.waits(minute(1), 8, losing(8, false, 1, 2)) {
			t.Error("the tenth name is held")
		}
		if waits, _ := b.Withdraw(minute(2), braked(7), losing(7, false, 1, 2)); !slices.Equal(waits, []federation.FQDN{nameOf(7, 2)}) {
			t.Errorf("%v wait, one may go", waits)
		}
	})
	t.Run("X4b a retry after holdFor is a new request", func(t *testing.T) {
		b := newBrake(100, 3)
		b.held(epoch, 0, 30, 0)
		b.held(minute(5), 30, 60, 0)
		if n := b.held(minute(5.1), 0, 30, 0); n != 30 {
			t.Errorf("%d of 30 are held", n)
		}
	})
	t.Run("X4b what was granted, and was not to go meanwhile, counts again", func(t *testing.T) {
		b := newBrake(100, 3)
		b.held(epoch, 0, 30, 0)
		b.waits(minute(1), 0, Withdrawal{})
		if n := b.held(minute(2), 0, 1, 0); n != 1 {
			t.Error("it goes")
		}
	})
}

func TestBrakeWatched(t *testing.T) {
	t.Run("X4c what was watched goes after holdFor without a break", func(t *testing.T) {
		b := newBrake(100, 3)
		b.grace(epoch, 0, 50)
		waits, next := b.Withdraw(epoch, braked(40), losing(40, true, 0))
		if len(waits) == 0 || !next.Equal(minute(5)) {
			t.Fatalf("%v wait until %s", waits, next)
		}
		if !b.waits(minute(4.9), 40, losing(40, true, 0)) || b.waits(minute(5), 40, losing(40, true, 0)) {
			t.Error("not released at 5 min")
		}
		b.waits(epoch, 41, losing(41, true, 0))
		b.waits(minute(3), 41, Withdrawal{}) // it came back
		if !b.waits(minute(3.1), 41, losing(41, true, 0)) || !b.waits(minute(5), 41, losing(41, true, 0)) {
			t.Error("a break does not begin it anew")
		}
	})
	t.Run("X4c a name that joins later waits for itself", func(t *testing.T) {
		b := newBrake(100, 3)
		b.grace(epoch, 0, 50)
		b.held(epoch, 50, 95, 1, 2)
		b.waits(epoch, 95, losing(95, true, 1))
		b.waits(minute(4), 95, losing(95, true, 1, 2))
		if waits, _ := b.Withdraw(minute(5), braked(95), losing(95, true, 1, 2)); !slices.Equal(waits, []federation.FQDN{nameOf(95, 2)}) {
			t.Errorf("%v wait", waits)
		}
	})
	t.Run("X4c of one service each name is watched or not", func(t *testing.T) {
		b := newBrake(100, 3)
		b.held(epoch, 0, 50, 1, 2)
		w := losing(95, true, 1)
		w.Deletions = append(w.Deletions, losing(95, false, 2).Deletions...)
		b.waits(epoch, 95, w)
		if waits, _ := b.Withdraw(minute(4.9), braked(95), w); len(waits) != 2 {
			t.Errorf("%v wait", waits)
		}
		var watched []bool
		for _, held := range b.Waiting() {
			if held.Service == braked(95) {
				watched = append(watched, held.Watched)
			}
		}
		if !slices.Equal(watched, []bool{true, false}) {
			t.Errorf("watched: %v", watched)
		}
		for i := range 50 { // they have not gone, and count on
			b.waits(minute(5), i, losing(i, false, 1, 2))
		}
		b.held(minute(5), 50, 90, 1, 2)
		if waits, _ := b.Withdraw(minute(5), braked(95), w); !slices.Equal(waits, []federation.FQDN{nameOf(95, 2)}) {
			t.Errorf("%v wait", waits)
		}
	})
	t.Run("X4c one that was not watched once is not", func(t *testing.T) {
		b := newBrake(100, 3)
		b.grace(epoch, 0, 50)
		b.waits(epoch, 40, losing(40, false, 0))
		if !b.waits(minute(6), 40, losing(40, true, 0)) {
			t.Error("it goes")
		}
	})
	t.Run("X4c a service that waits with its last address keeps all names", func(t *testing.T) {
		b := newBrake(100, 3)
		b.grace(epoch, 0, 50)
		w := losing(40, false, 0)
		w.Deletions = append(w.Deletions, losing(40, true, 1, 2).Deletions...)
		b.waits(epoch, 40, w)
		if waits, _ := b.Withdraw(minute(5), braked(40), w); len(waits) != 3 {
			t.Errorf("%v wait", waits)
		}
	})
}

func TestBrakeConfirm(t *testing.T) {
	names := func(i int, of ...int) (list []federation.FQDN) {
		for _, label := range of {
			list = append(list, nameOf(i, label))
		}
		return list
	}
	t.Run("X4c anything else waits for confirm", func(t *testing.T) {
		b := newBrake(100, 3)
		b.grace(epoch, 0, 50)
		if n := b.held(minute(1), 0, 50, 0); n != 50 {
			t.Fatalf("%d are held", n)
		}
		if n := b.held(minute(60), 0, 50, 0); n != 50 {
			t.Fatalf("%d are held after an hour", n)
		}
		if len(b.Waiting()) != 50 || !b.Confirm(braked(7), names(7, 0)) || b.Confirm(braked(70), names(70, 0)) {
			t.Fatalf("%d wait", len(b.Waiting()))
		}
		if b.held(minute(61), 7, 8, 0) != 0 || b.held(minute(61), 8, 9, 0) != 1 {
			t.Error("confirmed is 7, and only that")
		}
	})
	t.Run("X4d what follows from a confirmation is confirmed with it, and no more", func(t *testing.T) {
		b := newBrake(100, 3)
		b.grace(epoch, 0, 50)
		b.Expect(braked(7), names(7, 0))
		b.Expect(braked(7), names(7, 1))
		b.Expect(braked(8), names(8, 1))
		b.Expect(braked(9), names(9, 0))
		b.waits(minute(0.5), 9, Withdrawal{}) // it came back
		if b.held(minute(1), 7, 8, 0, 1) != 0 || b.held(minute(1), 8, 9, 0) != 1 || b.held(minute(1), 9, 10, 0) != 1 {
			t.Error("expected is the loss of 7, and only that")
		}
	})
	t.Run("X4c a confirmed loss that grows waits again", func(t *testing.T) {
		b := newBrake(100, 3)
		b.grace(epoch, 0, 50)
		b.held(minute(1), 7, 8, 0)
		if !b.Confirm(braked(7), names(7, 0)) || b.held(minute(2), 7, 8, 0, 1) != 1 {
			t.Error("it goes")
		}
	})
	t.Run("X4c what has grown since it was shown waits, what was shown goes", func(t *testing.T) {
		b := newBrake(10, 4)
		b.held(epoch, 0, 6, 1, 2)
		b.held(epoch, 6, 10, 1, 2)
		b.held(minute(1), 8, 9, 1, 2, 3)
		if !b.Confirm(braked(8), names(8, 1, 2)) {
			t.Fatal("nothing waits")
		}
		waits, _ := b.Withdraw(minute(2), braked(8), losing(8, false, 1, 2, 3))
		if !slices.Equal(waits, names(8, 3)) {
			t.Errorf("%v wait", waits)
		}
	})
	t.Run("X4c a confirmation of names is none of the last address", func(t *testing.T) {
		b := newBrake(40, 4)
		b.held(epoch, 0, 40, 1)
		b.grace(minute(1), 0, 40)
		if b.Confirm(braked(39), names(39, 1)) {
			t.Error("confirmed while emptyGrace runs")
		}
		b.held(minute(2), 0, 40, 0, 1)
		if b.Confirm(braked(39), names(39, 1)) || b.held(minute(2), 39, 40, 0, 1) != 1 {
			t.Error("confirmed, though the last address was not shown")
		}
	})
	t.Run("X4c a confirmation ends with its loss", func(t *testing.T) {
		b := newBrake(100, 3)
		b.grace(epoch, 0, 50)
		b.held(minute(1), 7, 8, 0)
		b.Confirm(braked(7), names(7, 0))
		b.waits(minute(2), 7, Withdrawal{})
		if b.held(minute(3), 7, 8, 0) != 1 {
			t.Error("it goes")
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
		{"a list that finds it lost, and an event of the lost one after", func(l Losses) { l.Listed(svc, false); l.Event(svc, false, true) }, false},
		{"a list that still finds it lost", func(l Losses) { l.Event(svc, false, true); l.Listed(svc, false) }, true},
		{"one that was healthy in between", func(l Losses) { l.Listed(svc, false); l.Listed(svc, true); l.Event(svc, false, true) }, true},
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

// The tallies are sums over what stands, is wanted and was granted, whatever
// happened.
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
				members := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, "members")
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
