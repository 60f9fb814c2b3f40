package truth

import "time"

// Fault says what a fault does to a way.
type Fault struct {
	Class string
	// Blocks: nothing passes. Else it only takes longer, or something else is
	// wrong.
	Blocks bool
	// Silent: probes fail, so that the member is lost after a while.
	Silent bool
	// Group: most members at once, so that nothing of theirs may be withdrawn.
	Group bool
	// Late is how long after its begin probes may go on to be answered, though it
	// is Silent.
	Late time.Duration
	// Starts: the CoreDNS of the member starts anew, and does not know anything at first.
	Starts bool
	// Damages: what a mirror said last is not there any more.
	Damages bool
	// Service and Level, if set, are the only ones concerned; a Level is never
	// global.
	Service, Level string
}

// concerns reports whether the fault may show in the answer, or in one of those
// to all questions about a federation if it is about no Service.
func (f Fault) concerns(a Answer) bool {
	if a.Service == "" {
		return true
	}
	return (f.Service == "" || f.Service == a.Service) && (f.Level == "" || f.Level == a.Level || f.Level == a.End)
}

// fault is one fault of a way.
type fault struct {
	Fault
	from, to time.Time // to is zero while it lasts
	// opened is when something may pass again, if that is before its end.
	opened time.Time
	// settled is until when what comes of it may last.
	settled time.Time
}

// way is what evidence passes on: the link to a member, that to a DNS server,
// or the syncer itself.
type way struct{ faults []fault }

func (w *way) begin(at time.Time, f Fault) { w.faults = append(w.faults, fault{Fault: f, from: at}) }

// end ends the fault of that class that began last; settle is how long what
// comes of it may last from now on.
func (w *way) end(at time.Time, class string, settle time.Duration) {
	for i := len(w.faults) - 1; i >= 0; i-- {
		if f := &w.faults[i]; f.Class == class && f.to.IsZero() {
			f.to, f.settled = at, at.Add(settle)
			return
		}
	}
}

// open says that the fault of that class does not block any more, though it has
// not ended for sure.
func (w *way) open(at time.Time, class string) {
	for i := len(w.faults) - 1; i >= 0; i-- {
		if f := &w.faults[i]; f.Class == class && f.to.IsZero() {
			f.opened = at
			return
		}
	}
}

// quiet returns since when there was no fault that concerns the answer, nor what
// comes of one; false if there was one when that was asked for.
func (w *way) quiet(a Answer) (since time.Time, ok bool) {
	for _, f := range w.faults {
		if !f.concerns(a) {
			continue
		}
		if f.to.IsZero() || a.Sent.Before(f.settled) {
			return since, false
		}
		since = latest(since, f.settled)
	}
	return since, true
}

// flows returns the first moment from at on at which something may pass; zero
// if that is not before now.
func (w *way) flows(at, now time.Time) time.Time {
	for _, f := range w.faults { // in the order of their begin
		end := f.to
		if !f.opened.IsZero() {
			end = f.opened
		}
		if !f.Blocks || at.Before(f.from) || !end.IsZero() && !at.Before(end) {
			continue
		}
		if end.IsZero() {
			return time.Time{}
		}
		at = end
	}
	if at.After(now) {
		return time.Time{}
	}
	return at
}

// mayBeLost reports whether the member at the end of the way may have counted as
// unreachable at any time from since to now: probes failed for long enough, and
// it was not together with most others.
func (w *way) mayBeLost(since, now time.Time, after time.Duration) bool {
	for _, f := range w.faults {
		if f.Group || !f.Silent {
			continue
		}
		lost := f.from.Add(after)
		if !f.to.IsZero() && !f.to.After(lost) {
			continue // it was too short
		}
		if !lost.After(now) && !f.back(now).Before(since) {
			return true
		}
	}
	return false
}

// back returns when what comes of the fault is over: now, while it lasts.
func (f fault) back(now time.Time) time.Time {
	if f.to.IsZero() {
		return now
	}
	return f.settled
}

// mayBeUnlisted reports whether a syncer that began during one of its own faults may have counted the member at the end
// of the way as unreachable at any time from since to now: it could not list it in time (X1b).
func (w *way) mayBeUnlisted(syncer *way, since, now time.Time, after time.Duration) bool {
	for _, f := range w.faults {
		if f.Group || !f.Blocks {
			continue
		}
		for _, s := range syncer.faults {
			if !s.to.IsZero() && s.settled.Before(f.from) {
				continue
			}
			lost, back := latest(f.from, s.from).Add(after), f.back(now)
			if back.After(lost) && !lost.After(now) && !back.Before(since) {
				return true
			}
		}
	}
	return false
}

// silent returns since when probes fail for sure, if not together with most
// others; false if they do not.
func (w *way) silent() (since time.Time, ok bool) {
	for _, f := range w.faults {
		if f.Silent && !f.Group && f.to.IsZero() {
			return f.from.Add(f.Late), true
		}
	}
	return since, false
}

// away reports whether probes failed at any time since.
func (w *way) away(since time.Time) bool {
	for _, f := range w.faults {
		if f.Silent && (f.to.IsZero() || f.settled.After(since)) {
			return true
		}
	}
	return false
}

// grouped reports whether it was cut together with most others at any time since.
func (w *way) grouped(since time.Time) bool {
	for _, f := range w.faults {
		if f.Group && (f.to.IsZero() || f.settled.After(since)) {
			return true
		}
	}
	return false
}

func latest(times ...time.Time) (t time.Time) {
	for _, o := range times {
		if o.After(t) {
			t = o
		}
	}
	return t
}
