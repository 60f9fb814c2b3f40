package policy

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Deletion is an owner name that the records of a service are about to lose.
type Deletion struct {
	Name federation.FQDN
	// Empties marks the global name: without it the service has no address left.
	Empties bool
	// Watched reports that the cause was seen as watch events on single Services of present members. Such a deletion is
	// granted after HoldFor (X4c).
	Watched bool
}

// Withdrawal is everything that the records of a service are about to lose.
type Withdrawal struct {
	Deletions []Deletion
	// Pending reports that the withdrawal is not due yet because emptyGrace is running. It counts already.
	Pending bool
}

// Published is what the records of a service have.
type Published struct {
	// Address reports whether there is an address, or the host name of a load balancer, at the global level. Members
	// are those it belongs to.
	Address bool
	Members []string
	// Names is the number of owner names, and Has reports whether one is among them. The Brake does not keep Has.
	Names int
	Has   func(federation.FQDN) bool
}

// Braked is a set of deletions of one service that wait.
type Braked struct {
	Service federation.ServiceName
	Names   []federation.FQDN // sorted
	// Empties reports whether the service's last address is among them.
	Empties bool
	// Watched deletions are granted at Until; all others wait for Confirm.
	Watched bool
	Until   time.Time
}

// Brake implements X4: it holds withdrawals that would empty many services, or delete many names, at about the same
// time. It keeps one account per service of what is published, what the caller wants to delete and what was granted
// within HoldFor. Two counts over these accounts decide together: emptiedServices, on what verdicts empty, and
// deletedNames, on what the zone loses. Each grant counts from when it was made, and once more if the name came back
// and is deleted again; only repeating a request that has not been carried out yet is free.
//
// The zero value is not usable; see NewBrake.
type Brake struct {
	config   Config
	services map[federation.ServiceName]*account
	grants   []grant // oldest first

	emptied emptiedServices
	deleted deletedNames
}

// account is what the Brake knows of one service.
type account struct {
	service   federation.ServiceName
	published Published
	// wanted are the deletions that have not been granted; pending says that they are not due yet.
	wanted  map[federation.FQDN]request
	pending bool
	// granted are the names that were granted within HoldFor.
	granted map[federation.FQDN]*granted
	// confirmed names may be deleted, however many there are.
	confirmed map[federation.FQDN]bool
}

// request is a deletion that was asked for.
type request struct {
	Deletion
	since time.Time // when HoldFor began for it, which is after emptyGrace
}

// empties reports whether one of the wanted deletions takes the service's last address.
func (a *account) empties() bool {
	for _, w := range a.wanted {
		if w.Empties {
			return true
		}
	}
	return false
}

// grant is a deletion that was granted.
type grant struct {
	at      time.Time
	service federation.ServiceName
	name    federation.FQDN
	empties bool
	members []string
}

// granted is the grants of one name.
type granted struct {
	last  grant
	times int
	// open reports that the last grant is still wanted and has not been carried out.
	open bool
	// there reports that the records have the name.
	there bool
}

// NewBrake returns a Brake of a federation without records.
func NewBrake(c Config) *Brake {
	return &Brake{
		config: c, services: map[federation.ServiceName]*account{},
		emptied: emptiedServices{members: map[string]*serviceTally{}},
	}
}

// Configure replaces the times and bounds.
func (b *Brake) Configure(c Config) { b.config = c }

// Observe sets what is published of a service now.
func (b *Brake) Observe(service federation.ServiceName, p Published) {
	has := p.Has
	p.Has = nil
	b.change(service, func(a *account) {
		a.published = p
		for name, g := range a.granted {
			g.there = p.Names > 0 && has(name)
			g.open = g.open && g.there
		}
	})
}

// Withdraw requests what the records of a service are to lose, in place of what was requested before; an empty
// Withdrawal cancels that. It returns the names that have to wait and when time alone can change that, or zero if it
// cannot. All other names are granted, and count as deleted. A service whose last address has to wait keeps all its
// names.
func (b *Brake) Withdraw(
	now time.Time, service federation.ServiceName, w Withdrawal,
) (waits []federation.FQDN, next time.Time) {
	b.expire(now)
	a := b.services[service]
	if len(w.Deletions) == 0 && (a == nil || len(a.wanted)+len(a.granted)+len(a.confirmed) == 0) {
		return nil, time.Time{} // the usual case
	}
	b.change(service, func(current *account) { a = current; a.want(now, w) })
	if w.Pending || len(a.wanted) == 0 {
		return nil, time.Time{}
	}
	empties := false
	for name, w := range a.wanted {
		until := w.since.Add(b.config.HoldFor)
		if a.confirmed[name] || w.Watched && !now.Before(until) {
			continue
		}
		waits, empties = append(waits, name), empties || w.Empties
		if w.Watched {
			next = earlier(next, until)
		}
	}
	if len(waits) == 0 || !b.tooMuch(a) {
		b.grant(now, service, slices.Collect(maps.Keys(a.wanted)))
		return nil, time.Time{}
	}
	if empties {
		waits = slices.Collect(maps.Keys(a.wanted))
	} else {
		waiting := func(name federation.FQDN) bool { return slices.Contains(waits, name) }
		due := slices.DeleteFunc(slices.Collect(maps.Keys(a.wanted)), waiting)
		b.grant(now, service, due)
	}
	if len(b.grants) > 0 {
		next = earlier(next, b.grants[0].at.Add(b.config.HoldFor))
	}
	slices.Sort(waits)
	return waits, next
}

// want replaces what the service is to lose. A grant is closed once its name is no longer wanted: wanting it again
// counts again.
func (a *account) want(now time.Time, w Withdrawal) {
	wanted := make(map[federation.FQDN]request, len(w.Deletions))
	again := map[federation.FQDN]bool{}
	for _, d := range w.Deletions {
		if g := a.granted[d.Name]; g != nil && g.open {
			again[d.Name] = true
			continue
		}
		next := request{d, now}
		if old, ok := a.wanted[d.Name]; ok && !a.pending {
			next.since, next.Watched = old.since, d.Watched && old.Watched
		}
		wanted[d.Name] = next
	}
	for name, g := range a.granted {
		g.open = again[name]
	}
	a.wanted, a.pending = wanted, w.Pending
	if !w.Pending {
		maps.DeleteFunc(a.confirmed, func(name federation.FQDN, _ bool) bool { _, ok := wanted[name]; return !ok })
	}
}

// tooMuch is X4b: either count is above its bound.
func (b *Brake) tooMuch(a *account) bool {
	return b.deleted.tooMany(b.config.MaxDeletePercent) ||
		a.empties() && b.emptied.tooMany(b.config.MaxDeletePercent, a)
}

// grant turns wanted deletions of a service into granted ones. They count from now, whenever the provider reports them.
func (b *Brake) grant(now time.Time, service federation.ServiceName, names []federation.FQDN) {
	b.change(service, func(a *account) {
		for _, name := range names {
			last := grant{at: now, service: service, name: name, empties: a.wanted[name].Empties,
				members: a.published.Members}
			b.grants = append(b.grants, last)
			b.countGrant(last, 1)
			if a.granted == nil {
				a.granted = map[federation.FQDN]*granted{}
			}
			times := 1
			if before := a.granted[name]; before != nil {
				times += before.times
			}
			a.granted[name] = &granted{last: last, times: times, open: true, there: true}
			delete(a.wanted, name)
			delete(a.confirmed, name)
		}
	})
}

// expire drops grants older than HoldFor. What has not been carried out by then is a new request.
func (b *Brake) expire(now time.Time) {
	for len(b.grants) > 0 && now.Sub(b.grants[0].at) >= b.config.HoldFor {
		g := b.grants[0]
		b.grants = b.grants[1:]
		b.countGrant(g, -1)
		b.change(g.service, func(a *account) {
			if a.granted[g.name].times--; a.granted[g.name].times == 0 {
				delete(a.granted, g.name)
			}
		})
	}
}

// change applies f to the account of a service and keeps both counts in step.
func (b *Brake) change(service federation.ServiceName, f func(*account)) {
	a := b.services[service]
	if a == nil {
		a = &account{service: service}
		b.services[service] = a
	}
	b.count(a, -1)
	f(a)
	b.count(a, 1)
	if a.published.Names == 0 && len(a.wanted)+len(a.granted)+len(a.confirmed) == 0 {
		delete(b.services, service)
	}
}

func (b *Brake) count(a *account, by int) {
	b.emptied.count(a, by)
	b.deleted.count(a, by)
}

func (b *Brake) countGrant(g grant, by int) {
	b.emptied.countGrant(g, by)
	b.deleted.granted += by
}

// Waiting returns the deletions that wait, sorted by service, with the watched ones of a service apart from its others.
func (b *Brake) Waiting() (list []Braked) {
	for service, a := range b.services {
		if a.pending {
			continue
		}
		for _, watched := range []bool{true, false} {
			one := Braked{Service: service, Watched: watched}
			for name, w := range a.wanted {
				if w.Watched != watched || a.confirmed[name] {
					continue
				}
				one.Names, one.Empties = append(one.Names, name), one.Empties || w.Empties
				if until := w.since.Add(b.config.HoldFor); watched && until.After(one.Until) {
					one.Until = until
				}
			}
			if len(one.Names) > 0 {
				slices.Sort(one.Names)
				list = append(list, one)
			}
		}
	}
	slices.SortStableFunc(list, func(x, y Braked) int {
		return cmp.Or(federation.CompareServiceNames(x.Service, y.Service), cmp.Compare(x.Names[0], y.Names[0]))
	})
	return list
}

// Confirm releases those of the names that wait, and reports whether there were any. A service whose last address waits
// but is not among the names keeps them all: it is about to lose more than was shown (X4c).
func (b *Brake) Confirm(service federation.ServiceName, names []federation.FQDN) (any bool) {
	a := b.services[service]
	if a == nil || a.pending {
		return false
	}
	for name, w := range a.wanted {
		if w.Empties && !a.confirmed[name] && !slices.Contains(names, name) {
			return false
		}
	}
	for _, name := range names {
		if _, ok := a.wanted[name]; ok && !a.confirmed[name] {
			a.confirm(name)
			any = true
		}
	}
	return any
}

func (a *account) confirm(name federation.FQDN) {
	if a.confirmed == nil {
		a.confirmed = map[federation.FQDN]bool{}
	}
	a.confirmed[name] = true
}

// Expect confirms deletions that follow from something already confirmed, before they are wanted. The confirmation
// lasts until the service's next Withdrawal that is not pending.
func (b *Brake) Expect(service federation.ServiceName, names []federation.FQDN) {
	b.change(service, func(a *account) {
		for _, name := range names {
			a.confirm(name)
		}
	})
}
