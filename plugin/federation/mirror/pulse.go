package mirror

import (
	"cmp"
	"time"

	form "github.com/federation-dns/federation/federation/mirror"
)

const (
	// freshFor is how long a heartbeat vouches for its mirror after it was seen to change (M4).
	freshFor = 15 * time.Second
	// backlog is the time in which a watch that was silent for too long delivers what it has missed.
	backlog = time.Second
)

// pulse decides whether a mirror is fresh, by when its heartbeat was seen to change (M4). All times are of the
// monotonic clock of this process. The zero value has seen nothing.
//
// Only a change that comes by a watch, after the heartbeat was listed, is a renewal: what a list holds may have been
// written long before. For the same reason the changes that come at first after a silence do not count, as a watch that
// has stalled delivers them late and all at once.
type pulse struct {
	known      bool // a heartbeat has been seen
	generation uint64
	snapshot   uint64
	renewed    time.Time // the last renewal; zero if there is none to count on
	since      time.Time // the list, or the first change after a silence, from which on renewals are looked for
	silent     bool      // since is the end of a silence
}

// fresh reports whether a renewal was seen less than freshFor ago.
func (p *pulse) fresh(now time.Time) bool {
	return !p.renewed.IsZero() && now.Sub(p.renewed) < freshFor
}

// order compares a heartbeat with the last one: by generation, then by snapshot.
func (p *pulse) order(h *form.Heartbeat) int {
	return cmp.Or(cmp.Compare(h.Generation, p.generation), cmp.Compare(h.Snapshot, p.snapshot))
}

// restart begins anew with the heartbeat: a renewal is looked for from now on.
func (p *pulse) restart(now time.Time, h *form.Heartbeat) {
	*p = pulse{known: true, generation: h.Generation, snapshot: h.Snapshot, since: now}
}

// listed takes the heartbeat of a list. It is no renewal; but if it is the last one or a later one, it is as fresh as
// that was. One from before, as after etcd was restored, is not.
func (p *pulse) listed(now time.Time, h *form.Heartbeat) {
	if !p.known || p.order(h) < 0 {
		p.restart(now, h)
		return
	}
	p.generation, p.snapshot, p.since, p.silent = h.Generation, h.Snapshot, now, false
}

// changed takes a heartbeat that a watch has delivered, and reports whether it replaces the last one. One of an earlier
// generation, a deposed syncer's, does not while the last one is fresh.
func (p *pulse) changed(now time.Time, h *form.Heartbeat) bool {
	order := p.order(h)
	switch {
	case !p.known: // created or put back: it may be as old as one in a list
		p.restart(now, h)
		return true
	case h.Generation < p.generation && p.fresh(now):
		return false
	case order < 0:
		p.restart(now, h)
		return true
	case order == 0:
		return true
	}
	last := p.since
	if p.renewed.After(last) {
		last = p.renewed
	}
	p.generation, p.snapshot = h.Generation, h.Snapshot
	switch {
	case now.Sub(last) >= freshFor:
		p.renewed, p.since, p.silent = time.Time{}, now, true
	case p.silent && now.Sub(p.since) < backlog:
	default:
		p.renewed, p.silent = now, false
	}
	return true
}

// gone takes that the heartbeat has been deleted. If it is put back, it is as one that is listed.
func (p *pulse) gone() {
	*p = pulse{}
}
