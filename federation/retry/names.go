// Package retry decides when to retry what failed, and when to do what has to wait (X5a). It knows neither the loop nor
// a clock: the caller passes the current time. Nothing in it is safe for concurrent use.
package retry

import (
	"cmp"
	"iter"
	"maps"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
)

// A name whose change failed is left out of publishing, and retried by a request of its own, beside it (X5a). Three
// things say when:
//
//   - its own backoff, and a rate that all such names share, so that ten thousand of them cost no more than a few
//     requests a second;
//   - a success among them lets two more be retried at once: when the cause is gone, all follow within seconds;
//   - while no change succeeds at all, the provider as a whole may fail. Then one name, the canary, is retried every
//     30 s at most, and its success clears every backoff. A change that had not failed before may succeed first: after
//     an outage of some seconds the canary is retried at once then.
const (
	maxAtOnce = 50 // names in one request
	// retriesPerSecond bounds how often what failed is retried, changes and reads together. It grows with their number,
	// so that each has its turn within five minutes, up to mostRetriesPerSecond.
	retriesPerSecond, mostRetriesPerSecond = 0.5, 2
	// The time between two canaries.
	minCanary, maxCanary = time.Second, 30 * time.Second
	// lasting is the wait for the canary from which an outage is more than a few bad names on their own.
	lasting = 4 * time.Second
)

// Names are the names whose change failed and is still to be made. Use NewNames.
type Names struct {
	due       Timers[federation.FQDN]
	failing   map[federation.FQDN]*Name
	services  map[federation.ServiceName]int // how many each service has
	rate      *rate.Limiter
	notBefore time.Time // by the rate
	extra     int       // how many more may be retried at once
	// outage: changes have failed since the last one that was made.
	outage     bool
	canaryAt   time.Time
	canaryWait time.Duration
	// probe: the canary is to be retried now, because something else has ended a lasting outage; probing: it is being
	// retried for that.
	probe, probing bool
}

// NewNames returns an empty Names.
func NewNames() Names {
	return Names{
		failing: map[federation.FQDN]*Name{}, services: map[federation.ServiceName]int{},
		rate: rate.NewLimiter(retriesPerSecond, 10),
	}
}

// Add notes that a change of a service's name failed. It is due once Schedule says when.
func (r *Names) Add(svc federation.ServiceName, name federation.FQDN, n *Name) {
	if r.failing[name] == nil {
		r.failing[name] = n
		r.services[svc]++
	}
}

// Remove notes that a name no longer fails, or that its change is no longer wanted.
func (r *Names) Remove(svc federation.ServiceName, name federation.FQDN) {
	r.due.Unset(name)
	if r.failing[name] == nil {
		return
	}
	delete(r.failing, name)
	if r.services[svc]--; r.services[svc] == 0 {
		delete(r.services, svc)
	}
}

// Schedule has a name retried at that time, or at an earlier one that it is scheduled for already.
func (r *Names) Schedule(name federation.FQDN, until time.Time) { r.due.Set(name, until) }

// Len returns how many names fail.
func (r *Names) Len() int { return len(r.failing) }

// Count returns how many names of a service fail.
func (r *Names) Count(svc federation.ServiceName) int { return r.services[svc] }

// All returns the names that fail, in no order. Names may be removed during the iteration.
func (r *Names) All() iter.Seq2[federation.FQDN, *Name] { return maps.All(r.failing) }

// Next returns when a name is to be retried; zero if none is scheduled or if one may be retried at once.
func (r *Names) Next() time.Time {
	next := r.due.Next()
	switch {
	case next.IsZero():
		return next
	case r.outage:
		return r.canaryAt
	case r.probe, r.extra > 0:
		return time.Time{}
	case r.notBefore.After(next):
		return r.notBefore
	}
	return next
}

// NotBefore returns until when the rate admits nothing.
func (r *Names) NotBefore() time.Time { return r.notBefore }

// Admit reports whether one thing that failed may be retried now, and counts it against the rate. several is how many
// such things there are.
func (r *Names) Admit(now time.Time, several int) bool {
	if now.Before(r.notBefore) {
		return false
	}
	limit := rate.Limit(min(max(float64(several)/300, retriesPerSecond), mostRetriesPerSecond))
	if limit != r.rate.Limit() {
		r.rate.SetLimitAt(now, limit)
	}
	if r.rate.AllowN(now, 1) {
		return true
	}
	r.notBefore = now.Add(time.Duration(float64(time.Second) / float64(r.rate.Limit())))
	return false
}

// Due dequeues the names to retry now, at most maxAtOnce. In an outage that is only the canary; urgency ranks the names
// for it, lowest first.
func (r *Names) Due(now time.Time, urgency func(federation.FQDN) int) (names []federation.FQDN) {
	if r.due.Next().IsZero() {
		r.extra, r.probe = 0, false
		return nil
	}
	if r.outage && now.Before(r.canaryAt) {
		return nil
	}
	if r.outage || r.probe {
		name := r.canary(urgency)
		r.due.Unset(name)
		r.canaryWait = min(max(2*r.canaryWait, minCanary), maxCanary)
		r.canaryAt = now.Add(r.canaryWait)
		r.probe, r.probing = false, r.probe
		return []federation.FQDN{name}
	}
	for next := r.due.Next(); !next.IsZero() && len(names) < maxAtOnce; next = r.due.Next() {
		if r.extra > 0 {
			r.extra--
		} else if now.Before(next) || !r.Admit(now, len(r.failing)) {
			break
		}
		names = append(names, r.due.Pop())
	}
	return names
}

// canary returns the name to retry in an outage: the one with the fewest failures, and among those the most urgent.
func (r *Names) canary(urgency func(federation.FQDN) int) (name federation.FQDN) {
	type rank struct {
		tries, urgency int
		name           federation.FQDN
	}
	var best rank
	for n, s := range r.failing {
		if !r.due.Has(n) {
			continue
		}
		one := rank{s.Failure.Tries, urgency(n), n}
		order := cmp.Or(cmp.Compare(one.tries, best.tries), cmp.Compare(one.urgency, best.urgency),
			cmp.Compare(one.name, best.name))
		if best.name == "" || order < 0 {
			best = one
		}
	}
	return best.name
}

// RequestEnded notes how a request with changes ended: how many were made, how many of those had failed before, and
// whether any failed. It reports whether what failed before works again; then the caller clears every backoff.
func (r *Names) RequestEnded(now time.Time, made, recovered int, failed bool) (clear bool) {
	switch {
	case recovered > 0:
		clear = r.outage || r.probing
	case made > 0 && r.outage && r.canaryWait >= lasting:
		r.probe = len(r.failing) > 0
		clear = !r.probe // there may be other things that failed
	}
	if recovered > 0 && !clear {
		r.extra = min(r.extra+2*recovered, len(r.failing))
	}
	switch {
	case made > 0:
		r.outage, r.canaryWait = false, 0
	case failed && !r.outage:
		r.outage, r.canaryWait, r.canaryAt = true, minCanary, now.Add(minCanary)
	}
	if clear || failed {
		r.probing = false
	}
	return clear
}

// RetryAll has everything that is scheduled retried at now, without forgetting that it failed.
func (r *Names) RetryAll(now time.Time) {
	for name := range r.failing {
		if r.due.Has(name) {
			r.due.Set(name, now)
		}
	}
}
