package truth

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Shard names one member's part of a service.
type Shard struct{ Member, Service string }

// State is what a shard is at its API server.
type State struct {
	// Exists: the Service is there. Federation is its label; "" is none.
	Exists     bool
	Federation string
	Ready      bool
	Addresses  []netip.Addr
}

// local: healthy for its own cluster; healthy in a federation with the label
// as well (H5).
func (s State) local() bool                    { return s.Exists && s.Ready }
func (s State) healthy(federation string) bool { return s.local() && s.Federation == federation }

// change is a state with the times between which the API server took it.
type change struct {
	State
	sent, done time.Time // done is zero until it has answered
}

// shard is what is known of one shard.
type shard struct {
	Shard
	changes    []change     // the last one counts; there is at least one
	clusterIPs []netip.Addr // all it ever had
	phase
	// before is the last phase that ended, at the time ended.
	before phase
	ended  time.Time
}

// phase is a time in which a shard was healthy with the same addresses.
type phase struct {
	federation string
	// known is since when the syncer must know it; zero: it need not.
	known time.Time
	// seen is when its addresses were last seen, by level, since it was known.
	seen map[string]time.Time
}

func (s *shard) now() change { return s.changes[len(s.changes)-1] }

// Model is the whole truth. Its methods may be called by several goroutines.
type Model struct {
	config   Config
	topology Topology

	mu        sync.Mutex
	shards    map[Shard]*shard
	byService map[string][]*shard
	owners    map[netip.Addr]*shard // by address, for ever
	members   map[string]*way
	providers map[string]*way
	syncer    *way
	servers   map[string]*way // API servers, as their own cluster sees them
	mirrors   map[string]*way // members' mirrors
	names     map[name]*seenName
	brakes    map[string]*brake
	latestTimes
}

// latestTimes are when things happened last.
type latestTimes struct {
	started   time.Time // a syncer was started
	mirrored  time.Time // all mirrors were seen to be right
	confirmed time.Time // whatever waited was confirmed
}

// name is a service's name at a level, and an address family.
type name struct{ federation, service, level, typ string }

// New returns the truth about these members and federations, without shards.
func New(c Config, t Topology, federations []string) *Model {
	m := &Model{
		config: c, topology: t, shards: map[Shard]*shard{}, byService: map[string][]*shard{},
		owners:  map[netip.Addr]*shard{},
		members: map[string]*way{}, providers: map[string]*way{}, servers: map[string]*way{}, syncer: &way{},
		mirrors: map[string]*way{},
		names:   map[name]*seenName{}, brakes: map[string]*brake{},
	}
	for name := range t {
		m.members[name], m.servers[name], m.mirrors[name] = &way{}, &way{}, &way{}
	}
	for _, f := range federations {
		m.providers[f], m.brakes[f] = &way{}, &brake{}
	}
	return m
}

// Sent says that a change is on its way to the API server, and Done that it has
// been taken.
func (m *Model) Sent(at time.Time, key Shard, state State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shards[key]
	if s == nil {
		s = &shard{Shard: key, changes: []change{{sent: at, done: at}}}
		m.shards[key] = s
		m.byService[key.Service] = append(m.byService[key.Service], s)
	}
	if !state.healthy(s.federation) || !slices.Equal(s.now().Addresses, state.Addresses) {
		if !s.known.IsZero() {
			s.before, s.ended = s.phase, at
		}
		s.phase = phase{federation: state.Federation, seen: map[string]time.Time{}}
	}
	s.changes = append(s.changes, change{State: state, sent: at})
	for _, a := range state.Addresses {
		m.owners[a] = s
	}
}

// Done says that the API server has taken the last change.
func (m *Model) Done(at time.Time, key Shard, clusterIPs []netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shards[key]
	s.changes[len(s.changes)-1].done = at
	s.clusterIPs = append(s.clusterIPs, clusterIPs...)
}

// MemberFault begins a fault of the way to a member.
func (m *Model) MemberFault(at time.Time, member string, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members[member].begin(at, f)
}

// ServerFault begins a fault that an API server's own cluster sees too.
func (m *Model) ServerFault(at time.Time, member string, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.servers[member].begin(at, f)
}

// MirrorFault begins a fault of a member's mirrors, or of the CoreDNS that reads them: no record shows it.
func (m *Model) MirrorFault(at time.Time, member string, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mirrors[member].begin(at, f)
}

// MirrorsRight says that all mirrors say what the rule does: whatever was wrong with them before is over.
func (m *Model) MirrorsRight(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mirrored = at
}

// ProviderFault begins a fault of a federation's DNS server.
func (m *Model) ProviderFault(at time.Time, federation string, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.providers[federation].begin(at, f)
}

// SyncerFault begins a fault of the syncer.
func (m *Model) SyncerFault(at time.Time, f Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.syncer.begin(at, f)
}

// EndFault ends the fault of that class everywhere on that way, which is the
// name of a member or a federation, or "" for the syncer; settle is how long
// what comes of it may last.
func (m *Model) EndFault(at time.Time, name, class string, settle time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range []*way{m.members[name], m.providers[name], m.servers[name], m.mirrors[name]} {
		if w != nil {
			w.end(at, class, settle)
		}
	}
	if name == "" {
		m.syncer.end(at, class, settle)
	}
}

// Opens says that the fault of that class, on the way of that name, blocks
// nothing any more: what is behind it may be at work again.
func (m *Model) Opens(at time.Time, name, class string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.members[name]
	if name == "" {
		w = m.syncer
	}
	w.open(at, class)
}

// SyncerStarts says that a syncer starts while these addresses, at the levels of
// their members, are in the records: it can know no others. It says so again,
// without records, when it has started.
func (m *Model) SyncerStarts(at time.Time, records map[netip.Addr]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started = at
	if records == nil {
		return
	}
	for _, s := range m.shards {
		if !slices.ContainsFunc(s.now().Addresses, func(a netip.Addr) bool { return records[a] }) {
			s.known, s.ended = time.Time{}, time.Time{}
			clear(s.seen)
		}
	}
}

// Rewritten says that the records of a federation are not what the syncer has
// made them any more: what was seen before shows nothing of what is to be there
// now, and what is missing was not withdrawn.
func (m *Model) Rewritten(federation string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.shards {
		if s.federation == federation {
			s.known = time.Time{}
			clear(s.seen)
		}
		if s.before.federation == federation {
			s.ended = time.Time{}
		}
	}
	for key, n := range m.names {
		if key.federation == federation {
			n.empty, n.full = true, time.Time{}
		}
	}
}

// Confirmed says that whatever waited was confirmed.
func (m *Model) Confirmed(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.confirmed = at
}

// State is the last state of a shard.
func (m *Model) State(key Shard) State {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.shards[key]; s != nil {
		return s.now().State
	}
	return State{}
}

// definite reports whether the shard was healthy in the federation, with the
// addresses of now, at every moment from since on.
func (s *shard) definite(federation string, since time.Time) bool {
	c := s.now()
	return c.healthy(federation) && !c.done.IsZero() && !c.done.After(since)
}

// deadSince returns since when the address has certainly not been the healthy
// shard's; zero if it may be.
func (s *shard) deadSince(federation string, a netip.Addr) time.Time {
	for i := len(s.changes) - 1; i >= 0; i-- {
		if c := s.changes[i]; c.healthy(federation) && slices.Contains(c.Addresses, a) {
			if i == len(s.changes)-1 {
				return time.Time{}
			}
			return s.changes[i+1].done // zero while it is on its way
		}
	}
	return s.changes[0].sent // it never was
}

// Describe says what is known of a service, for a report.
func (m *Model) Describe(now time.Time, service string) (lines []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ago := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return fmt.Sprintf("%.1fs", now.Sub(t).Seconds())
	}
	for _, s := range m.byService[service] {
		for _, c := range s.changes[max(0, len(s.changes)-3):] {
			lines = append(lines, fmt.Sprintf("%s: exists %t, federation %q, ready %t, addresses %v: sent %s ago, "+
				"taken %s ago",
				s.Member, c.Exists, c.Federation, c.Ready, c.Addresses, ago(c.sent), ago(c.done)))
		}
		lines = append(lines, fmt.Sprintf("%s: known for %s, seen at %d levels since, last known phase ended %s ago",
			s.Member, ago(s.known), len(s.seen), ago(s.ended)))
	}
	return lines
}

// Faults are those that are under way, for a report.
func (m *Model) Faults(now time.Time) (lines []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	say := func(what, name string, w *way) {
		for _, f := range w.faults[max(0, len(w.faults)-3):] {
			end := "lasts"
			if !f.to.IsZero() {
				end = fmt.Sprintf("ended %.1fs ago", now.Sub(f.to).Seconds())
			}
			if now.Sub(f.from) < time.Minute {
				lines = append(lines, fmt.Sprintf("%s %s: %s began %.1fs ago, %s",
					what, name, f.Class, now.Sub(f.from).Seconds(), end))
			}
		}
	}
	for name, w := range m.members {
		say("member", name, w)
	}
	for name, w := range m.mirrors {
		say("mirror of", name, w)
	}
	for name, w := range m.providers {
		say("DNS server of", name, w)
	}
	say("syncer", "", m.syncer)
	slices.Sort(lines)
	return lines
}
