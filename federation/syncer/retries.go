package syncer

import (
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
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
	maxRetries = 50 // names in one request
	// retriesPerSecond bounds how often what failed is tried again, changes and reads together. It grows with their
	// number, so that each has its turn within five minutes, and stays below mostRetriesPerSecond.
	retriesPerSecond, mostRetriesPerSecond = 0.5, 2
	minCanary, maxCanary                   = time.Second, 30 * time.Second
)

// retries are the names whose change failed and is still to be made.
type retries struct {
	due      timers[federation.FQDN]
	failing  map[federation.FQDN]*nameState
	services map[federation.ServiceName]int // how many of them each service has
	rate     *rate.Limiter
	held     time.Time // not before, by the rate
	granted  int       // how many more may be tried at once
	// outage: changes failed since the last one that was made.
	outage     bool
	canaryAt   time.Time
	canaryWait time.Duration
}

func newRetries() retries {
	return retries{
		failing: map[federation.FQDN]*nameState{}, services: map[federation.ServiceName]int{},
		rate: rate.NewLimiter(retriesPerSecond, 10),
	}
}

// add notes that a name failed.
func (r *retries) add(svc federation.ServiceName, name federation.FQDN, n *nameState) {
	if r.failing[name] == nil {
		r.failing[name] = n
		r.services[svc]++
	}
}

// remove notes that a name does not fail any more, or that nobody needs it.
func (r *retries) remove(svc federation.ServiceName, name federation.FQDN) {
	r.due.unset(name)
	if r.failing[name] == nil {
		return
	}
	delete(r.failing, name)
	if r.services[svc]--; r.services[svc] == 0 {
		delete(r.services, svc)
	}
}

// next is when there is a name to be tried; zero if there is none.
func (r *retries) next() time.Time {
	at := r.due.next()
	switch {
	case at.IsZero():
		return at
	case r.outage:
		return r.canaryAt
	case r.granted > 0:
		return time.Time{}
	case r.held.After(at):
		return r.held
	}
	return at
}

// admit takes the token of one thing that failed and is to be tried again; false if it has to wait. several is how many
// such things there are.
func (r *retries) admit(now time.Time, several int) bool {
	if limit := rate.Limit(min(max(float64(several)/300, retriesPerSecond), mostRetriesPerSecond)); limit != r.rate.Limit() {
		r.rate.SetLimitAt(now, limit)
	}
	if r.rate.AllowN(now, 1) {
		return true
	}
	r.held = now.Add(time.Duration(float64(time.Second) / float64(r.rate.Limit())))
	return false
}

// canary returns the name to be tried in an outage: the one that was tried least, of a live name before others.
func (r *retries) canary(row func(federation.FQDN) int) (name federation.FQDN) {
	best := [2]int{}
	for n, s := range r.failing {
		if _, waits := r.due.at[n]; !waits {
			continue
		}
		if rank := [2]int{s.failure.tries, row(n)}; name == "" || rank[0] < best[0] || rank[0] == best[0] && (rank[1] < best[1] || rank[1] == best[1] && n < name) {
			name, best = n, rank
		}
	}
	return name
}

// take takes out the names to be tried now.
func (p planner) dueRetries(now time.Time) (names []federation.FQDN) {
	r := &p.retries
	if r.due.next().IsZero() {
		r.granted = 0
		return nil
	}
	if r.outage {
		if now.Before(r.canaryAt) {
			return nil
		}
		name := r.canary(func(n federation.FQDN) int { svc, _, _ := p.config.ParseOwner(n); return p.urgency(svc) })
		r.due.unset(name)
		r.canaryWait = min(max(2*r.canaryWait, minCanary), maxCanary)
		r.canaryAt = now.Add(r.canaryWait)
		return []federation.FQDN{name}
	}
	for at := r.due.next(); !at.IsZero() && len(names) < maxRetries; at = r.due.next() {
		if r.granted > 0 {
			r.granted--
		} else if now.Before(at) || now.Before(r.held) || !r.admit(now, len(r.failing)) {
			break
		}
		names = append(names, r.due.pop())
	}
	return names
}

// retry returns a request that tries again what failed; nil if there is nothing to try now.
func (l *loop) retry(now time.Time) request {
	names := planner{l}.dueRetries(now)
	if len(names) == 0 {
		return nil
	}
	services := map[federation.ServiceName]bool{}
	for _, name := range names {
		svc, _, _ := l.config.ParseOwner(name)
		services[svc], l.unshown[svc] = true, true
	}
	all := planner{l}.diff(now, slices.SortedFunc(maps.Keys(services), federation.CompareServiceNames))
	changes := changesOf(all, func(c plan.Change) bool {
		return slices.Contains(names, c.Name) && l.reread[c.Name] == nil && !l.names[c.Name].inFlight
	})
	if len(changes) == 0 {
		return nil
	}
	return l.change(now, changes, true)
}

// unwanted forgets to try again what the plan for the services does not change any more.
func (q *queue) unwanted(services []federation.ServiceName, changes []plan.Change) {
	if len(q.retries.failing) == 0 || !slices.ContainsFunc(services, func(s federation.ServiceName) bool { return q.retries.services[s] > 0 }) {
		return
	}
	wanted, planned := map[federation.FQDN]bool{}, map[federation.ServiceName]bool{}
	for _, c := range changes {
		wanted[c.Name] = true
	}
	for _, svc := range services {
		planned[svc] = true
	}
	for name, n := range q.retries.failing {
		if svc, _, _ := q.config.ParseOwner(name); planned[svc] && !wanted[name] {
			n.wanted = false
			q.retries.remove(svc, name)
		}
	}
}

// notWritten notes that a change of the name failed.
func (q *queue) notWritten(now time.Time, svc federation.ServiceName, c plan.Change, err error) {
	n := q.name(c.Name)
	if n.failure.isNews(err) {
		q.log.Error("a name could not be changed: it is tried again, all others go on", "name", string(c.Name), "error", err)
	}
	n.failure.notWritten(now, err)
	n.refused, n.wanted = nil, true
	if errors.Is(err, provider.ErrRefused) {
		n.refused = c.To
	}
	q.retries.add(svc, c.Name, n) // when it is due, the next plan says
}

// written notes that the provider took the change of a name; it returns whether the one before had failed.
func (q *queue) written(now time.Time, svc federation.ServiceName, name federation.FQDN) (failed bool) {
	n := q.name(name)
	failed = n.failure.err != nil
	n.failure, n.refused, n.wanted = setback{}, nil, false
	n.pace.Changed(now)
	q.retries.remove(svc, name)
	return failed
}

// judgeOutage notes how a request with changes ended: so many were made, so many of names that had failed before, and
// whether any failed.
func (a applier) judgeOutage(now time.Time, done, recovered int, failed bool) {
	r := &a.retries
	switch {
	case recovered > 0 && r.outage:
		a.clearBackoffs(now)
	case recovered > 0:
		r.granted = min(r.granted+2*recovered, len(r.failing))
	}
	switch {
	case done > 0:
		r.outage, r.canaryWait = false, 0
	case failed && !r.outage:
		r.outage, r.canaryWait, r.canaryAt = true, minCanary, now.Add(minCanary)
	}
}

// clearBackoffs has everything that failed tried at once: the provider works again.
func (a applier) clearBackoffs(now time.Time) {
	a.retries.outage = false
	for name, n := range a.retries.failing {
		n.failure = setback{}
		svc, _, _ := a.config.ParseOwner(name)
		a.retries.remove(svc, name)
		a.touch(svc)
	}
	a.retryNow(now)
}

// retryNow has everything that failed tried again soon, without forgetting that it did.
func (l *loop) retryNow(now time.Time) {
	for name := range l.retries.failing {
		if _, waits := l.retries.due.at[name]; waits {
			l.retries.due.set(name, now)
		}
	}
	for name, u := range l.reread {
		u.until = now
		l.reads.set(name, now)
	}
	for _, levels := range []map[federation.FQDN]*setback{l.foreign, l.unlisted, l.dropping} {
		for _, s := range levels {
			s.until = now
		}
	}
	l.former.until = now
}
