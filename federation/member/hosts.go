package member

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Resolver looks up the addresses of a host name. *net.Resolver is one. A name
// that does not exist, or has no address, is a *net.DNSError with IsNotFound.
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
// rule: asking never waits, each name is looked up on its own, and one that
// does not resolve holds up nobody.
type hosts struct {
	resolver Resolver
	changed  func(ShardKey) // called without the lock
	ctx      context.Context
	wg       sync.WaitGroup // the lookups

	mu    sync.Mutex
	names map[federation.FQDN]*hostName
	uses  map[ShardKey][]federation.FQDN
	// pending counts the names that have not been looked up once.
	pending int
}

// newHosts returns a hosts whose lookups end with ctx.
func newHosts(ctx context.Context, resolver Resolver, changed func(ShardKey)) *hosts {
	return &hosts{
		ctx: ctx, resolver: resolver, changed: changed,
		names: map[federation.FQDN]*hostName{}, uses: map[ShardKey][]federation.FQDN{},
	}
}

// ask returns what is known of the name now, and keeps it looked up for as
// long as the shard uses it.
func (h *hosts) ask(name federation.FQDN, user ShardKey) resolved {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.names[name]
	if n == nil {
		ctx, cancel := context.WithCancel(h.ctx)
		n = &hostName{users: map[ShardKey]bool{}, cancel: cancel, seen: map[netip.Addr]time.Time{}}
		h.names[name] = n
		h.pending++
		h.wg.Go(func() { h.follow(ctx, name, n) })
	}
	if !n.users[user] {
		n.users[user] = true
		h.uses[user] = append(h.uses[user], name)
	}
	return n.resolved()
}

// keep ends the shard's use of all names but these.
func (h *hosts) keep(user ShardKey, names []federation.FQDN) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uses[user] = slices.DeleteFunc(h.uses[user], func(name federation.FQDN) bool {
		if slices.Contains(names, name) {
			return false
		}
		n := h.names[name]
		delete(n.users, user)
		if len(n.users) == 0 {
			n.cancel()
			if !n.known {
				h.pending--
			}
			delete(h.names, name)
		}
		return true
	})
	if len(h.uses[user]) == 0 {
		delete(h.uses, user)
	}
}

// users returns the shards that use a name.
func (h *hosts) users() []ShardKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.uses))
}

// settled reports whether each name has been looked up once.
func (h *hosts) settled() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pending == 0
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
		if ctx.Err() != nil { // nobody uses it any more
			h.mu.Unlock()
			return
		}
		if !n.known {
			h.pending--
		}
		differs := n.take(time.Now(), addrs, err)
		users := slices.Collect(maps.Keys(n.users))
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
		case <-time.After(wait*9/10 + rand.N(wait/10)): // never all at once
		}
	}
}

// hostName is what is known of one name.
type hostName struct {
	users  map[ShardKey]bool
	cancel context.CancelFunc
	seen   map[netip.Addr]time.Time // the last answer that had it
	known  bool                     // some lookup has ended
	first  time.Time                // the first NXDOMAIN since the last answer
	gone   bool                     // NXDOMAIN is evidence now
}

// take merges one answer and reports whether what is known changed.
func (n *hostName) take(now time.Time, addrs []netip.Addr, err error) bool {
	before := n.resolved()
	var dnsErr *net.DNSError
	switch {
	case err == nil:
		n.first, n.gone = time.Time{}, false
		for _, a := range addrs {
			n.seen[a.Unmap()] = now
		}
		n.forget(now.Add(-hostUnion))
	case errors.As(err, &dnsErr) && dnsErr.IsNotFound:
		if n.first.IsZero() {
			n.first = now
		}
		if now.Sub(n.first) >= hostGoneAfter {
			n.gone = true
			clear(n.seen)
		}
		n.forget(now.Add(-hostKeep))
	default:
		n.forget(now.Add(-hostKeep))
	}
	n.known = true
	after := n.resolved()
	return before.known != after.known || before.gone != after.gone || !slices.Equal(before.addrs, after.addrs)
}

// forget drops the addresses that were last seen before that time.
func (n *hostName) forget(before time.Time) {
	maps.DeleteFunc(n.seen, func(_ netip.Addr, at time.Time) bool { return at.Before(before) })
}

func (n *hostName) resolved() resolved {
	r := resolved{known: n.known, gone: n.gone}
	for a := range n.seen {
		r.addrs = append(r.addrs, a)
	}
	slices.SortFunc(r.addrs, netip.Addr.Compare)
	return r
}

// resolved is what is known of a host name.
type resolved struct {
	addrs []netip.Addr // sorted
	known bool         // it has been looked up
	gone  bool         // it does not exist: positive evidence
}

// String says why there are no addresses.
func (r resolved) String() string {
	switch {
	case r.gone:
		return "it does not exist, or has no address"
	case r.known:
		return "the resolver has no answer yet"
	}
	return "it has not been looked up yet"
}
