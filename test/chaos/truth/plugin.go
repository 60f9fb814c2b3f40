package truth

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// PluginAnswer is what the CoreDNS of a member answered.
type PluginAnswer struct {
	Member string
	Answer // without a Level
	// Stale: it says that it is the last of a mirror that is not fresh (EDE 3).
	Stale bool
}

// remembers is how long a CoreDNS may go by what it has seen before: a negative
// answer, and the way of the records (Q8c).
const remembers = 8 * time.Second

// JudgePlugin says what is wrong with an answer of a member's CoreDNS.
func (m *Model) JudgePlugin(a PluginAnswer) (v []Violation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return judge{m}.plugin(a)
}

func (m judge) plugin(a PluginAnswer) (v []Violation) {
	local := m.shards[Shard{a.Member, a.Service}]
	if len(a.Addresses) == 0 {
		return m.judgePluginEmpty(a, local)
	}
	for _, addr := range a.Addresses {
		if local != nil && slices.Contains(local.clusterIPs, addr) {
			v = append(v, m.judgeLocal(a, local)...)
			continue
		}
		s := m.owners[addr]
		if s == nil && local != nil && (local.now().done.IsZero() || local.now().done.After(a.Sent)) {
			continue // the ClusterIP of a Service that is being made
		}
		if s == nil || s.Service != a.Service {
			v = append(v, Violation{"foreign", fmt.Sprintf("%s does not belong there", addr)})
			continue
		}
		v = append(v, m.judgeOwn(a, s, addr)...)
		if later, ok := m.asOf(a); ok {
			v = append(v, m.judgeDead(later, s, addr)...)
		}
	}
	return v
}

func (m judge) judgePluginEmpty(a PluginAnswer, local *shard) []Violation {
	if m.mirrors[a.Member].starts(a.Sent) {
		return nil // it says SERVFAIL until it has seen the Services (Q9)
	}
	if c, quiet := m.localSince(a, local); quiet.before(a.Sent.Add(-m.config.Deadline)) && c.local() &&
		!c.done.IsZero() && c.done.Before(a.Sent.Add(-m.config.Deadline)) && local.has(a.Type) {
		return []Violation{{"empty", fmt.Sprintf("the shard in %s itself is healthy for %s",
			a.Member, a.Sent.Sub(c.done).Round(time.Millisecond))}}
	}
	known := a.Sent.Add(-remembers)
	if begin, fresh := m.mirrorSince(a); !fresh {
		known = begin.Add(-remembers)
		if m.zoneless(a.Federation) {
			if !m.servers[a.Member].faulty(m.mirrored) { // or CoreDNS may not have read it yet
				begin = latest(begin, m.mirrored)
				known = begin.Add(-remembers)
			}
			if !m.lastMirror(a.Member, begin) {
				return nil // nobody else knows
			}
		} else if m.providers[a.Federation].away(known) {
			return nil // the DNS server itself was away
		}
	}
	for _, s := range m.byService[a.Service] {
		if s.federation == a.Federation && s.has(a.Type) && !s.known.IsZero() && s.known.Before(known) {
			return []Violation{{"empty", fmt.Sprintf("the shard in %s is healthy, and has been in the records for %s",
				s.Member, a.Sent.Sub(s.known).Round(time.Millisecond))}}
		}
	}
	return nil
}

// localSince is the last change of the member's own shard, and since when its
// API server answers.
func (m judge) localSince(a PluginAnswer, local *shard) (change, since) {
	if local == nil {
		return change{}, since{}
	}
	return local.now(), since{ok: true}.and(m.servers[a.Member], a.Answer)
}

// judgeLocal: the answer has the ClusterIP of the member's own shard.
func (m judge) judgeLocal(a PluginAnswer, local *shard) []Violation {
	last, quiet := m.localSince(a, local)
	if last.local() || last.done.IsZero() || !quiet.ok {
		return nil
	}
	gone := last.done
	for i := len(local.changes) - 1; i >= 0 && !local.changes[i].local(); i-- {
		gone = local.changes[i].done
	}
	if !a.Sent.After(latest(gone, quiet.at).Add(m.config.Deadline)) {
		return nil
	}
	return []Violation{{"dead", fmt.Sprintf("the ClusterIP is answered though the shard is not healthy for %s",
		a.Sent.Sub(gone).Round(time.Millisecond))}}
}

// Known are the addresses that must be in the records, by level and type, for
// those who follow a change.
func (m *Model) Known(federation, service, member string) (addrs []netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.shards[Shard{member, service}]
	if s == nil || s.known.IsZero() || s.federation != federation {
		return nil
	}
	return s.now().Addresses
}

// Quiet reports whether there is no fault on the ways from these members, or from
// all without any, to the records of the federation, nor what comes of one.
func (m *Model) Quiet(now time.Time, federation string, members ...string) bool {
	return m.quiet(Answer{Federation: federation, Sent: now}, members)
}

// QuietFor is Quiet for the global name of one service.
func (m *Model) QuietFor(service string, now time.Time, federation string, members ...string) bool {
	return m.quiet(Answer{Federation: federation, Service: service, Sent: now}, members)
}

func (m *Model) quiet(a Answer, members []string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(members) == 0 {
		members = judge{m}.allMembers()
	}
	return judge{m}.quietSince(a, members...).ok
}
