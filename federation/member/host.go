package member

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/resolve"
)

// The times of H4, and what they are counted from.
const (
	// A name is looked up again when its TTL has run out, within these bounds:
	// load balancers with a TTL of 0 are not asked all the time, and an address
	// that they answer now and then is asked for within the union's time.
	hostMinRefresh = 5 * time.Second
	hostMaxRefresh = 5 * time.Minute
	// After a failure it is looked up soon, and then less and less often.
	hostMinRetry = 5 * time.Second
	hostMaxRetry = time.Minute
	// hostUnion: load balancers rotate; all answers of this time count.
	hostUnion = 5 * time.Minute
	// hostKeep: a failure other than NXDOMAIN keeps the last answer so long, and
	// the one of before the start, which only the records know (X1b).
	hostKeep = 10 * time.Minute
	// hostGoneAfter: NXDOMAIN twice, so far apart, is evidence. It is not asked
	// for again before, nor before its own TTL has run out: that would be the
	// same answer, out of a server's cache.
	hostGoneAfter = time.Minute
)

// maxHostAddresses is how many addresses of each type are kept of a name, the
// latest: a shard has room for fewer (H3d).
const maxHostAddresses = 64

// hostName is what is known of one host name.
type hostName struct {
	name  federation.FQDN
	users []ShardKey

	families [2]family // of A and AAAA
	asked    time.Time // when the first shard used it
	tried    bool      // some lookup has ended
	heard    bool      // some lookup had addresses
	denied   time.Time // the first denial since then
	gone     bool      // it was denied again: positive evidence
	failures int       // that followed one another
	why      string    // what failed last; "" if nothing did
	told     resolved  // what the users know

	due    time.Time // when the next lookup is
	place  int       // in the queue; -1 while it is looked up
	cancel func()    // ends the lookup under way
}

// family is what is known of the addresses of one type.
type family struct {
	seen    []seen // the union, sorted
	aliases []federation.FQDN
	good    time.Time // when it was answered last, be it that there are none
}

// seen is an address and the last answer that had it.
type seen struct {
	netip.Addr
	at time.Time
}

// take merges the answers of a lookup. One type that fails, or is denied while
// the other has addresses, says nothing of the other. A name is gone only if
// both types say that it does not exist: some servers deny a name when they mean
// a type (RFC 4074, section 4.2), and a name without addresses is what a load
// balancer shows that has lost sight of its backends.
func (n *hostName) take(now time.Time, answers [2]resolve.Answer) {
	n.tried, n.why = true, ""
	found, denied := false, 0
	var failed []string
	for _, a := range answers {
		found = found || len(a.Addresses) > 0
		if a.Denial == resolve.NXDomain {
			denied++
		}
		if a.Err != nil {
			failed = append(failed, a.Err.Error())
		}
	}
	switch {
	case found:
		n.heard, n.gone, n.denied = true, false, time.Time{}
		for i, a := range answers {
			if a.Err == nil {
				n.families[i].take(now, a)
			}
		}
	case denied == len(answers):
		n.why = "it does not exist: " + string(resolve.NXDomain)
		if n.denied.IsZero() {
			n.denied = now
		}
		if now.Sub(n.denied) >= hostGoneAfter {
			n.gone, n.families = true, [2]family{}
		}
	default:
		n.why = "it has no address"
	}
	if n.failures = min(n.failures+1, 8); len(failed) == 0 {
		n.failures = 0
	} else {
		n.why = strings.Join(failed, "; ")
	}
}

func (f *family) take(now time.Time, a resolve.Answer) {
	f.good, f.aliases = now, a.Aliases
	union := make([]seen, 0, len(a.Addresses))
	for _, addr := range a.Addresses {
		union = append(union, seen{addr, now})
	}
	for _, s := range f.seen {
		if now.Sub(s.at) < hostUnion && !slices.Contains(a.Addresses, s.Addr) {
			union = append(union, s)
		}
	}
	slices.SortFunc(union, func(a, b seen) int { return cmp.Or(b.at.Compare(a.at), a.Compare(b.Addr)) })
	union = union[:min(len(union), maxHostAddresses)]
	slices.SortFunc(union, func(a, b seen) int { return a.Compare(b.Addr) })
	f.seen = slices.Clip(union)
}

// kept reports whether the last answer still counts.
func (f *family) kept(now time.Time) bool { return now.Sub(f.good) < hostKeep }

// turns is when time alone changes what is known; zero if it does not.
func (f *family) turns(now time.Time) (next time.Time) {
	if len(f.seen) == 0 || !f.kept(now) {
		return next
	}
	if !f.good.Equal(now) {
		return f.good.Add(hostKeep)
	}
	for _, s := range f.seen {
		if !s.at.Equal(now) && (next.IsZero() || s.at.Add(hostUnion).Before(next)) {
			next = s.at.Add(hostUnion)
		}
	}
	return next
}

// wait is how long it is from a lookup to the next. Names that were asked for
// together drift apart.
func (n *hostName) wait(now time.Time, answers [2]resolve.Answer) time.Duration {
	ttl, negative := hostMaxRefresh, time.Duration(0)
	found := false
	for _, a := range answers {
		if len(a.Addresses) > 0 {
			found, ttl = true, min(ttl, a.TTL)
		}
		negative = max(negative, a.TTL)
	}
	wait := max(ttl, hostMinRefresh)
	switch {
	case n.failures > 0:
		wait = min(wait, hostMinRetry<<(n.failures-1), hostMaxRetry)
	case !found:
		wait = min(max(negative, hostGoneAfter), hostMaxRefresh)
	}
	wait += rand.N(wait/10 + 1)
	turn := func(at time.Time) {
		if !at.IsZero() {
			wait = min(wait, max(at.Sub(now), hostMinRefresh))
		}
	}
	for i := range n.families {
		turn(n.families[i].turns(now))
	}
	if n.unheard(now) {
		turn(n.asked.Add(hostKeep))
	}
	return wait
}

// unheard reports whether nothing has been learned since the start, and the
// answer of before still counts.
func (n *hostName) unheard(now time.Time) bool {
	return !n.heard && !n.gone && now.Sub(n.asked) < hostKeep
}

func (n *hostName) resolved(now time.Time) resolved {
	r := resolved{gone: n.gone, unheard: n.unheard(now), why: n.why}
	if !n.tried {
		r.why = "it has not been looked up yet"
	}
	for i := range n.families {
		if f := &n.families[i]; f.kept(now) {
			for _, s := range f.seen {
				r.addrs = append(r.addrs, s.Addr)
			}
			r.aliases = append(r.aliases, f.aliases...)
		}
	}
	slices.SortFunc(r.addrs, netip.Addr.Compare)
	slices.Sort(r.aliases)
	r.aliases = slices.Compact(r.aliases)
	return r
}

// resolved is what is known of a host name.
type resolved struct {
	addrs   []netip.Addr      // sorted
	aliases []federation.FQDN // the names that its CNAME records lead through, sorted
	gone    bool              // it does not exist: positive evidence
	unheard bool              // nothing has been learned of it since the start, for hostKeep
	why     string            // what failed last; "" if nothing did
}

func (r resolved) equal(o resolved) bool {
	return r.gone == o.gone && r.unheard == o.unheard && r.why == o.why &&
		slices.Equal(r.addrs, o.addrs) && slices.Equal(r.aliases, o.aliases)
}
