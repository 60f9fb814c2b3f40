package member

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Resolver looks up the addresses of a host name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// The times of H4.
const (
	hostRefresh   = time.Minute      // the system resolver tells no TTL
	hostRetry     = 10 * time.Second // after a failure
	hostUnion     = 5 * time.Minute  // load balancers rotate: all answers of this time count
	hostKeep      = 10 * time.Minute // a failure other than NXDOMAIN keeps the last answer so long
	hostGoneAfter = time.Minute      // NXDOMAIN twice, so far apart, is evidence
	hostTimeout   = 5 * time.Second
)

// hosts resolves the load balancers' host names of one member, outside the
// rule: a lookup never waits, and a name that does not resolve holds up nobody.
type hosts struct {
	resolver Resolver
	changed  func(ShardKey)

	mu    sync.Mutex
	names map[federation.FQDN]*hostName
	wg    sync.WaitGroup
	ctx   context.Context // that of Run, which outlives every lookup
}

type hostName struct {
	users  map[ShardKey]bool
	cancel context.CancelFunc
	seen   map[netip.Addr]time.Time // last answer that had it
	known  bool                     // some lookup has ended
	gone   time.Time                // first NXDOMAIN of the present row
	good   time.Time                // last answer
}

func newHosts(resolver Resolver, changed func(ShardKey)) *hosts {
	return &hosts{resolver: resolver, changed: changed, names: map[federation.FQDN]*hostName{}}
}

// lookup returns what is known of the name now, and keeps it known for as long
// as the shard uses it.
func (h *hosts) lookup(name federation.FQDN, user ShardKey) resolved {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.names[name]
	if n == nil {
		ctx, cancel := context.WithCancel(h.ctx)
		n = &hostName{users: map[ShardKey]bool{}, cancel: cancel, seen: map[netip.Addr]time.Time{}}
		h.names[name] = n
		h.wg.Go(func() { h.follow(ctx, name, n) })
	}
	n.users[user] = true
	return n.resolved()
}

func (n *hostName) resolved() resolved {
	r := resolved{known: n.known}
	for a := range n.seen {
		r.addrs = append(r.addrs, a)
	}
	slices.SortFunc(r.addrs, netip.Addr.Compare)
	return r
}

// release ends the shard's use of all names but those.
func (h *hosts) release(user ShardKey, keep []federation.FQDN) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, n := range h.names {
		if !n.users[user] || slices.Contains(keep, name) {
			continue
		}
		delete(n.users, user)
		if len(n.users) == 0 {
			n.cancel()
			delete(h.names, name)
		}
	}
}

// follow looks the name up again and again until ctx ends.
func (h *hosts) follow(ctx context.Context, name federation.FQDN, n *hostName) {
	for {
		lctx, cancel := context.WithTimeout(ctx, hostTimeout)
		addrs, err := h.resolver.LookupNetIP(lctx, "ip", string(name))
		cancel()
		if ctx.Err() != nil {
			return
		}
		h.mu.Lock()
		differs := n.take(time.Now(), addrs, err)
		users := make([]ShardKey, 0, len(n.users))
		for u := range n.users {
			users = append(users, u)
		}
		h.mu.Unlock()
		if differs {
			for _, u := range users {
				h.changed(u)
			}
		}
		wait := hostRefresh
		if err != nil {
			wait = hostRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// take merges one answer and reports whether what is known changed.
func (n *hostName) take(now time.Time, addrs []netip.Addr, err error) bool {
	before := n.resolved()
	var dnsErr *net.DNSError
	switch {
	case err == nil:
		n.gone, n.good = time.Time{}, now
		for _, a := range addrs {
			n.seen[a.Unmap()] = now
		}
		n.forget(now.Add(-hostUnion))
	case errors.As(err, &dnsErr) && dnsErr.IsNotFound:
		switch {
		case n.gone.IsZero():
			n.gone = now
		case now.Sub(n.gone) >= hostGoneAfter:
			clear(n.seen)
		}
	default:
		n.gone = time.Time{}
		if now.Sub(n.good) >= hostKeep {
			clear(n.seen)
		}
	}
	n.known = true
	after := n.resolved()
	return before.known != after.known || !slices.Equal(before.addrs, after.addrs)
}

func (n *hostName) forget(before time.Time) {
	for a, at := range n.seen {
		if at.Before(before) {
			delete(n.seen, a)
		}
	}
}
