package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// life plays what happens to members: a line each, "TIME WHAT". WHAT is one of
//
//	begin NAMES     the records are known, and that an earlier run knew these
//	list NAME       a complete list
//	leave NAME, add NAME   it is taken from the configuration, or put there
//	up NAME, down NAME   from now on its probes are (not) answered, every 5 s
//	unwatched NAME, watched NAME   from now on its watches (do not) work
//	provider up|down
//
// and "is NAME=STANDING ... [panic]" says how they stand then: starting,
// present, unreachable, departed, or panic for lost in a panic.
func life(t *testing.T, members, text string) *Roster {
	t.Helper()
	m := NewRoster(config)
	up, unwatched := map[string]bool{}, map[string]time.Time{}
	for _, name := range strings.Fields(members) {
		m.Add(epoch, name, 0)
		up[name] = true
	}
	provider := true
	at := epoch
	step := func(now time.Time) {
		for ; at.Before(now); at = at.Add(time.Second) {
			if at.Sub(epoch)%(5*time.Second) == 0 {
				for name, ok := range up {
					m.Watch(name, unwatched[name])
					m.Probe(at, name, ok)
				}
			}
			m.Step(at, provider)
		}
		m.Step(now, provider)
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		d, err := time.ParseDuration(f[0])
		if err != nil {
			t.Fatal(err)
		}
		step(epoch.Add(d))
		switch f[1] {
		case "begin":
			m.Begin(at, f[2:])
		case "list":
			m.List(f[2])
		case "leave":
			m.Depart(at, f[2])
		case "add":
			m.Add(at, f[2], 0)
		case "up", "down":
			for _, name := range f[2:] {
				up[name] = f[1] == "up"
			}
		case "unwatched", "watched":
			for _, name := range f[2:] {
				if unwatched[name] = at; f[1] == "watched" {
					unwatched[name] = time.Time{}
				}
			}
		case "provider":
			provider = f[2] == "up"
		case "is":
			if got, want := standings(m, members), strings.Join(f[2:], " "); got != want {
				t.Fatalf("at %s: %s, want %s", f[0], got, want)
			}
		default:
			t.Fatalf("unknown: %s", line)
		}
		m.Step(at, provider)
	}
	return m
}

func standings(m *Roster, names string) string {
	var out []string
	for _, name := range strings.Fields(names) {
		st := m.Get(name)
		word := st.String()
		if st.Panic {
			word = "panic"
		}
		out = append(out, name+"="+word)
	}
	return strings.Join(out, " ")
}

func TestMembers(t *testing.T) {
	for _, c := range []struct{ name, members, life string }{
		{"X4d one that left is lost at once, until it is added again and listed", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			9s   leave a
			9s   is a=departed b=present c=present
			10m  list a
			11m  is a=departed b=present c=present
			11m  add a
			11m  is a=unreachable b=present c=present
			12m  list a
			12m  is a=present b=present c=present`},
		{"X4d X3a one that left does not count", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			60s  leave a
			61s  down b
			2m   is a=departed b=unreachable c=present`},
		{"X1b nothing is judged before the records are known", "a b", `
			0s   down a b
			10m  is a=starting b=starting
			10m  begin a b
			10m  is a=panic b=panic`},
		{"X1b not listed after startupTimeout counts as unreachable", "a b c", `
			0s   begin a b c
			1s   list a
			1s   list b
			59s  is a=present b=present c=starting
			60s  is a=present b=present c=unreachable
			70s  list c
			71s  is a=present b=present c=present`},
		{"X1b not reachable from the start: after unreachableAfter", "a b c", `
			0s   down a
			0s   begin a b c
			1s   list b
			1s   list c
			44s  is a=starting b=present c=present
			45s  is a=unreachable b=present c=present`},
		{"X2a three failed probes and the time", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			104s is a=present b=present c=present
			105s is a=unreachable b=present c=present`},
		{"X2a a short cut is none", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			100s up a
			10m  is a=present b=present c=present`},
		{"X2b back after a fresh list and a contact", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			110s list a
			115s is a=unreachable b=present c=present
			120s up a
			126s is a=present b=present c=present`},
		{"X2b a contact alone is not enough", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			120s up a
			10m  is a=unreachable b=present c=present
			10m  list a
			10m  is a=present b=present c=present`},
		{"X3a two members: one lost is no panic", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a
			2m   is a=unreachable b=present`},
		{"X3a two members: two lost at once", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a b
			2m   is a=panic b=panic`},
		{"X3a two members: the second lost long after the first", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a
			30m  down b
			35m  is a=unreachable b=unreachable`},
		{"X3a two members: two lost an hour apart", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a
			70m  down b
			75m  is a=unreachable b=panic`},
		{"X3a three members: two lost at once", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a b
			2m   is a=panic b=panic c=present`},
		{"X3a three members: two lost one after the other, within the window", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			115s is a=unreachable b=present c=present
			120s down b
			170s is a=panic b=panic c=present`},
		{"X3a four members: two lost are no majority", "a b c d", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			1s   list d
			61s  down a b
			2m   is a=unreachable b=unreachable c=present d=present`},
		{"X3a a member that fell silent with the lost one counts as lost too", "a b c d", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			1s   list d
			61s  down a
			66s  down b
			71s  down c
			106s is a=panic b=present c=present d=present
			3m   is a=panic b=panic c=panic d=present`},
		{"X3a a single failed probe at the moment of a loss is none", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a
			101s down b
			107s up b
			109s is a=unreachable b=present`},
		{"X3a a silence that began later is none, however long", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			76s  down b
			106s is a=unreachable b=present c=present
			107s up b
			10m  is a=unreachable b=present c=present`},
		{"X3a at the limit, two probe intervals later, it counts", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			71s  down b
			106s is a=panic b=present c=present
			3m   is a=panic b=panic c=present`},
		{"X3a beside members that answer but are not listed in time, a failed probe is none", "a b c d", `
			0s   begin a b c d
			1s   list a
			1s   list b
			56s  down b
			61s  is a=present b=present c=unreachable d=unreachable`},
		{"X3a one that never joined does not count", "a b c", `
			0s   down c
			0s   begin a b
			1s   list a
			1s   list b
			61s  down a
			2m   is a=unreachable b=present c=unreachable`},
		{"X3a at start: all of the list of levels are away", "a b c", `
			0s   down a b c
			0s   begin a b c
			1m   is a=panic b=panic c=panic`},
		{"X3b a member lost before the window stays under X2", "a b c d", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			1s   list d
			61s  down a
			20m  down b c d
			22m  is a=unreachable b=panic c=panic d=panic`},
		{"X3c ends when they return", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a b
			2h   is a=panic b=panic
			2h   up a b
			2h1m list a
			2h1m list b
			2h2m is a=present b=present`},
		{"X3c ends after panicHold if a member and the provider answer", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a b
			6m   is a=panic b=panic c=present
			7m   is a=unreachable b=unreachable c=present`},
		{"X3c holds while the provider does not answer", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a b
			2m   provider down
			1h   is a=panic b=panic c=present
			1h   provider up
			2h   is a=unreachable b=unreachable c=present`},
		{"X3c holds without limit while no member is reachable", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a b c
			100h is a=panic b=panic c=panic`},
	} {
		t.Run(c.name, func(t *testing.T) { life(t, c.members, c.life) })
	}
}

// A member that is never lost, but answers only every eighth probe, must not
// make a panic of each loss of another one.
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
		for _, p := range []struct{ ok, restart bool }{{false, false}, {true, true}, {true, false}, {false, false}, {true, true}} {
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

func TestHeldMax(t *testing.T) {
	countsAt := func(t *testing.T, m *Roster, member string, at time.Duration, want string) {
		t.Helper()
		s := Service{Shards: []ShardState{shard(member, true, m.Get(member))}, AllMembers: m.Summary(), Had: true}
		if got := counts(Decide(epoch.Add(at), config, s)); got != want {
			t.Errorf("after %s it counts %q, want %q", at, got, want)
		}
	}
	t.Run("X2c heldMax begins after a panic", func(t *testing.T) {
		m := life(t, "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a b
			30h  is a=panic b=panic
			30h  up b
			31h  is a=unreachable b=unreachable`)
		countsAt(t, m, "a", 32*time.Hour, "a")
		countsAt(t, m, "a", 55*time.Hour, "keep")
	})
	t.Run("X2c heldMax stands still in a panic for those lost before", func(t *testing.T) {
		text := `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			20m  down b c
			30h  is a=unreachable b=panic c=panic`
		m := life(t, "a b c", text)
		countsAt(t, m, "a", 30*time.Hour, "a")
		m = life(t, "a b c", text+`
			30h  up b c
			30h  list b
			30h  list c
			31h  is a=unreachable b=present c=present`)
		countsAt(t, m, "a", 50*time.Hour, "a")
		countsAt(t, m, "a", 55*time.Hour, "keep")
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
			t.Errorf("lost before a probe tells anything after another pause, or %s is waited for", m.Next(now.Add(2*time.Hour)))
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
