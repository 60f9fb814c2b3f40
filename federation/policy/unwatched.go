package policy

import (
	"slices"
	"time"
)

const (
	// unwatchedAfter is how long the Services or EndpointSlices of a member may be out of sight while it answers (X2d).
	unwatchedAfter = 3 * time.Minute
	// watchLifetime is how long an API server lets a watch go on. A right that is taken from all members at one moment is
	// missed when the watches end, so that they are not lost at one moment.
	watchLifetime = 10 * time.Minute
)

// Watch notes since when nothing has been seen of a member's Services or EndpointSlices, which cannot be listed or
// watched; zero if they can.
func (r *Roster) Watch(name string, since time.Time) {
	if mb := r.members[name]; mb != nil && !mb.Departed {
		mb.unwatched = since
	}
}

// unwatchedAt is when a member will be unknown for that; zero if it is watched, or if it does not answer: then it is the
// silence that counts (X2a), and a member that has just come back has its time to be listed.
func (mb *member) unwatchedAt() time.Time {
	if mb.unwatched.IsZero() || !mb.contact.Answers() {
		return time.Time{}
	}
	since := mb.unwatched
	if mb.answering.After(since) {
		since = mb.answering
	}
	return since.Add(unwatchedAfter)
}

func (mb *member) isUnwatched(now time.Time) bool {
	at := mb.unwatchedAt()
	return !at.IsZero() && !now.Before(at)
}

// answered notes, before its contact does, that a member begins to answer; or goes on, after a pause of our own.
func (mb *member) answered(at time.Time) {
	if mb.contact.Failed > 0 || !mb.contact.Ever || mb.paused {
		mb.answering, mb.paused = at, false
	}
}

// unwatchedWith reports whether a member that is not lost yet is out of sight with one that is lost for that: it has been
// for longer than the bookmarks of a sound watch are apart (X3a).
func (r *Roster) unwatchedWith(now time.Time, mb *member, lost []string) bool {
	at := mb.unwatchedAt()
	return mb.Standing != Lost && !at.IsZero() && at.Sub(now) < unwatchedAfter/2 && r.anyUnwatched(now, lost)
}

func (r *Roster) anyUnwatched(now time.Time, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return r.members[name].isUnwatched(now) })
}

// lostTogether reports whether a lost member was lost shortly before those that are lost now: within the window, or, if
// both are out of sight, as long as it takes to see that of all of them (X3a).
func (r *Roster) lostTogether(now time.Time, mb *member, lost []string, window time.Duration) bool {
	if mb.Unwatched && r.anyUnwatched(now, lost) {
		window = max(window, watchLifetime+unwatchedAfter)
	}
	return mb.Standing == Lost && now.Sub(mb.Since) <= window
}
