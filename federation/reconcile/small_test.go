package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
)

var api = federation.ServiceName{Namespace: "shop", Name: "api"}

// small is a federation of n members, m1 to mn, each in a region of its own, with two Services that are healthy in all
// of them.
type small struct {
	*world
	names []string
}

func newSmall(t *testing.T, n int) *small {
	s := &small{}
	var places []string
	for i := range n {
		s.names = append(s.names, fmt.Sprintf("m%d", i+1))
		places = append(places, fmt.Sprintf("m%d r%d z%d", i+1, i+1, i+1))
	}
	s.world = newWorld(t, places...)
	for _, m := range s.names {
		s.set(m, web, true)
		s.set(m, api, true)
	}
	return s
}

func (s *small) cut(names ...string) {
	for _, m := range names {
		s.members[m].cut()
	}
}

func (s *small) heal(names ...string) {
	for _, m := range names {
		s.members[m].heal()
	}
}

// rule are the records of both services when these members have the healthy or held shards: all levels of the others
// lead up to global.
func (s *small) rule(members ...string) (lines []string) {
	for _, svc := range []string{"api", "web"} {
		name := svc + ".shop.fed.svc"
		var all []string
		for i, m := range s.names {
			region, zone := fmt.Sprintf("%s.r%d", name, i+1), fmt.Sprintf("%s.z%d", name, i+1)
			if !slices.Contains(members, m) {
				lines = append(lines, region+" CNAME "+name+".example.com.", zone+" CNAME "+region+".example.com.")
				continue
			}
			all = append(all, s.members[m].address.String())
			lines = append(lines, region+" A "+s.members[m].address.String(), zone+" A "+s.members[m].address.String())
		}
		if len(all) > 0 {
			lines = append(lines, name+" A "+strings.Join(all, " "))
		}
	}
	return lines
}

// counting returns how many changes have been made since.
func (s *small) counting() func() int {
	before := s.provider.Requests().Changes
	return func() int { return s.provider.Requests().Changes - before }
}

// unchanged wants that nothing at all changes in that time.
func (s *small) unchanged(d time.Duration) {
	s.t.Helper()
	before, changes := s.records(), s.counting()
	s.after(d)
	s.want(before...)
	if n := changes(); n > 0 {
		s.t.Fatalf("%d changes\n%s", n, s.log)
	}
}

// TestSmallFederations: what is lost in federations of two, three and four members.
func TestSmallFederations(t *testing.T) {
	for n := 2; n <= 4; n++ {
		of := func(what string) string { return fmt.Sprintf("%s, of %d", what, n) }
		run := func(what string, f func(*small)) {
			bubble(t, of(what), func(t *testing.T) {
				s := newSmall(t, n)
				f(s)
				s.neverEmpty()
			})
		}
		begun := func(s *small) {
			s.start()
			s.after(12 * time.Second)
			s.want(s.rule(s.names...)...)
		}
		run("X2a X2b one lost, and back", func(s *small) {
			begun(s)
			s.cut("m1")
			s.unchanged(42 * time.Second) // the last contact was 2 s before
			s.after(probeEvery)
			s.want(s.rule(s.names[1:]...)...)
			s.heal("m1")
			s.after(probeEvery + 2*time.Second)
			s.want(s.rule(s.names...)...)
		})
		run("X3a X3b two lost at once", func(s *small) {
			begun(s)
			s.cut("m1", "m2")
			switch n {
			case 2: // all: without limit
				s.unchanged(2 * time.Hour)
			case 3: // most: for panicHold
				s.unchanged(5 * time.Minute)
				s.after(time.Minute)
				s.want(s.rule("m3")...)
			case 4: // half
				s.unchanged(42 * time.Second)
				s.after(probeEvery)
				s.want(s.rule("m3", "m4")...)
			}
			s.heal("m1", "m2")
			s.after(probeEvery + 2*time.Second)
			s.want(s.rule(s.names...)...)
		})
		run("X3a two lost an hour apart", func(s *small) {
			begun(s)
			s.cut("m1")
			s.after(70 * time.Minute)
			s.want(s.rule(s.names[1:]...)...)
			s.cut("m2")
			if n == 2 { // it was the only one within the last hour
				s.unchanged(2 * time.Hour)
				return
			}
			s.after(time.Minute)
			s.want(s.rule(s.names[2:]...)...)
		})
		run("X3a one never joined, and another one is lost", func(s *small) {
			s.cut(s.names[n-1])
			s.start()
			s.after(3 * time.Minute)
			there := s.names[:n-1]
			all := slices.DeleteFunc(s.rule(there...), func(l string) bool { // it has no place yet
				return strings.Contains(l, fmt.Sprintf(".r%d ", n)) || strings.Contains(l, fmt.Sprintf(".z%d ", n))
			})
			s.want(all...)
			s.cut("m1")
			if n == 2 { // all that there are
				s.unchanged(2 * time.Hour)
				return
			}
			s.after(time.Minute)
			if got, want := s.at("web.shop.fed.svc.r1.example.com."), global; got != want {
				t.Errorf("the region of m1 has %q, want %q", got, want)
			}
			s.heal(s.names[n-1])
			s.after(probeEvery + 2*time.Second)
			s.want(s.rule(s.names[1:]...)...)
		})
		run("X3b X3c all lost", func(s *small) {
			begun(s)
			s.cut(s.names...)
			s.unchanged(25 * time.Hour) // longer than heldMax
			s.heal(s.names...)
			s.unchanged(time.Minute)
		})
		run("X2c P7 lost then the others unhealthy, and the reverse", func(s *small) {
			var ends [2][]string
			for i := range ends {
				s := newSmall(s.t, n)
				begun(s)
				lose := func() { s.cut("m1"); s.after(time.Minute) }
				fail := func() {
					for _, m := range s.names[1:] {
						s.set(m, web, false)
						s.set(m, api, false)
					}
					s.after(time.Minute)
				}
				if i == 0 {
					lose()
					fail()
				} else {
					fail()
					lose()
				}
				s.want(s.rule("m1")...)
				if got := heldReasons(s.status()); !slices.Equal(got, []string{"m1 MemberUnreachable"}) {
					t.Errorf("held: %v", got)
				}
				ends[i] = s.records()
				s.after(24*time.Hour + 5*time.Minute) // heldMax; all of a federation waits for confirm (X4b)
				s.want(s.rule("m1")...)
				s.confirm()
				s.after(time.Minute)
				s.want(s.rule()...)
				s.term()
			}
			if !slices.Equal(ends[0], ends[1]) {
				t.Errorf("one way ends in\n%v\nthe other in\n%v", ends[0], ends[1])
			}
		})
		run("X4d the configuration emptied", func(s *small) {
			begun(s)
			s.configured()
			s.unchanged(2 * time.Hour)
			if len(s.waits()) != n {
				t.Errorf("what waits: %+v", s.waits())
			}
			s.configured(s.names...)
			for _, m := range s.names {
				s.members[m].relist()
			}
			s.unchanged(time.Minute)
			if len(s.waits()) != 0 {
				t.Errorf("what waits: %+v", s.waits())
			}
		})
		run("X4c the object storage of one member restored from a backup", func(s *small) {
			begun(s)
			s.members["m1"].vanish()
			s.after(probeEvery + time.Second)
			s.want(s.rule(s.names[1:]...)...) // the others have them
		})
		run("X4c the object storage of all members restored from a backup", func(s *small) {
			begun(s)
			for _, m := range s.names {
				s.members[m].vanish()
			}
			s.unchanged(2 * time.Hour)
			if got := s.waits(); len(got) != 2 || got[0].Watched {
				t.Errorf("what waits: %+v", got)
			}
		})
		run("X4b X4c the label stripped from every Service at once", func(s *small) {
			begun(s)
			strip := func(stripped bool) {
				for _, m := range s.names {
					for _, svc := range []federation.ServiceName{web, api} {
						if stripped {
							s.unset(m, svc)
						} else {
							s.set(m, svc, true)
						}
					}
				}
			}
			strip(true)
			s.unchanged(5 * time.Minute) // emptyGrace, and most of holdFor
			if got := heldReasons(s.status()); !slices.Equal(got, []string{"TooMuchAtOnce"}) {
				t.Errorf("held: %v", got)
			}
			strip(false)
			s.unchanged(10 * time.Minute)
		})
	}
	bubble(t, "X4c the label stripped and not put back: it was watched, and goes after holdFor", func(t *testing.T) {
		s := newSmall(t, 3)
		s.start()
		s.after(12 * time.Second)
		for _, m := range s.names {
			s.unset(m, web)
			s.unset(m, api)
		}
		s.unchanged(5*time.Minute + 29*time.Second)
		s.after(5 * time.Second)
		s.want()
	})
}
