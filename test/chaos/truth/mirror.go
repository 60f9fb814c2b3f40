package truth

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	// mirrorLags is how long a mirror counts as fresh after it was renewed last (M4), and how long it may take until
	// the plugin has seen that.
	mirrorLags = 16 * time.Second
	// mirrorSettles is how long the mirror may take to be renewed, and to be seen so, after what has kept it from that:
	// a request that hangs, the longest pause between two tries, and two heartbeats.
	mirrorSettles = 25 * time.Second
)

// mirrorSince reports whether the mirror that an answer's CoreDNS reads was certainly fresh when it was asked: nothing
// was wrong with the syncer, the ways to the member, and its mirror, nor does anything of that last. If not, begin is
// when it may have been fresh last.
func (m judge) mirrorSince(a PluginAnswer) (begin time.Time, fresh bool) {
	begin, fresh = a.Sent, true
	ways := []*way{m.members[a.Member], m.servers[a.Member], m.mirrors[a.Member], m.syncer}
	for again := true; again; {
		again = false
		for _, w := range ways {
			for _, f := range w.faults {
				if f.from.Before(begin) && (f.to.IsZero() || !f.settled.Add(mirrorSettles).Before(begin)) {
					begin, fresh, again = f.from, false, true
				}
			}
		}
	}
	return begin, fresh
}

// asOf is the answer as if it had been asked for when what it says was certainly true: with a fresh mirror just now,
// whatever the DNS server does; else as long ago as a mirror may count as fresh, as after that the records are asked.
// If those may be behind as well, or had not taken what the mirror said last and the answer says that it is stale, it
// can be anything that was so within heldMax (M6): not ok. Without a zone there is nothing else than the mirror (M7).
func (m judge) asOf(a PluginAnswer) (at Answer, ok bool) {
	at = a.Answer
	begin, fresh := m.mirrorSince(a)
	if fresh {
		at.mirrored = true
		at.Sent = at.Sent.Add(-time.Second)
		return at, true
	}
	at.Sent = at.Sent.Add(-mirrorLags)
	if m.zoneless(a.Federation) {
		at.mirrored = true
		return at, !a.Stale
	}
	return at, !a.Stale && !m.providers[a.Federation].faulty(begin.Add(-mirrorLags))
}

// zoneless reports whether no DNS server serves the federation.
func (m judge) zoneless(federation string) bool {
	return slices.Contains(m.config.Zoneless, federation)
}

// lastMirror reports whether what a member's mirror said at that time can still be answered: nothing has damaged it
// since, and no CoreDNS has started that may not have found it.
func (m judge) lastMirror(member string, since time.Time) bool {
	return !slices.ContainsFunc(m.mirrors[member].faults, func(f fault) bool {
		return (f.Damages || f.Starts && m.servers[member].faulty(since)) &&
			(f.to.IsZero() || !f.settled.Add(mirrorSettles).Before(since))
	})
}

// judgeOwn: a CoreDNS that sees that its own shard is not healthy leads nobody to the addresses of that, if there are
// others (M1, Q8d).
func (m judge) judgeOwn(a PluginAnswer, s *shard, addr netip.Addr) []Violation {
	if s.Member != a.Member || !slices.Contains(s.now().Addresses, addr) {
		return nil
	}
	last, quiet := m.localSince(a, s)
	begin, fresh := m.mirrorSince(a)
	known := begin.Add(-remembers)
	if m.zoneless(a.Federation) && !m.servers[a.Member].faulty(m.mirrored) {
		known = latest(known, m.mirrored) // it has at least what it had then
	}
	limit := a.Sent.Add(-m.config.Deadline)
	if last.local() || last.done.IsZero() || last.done.After(limit) || !quiet.before(limit) ||
		!fresh && !last.Exists || m.mirrors[a.Member].starts(a.Sent) {
		return nil
	}
	for _, o := range m.byService[a.Service] {
		if o == s || o.federation != a.Federation || !o.has(a.Type) || o.known.IsZero() ||
			!o.known.Before(known) || m.members[o.Member].faulty(begin.Add(-mirrorLags)) {
			continue // or its member may be lost
		}
		return []Violation{{"own", fmt.Sprintf("%s is the CoreDNS's own shard's, which is not healthy for %s, and %s "+
			"has another", addr, a.Sent.Sub(last.done).Round(time.Millisecond), o.Member)}}
	}
	return nil
}

// MirrorsQuiet reports whether there is no fault of a mirror, nor what comes of one.
func (m *Model) MirrorsQuiet(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.mirrors {
		if w.faulty(now) {
			return false
		}
	}
	return true
}

// starts reports whether a CoreDNS was started anew a short while ago.
func (w *way) starts(now time.Time) bool {
	return slices.ContainsFunc(w.faults, func(f fault) bool {
		return f.Starts && !now.Before(f.from) && (f.to.IsZero() || now.Before(f.settled))
	})
}

// faulty reports whether there was any fault, or what comes of one, at any time since.
func (w *way) faulty(since time.Time) bool {
	return slices.ContainsFunc(w.faults, func(f fault) bool { return f.to.IsZero() || f.settled.After(since) })
}
