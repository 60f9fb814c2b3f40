package policy

import (
	"slices"
	"time"
)

const (
	// unwatchedAfter is how long a member that answers may have Services or EndpointSlices that cannot be watched
	// (X2d).
	unwatchedAfter = 3 * time.Minute
	// watchLifetime is how long an API server keeps a watch open. When permissions are revoked everywhere at once, each
	// member is lost only when its watch ends.
	watchLifetime = 10 * time.Minute
)

// Watch records since when a member's Services or EndpointSlices cannot be listed or watched; zero if they can.
func (r *Roster) Watch(name string, since time.Time) {
	if mb := r.members[name]; mb != nil && !mb.Departed {
		mb.unwatched = since
	}
}

// unwatchedAt returns when a member is lost for that reason; zero if it is watched, or if it does not answer. Then its
// silence counts (X2a), and once it is back it has time to be listed.
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

// answered records that a member begins to answer, or continues to after a pause of ours. It is called before the
// contact is updated.
func (mb *member) answered(at time.Time) {
	if mb.contact.Failed > 0 || !mb.contact.Ever || mb.paused {
		mb.answering, mb.paused = at, false
	}
}

// unwatchedWith reports whether a member that is not lost yet cannot be watched either while one is lost for that
// reason: it has been so for longer than the bookmarks of a working watch are apart (X3a).
func (r *Roster) unwatchedWith(now time.Time, mb *member, lost []string) bool {
	at := mb.unwatchedAt()
	return mb.Standing != Lost && !at.IsZero() && at.Sub(now) < unwatchedAfter/2 && r.anyUnwatched(now, lost)
}

func (r *Roster) anyUnwatched(now time.Time, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return r.members[name].isUnwatched(now) })
}

// lostTogether reports whether a lost member was lost shortly before those lost now: within the window or, if both
// cannot be watched, within the time in which all watches end (X3a).
func (r *Roster) lostTogether(now time.Time, mb *member, lost []string, window time.Duration) bool {
	if mb.Unwatched && r.anyUnwatched(now, lost) {
		window = max(window, watchLifetime+unwatchedAfter)
	}
	return mb.Standing == Lost && now.Sub(mb.Since) <= window
}
