package policy

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
)

func braked(i int) federation.ServiceName {
	return federation.ServiceName{Namespace: "ns", Name: fmt.Sprintf("s%03d", i)}
}

// newBrake has n services with an address of a, each at 3 names; of every
// third one b has an address too.
func newBrake(n int) *Brake {
	b := NewBrake(Config{MaxDeletePercent: 30, HoldFor: 5 * time.Minute})
	for i := range n {
		members := []string{"a"}
		if i%3 == 0 {
			members = append(members, "b")
		}
		b.Stands(braked(i), true, members, 3)
	}
	return b
}

var empties = Loss{Empties: true, Names: 1}

func TestBrake(t *testing.T) {
	minute := func(n float64) time.Time { return epoch.Add(time.Duration(n * float64(time.Minute))) }
	wish := func(b *Brake, at time.Time, i int, w Wish) bool {
		held, _ := b.Wish(at, braked(i), w)
		return held
	}
	held := func(b *Brake, at time.Time, from, to int, w Wish) (n int) {
		w.Since = at
		for i := from; i < to; i++ {
			if wish(b, at, i, w) {
				n++
			}
		}
		return n
	}
	t.Run("X4b up to 10 go, whatever they are of", func(t *testing.T) {
		if n := held(newBrake(12), epoch, 0, 10, Wish{Loss: empties}); n != 0 {
			t.Errorf("%d are held", n)
		}
	})
	t.Run("X4b above 30 percent and 10 the others are held one by one", func(t *testing.T) {
		if n := held(newBrake(100), epoch, 0, 50, Wish{Loss: empties}); n != 20 {
			t.Errorf("%d of 50 are held, 30 go", n)
		}
	})
	t.Run("X4b 30 percent go", func(t *testing.T) {
		if n := held(newBrake(100), epoch, 0, 30, Wish{Loss: empties}); n != 0 {
			t.Errorf("%d are held", n)
		}
	})
	t.Run("X4b what waits for emptyGrace counts already", func(t *testing.T) {
		b := newBrake(100)
		held(b, epoch, 0, 50, Wish{Loss: empties, Pending: true})
		if n := held(b, minute(0.5), 0, 50, Wish{Loss: empties}); n != 50 {
			t.Errorf("%d of 50 are held, 20 must go back first", n)
		}
	})
	t.Run("X4b all of a federation that has more than one", func(t *testing.T) {
		b := newBrake(2)
		held(b, epoch, 0, 2, Wish{Loss: empties, Pending: true})
		if n := held(b, minute(0.5), 0, 2, Wish{Loss: empties}); n != 2 {
			t.Errorf("%d of 2 are held", n)
		}
	})
	t.Run("X4b the only one goes", func(t *testing.T) {
		if n := held(newBrake(1), epoch, 0, 1, Wish{Loss: Loss{Empties: true, Names: 3}}); n != 0 {
			t.Error("it is held")
		}
	})
	t.Run("X4a those of one member count for themselves", func(t *testing.T) {
		b := newBrake(90) // 30 have an address of b
		n := 0
		for i := 0; i < 45; i += 3 { // 15 of 90, and of b's 30
			if wish(b, epoch, i, Wish{Loss: empties}) {
				n++
			}
		}
		if n != 5 {
			t.Errorf("%d of 15 are held, 10 of 30 go", n)
		}
	})
	t.Run("X4b names", func(t *testing.T) {
		b := newBrake(10)
		if n := held(b, epoch, 0, 10, Wish{Loss: Loss{Names: 2}}); n != 5 {
			t.Errorf("%d of 10 are held, 10 of 30 names go", n)
		}
	})
	t.Run("X4a what was done counts for holdFor", func(t *testing.T) {
		b := newBrake(100)
		held(b, epoch, 0, 30, Wish{Loss: empties})
		for i := range 30 {
			b.Stands(braked(i), false, nil, 2)
		}
		if n := held(b, minute(4.9), 30, 31, Wish{Loss: empties}); n != 1 {
			t.Error("one more goes")
		}
		if n := held(b, minute(5), 30, 31, Wish{Loss: empties}); n != 0 {
			t.Error("it is held for ever")
		}
	})
	t.Run("X4c what was watched goes after holdFor without a break", func(t *testing.T) {
		b := newBrake(100)
		held(b, epoch, 0, 50, Wish{Loss: empties, Pending: true})
		w := Wish{Loss: empties, Watched: true, Since: epoch}
		isHeld, next := b.Wish(epoch, braked(40), w)
		if !isHeld || !next.Equal(minute(5)) {
			t.Fatalf("held %t until %s", isHeld, next)
		}
		if wish(b, minute(4.9), 40, w) != true || wish(b, minute(5), 40, w) != false {
			t.Error("not released at 5 min")
		}
		wish(b, epoch, 41, w)
		wish(b, minute(3), 41, Wish{}) // it came back
		if w.Since = minute(3.1); !wish(b, minute(3.1), 41, w) || !wish(b, minute(5), 41, w) {
			t.Error("a break does not begin it anew")
		}
	})
	t.Run("X4c anything else waits for confirm", func(t *testing.T) {
		b := newBrake(100)
		held(b, epoch, 0, 50, Wish{Loss: empties, Pending: true})
		if n := held(b, minute(1), 0, 50, Wish{Loss: empties}); n != 50 {
			t.Fatalf("%d are held", n)
		}
		if n := held(b, minute(60), 0, 50, Wish{Loss: empties}); n != 50 {
			t.Fatalf("%d are held after an hour", n)
		}
		if len(b.Held()) != 50 || !b.Confirm(braked(7)) || b.Confirm(braked(70)) {
			t.Fatalf("%d wait", len(b.Held()))
		}
		if wish(b, minute(61), 7, Wish{Loss: empties}) || !wish(b, minute(61), 8, Wish{Loss: empties}) {
			t.Error("confirmed is 7, and only that")
		}
	})
	t.Run("X4d what follows from a confirmation is confirmed with it, and no more", func(t *testing.T) {
		b := newBrake(100)
		held(b, epoch, 0, 50, Wish{Loss: empties, Pending: true})
		b.Expect(braked(7), Loss{Empties: true})
		b.Expect(braked(7), Loss{Names: 1})
		b.Expect(braked(8), Loss{Names: 1})
		if wish(b, minute(1), 7, Wish{Loss: empties}) || !wish(b, minute(1), 8, Wish{Loss: empties}) {
			t.Error("expected is the loss of 7, and only that")
		}
	})
	t.Run("X4c a confirmed wish that grows waits again", func(t *testing.T) {
		b := newBrake(100)
		held(b, epoch, 0, 50, Wish{Loss: empties, Pending: true})
		wish(b, minute(1), 7, Wish{Loss: Loss{Empties: true}})
		if !b.Confirm(braked(7)) || !wish(b, minute(2), 7, Wish{Loss: empties}) {
			t.Error("it goes")
		}
	})
	t.Run("X4c one that was not watched once is not", func(t *testing.T) {
		b := newBrake(100)
		held(b, epoch, 0, 50, Wish{Loss: empties, Pending: true})
		wish(b, epoch, 40, Wish{Loss: empties, Since: epoch})
		if !wish(b, minute(6), 40, Wish{Loss: empties, Watched: true, Since: minute(6)}) {
			t.Error("it goes")
		}
	})
	t.Run("X4b what is granted stays so", func(t *testing.T) {
		b := newBrake(100)
		held(b, epoch, 0, 30, Wish{Loss: empties})
		held(b, epoch, 30, 60, Wish{Loss: empties})
		if n := held(b, minute(1), 0, 30, Wish{Loss: empties}); n != 0 {
			t.Errorf("%d are held again", n)
		}
	})
}

// The tallies are sums over what stands, is wished and was done, whatever
// happened.
func TestBrakeTallies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBrake(Config{MaxDeletePercent: 30, HoldFor: 5 * time.Minute})
		now := epoch
		t.Repeat(map[string]func(*rapid.T){
			"stands": func(t *rapid.T) {
				b.Stands(braked(rapid.IntRange(0, 20).Draw(t, "service")), rapid.Bool().Draw(t, "address"),
					rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, "members"), rapid.IntRange(0, 5).Draw(t, "names"))
			},
			"wish": func(t *rapid.T) {
				b.Wish(now, braked(rapid.IntRange(0, 20).Draw(t, "service")), Wish{
					Loss:    Loss{Empties: rapid.Bool().Draw(t, "empties"), Names: rapid.IntRange(0, 5).Draw(t, "names")},
					Pending: rapid.Bool().Draw(t, "pending"), Watched: rapid.Bool().Draw(t, "watched"), Since: now,
				})
			},
			"confirm": func(t *rapid.T) { b.Confirm(braked(rapid.IntRange(0, 20).Draw(t, "service"))) },
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "seconds")) * time.Second)
			},
			"": func(t *rapid.T) {
				var want tally
				for _, s := range b.stands {
					want.names += s.names
					if s.address {
						want.had++
					}
				}
				for _, w := range b.wishes {
					want.deletes += w.Names
					if w.Empties {
						want.lose++
					}
				}
				for _, d := range b.done {
					want.deleted += d.loss.Names
					if d.loss.Empties {
						want.lost++
					}
				}
				if b.all != want {
					t.Fatalf("X4a tally %+v, want %+v", b.all, want)
				}
				for name, m := range b.members {
					if m.had < 0 || m.lose < 0 || m.lost < 0 || m.lose+m.lost > m.had+m.lose+m.lost {
						t.Fatalf("X4a member %s: %+v", name, *m)
					}
				}
			},
		})
	})
}
