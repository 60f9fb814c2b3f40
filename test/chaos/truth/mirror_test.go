package truth

import (
	"net/netip"
	"testing"
	"time"
)

// TestJudgeMirror: what the CoreDNS of a says of the shards in b and c, with a mirror.
func TestJudgeMirror(t *testing.T) {
	down := Fault{Class: "down"}
	refused := Fault{Class: "refused"}
	tests := []struct {
		name string
		own  bool // a has a shard too
		run  func(*stage)
	}{
		{"M5 a fresh mirror does not wait for a DNS server", false, func(s *stage) {
			s.ProviderFault(at(9), "fed", down)
			s.turn(10, "b", false)
			s.want(s.told(15, "b", "c"))
			s.want(s.told(17, "b", "c"), "dead")
		}},
		{"M4 what nobody renews may be as old as it counts as fresh", false, func(s *stage) {
			s.MirrorFault(at(9), "a", refused)
			s.turn(10, "b", false)
			s.want(s.told(30, "b", "c"))
			s.want(s.told(32, "b", "c"), "dead")
		}},
		{"M6 what nobody renews may be the last there is, while the DNS server is away too", false, func(s *stage) {
			s.MirrorFault(at(9), "a", refused)
			s.ProviderFault(at(9), "fed", down)
			s.turn(10, "b", false)
			s.want(s.told(60, "b", "c"))
		}},
		{"M6 what says that it is stale may be the last there is", false, func(s *stage) {
			s.MirrorFault(at(9), "a", refused)
			s.turn(10, "b", false)
			a := PluginAnswer{Member: "a", Stale: true, Answer: Answer{Federation: "fed", Service: "web", Type: "A",
				Sent: at(60), Received: at(60.01), Addresses: []netip.Addr{addrs["b"]}}}
			if v := s.JudgePlugin(a); len(v) > 0 {
				s.t.Errorf("violations %v", v)
			}
		}},
		{"M4 a fault of another member's mirror excuses nothing", false, func(s *stage) {
			s.MirrorFault(at(9), "c", refused)
			s.turn(10, "b", false)
			s.want(s.told(17, "b", "c"), "dead")
		}},
		{"M5 a fresh mirror is not empty while the DNS server is away", false, func(s *stage) {
			s.ProviderFault(at(9), "fed", down)
			s.want(s.told(20), "empty")
		}},
		{"a CoreDNS that was just started need not know anything", false, func(s *stage) {
			s.MirrorFault(at(19), "a", Fault{Class: "restart", Starts: true})
			s.EndFault(at(20), "a", "restart", 5*time.Second)
			s.want(s.told(24))
			s.want(s.told(26), "empty")
		}},
		{"M1 an own address", true, func(s *stage) {
			s.MirrorFault(at(12), "a", refused)
			s.turn(13, "a", false)
			s.want(s.told(17, "a"))
			s.want(s.told(19, "a"), "own")
		}},
		{"M1 an own address, if the others may be lost", true, func(s *stage) {
			for _, m := range []string{"b", "c"} {
				s.MemberFault(at(9), m, Fault{Class: "cut", Blocks: true, Silent: true})
			}
			s.turn(10, "a", false)
			s.want(s.told(16, "a"))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			members := []string{"b", "c"}
			if tt.own {
				members = append(members, "a")
			}
			s := newStage(t, members...)
			s.seen(3, "", "a", "b", "c")
			tt.run(s)
		})
	}
}

// TestJudgeZoneless: what the CoreDNS of a says where there is no zone.
func TestJudgeZoneless(t *testing.T) {
	refused, deleted := Fault{Class: "refused"}, Fault{Class: "deleted", Damages: true}
	down := Fault{Class: "down", Silent: true}
	tests := []struct {
		name string
		run  func(*stage)
	}{
		{"M7 the last mirror is there for as long as nobody damages it", func(s *stage) {
			s.MirrorFault(at(19), "a", refused)
			s.want(s.told(60), "empty")
		}},
		{"M7 no fault of what keeps the records excuses that", func(s *stage) {
			s.MirrorFault(at(19), "a", refused)
			s.ProviderFault(at(19), "fed", down)
			s.want(s.told(60), "empty")
		}},
		{"M7 nobody knows what a damaged mirror said", func(s *stage) {
			s.MirrorFault(at(19), "a", deleted)
			s.want(s.told(20))
			s.EndFault(at(21), "a", "deleted", 0)
			s.want(s.told(45))
			s.want(s.told(47), "empty")
		}},
		{"M7 a mirror that was right since is the last one", func(s *stage) {
			s.MirrorFault(at(1), "a", deleted)
			s.EndFault(at(2), "a", "deleted", 0)
			s.MirrorFault(at(15), "a", refused)
			s.want(s.told(40))
			s.MirrorsRight(at(28))
			s.want(s.told(40), "empty")
		}},
		{"M1 an own address, where the mirror had others when it was right", func(s *stage) {
			s.turn(4, "a", true)
			s.MirrorFault(at(5), "a", refused)
			s.turn(22, "a", false)
			s.want(s.told(28, "a"))
			s.MirrorsRight(at(20))
			s.want(s.told(28, "a"), "own")
		}},
		{"M7 damage to another member's mirror excuses nothing", func(s *stage) {
			s.MirrorFault(at(19), "b", deleted)
			s.want(s.told(20), "empty")
		}},
		{"M7 a CoreDNS that starts while its API server is away knows nothing", func(s *stage) {
			s.ServerFault(at(18), "a", down)
			s.MirrorFault(at(19), "a", Fault{Class: "restart", Starts: true})
			s.EndFault(at(20), "a", "restart", 5*time.Second)
			s.want(s.told(30))
		}},
		{"M4 what nobody renews may be as old as it counts as fresh, whatever keeps the records", func(s *stage) {
			s.MirrorFault(at(9), "a", refused)
			s.ProviderFault(at(9), "fed", down)
			s.turn(10, "b", false)
			s.want(s.told(30, "b", "c"))
			s.want(s.told(32, "b", "c"), "dead")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, "b", "c")
			s.config.Zoneless = []string{"fed"}
			s.seen(3, "", "b", "c")
			tt.run(s)
		})
	}
}

// told judges an answer of the CoreDNS of a, and returns the kinds of its violations.
func (s *stage) told(seconds float64, members ...string) (kinds []string) {
	a := PluginAnswer{Member: "a", Answer: Answer{Federation: "fed", Service: "web", Type: "A", Sent: at(seconds),
		Received: at(seconds + 0.01)}}
	for _, m := range members {
		a.Addresses = append(a.Addresses, addrs[m])
	}
	for _, v := range s.JudgePlugin(a) {
		kinds = append(kinds, v.Kind)
	}
	return kinds
}
