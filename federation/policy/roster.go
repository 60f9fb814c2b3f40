package policy

import (
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
	// MaxDeletePercent is how much may be withdrawn or deleted within HoldFor
	// before it has to wait (X4b).
	MaxDeletePercent int
	// HoldFor is the time in which withdrawals are counted, and how long one that
	// was watched waits if there are too many (X4).
	HoldFor time.Duration
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
// from then on, Lost when it is unreachable (X2a) or takes too long to start
// (X1b), and Present again after a fresh list while it answers (X2b).
const (
	Starting Standing = iota
	Present
	Lost
)

// String returns the word for it.
func (s Standing) String() string { return [...]string{"starting", "present", "unreachable"}[s] }

// Reach is whether a member can be reached, and since when.
type Reach struct {
	Standing Standing
	// Since is when the standing began.
	Since time.Time
	// HeldSince is when a Lost member's time under HeldMax began: with the loss,
	// or with the end of the panic in which it was lost (X2c).
	HeldSince time.Time
	// Panic: lost together with most others, so that its shards are what they
	// were when it was last reachable (X3b).
	Panic bool
	// Observed: it has been listed in this run, so that its shards are known.
	Observed bool
	// Unwatched: it answers, and was lost as its Services or EndpointSlices cannot be listed or watched (X2d).
	Unwatched bool
	// Departed: no longer in the configuration, and Lost until that is confirmed (X4d).
	Departed bool
}

// String returns the word that status and metrics use: that of the standing,
// unwatched, or departed.
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
	after   time.Duration // its own UnreachableAfter; 0 is the common one
	contact Contact
	fresh   bool      // listed since the standing began
	counted time.Time // when it was last reachable, or known to have been (X3a)

	unwatched time.Time // since when its content is out of sight; zero if it is not (X2d)
	answering time.Time // since when its probes have been answered
	paused    bool      // we stood still since its last probe
}

// Roster is the reach of all members: X1's start, X2's loss and X3's
// panic. The zero value is not usable; see NewRoster.
type Roster struct {
	config  Config
	begun   bool
	members map[string]*member
	panic   time.Time // since when; zero: none
}

// NewRoster returns a Members without members.
func NewRoster(c Config) *Roster {
	return &Roster{config: c, members: map[string]*member{}}
}

// Configure replaces the times and bounds.
func (r *Roster) Configure(c Config) { r.config = c }

// Add begins to follow a member; one that is followed already keeps how it
// stands, and one that had departed is a lost one from now on. unreachableAfter is
// its own, or 0 for the common one.
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

// Depart marks a member removed from the configuration: it counts as Lost until
// it is removed or added again (X4d), and never towards a panic (X3).
func (r *Roster) Depart(now time.Time, name string) {
	if mb := r.members[name]; mb != nil && !mb.Departed {
		mb.Reach = Reach{Standing: Lost, Since: now, HeldSince: now, Observed: mb.Observed, Departed: true}
		mb.fresh, mb.counted, mb.contact = false, time.Time{}, Contact{}
	}
}

// Remove ends following a member.
func (r *Roster) Remove(name string) { delete(r.members, name) }

// Begin says that the records are known from now on, and which members an
// earlier run knew (O1b): these count as reachable lately, as nobody can say
// otherwise (X3a). Until then there is nothing to hold, and nothing is judged.
func (r *Roster) Begin(now time.Time, known []string) {
	r.begun = true
	for _, name := range known {
		if mb := r.members[name]; mb != nil && mb.counted.IsZero() && !mb.Departed {
			mb.counted = now
		}
	}
}

// Get returns how a member stands; one that is not followed is Starting.
func (r *Roster) Get(name string) Reach {
	if mb := r.members[name]; mb != nil {
		return mb.Reach
	}
	return Reach{}
}

// Contact returns what the probes of a member have shown.
func (r *Roster) Contact(name string) Contact {
	if mb := r.members[name]; mb != nil {
		return mb.contact
	}
	return Contact{}
}

// Panic returns since when the syncer takes itself for the one that is cut
// off; zero if it does not (X3).
func (r *Roster) Panic() time.Time { return r.panic }

// Probe takes the result of a probe in. restart says that the member answers
// again and has to be listed afresh, now rather than when its watches try again
// by themselves (X2b).
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

// Pause takes in that the syncer did not look at a member for that long, but
// stood still itself: that does not count against the member (X2a).
func (r *Roster) Pause(name string, d time.Duration) {
	if mb := r.members[name]; mb != nil {
		mb.contact.Pause(d)
		mb.paused = mb.paused || d > 0
	}
}

// List takes a complete list of a member in. It is evidence of what the member
// has, but not a contact (X2a).
func (r *Roster) List(name string) {
	if mb := r.members[name]; mb != nil && !mb.Departed {
		mb.fresh, mb.Observed = true, true
	}
}

// Changes is what a Step has judged.
type Changes struct {
	// Lost, Back: the members that became Lost or Present, sorted.
	Lost, Back []string
	// Relist are those of Lost whose watches are to be dropped: what they show
	// is old, and the member is back only after a fresh list (X2b). One that was
	// never listed is not among them: its list may be under way.
	Relist []string
	// Changed: some standing, or the panic, is another than before.
	Changed bool
}

// Step judges all members at the time now. providerOK says that the DNS server
// answers (X3c).
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
		case mb.Standing == Starting && mb.fresh, mb.Standing == Lost && mb.fresh && mb.contact.Answers() && !mb.isUnwatched(now):
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

// unreachable is X2a, X2d, or X1b for a member that has not been listed in time. A
// last probe of three intervals ago tells that the syncer stood still: the next
// one, which says for how long, is waited for.
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

// Next returns the earliest time after now at which Step can judge otherwise
// without anything happening before; zero if there is none.
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

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
