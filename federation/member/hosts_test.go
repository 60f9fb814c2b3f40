package member

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation"
)

// slow is a resolver that takes its time.
type slow struct {
	time.Duration
	Resolver
}

func (s slow) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(s.Duration):
		return s.Resolver.LookupNetIP(ctx, network, host)
	}
}

// script is a resolver with an answer that changes.
type script struct {
	mu    sync.Mutex
	addrs []netip.Addr
	err   error
}

func (s *script) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addrs, s.err
}

func (s *script) set(err error, list ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addrs, s.err = addrs(list...), err
}

func TestHosts(t *testing.T) {
	missing := &net.DNSError{Err: "no such host", IsNotFound: true}
	failing := errors.New("server misbehaving")
	const name = federation.FQDN("lb.example.net.")
	run := func(rule string, f func(*testing.T, *script, func(time.Duration) resolved)) {
		t.Run(rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				s := &script{}
				h := newHosts(ctx, s, func(ShardKey) {})
				f(t, s, func(d time.Duration) resolved {
					h.ask(name, nginxKey)
					time.Sleep(d)
					synctest.Wait()
					return h.ask(name, nginxKey)
				})
				cancel()
				h.wg.Wait()
			})
		})
	}
	run("H4 the union of 5 minutes", func(t *testing.T, s *script, after func(time.Duration) resolved) {
		s.set(nil, "192.0.2.1")
		after(time.Second)
		s.set(nil, "192.0.2.2")
		equal(t, "after a refresh", after(2*time.Minute).addrs, addrs("192.0.2.1", "192.0.2.2"))
		equal(t, "after 5 minutes", after(5*time.Minute).addrs, addrs("192.0.2.2"))
	})
	run("H4 NXDOMAIN once is no evidence", func(t *testing.T, s *script, after func(time.Duration) resolved) {
		s.set(nil, "192.0.2.1")
		after(time.Second)
		s.set(missing)
		equal(t, "first", after(time.Minute).addrs, addrs("192.0.2.1"))
		s.set(nil, "192.0.2.1")
		after(20 * time.Second)
		s.set(missing)
		equal(t, "again", after(time.Minute).addrs, addrs("192.0.2.1"))
	})
	run("H4 NXDOMAIN twice, 60 s apart", func(t *testing.T, s *script, after func(time.Duration) resolved) {
		s.set(nil, "192.0.2.1")
		after(time.Second)
		s.set(missing)
		r := after(3 * time.Minute)
		equal(t, "addresses", len(r.addrs), 0)
		equal(t, "gone", r.gone, true)
		s.set(nil, "192.0.2.3")
		r = after(time.Minute)
		equal(t, "addresses", r.addrs, addrs("192.0.2.3"))
		equal(t, "gone", r.gone, false)
	})
	run("H4 another failure keeps the last answer for 10 min", func(t *testing.T, s *script, after func(time.Duration) resolved) {
		s.set(nil, "192.0.2.1")
		after(time.Second)
		s.set(failing)
		equal(t, "after 9 min", after(9*time.Minute).addrs, addrs("192.0.2.1"))
		r := after(3 * time.Minute)
		equal(t, "after 12 min", len(r.addrs), 0)
		equal(t, "gone", r.gone, false)
	})
	run("H3a an IPv4-mapped answer is the IPv4 address", func(t *testing.T, s *script, after func(time.Duration) resolved) {
		s.set(nil, "::ffff:192.0.2.1")
		equal(t, "addresses", after(time.Second).addrs, addrs("192.0.2.1"))
	})
}
