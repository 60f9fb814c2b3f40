package policy

import (
	"maps"
	"slices"
	"time"
)

// Config holds the times and bounds of the policy.
type Config struct {
	// UnreachableAfter is how long a member may be silent (X2a), unless the
	// member has its own.
	UnreachableAfter time.Duration
	// StartupTimeout is how long a member may take to be listed at start (X1b).
	StartupTimeout time.Duration
	// EmptyGrace is how long a service without a healthy shard keeps its
	// records (P3a).
	EmptyGrace time.Duration
	// HeldMax is how long the shards of a lost member are held (X2c).
	HeldMax time.Duration
	// PanicThreshold is the percentage of members beyond which a loss is
	// taken for the syncer's own (X3a).
	PanicThreshold int
	// PanicHold is how long that is believed while a member and the provider
	// answer (X3c).
	PanicHold time.Duration
}

// reachableWindow is how long ago a member must have been reachable to count
// in X3a.
const reachableWindow = time.Hour

// Standing is how a member stands with the syncer.
type Standing int

// The standings. A member is Starting until its first complete list, Present
// from then on, Lost when it is unreachable (X2a), and Present again after a
// fresh list (X2b).
const (
	Starting Standing = iota
	Present
	Lost
)

// String returns the word that status and metrics use.
func (s Standing) String() string { return []string{"starting", "present", "lost"}[s] }

// Member is how one member stands.
type Member struct {
	Standing Standing
	// Since is when the standing began.
	Since time.Time
	// Panic: lost together with most others, so that its shards are what they
	// were when it was last reachable (X3b).
	Panic bool
	// Observed: it has been listed in this run, so that its shards are known.
	Observed bool
}

type member struct {
	Member
	after     time.Duration
	contact   Contact
	listed    bool // in the list of levels of an earlier run (X3a at start)
	reachable time.Time
}

// Members is the standing of all members: X1's start, X2's loss and X3's
// panic. The zero value is not usable; see NewMembers.
type Members struct {
	config  Config
	members map[string]*member
	panic   time.Time // since when; zero: none
}

// NewMembers returns a Members without members.
func NewMembers(c Config) *Members {
	return &Members{config: c, members: map[string]*member{}}
}

// Add begins to follow a member. unreachableAfter is its own, or 0 for the
// common one; listed says that an earlier run knew it.
func (m *Members) Add(now time.Time, name string, unreachableAfter time.Duration, listed bool) {
	if unreachableAfter == 0 {
		unreachableAfter = m.config.UnreachableAfter
	}
	m.members[name] = &member{
		Member: Member{Standing: Starting, Since: now}, after: unreachableAfter, contact: Contact{Since: now}, listed: listed,
	}
}

// Listed says that an earlier run of the syncer knew the member (O1b).
func (m *Members) Listed(name string) {
	if mb := m.members[name]; mb != nil {
		mb.listed = true
	}
}

// Remove ends following a member.
func (m *Members) Remove(name string) { delete(m.members, name) }

// Get returns how a member stands; one that is not followed is Starting.
func (m *Members) Get(name string) Member {
	if mb := m.members[name]; mb != nil {
		return mb.Member
	}
	return Member{}
}

// Panic returns since when the syncer takes itself for the one that is cut
// off; zero if it does not (X3).
func (m *Members) Panic() time.Time { return m.panic }

// Probe takes the result of one probe in.
func (m *Members) Probe(at time.Time, name string, ok bool) {
	mb := m.members[name]
	if mb == nil {
		return
	}
	mb.contact.Probe(at, ok)
	if ok {
		mb.reachable = at
	}
}

// List takes a complete list of a member in: it is Present (X2b). A list is a
// contact.
func (m *Members) List(now time.Time, name string) {
	mb := m.members[name]
	if mb == nil {
		return
	}
	mb.contact.Probe(now, true)
	mb.reachable = now
	if mb.Standing != Present {
		mb.Standing, mb.Since = Present, now
	}
	mb.Panic, mb.Observed = false, true
}

// Step judges all members at the time now. lost names, sorted, the members that
// became Lost in this step: they are to be listed afresh. changed reports
// whether any standing, or the panic, is another than before the step.
// providerOK says that the DNS server answers (X3c).
func (m *Members) Step(now time.Time, providerOK bool) (lost []string, changed bool) {
	for _, name := range slices.Sorted(maps.Keys(m.members)) {
		mb := m.members[name]
		if mb.Standing == Lost {
			continue
		}
		late := mb.Standing == Starting && now.Sub(mb.Since) >= m.config.StartupTimeout
		if late || mb.contact.Lost(now, mb.after) {
			lost = append(lost, name)
		}
	}
	if len(lost) > 0 {
		m.judgePanic(now, lost)
		for _, name := range lost {
			mb := m.members[name]
			mb.Standing, mb.Since = Lost, now
			mb.Panic = !m.panic.IsZero()
		}
	}
	return lost, m.endPanic(now, providerOK) || len(lost) > 0
}

// judgePanic decides, before the loss acts, whether more than the threshold of
// the members that were reachable lately is lost within a short time: then it
// is the syncer that is cut off (X3a). A member whose last probe failed counts.
func (m *Members) judgePanic(now time.Time, lost []string) {
	if !m.panic.IsZero() {
		return
	}
	window := time.Duration(0)
	for _, mb := range m.members {
		window = max(window, 2*mb.after)
	}
	counted, gone := 0, 0
	var recent []*member
	for name, mb := range m.members {
		recently := !mb.reachable.IsZero() && now.Sub(mb.reachable) <= reachableWindow
		if !recently && !(mb.reachable.IsZero() && mb.listed) {
			continue
		}
		counted++
		lostNow := mb.Standing == Lost && now.Sub(mb.Since) <= window
		if lostNow {
			recent = append(recent, mb)
		}
		if lostNow || slices.Contains(lost, name) || mb.Standing != Lost && mb.contact.Failed > 0 {
			gone++
		}
	}
	if gone*100 > counted*m.config.PanicThreshold {
		m.panic = now
		for _, mb := range recent {
			mb.Panic = true
		}
	}
}

// endPanic ends the panic when its members are back, or after PanicHold if at
// least one member and the provider answer (X3c).
func (m *Members) endPanic(now time.Time, providerOK bool) bool {
	if m.panic.IsZero() {
		return false
	}
	held, reachable := false, false
	for _, mb := range m.members {
		held = held || mb.Panic
		reachable = reachable || mb.Standing != Lost && mb.contact.Ever && mb.contact.Failed == 0
	}
	if held && !(reachable && providerOK && now.Sub(m.panic) >= m.config.PanicHold) {
		return false
	}
	m.panic = time.Time{}
	for _, mb := range m.members {
		mb.Panic = false
	}
	return true
}

// Next returns the earliest time at which Step can judge otherwise without
// anything happening before; zero if there is none.
func (m *Members) Next() time.Time {
	var next time.Time
	at := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, mb := range m.members {
		if mb.Standing == Lost {
			continue
		}
		if mb.Standing == Starting {
			at(mb.Since.Add(m.config.StartupTimeout))
		}
		if mb.contact.Failed >= minFailedProbes {
			at(mb.contact.Since.Add(mb.after))
		}
	}
	if !m.panic.IsZero() {
		at(m.panic.Add(m.config.PanicHold))
	}
	return next
}
