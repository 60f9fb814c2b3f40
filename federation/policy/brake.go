package policy

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
)

// fewLosses is how many losses are never too many (X4b).
const fewLosses = 10

// Deletion is an owner name that the records of a service are to lose.
type Deletion struct {
	Name federation.FQDN
	// Empties: it is the global name, so that the service loses its last address.
	Empties bool
	// Watched: what it goes for was seen as watch events on single Services of members that are present; such a deletion
	// is granted after HoldFor (X4c).
	Watched bool
}

// Withdrawal is all that the records of a service are to lose.
type Withdrawal struct {
	Deletions []Deletion
	// Pending: not yet, as emptyGrace runs; it counts already.
	Pending bool
}

// Published is what the records of a service have.
type Published struct {
	// Address: there is one, or the host name of a load balancer, at the global level; Members are those whose it is.
	Address bool
	Members []string
	// Names is the number of owner names, and Has reports whether one is among them. The Brake does not keep Has.
	Names int
	Has   func(federation.FQDN) bool
}

// Braked are deletions of one service that wait.
type Braked struct {
	Service federation.ServiceName
	Names   []federation.FQDN // sorted
	// Empties: the service's last address is among them.
	Empties bool
	// Watched: they are granted at Until; else they wait for Confirm.
	Watched bool
	Until   time.Time
}

// Brake is X4: it holds what would empty many services or delete many names at about the same time. It counts, for the
// federation and for each member, what is published, what is to go, and what was granted within HoldFor: each name from
// when it was granted, and once more if it is there again. Only the repetition of a request that has not been carried
// out yet is free. The zero value is not usable; see NewBrake.
type Brake struct {
	config   Config
	services map[federation.ServiceName]*account
	grants   []grant // the oldest first

	all     tally
	members map[string]*tally
}

// account is what the Brake knows of one service.
type account struct {
	service   federation.ServiceName
	published Published
	// wanted are the deletions that were not granted; pending says that none is to be yet.
	wanted  map[federation.FQDN]wish
	pending bool
	// granted are the names that were granted within HoldFor.
	granted map[federation.FQDN]*granted
	// confirmed may go, however many they are.
	confirmed map[federation.FQDN]bool
}

type wish struct {
	Deletion
	since time.Time // when it began to count for HoldFor: after emptyGrace
}

// grant is a deletion that was granted.
type grant struct {
	at      time.Time
	service federation.ServiceName
	name    federation.FQDN
	empties bool
	members []string
}

// granted are the grants of one name.
type granted struct {
	last  grant
	times int
	// open: the last one is still wanted, and has not been carried out.
	open bool
	// there: the records have the name.
	there bool
}

// tally counts services, and for the federation names.
type tally struct {
	has, had        int // services with an address that is not granted; those with one within HoldFor
	lose, lost      int // services that are to lose it; how often one has
	names           int // names within HoldFor
	delete, deleted int // names that are to be deleted; how often one was
}

// NewBrake returns a Brake of a federation without records.
func NewBrake(c Config) *Brake {
	return &Brake{config: c, services: map[federation.ServiceName]*account{}, members: map[string]*tally{}}
}

// Configure replaces the times and bounds.
func (b *Brake) Configure(c Config) { b.config = c }

// Stands says what is published of a service now.
func (b *Brake) Stands(service federation.ServiceName, p Published) {
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

// Want says what the records of a service are to lose now; an empty Withdrawal takes back what they were to. It returns
// the names that have to wait, and when time alone can change that; zero if it cannot. All others are counted as gone.
// A service that has to wait with its last address keeps all its names.
func (b *Brake) Want(now time.Time, service federation.ServiceName, w Withdrawal) (waits []federation.FQDN, next time.Time) {
	b.expire(now)
	a := b.services[service]
	if len(w.Deletions) == 0 && (a == nil || len(a.wanted)+len(a.granted)+len(a.confirmed) == 0) {
		return nil, time.Time{} // as nearly always
	}
	b.change(service, func(of *account) { a = of; a.want(now, w) })
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
		b.grant(now, service, slices.DeleteFunc(slices.Collect(maps.Keys(a.wanted)), func(n federation.FQDN) bool { return slices.Contains(waits, n) }))
	}
	if len(b.grants) > 0 {
		next = earlier(next, b.grants[0].at.Add(b.config.HoldFor))
	}
	slices.Sort(waits)
	return waits, next
}

// want takes over what the service is to lose. A grant is closed when its name is not to go any more: when it is again,
// it counts again.
func (a *account) want(now time.Time, w Withdrawal) {
	wanted := make(map[federation.FQDN]wish, len(w.Deletions))
	again := map[federation.FQDN]bool{}
	for _, d := range w.Deletions {
		if g := a.granted[d.Name]; g != nil && g.open {
			again[d.Name] = true
			continue
		}
		next := wish{d, now}
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

// grant makes deletions of a service ones that were done.
func (b *Brake) grant(now time.Time, service federation.ServiceName, names []federation.FQDN) {
	b.change(service, func(a *account) {
		for _, name := range names { // it goes now, whenever the provider says so
			last := grant{at: now, service: service, name: name, empties: a.wanted[name].Empties, members: a.published.Members}
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

// expire forgets what was granted longer than HoldFor ago. What has not been carried out since is a new request.
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

// change changes an account, and the tallies with it.
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
	has, had, members := a.published.Address, a.published.Address, a.published.Members
	b.all.names += by * a.published.Names
	for _, g := range a.granted {
		if !g.there {
			b.all.names += by
		}
		if g.last.empties {
			has, had = has && !g.open, true
		}
		if g.last.empties && !a.published.Address {
			members = g.last.members
		}
	}
	empties := false
	for _, w := range a.wanted {
		empties = empties || w.Empties
	}
	b.all.delete += by * len(a.wanted)
	b.each(members, func(t *tally) {
		t.has += by * count(has)
		t.had += by * count(had)
		t.lose += by * count(empties)
	})
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (b *Brake) countGrant(g grant, by int) {
	b.all.deleted += by
	if g.empties {
		b.each(g.members, func(t *tally) { t.lost += by })
	}
}

// each is called for the federation and for the members.
func (b *Brake) each(members []string, f func(*tally)) {
	f(&b.all)
	for _, m := range members {
		t := b.members[m]
		if t == nil {
			t = &tally{}
			b.members[m] = t
		}
		f(t)
	}
}

// tooMuch is X4b, for the federation and each member of the service.
func (b *Brake) tooMuch(a *account) bool {
	over := func(n, of int) bool { return n > fewLosses && n*100 > b.config.MaxDeletePercent*of }
	if over(b.all.delete+b.all.deleted, b.all.names) {
		return true
	}
	empties := false
	for _, w := range a.wanted {
		empties = empties || w.Empties
	}
	switch {
	case !empties:
		return false
	case b.all.lose >= b.all.has && b.all.had > 1: // all there are
		return true
	}
	return over(b.all.lose+b.all.lost, b.all.had) ||
		slices.ContainsFunc(a.published.Members, func(m string) bool {
			t := b.members[m]
			return over(t.lose+t.lost, t.had)
		})
}

// Held returns the deletions that wait, by service: those that were watched apart from all others.
func (b *Brake) Held() (held []Braked) {
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
				held = append(held, one)
			}
		}
	}
	slices.SortStableFunc(held, func(x, y Braked) int {
		return cmp.Or(federation.CompareServiceNames(x.Service, y.Service), cmp.Compare(x.Names[0], y.Names[0]))
	})
	return held
}

// Confirm lets those of the names go that wait, and reports whether any does so now. A service whose last address waits
// and is not among the names keeps them all: it has come to lose more than was shown (X4c).
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

// Expect confirms deletions that follow from something that was confirmed, before they are wanted: they go with the
// service's next Withdrawal that is not pending, or never.
func (b *Brake) Expect(service federation.ServiceName, names []federation.FQDN) {
	b.change(service, func(a *account) {
		for _, name := range names {
			a.confirm(name)
		}
	})
}
