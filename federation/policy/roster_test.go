package policy

import (
	"fmt"
	"testing"
	"time"
)

// A member that is never lost, but answers only every eighth probe, must not make a panic of each loss of another one.
func TestFlakyMember(t *testing.T) {
	for phase := range 8 {
		panics := 0
		t.Run(fmt.Sprintf("X3a a flaky member beside a loss, phase %d", phase), func(t *testing.T) {
			m := NewRoster(config)
			for _, name := range []string{"a", "b", "c"} {
				m.Add(epoch, name, 0)
			}
			m.Begin(epoch, nil)
			for _, name := range []string{"a", "b", "c"} {
				m.List(name)
			}
			for i := range 60 {
				now := epoch.Add(time.Duration(i) * 5 * time.Second)
				m.Probe(now, "a", i < 20)
				m.Probe(now, "b", true)
				m.Probe(now, "c", i%8 == phase)
				m.Step(now, true)
				if !m.Panic().IsZero() {
					panics++
				}
			}
			if got := m.Get("c").Standing; got != Present {
				t.Fatalf("c is %s", got)
			}
			// a is silent since probe 19 and judged at 28: c looks the same only if it is silent since 21.
			if panics > 0 && phase != 21%8 {
				t.Errorf("%d steps in a panic", panics)
			}
		})
	}
}

func TestRestart(t *testing.T) {
	t.Run("X2b the first good probe has the member listed afresh, and no other one", func(t *testing.T) {
		m := life(t, "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			2m   is a=unreachable b=present c=present`)
		at := epoch.Add(2*time.Minute + 5*time.Second)
		for _, p := range []struct{ ok, restart bool }{{false, false}, {true, true}, {true, false}, {false, false},
			{true, true}} {
			if got := m.Probe(at, "a", p.ok); got != p.restart {
				t.Errorf("a probe (answered: %t) restarts the watches: %t", p.ok, got)
			}
		}
		m.List("a")
		m.Probe(at, "a", false)
		if m.Probe(at, "a", true) {
			t.Error("it has been listed, and is listed once more")
		}
	})
	t.Run("X2b a member that is present is not listed for a failed probe", func(t *testing.T) {
		m := life(t, "a", `
			0s   begin
			1s   list a
			2s   is a=present`)
		m.Probe(epoch, "a", false)
		if m.Probe(epoch, "a", true) {
			t.Error("it is listed afresh")
		}
	})
}

func TestContact(t *testing.T) {
	t.Run("X2a three failed probes, and one good one ends it", func(t *testing.T) {
		c := Contact{Since: epoch}
		for i, want := range []bool{false, false, true} {
			c.Probe(epoch.Add(time.Duration(i)*time.Minute), false)
			if got := c.Lost(epoch.Add(time.Hour), 45*time.Second); got != want {
				t.Errorf("after %d failed probes: lost %t", i+1, got)
			}
		}
		c.Probe(epoch.Add(time.Hour), true)
		if c.Lost(epoch.Add(48*time.Hour), time.Second) || !c.Answers() {
			t.Errorf("one good probe is a contact: %+v", c)
		}
	})
	t.Run("X2a the time in which the syncer stood still says nothing of the member", func(t *testing.T) {
		m := NewRoster(config)
		m.Add(epoch, "a", 0)
		m.Begin(epoch, []string{"a"})
		m.List("a")
		m.Probe(epoch, "a", true)
		m.Step(epoch, true)
		now := epoch.Add(time.Hour)
		m.Pause("a", time.Hour-5*time.Second)
		for range 3 {
			m.Probe(now, "a", false)
		}
		m.Probe(now.Add(35*time.Second), "a", false)
		if v := m.Step(now.Add(39*time.Second), true); len(v.Lost) > 0 {
			t.Errorf("lost after an hour's pause and 44 s of silence")
		}
		if v := m.Step(now.Add(2*time.Hour), true); len(v.Lost) > 0 || !m.Next(now.Add(2*time.Hour)).IsZero() {
			t.Errorf("lost before a probe tells anything after another pause, or %s is waited for",
				m.Next(now.Add(2*time.Hour)))
		}
		m.Probe(now.Add(40*time.Second), "a", false)
		if v := m.Step(now.Add(41*time.Second), true); len(v.Lost) != 1 {
			t.Errorf("not lost after 46 s of silence")
		}
	})
	t.Run("X2a an answer that comes late is a contact of when it was asked for", func(t *testing.T) {
		c := Contact{Since: epoch.Add(time.Minute)}
		c.Probe(epoch, true)
		if c.Since != epoch.Add(time.Minute) {
			t.Errorf("last contact %s", c.Since)
		}
	})
}

func TestNext(t *testing.T) {
	m := NewRoster(config)
	m.Add(epoch, "a", 0)
	next := func(rule string, now, want time.Time) {
		t.Run(rule, func(t *testing.T) {
			if got := m.Next(now); !got.Equal(want) {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	next("X1b nothing is judged before the records are known", epoch, time.Time{})
	m.Begin(epoch, []string{"a"})
	next("X1b then startupTimeout", epoch, epoch.Add(time.Minute))
	for range 3 {
		m.Probe(epoch, "a", false)
	}
	next("X2a with three failed probes unreachableAfter", epoch, epoch.Add(45*time.Second))
	now := epoch.Add(45 * time.Second)
	m.Probe(now, "a", false)
	m.Step(now, true)
	next("X3c in a panic panicHold", now, now.Add(5*time.Minute))
	next("X3c no time ends a panic without a contact", now.Add(time.Hour), time.Time{})
}
