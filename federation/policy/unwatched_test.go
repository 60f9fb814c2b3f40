package policy

import (
	"testing"
	"time"
)

func TestUnwatched(t *testing.T) {
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
}
