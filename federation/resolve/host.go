package resolve

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
)

// The times of H4.
const (
	// A name is looked up again when its TTL expires, within these bounds: a load balancer with a TTL of 0 does not
	// cause a query storm, and an address that it returns only now and then is still seen within unionTime.
	minRefresh = 5 * time.Second
	maxRefresh = 5 * time.Minute
	// After a failure it is looked up again soon, then at growing intervals.
	minRetry = 5 * time.Second
	maxRetry = time.Minute
	// unionTime: load balancers rotate their addresses, so all answers of this period count.
	unionTime = 5 * time.Minute
	// keepTime is how long a failure other than NXDOMAIN keeps the last answer, including one from before the start
	// that only the records know (X1b).
	keepTime = 10 * time.Minute
	// confirmTime: two NXDOMAIN answers at least this far apart are evidence. The name is not looked up earlier, nor
	// before the first answer's own TTL expires: that would only return the same answer from a server's cache.
	confirmTime = time.Minute
)

// maxAddresses bounds the addresses of each type remembered for a name; the latest are kept. A shard publishes fewer
// (H3d).
const maxAddresses = 64

// Host is what is known about a host name at one moment.
type Host struct {
	// Addresses are those that count now, of both types, sorted.
	Addresses []netip.Addr
	// Aliases are the targets of the CNAME records on the way to them, sorted.
	Aliases []federation.FQDN
	// Nonexistent says that the name is known not to exist: positive evidence.
	Nonexistent bool
	// Unresolved says that the name has not resolved since the first user asked for it, and that a failure would still
	// keep an earlier answer: whatever was known before then counts.
	Unresolved bool
	// Failure is what was wrong with the last lookup; "" if nothing was.
	Failure string
}

func (h Host) equal(o Host) bool {
	return h.Nonexistent == o.Nonexistent && h.Unresolved == o.Unresolved && h.Failure == o.Failure &&
		slices.Equal(h.Addresses, o.Addresses) && slices.Equal(h.Aliases, o.Aliases)
}

// history is what the lookups of one host name have shown so far.
type history struct {
	added    time.Time // when the first user asked for the name
	families [2]family // A and AAAA
	tried    bool      // some lookup has ended
	resolved bool      // some lookup had addresses
	denied   time.Time // the first NXDOMAIN since then
	gone     bool      // NXDOMAIN was confirmed: positive evidence
	failures int       // in a row
	failure  string    // see Host.Failure
}

// family is what is known about the addresses of one type.
type family struct {
	addresses []datedAddr // the union, sorted by address
	aliases   []federation.FQDN
	answered  time.Time // the last answer, with or without addresses
}

// datedAddr is an address and the time of the last answer that had it.
type datedAddr struct {
	netip.Addr
	seen time.Time
}

// record adds the answers of a lookup. A failure of one type, or a denial while the other type has addresses, says
// nothing about the other. A name is gone only if both types say that it does not exist: some servers deny a name when
// they mean a type (RFC 4074, section 4.2), and a load balancer that loses sight of its backends shows a name without
// addresses.
func (h *history) record(now time.Time, answers [2]Answer) {
	h.tried, h.failure = true, ""
	found, denied := false, 0
	var failed []string
	for _, a := range answers {
		found = found || len(a.Addresses) > 0
		if a.Denial == NXDomain {
			denied++
		}
		if a.Err != nil {
			failed = append(failed, a.Err.Error())
		}
	}
	switch {
	case found:
		h.resolved, h.gone, h.denied = true, false, time.Time{}
		for i, a := range answers {
			if a.Err == nil {
				h.families[i].record(now, a)
			}
		}
	case denied == len(answers):
		h.failure = "it does not exist: " + string(NXDomain)
		if h.denied.IsZero() {
			h.denied = now
		}
		if now.Sub(h.denied) >= confirmTime {
			h.gone, h.families = true, [2]family{}
		}
	default:
		h.failure = "it has no address"
	}
	if h.failures = min(h.failures+1, 8); len(failed) == 0 {
		h.failures = 0
	} else {
		h.failure = strings.Join(failed, "; ")
	}
}

func (f *family) record(now time.Time, a Answer) {
	f.answered, f.aliases = now, a.Aliases
	union := make([]datedAddr, 0, len(a.Addresses))
	for _, addr := range a.Addresses {
		union = append(union, datedAddr{addr, now})
	}
	for _, d := range f.addresses {
		if now.Sub(d.seen) < unionTime && !slices.Contains(a.Addresses, d.Addr) {
			union = append(union, d)
		}
	}
	slices.SortFunc(union, func(a, b datedAddr) int { return cmp.Or(b.seen.Compare(a.seen), a.Compare(b.Addr)) })
	union = union[:min(len(union), maxAddresses)]
	slices.SortFunc(union, func(a, b datedAddr) int { return a.Compare(b.Addr) })
	f.addresses = slices.Clip(union)
}

// kept reports whether the last answer still counts.
func (f *family) kept(now time.Time) bool { return now.Sub(f.answered) < keepTime }

// expires returns when the passage of time alone changes what is known; zero if it does not.
func (f *family) expires(now time.Time) (next time.Time) {
	if len(f.addresses) == 0 || !f.kept(now) {
		return next
	}
	if !f.answered.Equal(now) {
		return f.answered.Add(keepTime)
	}
	for _, d := range f.addresses {
		if !d.seen.Equal(now) && (next.IsZero() || d.seen.Add(unionTime).Before(next)) {
			next = d.seen.Add(unionTime)
		}
	}
	return next
}

// wait returns how long after these answers, which were recorded at now, the name is to be looked up again. Jitter
// spreads names that were first looked up together.
func (h *history) wait(now time.Time, answers [2]Answer) time.Duration {
	ttl, negative := maxRefresh, time.Duration(0)
	found := false
	for _, a := range answers {
		if len(a.Addresses) > 0 {
			found, ttl = true, min(ttl, a.TTL)
		}
		negative = max(negative, a.TTL)
	}
	wait := max(ttl, minRefresh)
	switch {
	case h.failures > 0:
		wait = min(wait, minRetry<<(h.failures-1), maxRetry)
	case !found:
		wait = min(max(negative, confirmTime), maxRefresh)
	}
	wait += rand.N(wait/10 + 1)
	noLaterThan := func(deadline time.Time) {
		if !deadline.IsZero() {
			wait = min(wait, max(deadline.Sub(now), minRefresh))
		}
	}
	for i := range h.families {
		noLaterThan(h.families[i].expires(now))
	}
	if h.unresolved(now) {
		noLaterThan(h.added.Add(keepTime))
	}
	return wait
}

// unresolved is Host.Unresolved.
func (h *history) unresolved(now time.Time) bool {
	return !h.resolved && !h.gone && now.Sub(h.added) < keepTime
}

// host returns what is known at now.
func (h *history) host(now time.Time) Host {
	host := Host{Nonexistent: h.gone, Unresolved: h.unresolved(now), Failure: h.failure}
	if !h.tried {
		host.Failure = "it has not been looked up yet"
	}
	for i := range h.families {
		if f := &h.families[i]; f.kept(now) {
			for _, d := range f.addresses {
				host.Addresses = append(host.Addresses, d.Addr)
			}
			host.Aliases = append(host.Aliases, f.aliases...)
		}
	}
	slices.SortFunc(host.Addresses, netip.Addr.Compare)
	slices.Sort(host.Aliases)
	host.Aliases = slices.Compact(host.Aliases)
	return host
}
