package truth

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Answer is the answer to a service's name at a level.
type Answer struct {
	Federation, Service, Level string
	// Type is A or AAAA, and Addresses are those at the end of the chain, which
	// is at the level End.
	Type, End string
	Addresses []netip.Addr
	// Sent and Received are when the question was, and the answer.
	Sent, Received time.Time
	// mirrored: it came by a mirror, so that no DNS server was on its way.
	mirrored bool
}

// Violation is one thing that must not be.
type Violation struct {
	Kind string // a word of the package comment
	Text string
}

// seenName is what was seen of a name.
type seenName struct {
	last  time.Time // the question of the last answer that counts
	full  time.Time // the last one that was not empty
	empty bool
}

// The margins of the judgement.
const (
	// steady is how long a shard must be healthy, with no fault on the way, before
	// its address in the records shows that the syncer knows it: what was seen
	// before may be left over from an earlier time.
	steady = 2 * time.Second
	// early is how much earlier than by the clock of the harness the syncer may
	// think that a time has run out.
	early = 300 * time.Millisecond
	// lossMargin is how long the records may take after a member counts as
	// unreachable.
	lossMargin = 3 * time.Second
	// unsure is how long before a fault the last successful probe may have been.
	unsure = 2 * time.Second
)

// Judge says what is wrong with an answer of a DNS server, and learns from it.
func (m *Model) Judge(a Answer) (v []Violation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return judge{m}.answer(a)
}

// judge holds answers against a Model, which is locked.
type judge struct{ *Model }

func (m judge) answer(a Answer) (v []Violation) {
	n := m.name(a)
	if len(a.Addresses) == 0 {
		v = append(v, m.judgeEmpty(a, n)...)
	}
	for _, addr := range a.Addresses {
		s := m.owners[addr]
		if s == nil || s.Service != a.Service || !m.topology.at(s.Member, a.End) {
			v = append(v, Violation{"foreign", fmt.Sprintf("%s does not belong there", addr)})
			continue
		}
		v = append(v, m.judgeDead(a, s, addr)...)
		v = append(v, m.judgeLost(a, s, addr)...)
	}
	v = append(v, m.judgeMissing(a)...)
	m.learn(a, n)
	if a.Level == "" && a.Type == "A" {
		v = append(v, m.judgeBrake(a, n)...)
	}
	if !a.Sent.Before(n.last) {
		n.last, n.empty = a.Sent, len(a.Addresses) == 0
	}
	return v
}

func (m judge) name(a Answer) *seenName {
	key := name{a.Federation, a.Service, a.Level, a.Type}
	n := m.names[key]
	if n == nil {
		n = &seenName{empty: true}
		m.names[key] = n
	}
	return n
}

// learn notes which shards the syncer must know from now on.
func (m judge) learn(a Answer, n *seenName) {
	if len(a.Addresses) > 0 {
		n.full = latest(n.full, a.Sent)
	}
	for _, addr := range a.Addresses {
		s := m.owners[addr]
		if s == nil || !s.definite(a.Federation, a.Sent.Add(-steady)) || !slices.Contains(s.now().Addresses, addr) {
			continue
		}
		if s.known.IsZero() && m.quietSince(a, s.Member).before(a.Sent.Add(-steady)) {
			s.known = a.Sent
		}
		if !s.known.IsZero() {
			s.seen[a.Level] = latest(s.seen[a.Level], a.Sent)
		}
	}
}

// since is a time from which on something holds; not ok: it does not.
type since struct {
	at time.Time
	ok bool
}

func (s since) before(t time.Time) bool { return s.ok && !s.at.After(t) }

func (s since) and(w *way, a Answer) since {
	at, ok := w.quiet(a)
	return since{latest(s.at, at), s.ok && ok}
}

// quietSince is since when nothing was wrong on the ways from the members to the
// records of the answer, when that was asked for.
func (m judge) quietSince(a Answer, members ...string) since {
	s := since{ok: true}.and(m.syncer, a)
	if !a.mirrored {
		s = s.and(m.providers[a.Federation], a)
	}
	for _, name := range members {
		s = s.and(m.members[name], a)
	}
	return s
}

func (m judge) allMembers() (names []string) {
	for name := range m.members {
		names = append(names, name)
	}
	return names
}

// judgeEmpty: the name has nothing.
func (m judge) judgeEmpty(a Answer, n *seenName) []Violation {
	for _, s := range m.byService[a.Service] {
		if !s.has(a.Type) {
			continue
		}
		if s.federation == a.Federation && !s.known.IsZero() && s.known.Before(a.Sent) && !n.full.Before(s.known) {
			return []Violation{{"empty", fmt.Sprintf("the shard in %s is healthy, and has been in the records for %s",
				s.Member, a.Sent.Sub(s.known).Round(time.Millisecond))}}
		}
		if s.before.federation != a.Federation || s.ended.IsZero() || n.full.Before(s.before.known) || n.full.IsZero() {
			continue
		}
		told := m.toldAt(s, a.Received)
		switch {
		case told.IsZero():
			return []Violation{{"empty",
				fmt.Sprintf("the shard in %s became unhealthy %s ago, but nobody can have told the syncer",
					s.Member, a.Received.Sub(s.ended).Round(time.Millisecond))}}
		case a.Received.Before(told.Add(m.config.EmptyGrace - early)):
			return []Violation{{"empty",
				fmt.Sprintf("the syncer can know for %s only that the shard in %s is unhealthy, emptyGrace is %s",
					a.Received.Sub(told).Round(time.Millisecond), s.Member, m.config.EmptyGrace)}}
		}
	}
	return nil
}

// toldAt is the first moment at which the end of the shard's last known phase
// can have reached a running syncer; zero if it cannot have by now. What has
// come as far as to a syncer that is stopped is read by it afterwards.
func (m judge) toldAt(s *shard, now time.Time) time.Time {
	at := m.members[s.Member].flows(s.ended, now)
	if at.IsZero() {
		return at
	}
	return m.syncer.flows(at, now)
}

// has reports whether the shard has addresses of the type.
func (s *shard) has(typ string) bool {
	return slices.ContainsFunc(s.now().Addresses, func(a netip.Addr) bool { return a.Is4() == (typ == "A") })
}

// judgeMissing: addresses of shards that are known to be healthy are there.
func (m judge) judgeMissing(a Answer) (v []Violation) {
	for _, s := range m.byService[a.Service] {
		if s.federation != a.Federation || s.known.IsZero() || !m.topology.at(s.Member, a.Level) {
			continue
		}
		seen, ok := s.seen[a.Level]
		if !ok || !seen.Before(a.Sent) || m.members[s.Member].mayBeLost(seen, a.Received,
			m.config.UnreachableAfter-unsure) ||
			m.members[s.Member].mayBeUnlisted(m.syncer, seen, a.Received, m.config.StartupTimeout-unsure) {
			continue
		}
		for _, addr := range s.now().Addresses {
			if addr.Is4() == (a.Type == "A") && !slices.Contains(a.Addresses, addr) {
				v = append(v, Violation{"missing",
					fmt.Sprintf("%s of %s was there %s ago, is healthy, and its member was not lost since",
						addr, s.Member, a.Received.Sub(seen).Round(time.Millisecond))})
			}
		}
	}
	return v
}

// judgeDead finds an address whose shard is no longer healthy.
func (m judge) judgeDead(a Answer, s *shard, addr netip.Addr) []Violation {
	dead := s.deadSince(a.Federation, addr)
	if dead.IsZero() {
		return nil
	}
	begin, why := m.dueSince(a, s, dead)
	if begin.IsZero() || !a.Sent.After(begin.Add(m.config.Deadline)) {
		return nil
	}
	return []Violation{{"dead", fmt.Sprintf("%s of %s is not healthy for %s, %s; no fault is on the way for %s",
		addr, s.Member, a.Sent.Sub(dead).Round(time.Millisecond), why, a.Sent.Sub(begin).Round(time.Millisecond))}}
}

// dueSince is when nothing more was to be waited for before the withdrawal of an
// address that is dead; zero if there still is.
func (m judge) dueSince(a Answer, s *shard, dead time.Time) (time.Time, string) {
	quiet := m.quietSince(a, s.Member)
	if !quiet.ok {
		return time.Time{}, ""
	}
	emptied, any := dead, false
	for _, o := range m.byService[a.Service] {
		c := o.now()
		switch {
		case o == s:
		case !c.healthy(a.Federation):
			if c.done.IsZero() {
				any = true // it may still be healthy
			}
			emptied = latest(emptied, c.done)
		case !o.known.IsZero() && !o.known.After(dead):
			return latest(dead, quiet.at), "and " + o.Member + " has another"
		default:
			any = true
			if other := quiet.and(m.members[o.Member], a); other.ok && !c.done.IsZero() {
				return latest(dead, c.done, other.at), "and " + o.Member + " has another one now"
			}
		}
	}
	all := m.quietSince(a, m.allMembers()...)
	if any || !all.ok || m.brakes[a.Federation].mayHold(a.Sent, m.config.HoldFor) {
		return time.Time{}, ""
	}
	return latest(emptied, all.at).Add(m.config.EmptyGrace), "and emptyGrace is over"
}

// judgeLost: an address of a member that is away, while another shard is
// healthy (X2a).
func (m judge) judgeLost(a Answer, s *shard, addr netip.Addr) []Violation {
	away, ok := m.members[s.Member].silent()
	quiet := m.quietSince(a)
	if !ok || !quiet.ok || m.manyAway(away) {
		return nil
	}
	due := latest(away.Add(m.config.UnreachableAfter), quiet.at,
		m.started.Add(m.config.StartupTimeout)).Add(m.config.UnreachableAfter/5 + lossMargin)
	if !a.Sent.After(due) {
		return nil
	}
	for _, o := range m.byService[a.Service] {
		if o == s || o.federation != a.Federation || o.known.IsZero() || o.known.After(away) ||
			!m.quietSince(a, o.Member).before(away) {
			continue
		}
		return []Violation{{"lost", fmt.Sprintf("%s is away for %s, and %s has another healthy shard",
			s.Member, a.Sent.Sub(away).Round(time.Millisecond), o.Member)}}
	}
	return nil
}

// manyAway reports whether more than half of the members were away since then,
// or a cut of most was not long ago: the syncer may have taken itself for the one
// that is.
func (m judge) manyAway(since time.Time) bool {
	n := 0
	for _, w := range m.members {
		if w.away(since) {
			n++
		}
		if w.grouped(since.Add(-4 * m.config.UnreachableAfter)) {
			return true
		}
	}
	return 2*n > len(m.members)
}
