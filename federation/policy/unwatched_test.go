package policy

import (
	"testing"
	"time"
)

func TestUnwatched(t *testing.T) {
	const listed = `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			1s   list d`
	for _, c := range []struct{ name, members, life string }{
		{"X2d a member that answers and cannot be watched for 3 min is unknown", "a b c d", listed + `
			60s  unwatched a
			239s is a=present b=present c=present d=present
			240s is a=unwatched b=present c=present d=present
			1h   is a=unwatched b=present c=present d=present`},
		{"X2d it is back after a list, while it is watched", "a b c d", listed + `
			60s  unwatched a
			10m  is a=unwatched b=present c=present d=present
			10m  list a
			11m  is a=unwatched b=present c=present d=present
			11m  watched a
			12m  is a=present b=present c=present d=present`},
		{"X2d watches that fail for less are nothing", "a b c d", listed + `
			60s  unwatched a
			230s watched a
			231s unwatched a
			400s is a=present b=present c=present d=present`},
		{"X2d a member that does not answer is one of X2a, and has its time when it is back", "a b", `
			0s   begin
			1s   list a
			1s   list b
			60s  unwatched a
			60s  down a
			80s  up a
			80s  is a=present b=present
			200s is a=present b=present
			255s is a=present b=present
			265s is a=unwatched b=present`},
		{"X2d X3a a right that is taken from most members at once is a panic", "a b c d", listed + `
			60s  unwatched a b c
			240s is a=panic b=panic c=panic d=present`},
		{"X2d X3a though their watches end one after the other", "a b c d", listed + `
			60s  unwatched a
			240s is a=unwatched b=present c=present d=present
			6m   unwatched b
			11m  unwatched c
			14m  is a=panic b=panic c=panic d=present`},
		{"X2d X3a one of which nothing has been seen for half the time counts as lost too", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			60s  unwatched a
			140s unwatched b
			240s is a=panic b=present c=present
			6m   is a=panic b=panic c=present`},
		{"X2d X3a but not one whose watch has just failed", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			60s  unwatched a
			230s unwatched b
			240s is a=unwatched b=present c=present`},
		{"X2d X3a nor a member that was lost like that long ago", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			60s  unwatched a
			30m  unwatched b
			34m  is a=unwatched b=unwatched c=present`},
	} {
		t.Run(c.name, func(t *testing.T) { life(t, c.members, c.life) })
	}
	t.Run("X2d the time in which we stood still does not count", func(t *testing.T) {
		m := life(t, "a b", `
			0s   begin
			1s   list a
			1s   list b
			1m   is a=present b=present`)
		back := epoch.Add(time.Hour)
		for _, name := range []string{"a", "b"} {
			m.Pause(name, 59*time.Minute)
			m.Probe(back, name, true)
			m.Watch(name, epoch.Add(time.Minute))
		}
		if v := m.Step(back, true); v.Changed {
			t.Errorf("lost: %v", v.Lost)
		}
	})
	t.Run("X2d the last addresses are held, with a reason of its own", func(t *testing.T) {
		m := life(t, "a b c d", listed+`
			60s  unwatched a
			10m  is a=unwatched b=present c=present d=present`)
		s := Service{Shards: []ShardState{shard("a", true, m.Get("a")), shard("b", false, m.Get("b"))}, AllMembers: m.Summary(), Had: true}
		v := Decide(epoch.Add(10*time.Minute), config, s)
		if len(v.Held) != 1 || v.Held[0].Reason != ReasonUnwatched || !v.Shards[0].Healthy {
			t.Errorf("held %v, shards %v", v.Held, v.Shards)
		}
		s.Shards[1].Healthy = true
		if got := counts(Decide(epoch.Add(10*time.Minute), config, s)); got != "b" {
			t.Errorf("beside a healthy one it counts: %q", got)
		}
	})
}
