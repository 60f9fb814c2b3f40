// Package rfc2136test is the suite for the provider against a real name server: what providertest cannot ask of every
// provider, as it needs keys, messages on the wire, lost replies and restarts. Its subtests are named after the rules
// they hold.
package rfc2136test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

// Run runs the suite. start is called for each subtest; it cleans up by t.Cleanup.
func Run(t *testing.T, start func(t *testing.T) Server) {
	tests := []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"P6 a switch is one message", testOneMessage},
		{"P6r no query sees the name empty when the CNAME is ignored", testIgnoredUnderLoad},
		{"P6r the read-back is lost", testReadBackLost},
		{"O3 the reply is lost after the change was made", testReplyLost},
		{"O3 the request is lost", testRequestLost},
		{"O3 replies are lost again and again", testRepliesLost},
		{"O3c what is not the name's own", testNotOwn},
		{"P3d negative TTL", testNegativeTTL},
		{"X5 the server is killed amid changes", testKilled},
		{"X5b 400 RRsets are one message", testLargeMessage},
		{"X5b no request starts after the context has ended", testCancel},
		{"X7 a wrong key", testWrongKey},
		{"X5a a switch below a delegation costs only itself", testDelegated},
		{"O5 what a client is told", testServes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t)
			proxy := startProxy(t, s)
			p := s.met(t, s.Provider(t, func(c *rfc2136.Config) { c.Server = proxy.addr }))
			proxy.set(nil)
			tt.run(t, &suite{t: t, server: s, proxy: proxy, p: p})
		})
	}
}

// suite is what a subtest has: a server, a proxy before it, and a provider that talks to the proxy.
type suite struct {
	t      *testing.T
	server Server
	proxy  *proxy
	p      *rfc2136.Provider
}

func (s *suite) ctx() context.Context {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	s.t.Cleanup(cancel)
	return ctx
}

func name(label string) federation.FQDN {
	return federation.FQDN(label + ".ns.fed.svc.us-central1." + string(Zone))
}

// addresses are an A and an AAAA RRset at the name.
func addresses(label string, a, aaaa string) []federation.RRset {
	return []federation.RRset{
		{Name: name(label), Type: "A", TTL: 180, Data: []string{a}},
		{Name: name(label), Type: "AAAA", TTL: 180, Data: []string{aaaa}},
	}
}

func alias(label string, target federation.FQDN) []federation.RRset {
	return []federation.RRset{{Name: name(label), Type: "CNAME", TTL: 180, Data: []string{string(target)}}}
}

// change makes a change; the name is that of the first RRset.
func change(from, to []federation.RRset) plan.Change {
	return plan.Change{Name: append(slices.Clone(from), to...)[0].Name, From: from, To: to}
}

func (s *suite) apply(c plan.Change) error {
	s.t.Helper()
	return s.p.Apply(s.ctx(), nil, []plan.Change{c})[0]
}

func (s *suite) must(c plan.Change) {
	s.t.Helper()
	if err := s.apply(c); err != nil {
		s.t.Fatalf("%v -> %v: %v", c.From, c.To, err)
	}
}

// has checks what is at the change's name, by Get.
func (s *suite) has(c plan.Change, want []federation.RRset) {
	s.t.Helper()
	got, err := s.p.Get(s.ctx(), c.Name)
	if err != nil {
		s.t.Fatalf("Get %q: %v", c.Name, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("at %q (-want +got):\n%s", c.Name, diff)
	}
}

// open reports whether the name has to be read, or the change made again.
func open(err error) bool {
	kind := provider.KindOf(err)
	return errors.Is(kind, provider.ErrUnknownOutcome) || errors.Is(kind, provider.ErrNotSent) ||
		errors.Is(kind, provider.ErrUnavailable)
}

// isOpen checks that.
func (s *suite) isOpen(err error) {
	s.t.Helper()
	if !open(err) {
		s.t.Errorf("error is %v, want one that leaves the outcome open", err)
	}
}

// settle makes a change as the contract wants it of callers: after an error that leaves the outcome open, the name is
// read until the server answers. It returns how many such errors there were. As nobody else writes, a conflict is an
// error, and so is any other state than before or after the change.
func (s *suite) settle(c plan.Change) (opens int, err error) {
	for {
		err := s.apply(c)
		if !open(err) {
			return opens, err
		}
		opens++
		now, readErr := s.read(c)
		switch {
		case readErr != nil:
			return opens, errors.Join(err, readErr)
		case federation.EqualRRsets(now, c.To):
			return opens, nil
		case !federation.EqualRRsets(now, c.From):
			return opens, fmt.Errorf("%w: then the name has %v, which is neither the old nor the new", err, now)
		}
	}
}

// read reads the change's name until the server answers.
func (s *suite) read(c plan.Change) ([]federation.RRset, error) {
	ctx := s.ctx()
	for {
		now, err := s.p.Get(ctx, c.Name)
		if err == nil {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(time.Millisecond):
		}
	}
}

// isUpdate reports whether the request changes something.
func isUpdate(m *dns.Msg) bool { return m.Opcode == dns.OpcodeUpdate && len(m.Ns) > 0 }
