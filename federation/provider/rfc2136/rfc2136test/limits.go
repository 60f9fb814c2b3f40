package rfc2136test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

// testLargeMessage makes 400 RRsets in one message, changes them all in as few as the limits allow, and deletes them in
// one.
func testLargeMessage(t *testing.T, s *suite) {
	const n = 200 // names with two RRsets each
	var create, switched, remove []plan.Change
	for i := range n {
		label := fmt.Sprintf("s%d", i)
		a, c := addresses(label, fmt.Sprintf("192.0.2.%d", i+1), fmt.Sprintf("2001:db8::%x", i+1)),
			alias(label, "nginx.example.org.")
		create, switched, remove = append(create, change(nil, a)), append(switched, change(a, c)),
			append(remove, change(c, nil))
	}
	claim := federation.RRset{Name: "_claim.fed.svc." + Zone, Type: "TXT", TTL: 60, Data: []string{`"owner=test"`}}
	s.must(change(nil, []federation.RRset{claim}))
	for _, step := range []struct {
		name     string
		changes  []plan.Change
		messages int
	}{
		// A switch has 8 records: 3 prerequisites, 2 deletions, the CNAME, the 2 old ones again.
		{"creation", create, 1}, {"switch", switched, 2}, {"deletion", remove, 1},
	} {
		s.proxy.set(nil)
		begin := time.Now()
		for i, err := range s.p.Apply(s.ctx(), &claim, step.changes) {
			if err != nil {
				t.Fatalf("%s, change %d: %v", step.name, i, err)
			}
		}
		took := time.Since(begin)
		updates := s.proxy.updates()
		if len(updates) != step.messages {
			t.Errorf("%s of %d names took %d messages, want %d", step.name, n, len(updates), step.messages)
		}
		t.Logf("%s of %d names took %v", step.name, n, took.Round(time.Millisecond))
		if step.name == "creation" && len(updates[0].Ns) != 2*n {
			t.Errorf("the message adds %d RRsets, want %d", len(updates[0].Ns), 2*n)
		}
		for _, c := range step.changes {
			s.has(c, c.To)
		}
	}
}

// testCancel ends the context when the third request is under way: none starts after that, none of the changes behind
// it is made.
func testCancel(t *testing.T, s *suite) {
	p := s.server.met(t, s.server.Provider(t, func(c *rfc2136.Config) { c.Server, c.MaxBatch = s.proxy.addr, 2 }))
	var changes []plan.Change
	for i := range 40 {
		changes = append(changes, change(nil, addresses(fmt.Sprintf("s%d", i), "192.0.2.1", "2001:db8::1")))
	}
	const third = 3
	calls := map[string]func(context.Context) error{
		"Apply": func(ctx context.Context) error {
			errs := p.Apply(ctx, nil, changes)
			for i, err := range errs {
				if i < third-1 && err != nil || i >= third-1 && !errors.Is(err, context.Canceled) {
					t.Errorf("Apply: change %d: %v", i, err)
				}
			}
			return errs[len(errs)-1]
		},
		"Get": func(ctx context.Context) error {
			_, err := p.Get(ctx, changes[0].Name) // CNAME, A, AAAA, TXT, in use
			return err
		},
	}
	for _, call := range []string{"Apply", "Get"} {
		ctx, cancel := context.WithCancel(s.ctx())
		arrived := 0
		s.proxy.set(func(n int, _ *dns.Msg) fate {
			arrived = n
			if n == third {
				cancel()
				return loseReply
			}
			return pass
		})
		begin := time.Now()
		if err := calls[call](ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error is %v", call, err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("%s took %v to notice", call, took)
		}
		_, before := s.proxy.counts()
		// Another provider's request has passed the proxy: what this one sent has too.
		s.has(changes[third], nil)
		if requests, conns := s.proxy.counts(); conns-before > 1 || arrived < third || requests-getRequests > third {
			t.Errorf("%s: %d requests over %d connections, want none after the third", call, requests-getRequests,
				conns)
		}
		cancel()
	}
}

// getRequests is what Get of a name that is not there costs.
const getRequests = 4

func testNotOwn(t *testing.T, s *suite) {
	t.Run("a wildcard's records", func(t *testing.T) {
		got, err := s.p.Get(t.Context(), "nginx.wild."+Zone)
		if err != nil || len(got) > 0 {
			t.Errorf("Get returns %v, %v", got, err)
		}
	})
	t.Run("a delegated name is an error", func(t *testing.T) {
		got, err := s.p.Get(t.Context(), "nginx.sub."+Zone)
		if err == nil || !strings.Contains(err.Error(), "delegated") {
			t.Errorf("Get returns %v, %v", got, err)
		}
	})
}

func testNegativeTTL(t *testing.T, s *suite) {
	if got, err := s.p.NegativeTTL(s.ctx()); got != 30 || err != nil {
		t.Errorf("SOA returns %d, %v, want 30", got, err)
	}
}
