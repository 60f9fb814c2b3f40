package policy

import (
	"slices"
	"time"
)

// Config holds the times and bounds of the policy.
type Config struct {
	// UnreachableAfter is how long a member may be silent (X2a) if it has no value of its own.
	UnreachableAfter time.Duration
	// StartupTimeout is how long a member may take to be listed at start (X1b).
	StartupTimeout time.Duration
	// EmptyGrace is how long a service without a healthy shard keeps its records (P3a).
	EmptyGrace time.Duration
	// HeldMax is how long the shards of a lost member are held (X2c).
	HeldMax time.Duration
	// PanicThreshold is the percentage of members above which a loss means that the syncer itself is isolated (X3a).
	PanicThreshold int
	// MaxDeletePercent is how much may be withdrawn or deleted within HoldFor; the rest has to wait (X4b).
	MaxDeletePercent int
	// HoldFor is the window in which withdrawals are counted, and how long watched ones wait if there are too many
	// (X4).
	HoldFor time.Duration
	// PanicHold is how long a panic lasts while a member and the provider answer (X3c).
	PanicHold time.Duration
}

// reachableWindow is how recently a member must have been reachable to count in X3a.
const reachableWindow = time.Hour

// Standing is the state of a member as the syncer sees it.
type Standing int

// The standings. A member is Starting until its first complete list and Present from then on. It is Lost when it is
// unreachable (X2a) or takes too long to start (X1b), and Present again after a new list while it answers (X2b).
const (
	Starting Standing = iota
	Present
	Lost
)

// String returns the word that status and metrics use.
func (s Standing) String() string { return [...]string{"starting", "present", "unreachable"}[s] }

// Reach is how one member stands: whether it can be reached, and since when.
type Reach struct {
	Standing Standing
	// Since is when the standing began.
	Since time.Time
	// HeldSince is when HeldMax began for a Lost member: with the loss, or with the end of the panic in which it was
	// lost (X2c).
	HeldSince time.Time
	// Panic reports that it was lost together with most others: its shards stay what they were when it was last
	// reachable (X3b).
	Panic bool
	// Observed reports that it has been listed in this run, so that its shards are known.
	Observed bool
	// Unwatched reports that it answers, but was lost because its Services or EndpointSlices cannot be listed or
	// watched (X2d).
	Unwatched bool
	// Departed reports that it is no longer in the configuration. It is Lost until that is confirmed (X4d).
	Departed bool
}

// String returns the word that status and metrics use: unwatched, departed, or that of the standing.
func (m Reach) String() string {
	switch {
	case m.Departed:
		return "departed"
	case m.Unwatched:
		return "unwatched"
	}
	return m.Standing.String()
}

type member struct {
	Reach
	after   time.Duration // its own UnreachableAfter, or 0
	contact Contact
	fresh   bool      // listed since the standing began
	counted time.Time // when it was last known to be reachable (X3a)

	unwatched time.Time // since when it cannot be watched; zero if it can (X2d)
	answering time.Time // since when its probes have been answered
	paused    bool      // we were suspended since its last probe
}

// Roster holds how all members stand: it implements X1's start, X2's loss and X3's panic. The zero value is not usable;
// see NewRoster.
type Roster struct {
	config  Config
	begun   bool
	members map[string]*member
	panic   time.Time // since when; zero: none
}

// NewRoster returns an empty Roster.
func NewRoster(c Config) *Roster {
	return &Roster{config: c, members: map[string]*member{}}
}

// Configure replaces the times and bounds.
func (r *Roster) Configure(c Config) { r.config = c }

// Add adds a member. One that is known already keeps its standing, except that one that had departed is an ordinary
// lost member from now on. unreachableAfter is the member's own, or 0 for the default.
func (r *Roster) Add(now time.Time, name string, unreachableAfter time.Duration) {
	if mb := r.members[name]; mb != nil {
		mb.after = unreachableAfter
		if mb.Departed {
			mb.Departed, mb.HeldSince, mb.contact, mb.unwatched = false, now, Contact{Since: now}, time.Time{}
		}
		return
	}
	r.members[name] = &member{Reach: Reach{Since: now}, after: unreachableAfter, contact: Contact{Since: now}}
}

// Depart marks a member removed from the configuration. It counts as Lost until it is removed or added again (X4d), and
// never towards a panic (X3).
func (r *Roster) Depart(now time.Time, name string) {
	if mb := r.members[name]; mb != nil && !mb.Departed {
		mb.Reach = Reach{Standing: Lost, Since: now, HeldSince: now, Observed: mb.Observed, Departed: true}
		mb.fresh, mb.counted, mb.contact = false, time.Time{}, Contact{}
	}
}

// Remove forgets a member.
func (r *Roster) Remove(name string) { delete(r.members, name) }

// Begin declares that the records are known, and which members an earlier run knew (O1b): these count as recently
// reachable, as nothing is known to the contrary (X3a). Before Begin there is nothing to hold, and Step judges nothing.
func (r *Roster) Begin(now time.Time, known []string) {
	r.begun = true
	for _, name := range known {
		if mb := r.members[name]; mb != nil && mb.counted.IsZero() && !mb.Departed {
			mb.counted = now
		}
	}
}

// Get returns the Reach of a member; an unknown one is Starting.
func (r *Roster) Get(name string) Reach {
	if mb := r.members[name]; mb != nil {
		return mb.Reach
	}
	return Reach{}
}

// State returns the Reach of a member, and the result of its probes.
func (r *Roster) State(name string) (Reach, Contact) {
	if mb := r.members[name]; mb != nil {
		return mb.Reach, mb.contact
	}
	return Reach{}, Contact{}
}

// Panic returns since when the syncer assumes that it is itself isolated; zero if it does not (X3).
func (r *Roster) Panic() time.Time { return r.panic }

// Probe records the result of a probe. restart reports that the member answers again and has to be relisted now, rather
// than when its watches reconnect by themselves (X2b).
func (r *Roster) Probe(at time.Time, name string, ok bool) (restart bool) {
	mb := r.members[name]
	if mb == nil || mb.Departed {
		return false
	}
	again := ok && mb.contact.Failed > 0
	if ok {
		mb.answered(at)
	}
	mb.contact.Probe(at, ok)
	if ok {
		mb.counted = at
	}
	return again && mb.Standing != Present && !mb.fresh
}

// Pause records that the syncer was suspended for that long, which does not count against the member (X2a).
func (r *Roster) Pause(name string, d time.Duration) {
	if mb := r.members[name]; mb != nil {
		mb.contact.Pause(d)
		mb.paused = mb.paused || d > 0
	}
}

// List records a complete list of a member. It is evidence of what the member has, but not a contact (X2a).
func (r *Roster) List(name string) {
	if mb := r.members[name]; mb != nil && !mb.Departed {
		mb.fresh, mb.Observed = true, true
	}
}

// Changes is the result of a Step.
type Changes struct {
	// Lost and Back are the members that became Lost or Present, sorted.
	Lost, Back []string
	// Relist are those of Lost whose watches must be dropped: what they show is old, and the member is back only after
	// a new list (X2b). A member that was never listed is not among them, as its list may be in progress.
	Relist []string
	// Changed reports that some standing, or the panic, changed.
	Changed bool
}

// Step re-evaluates all members at now. providerOK reports that the DNS provider answers (X3c).
func (r *Roster) Step(now time.Time, providerOK bool) (v Changes) {
	if !r.begun {
		return v
	}
	for name, mb := range r.members {
		switch {
		case mb.Standing != Lost && r.unreachable(now, mb):
			v.Lost = append(v.Lost, name)
			if mb.Observed {
				v.Relist = append(v.Relist, name)
			}
		case mb.Standing == Starting && mb.fresh,
			mb.Standing == Lost && mb.fresh && mb.contact.Answers() && !mb.isUnwatched(now):
			v.Back = append(v.Back, name)
			mb.Reach = Reach{Standing: Present, Since: now, Observed: true}
		}
	}
	slices.Sort(v.Lost)
	slices.Sort(v.Back)
	slices.Sort(v.Relist)
	if len(v.Lost) > 0 {
		r.judgePanic(now, v.Lost) // before the loss acts
	}
	for _, name := range v.Lost {
		mb := r.members[name]
		mb.Standing, mb.Since, mb.HeldSince, mb.fresh = Lost, now, now, false
		mb.Panic, mb.Unwatched = !r.panic.IsZero(), mb.isUnwatched(now)
	}
	ended := r.endPanic(now, providerOK)
	v.Changed = len(v.Lost)+len(v.Back) > 0 || ended
	return v
}

// unreachable reports whether a member is to be Lost: by X2a, X2d, or X1b if it was not listed in time. If the last
// probe is three intervals old, the syncer itself was suspended; it waits for the next probe to learn for how long.
func (r *Roster) unreachable(now time.Time, mb *member) bool {
	late := mb.Standing == Starting && !mb.fresh && !now.Before(mb.Since.Add(r.config.StartupTimeout))
	return late || mb.isUnwatched(now) || mb.contact.Lost(now, r.after(mb)) && !r.stale(now, mb)
}

func (r *Roster) stale(now time.Time, mb *member) bool {
	return now.After(mb.contact.Probed.Add(r.after(mb) * 3 / 5))
}

func (r *Roster) after(mb *member) time.Duration {
	if mb.after > 0 {
		return mb.after
	}
	return r.config.UnreachableAfter
}

// Next returns the earliest time after now at which Step must be called if nothing else happens; zero if there is none.
func (r *Roster) Next(now time.Time) (next time.Time) {
	if !r.begun {
		return next
	}
	for _, mb := range r.members {
		if mb.Standing == Lost {
			continue
		}
		if mb.Standing == Starting {
			next = earlier(next, mb.Since.Add(r.config.StartupTimeout))
		}
		if at := mb.unwatchedAt(); at.After(now) {
			next = earlier(next, at)
		}
		if at := mb.contact.Deadline(r.after(mb)); at.After(now) || !r.stale(now, mb) {
			next = earlier(next, at)
		}
	}
	if end := r.panic.Add(r.config.PanicHold); !r.panic.IsZero() && end.After(now) {
		next = earlier(next, end)
	}
	return next
}

// earlier returns the earlier of two times, where zero means none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
