package rfc2136test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

// steps are changes of one name, one after the other: creation, replacement, switch to CNAME and back, deletion.
func steps() []plan.Change {
	var out []plan.Change
	var now []federation.RRset
	for _, next := range [][]federation.RRset{
		addresses("nginx", "192.0.2.1", "2001:db8::1"), addresses("nginx", "192.0.2.2", "2001:db8::2"),
		alias("nginx", "nginx.example.org."), alias("nginx", "lb.example.org."),
		addresses("nginx", "192.0.2.3", "2001:db8::3"), nil,
	} {
		out = append(out, change(now, next))
		now = next
	}
	return out
}

// testReplyLost loses the reply to each update once. The caller learns that the outcome is open, and by reading the
// name that the change was made.
func testReplyLost(t *testing.T, s *suite) {
	for i, c := range steps() {
		serial := s.server.Serial(t)
		s.proxy.set(func(_ int, m *dns.Msg) fate {
			if isUpdate(m) {
				return loseReply
			}
			return pass
		})
		s.isOpen(s.apply(c))
		if got := len(s.proxy.updates()); got != 1 {
			t.Errorf("step %d: %d updates were sent, want 1: a second one would conflict with the first", i, got)
		}
		s.proxy.set(nil)
		s.has(c, c.To)
		if got := s.server.Serial(t) - serial; got != 1 {
			t.Errorf("step %d: the zone changed %d times, want once", i, got)
		}
	}
}

// testRequestLost cuts the connection before the server has the update: it is as open, and the name has what it had.
func testRequestLost(t *testing.T, s *suite) {
	for i, c := range steps() {
		s.proxy.set(func(_ int, m *dns.Msg) fate {
			if isUpdate(m) {
				return loseRequest
			}
			return pass
		})
		s.isOpen(s.apply(c))
		s.proxy.set(nil)
		s.has(c, c.From)
		if err := s.apply(c); err != nil {
			t.Errorf("step %d, again: %v", i, err)
		}
	}
}

// testRepliesLost loses one message in three, of all kinds, some before and some after the server has acted. A caller
// that keeps to the contract sees each change through all the same, alone and among many.
func testRepliesLost(t *testing.T, s *suite) {
	random := rand.New(rand.NewPCG(1, 2))
	s.proxy.set(func(int, *dns.Msg) fate {
		return []fate{loseReply, loseReply, loseRequest, pass, pass, pass, pass, pass, pass}[random.IntN(9)]
	})
	serial := s.server.Serial(t)
	all, opens := steps(), 0
	for i, c := range all {
		n, err := s.settle(c)
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		opens += n
	}
	if got := s.server.Serial(t) - serial; int(got) != len(all) {
		t.Errorf("the zone changed %d times, want %d", got, len(all))
	}
	var many []plan.Change
	for i := range 50 {
		many = append(many, change(nil, addresses(fmt.Sprintf("s%d", i), "192.0.2.1", "2001:db8::1")))
	}
	for i, err := range s.applyInParts(many) {
		if err == nil {
			continue
		}
		s.isOpen(err)
		opens++
		got, err := s.read(many[i])
		if err == nil && !federation.EqualRRsets(got, many[i].To) {
			var n int
			n, err = s.settle(many[i])
			opens += n
		}
		if err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	s.proxy.set(nil)
	for _, c := range many {
		s.has(c, c.To)
	}
	if opens == 0 {
		t.Error("no message was lost: the test shows nothing")
	}
}

// applyInParts makes the changes ten at a time.
func (s *suite) applyInParts(changes []plan.Change) (errs []error) {
	for part := range slices.Chunk(changes, 10) {
		errs = append(errs, s.p.Apply(s.ctx(), nil, part)...)
	}
	return errs
}
