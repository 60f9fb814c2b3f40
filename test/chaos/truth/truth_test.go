package truth

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// stage is a Model with three members and a clock of seconds; service "web" has
// a shard in each, unless a test says otherwise.
type stage struct {
	*Model
	t *testing.T
}

var zero = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return zero.Add(time.Duration(seconds * float64(time.Second))) }

var addrs = map[string]netip.Addr{
	"a": netip.MustParseAddr("192.0.2.1"), "b": netip.MustParseAddr("192.0.2.2"), "c": netip.MustParseAddr("192.0.2.3"),
	"d": netip.MustParseAddr("192.0.2.4"),
}

func newStage(t *testing.T, members ...string) *stage {
	topology := Topology{"a": {"us", "us-a"}, "b": {"us", "us-b"}, "c": {"eu", "eu-a"}, "d": {"asia", "asia-a"}}
	s := &stage{New(Config{EmptyGrace: 3 * time.Second, UnreachableAfter: 5 * time.Second,
		StartupTimeout: 6 * time.Second, HoldFor: 15 * time.Second, Deadline: 5 * time.Second}, topology,
		[]string{"fed"}), t}
	for _, m := range members {
		s.turn(0, m, true)
	}
	return s
}

// turn makes the shard in a member ready or not.
func (s *stage) turn(seconds float64, member string, ready bool) {
	key := Shard{member, "web"}
	s.Sent(at(seconds), key, State{Exists: true, Federation: "fed",
		Ready: ready, Addresses: []netip.Addr{addrs[member]}})
	s.Done(at(seconds+0.01), key, []netip.Addr{netip.MustParseAddr("10.0.0.1")})
}

// seen judges an answer at a level, and returns the kinds of its violations.
func (s *stage) seen(seconds float64, level string, members ...string) (kinds []string) {
	a := Answer{Federation: "fed", Service: "web", Level: level, End: level, Type: "A",
		Sent: at(seconds), Received: at(seconds + 0.01)}
	for _, m := range members {
		a.Addresses = append(a.Addresses, addrs[m])
	}
	for _, v := range s.Judge(a) {
		kinds = append(kinds, v.Kind)
	}
	return kinds
}

func (s *stage) want(kinds []string, want ...string) {
	s.t.Helper()
	if !slices.Equal(kinds, want) {
		s.t.Errorf("violations %v, want %v", kinds, want)
	}
}

func TestJudge(t *testing.T) {
	cut := Fault{Class: "cut", Blocks: true, Silent: true}
	tests := []struct {
		name string
		run  func(*stage)
	}{
		{"what is as it must be", func(s *stage) {
			s.want(s.seen(3, "", "a", "b", "c"))
			s.want(s.seen(4, "us", "a", "b"))
		}},
		{"P1 an address of another level", func(s *stage) { s.want(s.seen(3, "eu", "a", "c"), "foreign") }},
		{"empty before the syncer must know", func(s *stage) { s.want(s.seen(1, "")) }},
		{"P3 empty though healthy", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.want(s.seen(4, ""), "empty", "missing", "missing", "missing")
		}},
		{"P3a empty within emptyGrace, and after", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			for _, m := range []string{"a", "b", "c"} {
				s.turn(4, m, false)
			}
			s.want(s.seen(6, ""), "empty")
			s.want(s.seen(7.1, ""))
		}},
		{"X2c empty though nobody can have told", func(s *stage) {
			s.seen(3, "", "a")
			s.turn(3.5, "b", false)
			s.turn(3.5, "c", false)
			s.MemberFault(at(4), "a", cut)
			s.turn(5, "a", false)
			s.want(s.seen(60, ""), "empty")
			s.EndFault(at(61), "a", "cut", 5*time.Second)
			s.want(s.seen(63, ""), "empty")
			s.want(s.seen(64.1, ""))
		}},
		{"H5 dead for longer than the deadline", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.turn(4, "a", false)
			s.want(s.seen(9, "", "a", "b", "c"))
			s.want(s.seen(9.2, "", "a", "b", "c"), "dead")
		}},
		{"dead behind a fault", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.MemberFault(at(3.5), "a", cut)
			s.turn(4, "a", false)
			s.want(s.seen(6, "", "a", "b", "c"))
			s.EndFault(at(7), "a", "cut", 5*time.Second)
			s.want(s.seen(16.9, "", "a", "b", "c"))
			s.want(s.seen(17.1, "", "a", "b", "c"), "dead")
		}},
		{"P3b dead as the last one, with emptyGrace", func(s *stage) {
			s.turn(1, "b", false)
			s.turn(1, "c", false)
			s.seen(3, "", "a")
			s.turn(4, "a", false)
			s.want(s.seen(12, "", "a"))
			s.want(s.seen(12.2, "", "a"), "dead")
		}},
		{"missing before its member can be lost", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.MemberFault(at(4), "a", cut)
			s.want(s.seen(6, "", "b", "c"), "missing")
			s.want(s.seen(8, "", "b", "c"))
		}},
		{"X3 missing in a cut of most", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			group := cut
			group.Group = true
			for _, m := range []string{"a", "b"} {
				s.MemberFault(at(4), m, group)
			}
			s.want(s.seen(30, "", "b", "c"), "missing")
		}},
		{"X1b missing after a restart", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.SyncerFault(at(4), Fault{Class: "kill", Blocks: true})
			s.SyncerStarts(at(5), map[netip.Addr]bool{addrs["a"]: true, addrs["b"]: true, addrs["c"]: true})
			s.want(s.seen(5.1, "", "a", "b"), "missing")
		}},
		{"X2a an address of a lost member", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.MemberFault(at(4), "a", cut)
			s.want(s.seen(13, "", "a", "b", "c"))
			s.want(s.seen(13.2, "", "a", "b", "c"), "lost")
		}},
		{"X2a an address of a member whose credentials hang, some time after", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.MemberFault(at(4), "a", Fault{Class: "hang", Silent: true, Late: 5 * time.Second})
			s.want(s.seen(18, "", "a", "b", "c"))
			s.want(s.seen(18.2, "", "a", "b", "c"), "lost")
		}},
		{"P3a a shard that fails while its member's credentials hang was seen to", func(s *stage) {
			for _, m := range []string{"b", "c"} {
				s.turn(1, m, false)
			}
			s.seen(3, "", "a")
			s.MemberFault(at(4), "a", Fault{Class: "hang", Silent: true, Late: 5 * time.Second})
			s.turn(5, "a", false)
			s.want(s.seen(7, ""), "empty")
			s.want(s.seen(8.1, ""))
		}},
		{"X2a missing at a server that answers 429", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.MemberFault(at(4), "a", Fault{Class: "throttled", Blocks: true})
			s.want(s.seen(60, "", "b", "c"), "missing")
		}},
		{"X1b missing of a member that a new syncer cannot list in time, but not sooner", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.MemberFault(at(4), "a", Fault{Class: "throttled", Blocks: true})
			s.want(s.seen(20, "", "b", "c"), "missing")
			s.seen(20.5, "", "a", "b", "c")
			s.SyncerFault(at(21), Fault{Class: "takeover"})
			s.want(s.seen(24.9, "", "b", "c"), "missing")
			s.want(s.seen(25.1, "", "b", "c"))
		}},
		{"X1b missing of a member that a new syncer can list in time", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.SyncerFault(at(4), Fault{Class: "takeover"})
			s.MemberFault(at(5), "a", Fault{Class: "throttled", Blocks: true})
			s.EndFault(at(7), "a", "throttled", time.Second)
			s.want(s.seen(12, "", "b", "c"), "missing")
		}},
		{"O5 dead at a level that is delegated away, but nowhere else", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.ProviderFault(at(3.5), "fed", Fault{Class: "delegated", Level: "us"})
			s.turn(4, "a", false)
			s.want(s.seen(60, "us", "a", "b"))
			s.want(s.seen(60, "", "a", "b", "c"), "dead")
			s.EndFault(at(61), "fed", "delegated", 10*time.Second)
			s.want(s.seen(75, "us", "a", "b"))
			s.want(s.seen(76.2, "us", "a", "b"), "dead")
		}},
		{"X5a dead at a name that cannot be read, but nowhere else", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.ProviderFault(at(3.5), "fed", Fault{Class: "unreadable", Service: "web", Level: "us"})
			s.turn(4, "a", false)
			s.want(s.seen(10, "us", "a", "b"))
			s.want(s.seen(10, "us-a", "a"), "dead")
			if s.Quiet(at(10), "fed", "a") || !s.QuietFor("web", at(10), "fed", "a") {
				s.t.Error("want the global name quiet, and the federation not")
			}
		}},
		{"O1e what an older zone has shows nothing", func(s *stage) {
			s.seen(3, "", "a", "b", "c")
			s.ProviderFault(at(4), "fed", Fault{Class: "restored"})
			s.Rewritten("fed")
			s.want(s.seen(5, ""))
			s.want(s.seen(5.1, "", "a"))
			s.EndFault(at(6), "fed", "restored", 4*time.Second)
			s.want(s.seen(11, "", "a"))
			s.want(s.seen(13, "", "a", "b", "c"))
			s.want(s.seen(13.1, "", "a", "b"), "missing")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(newStage(t, "a", "b", "c")) })
	}
	t.Run("X2a an address of a lost member that is the last", func(t *testing.T) {
		s := newStage(t, "a")
		s.seen(3, "", "a")
		s.MemberFault(at(4), "a", cut)
		s.want(s.seen(60, "", "a"))
	})
}

func TestBrake(t *testing.T) {
	for _, tt := range []struct {
		name      string
		gone      int
		after     float64 // seconds after the deletion
		violation bool
	}{
		{"X4b ten services may go at once", 10, 4, false},
		{"X4b eleven of 14 may not", 11, 4, true},
		{"X4c after holdFor they may", 11, 18.5, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t)
			turn := func(seconds float64, i int, exists bool) {
				key := Shard{"a", fmt.Sprint(i)}
				s.Sent(at(seconds), key, State{Exists: exists, Federation: "fed",
					Ready: true, Addresses: []netip.Addr{address(i)}})
				s.Done(at(seconds), key, nil)
			}
			see := func(seconds float64, i int, list ...netip.Addr) []Violation {
				return s.Judge(Answer{Federation: "fed", Service: fmt.Sprint(i), Type: "A",
					Addresses: list, Sent: at(seconds), Received: at(seconds)})
			}
			for i := range 14 {
				turn(0, i, true)
				see(3, i, address(i))
			}
			for i := range tt.gone {
				turn(4, i, false)
			}
			var v []Violation
			for i := range tt.gone {
				v = append(v, see(4+tt.after, i)...)
			}
			if got := slices.ContainsFunc(v, func(v Violation) bool { return v.Kind == "brake" }); got != tt.violation {
				t.Errorf("violations %v, want one of the brake: %t", v, tt.violation)
			}
		})
	}
}

func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}) }

func TestJudgePlugin(t *testing.T) {
	local := netip.MustParseAddr("10.0.0.1")
	ask := func(s *stage, seconds float64, list ...netip.Addr) (kinds []string) {
		a := PluginAnswer{Member: "a", Answer: Answer{Federation: "fed", Service: "web", Type: "A",
			Addresses: list, Sent: at(seconds), Received: at(seconds + 0.01)}}
		for _, v := range s.JudgePlugin(a) {
			kinds = append(kinds, v.Kind)
		}
		return kinds
	}
	t.Run("Q6 the ClusterIP while the shard is healthy", func(t *testing.T) {
		s := newStage(t, "a", "b")
		s.want(ask(s, 10, local))
	})
	t.Run("Q7 not for longer than the deadline after", func(t *testing.T) {
		s := newStage(t, "a", "b")
		s.turn(4, "a", false)
		s.want(ask(s, 8, local))
		s.want(ask(s, 9.2, local), "dead")
	})
	t.Run("Q8 never empty while a shard is healthy", func(t *testing.T) {
		s := newStage(t, "a", "b")
		s.want(ask(s, 10), "empty")
		s.turn(11, "a", false)
		s.seen(12, "", "b")
		s.want(ask(s, 13))
		s.want(ask(s, 21), "empty")
	})
}
