// Package retry says when what failed, or what has to wait, is tried again (X5a). It knows neither the loop nor a clock:
// every method is told what time it is. Nothing in it is safe for concurrent use.
package retry

import (
	"cmp"
	"iter"
	"maps"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
)

// A name whose change failed is left out of publishing, and tried again by a request of its own, beside it (X5a). Three
// things say when:
//
//   - its own backoff, and a rate that all of them share, so that ten thousand names cost no more than a few requests a
//     second;
//   - a success among them lets two more be tried at once: when the cause is gone, all follow within seconds;
//   - while no change succeeds at all, what fails may be all of the provider. Then one name is tried every 30 s at most,
//     the canary, and its success clears every backoff.
const (
	maxAtOnce = 50 // names in one request
	// retriesPerSecond bounds how often what failed is tried again, changes and reads together. It grows with their
	// number, so that each has its turn within five minutes, and stays below mostRetriesPerSecond.
	retriesPerSecond, mostRetriesPerSecond = 0.5, 2
	// The time between two canaries.
	minCanary, maxCanary = time.Second, 30 * time.Second
)

// Names are the names whose change failed and is still to be made.
type Names struct {
	due      Timers[federation.FQDN]
	failing  map[federation.FQDN]*Name
	services map[federation.ServiceName]int // how many of them each service has
	rate     *rate.Limiter
	notYet   time.Time // not before, by the rate
	granted  int       // how many more may be tried at once
	// outage: changes failed since the last one that was made.
	outage     bool
	canaryAt   time.Time
	canaryWait time.Duration
}

// NewNames returns no names.
func NewNames() Names {
	return Names{
		failing: map[federation.FQDN]*Name{}, services: map[federation.ServiceName]int{},
		rate: rate.NewLimiter(retriesPerSecond, 10),
	}
}

// Add notes that a change of a service's name failed.
func (r *Names) Add(svc federation.ServiceName, name federation.FQDN, n *Name) {
	if r.failing[name] == nil {
		r.failing[name] = n
		r.services[svc]++
	}
}

// Remove notes that a name does not fail any more, or that nobody needs it.
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

// Wait has a name tried again at that time, or at an earlier one that it waits for already.
func (r *Names) Wait(name federation.FQDN, until time.Time) { r.due.Set(name, until) }

// Len returns how many names fail.
func (r *Names) Len() int { return len(r.failing) }

// Of returns how many names of a service fail.
func (r *Names) Of(svc federation.ServiceName) int { return r.services[svc] }

// All returns the names that fail, in no order. A name may be removed meanwhile.
func (r *Names) All() iter.Seq2[federation.FQDN, *Name] { return maps.All(r.failing) }

// Next is when there is a name to be tried; zero if there is none.
func (r *Names) Next() time.Time {
	at := r.due.Next()
	switch {
	case at.IsZero():
		return at
	case r.outage:
		return r.canaryAt
	case r.granted > 0:
		return time.Time{}
	case r.notYet.After(at):
		return r.notYet
	}
	return at
}

// NotBefore returns until when the rate admits nothing that failed.
func (r *Names) NotBefore() time.Time { return r.notYet }

// Admit takes the token of one thing that failed and is to be tried again; false if it has to wait. several is how many
// such things there are.
func (r *Names) Admit(now time.Time, several int) bool {
	if now.Before(r.notYet) {
		return false
	}
	limit := rate.Limit(min(max(float64(several)/300, retriesPerSecond), mostRetriesPerSecond))
	if limit != r.rate.Limit() {
		r.rate.SetLimitAt(now, limit)
	}
	if r.rate.AllowN(now, 1) {
		return true
	}
	r.notYet = now.Add(time.Duration(float64(time.Second) / float64(r.rate.Limit())))
	return false
}

// Due takes out the names to be tried now, at most maxAtOnce. In an outage that is one, the canary, whose service comes
// first by urgency, the lowest of which is tried before others.
func (r *Names) Due(now time.Time, urgency func(federation.FQDN) int) (names []federation.FQDN) {
	if r.due.Next().IsZero() {
		r.granted = 0
		return nil
	}
	if r.outage {
		if now.Before(r.canaryAt) {
			return nil
		}
		name := r.canary(urgency)
		r.due.Unset(name)
		r.canaryWait = min(max(2*r.canaryWait, minCanary), maxCanary)
		r.canaryAt = now.Add(r.canaryWait)
		return []federation.FQDN{name}
	}
	for at := r.due.Next(); !at.IsZero() && len(names) < maxAtOnce; at = r.due.Next() {
		if r.granted > 0 {
			r.granted--
		} else if now.Before(at) || !r.Admit(now, len(r.failing)) {
			break
		}
		names = append(names, r.due.Pop())
	}
	return names
}

// canary returns the name to be tried in an outage: the one that was tried least, of an urgent service before others.
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
		if best.name == "" || cmp.Or(cmp.Compare(one.tries, best.tries), cmp.Compare(one.urgency, best.urgency), cmp.Compare(one.name, best.name)) < 0 {
			best = one
		}
	}
	return best.name
}

// Ended notes how a request with changes ended: so many were made, so many of names that had failed before, and whether
// any failed. It reports whether an outage has ended with it, and every backoff is to be cleared.
func (r *Names) Ended(now time.Time, made, recovered int, failed bool) (clear bool) {
	clear = recovered > 0 && r.outage
	if recovered > 0 && !r.outage {
		r.granted = min(r.granted+2*recovered, len(r.failing))
	}
	switch {
	case made > 0:
		r.outage, r.canaryWait = false, 0
	case failed && !r.outage:
		r.outage, r.canaryWait, r.canaryAt = true, minCanary, now.Add(minCanary)
	}
	return clear
}

// Soon has everything that waits tried at now, without forgetting that it failed.
func (r *Names) Soon(now time.Time) {
	for name := range r.failing {
		if r.due.Has(name) {
			r.due.Set(name, now)
		}
	}
}
