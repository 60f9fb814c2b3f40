package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
)

// fewLosses is how many losses are never too many (X4b).
const fewLosses = 10

// Loss is what a service's records are to lose.
type Loss struct {
	// Empties: the service loses its last address.
	Empties bool
	// Names is how many of its owner names are deleted.
	Names int
}

func (l Loss) none() bool { return !l.Empties && l.Names == 0 }

// Wish is a loss that the records of a service are to have.
type Wish struct {
	Loss
	// Pending: not yet, as emptyGrace runs; it counts already.
	Pending bool
	// Watched: each shard went by a watch event of a member that is present; such
	// a wish is granted after HoldFor (X4c).
	Watched bool
	// Since is when it began to count for HoldFor: after emptyGrace.
	Since time.Time
}

// Braked is a wish that waits.
type Braked struct {
	Service federation.ServiceName
	Wish
}

// Brake is X4: it holds what would empty many services or delete many names
// at about the same time. It counts by service what stands, what is wished and
// what was done within HoldFor, for the federation and for each member. The
// zero value is not usable; see NewBrake.
type Brake struct {
	config Config
	stands map[federation.ServiceName]standing
	wishes map[federation.ServiceName]*wish
	done   []done // the oldest first
	// granted is what was done, by service.
	granted map[federation.ServiceName]Loss
	// expected is what was confirmed before it was wished.
	expected map[federation.ServiceName]Loss

	all     tally
	members map[string]*tally
}

// standing is what is published of a service.
type standing struct {
	address bool
	names   int
	members []string // whose addresses stand
}

type wish struct {
	Wish
	confirmed Loss // as much of it
}

// done is a loss that was granted.
type done struct {
	at      time.Time
	service federation.ServiceName
	loss    Loss
	members []string
}

// tally counts services, and for the federation names.
type tally struct {
	had, lose, lost         int // services with an address; those that are to lose it; those that have
	names, deletes, deleted int // names; those that are to be deleted; those that were
}

// NewBrake returns a Brake of a federation without records.
func NewBrake(c Config) *Brake {
	return &Brake{
		config: c, stands: map[federation.ServiceName]standing{}, wishes: map[federation.ServiceName]*wish{}, granted: map[federation.ServiceName]Loss{},
		expected: map[federation.ServiceName]Loss{}, members: map[string]*tally{},
	}
}

// Configure replaces the times and bounds.
func (b *Brake) Configure(c Config) { b.config = c }

// Stands says what is published of a service now: whether it has an address,
// of which members, and at how many names.
func (b *Brake) Stands(service federation.ServiceName, address bool, members []string, names int) {
	b.countWish(service, -1)
	b.countStanding(service, -1)
	if address || names > 0 {
		b.stands[service] = standing{address, names, members}
	} else {
		delete(b.stands, service)
	}
	b.countStanding(service, 1)
	b.countWish(service, 1)
}

func (b *Brake) countStanding(service federation.ServiceName, by int) {
	s := b.stands[service]
	b.all.names += by * s.names
	if s.address {
		b.each(s.members, func(t *tally) { t.had += by })
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

// Wish says what the service's records are to lose now; none takes a wish
// back. held says that it has to wait, next when time alone can change that;
// zero if it cannot. What is not held is counted as done.
func (b *Brake) Wish(now time.Time, service federation.ServiceName, w Wish) (held bool, next time.Time) {
	b.expire(now)
	old := b.wishes[service]
	b.countWish(service, -1)
	delete(b.wishes, service)
	expected := b.expected[service]
	delete(b.expected, service)
	if w.none() || b.granted[service].covers(w.Loss) {
		return false, time.Time{}
	}
	entry := &wish{Wish: w, confirmed: expected}
	if old != nil {
		entry.confirmed = expected.and(old.confirmed)
		entry.Watched = w.Watched && (old.Pending || old.Watched)
		if !old.Pending {
			entry.Since = old.Since
		}
	}
	b.wishes[service] = entry
	b.countWish(service, 1)
	switch {
	case w.Pending:
		return false, time.Time{}
	case entry.confirmed.covers(w.Loss), !b.tooMuch(service, w.Loss), entry.Watched && !now.Before(entry.Since.Add(b.config.HoldFor)):
		b.grant(now, service)
		return false, time.Time{}
	}
	if entry.Watched {
		next = entry.Since.Add(b.config.HoldFor)
	}
	if len(b.done) > 0 {
		next = earlier(next, b.done[0].at.Add(b.config.HoldFor))
	}
	return true, next
}

func (b *Brake) countWish(service federation.ServiceName, by int) {
	w := b.wishes[service]
	if w == nil {
		return
	}
	b.all.deletes += by * w.Names
	if w.Empties {
		b.each(b.stands[service].members, func(t *tally) { t.lose += by })
	}
}

// covers reports whether the other loss is a part of this one.
func (l Loss) covers(o Loss) bool { return (l.Empties || !o.Empties) && l.Names >= o.Names }

// and is the least loss that covers both.
func (l Loss) and(o Loss) Loss {
	return Loss{Empties: l.Empties || o.Empties, Names: max(l.Names, o.Names)}
}

// grant makes the wish of a service one that was done.
func (b *Brake) grant(now time.Time, service federation.ServiceName) {
	loss := b.wishes[service].Loss
	b.countWish(service, -1)
	delete(b.wishes, service)
	d := done{at: now, service: service, loss: loss, members: b.stands[service].members}
	b.done = append(b.done, d)
	b.countDone(d, 1)
	b.countStanding(service, -1) // it goes now, whenever the provider says so
	s := b.stands[service]
	s.address, s.names = s.address && !loss.Empties, max(s.names-loss.Names, 0)
	b.stands[service] = s
	b.countStanding(service, 1)
	b.granted[service] = b.granted[service].and(loss)
}

func (b *Brake) countDone(d done, by int) {
	b.all.deleted += by * d.loss.Names
	if d.loss.Empties {
		b.each(d.members, func(t *tally) { t.lost += by })
	}
}

// expire forgets what was done longer than HoldFor ago.
func (b *Brake) expire(now time.Time) {
	for len(b.done) > 0 && now.Sub(b.done[0].at) >= b.config.HoldFor {
		d := b.done[0]
		b.done = b.done[1:]
		b.countDone(d, -1)
		if !slices.ContainsFunc(b.done, func(o done) bool { return o.service == d.service }) {
			delete(b.granted, d.service)
		}
	}
}

// tooMuch is X4b, for the federation and each member of the service.
func (b *Brake) tooMuch(service federation.ServiceName, loss Loss) bool {
	over := func(n, of int) bool { return n > fewLosses && n*100 > b.config.MaxDeletePercent*of }
	if loss.Names > 0 && over(b.all.deletes+b.all.deleted, b.all.names+b.all.deleted) {
		return true
	}
	if !loss.Empties {
		return false
	}
	if b.all.lose >= b.all.had && b.all.had+b.all.lost > 1 {
		return true // all there are
	}
	return over(b.all.lose+b.all.lost, b.all.had+b.all.lost) ||
		slices.ContainsFunc(b.stands[service].members, func(m string) bool {
			t := b.members[m]
			return over(t.lose+t.lost, t.had+t.lost)
		})
}

// Held returns the wishes that wait, by service.
func (b *Brake) Held() []Braked {
	var held []Braked
	for service, w := range b.wishes {
		if !w.Pending && !w.confirmed.covers(w.Loss) {
			held = append(held, Braked{Service: service, Wish: w.Wish})
		}
	}
	slices.SortFunc(held, func(x, y Braked) int { return federation.CompareServiceNames(x.Service, y.Service) })
	return held
}

// Confirm grants the wish of a service that waits, as it is now, and reports
// whether there is one (X4c).
func (b *Brake) Confirm(service federation.ServiceName) bool {
	w := b.wishes[service]
	if w == nil || w.Pending {
		return false
	}
	w.confirmed = w.Loss
	return true
}

// Expect confirms a loss that follows from something that was confirmed, before
// it is wished: the service's next wish is granted if it is no more than all
// that was expected since the last one.
func (b *Brake) Expect(service federation.ServiceName, loss Loss) {
	before := b.expected[service]
	b.expected[service] = Loss{Empties: before.Empties || loss.Empties, Names: before.Names + loss.Names}
}

// LossOf is what the RRsets of a service lose from have to want.
func LossOf(f federation.Federation, service federation.ServiceName, have, want []federation.RRset) Loss {
	names := func(sets []federation.RRset) map[federation.FQDN]bool {
		out := map[federation.FQDN]bool{}
		for _, s := range sets {
			out[s.Name] = true
		}
		return out
	}
	loss := Loss{Empties: HasAddress(f, service, have) && !HasAddress(f, service, want)}
	left := names(want)
	for name := range names(have) {
		if !left[name] {
			loss.Names++
		}
	}
	return loss
}

// HasAddress reports whether the service has an address, or the host name of a
// load balancer, at the global level.
func HasAddress(f federation.Federation, service federation.ServiceName, sets []federation.RRset) bool {
	global := f.OwnerName(service, f.Domain)
	return slices.ContainsFunc(sets, func(s federation.RRset) bool { return s.Name == global })
}

// Kept is want, and of have what is at names that want does not have, sorted.
func Kept(have, want []federation.RRset) []federation.RRset {
	out := slices.Clone(want)
	for _, s := range have {
		if !slices.ContainsFunc(want, func(w federation.RRset) bool { return w.Name == s.Name }) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b federation.RRset) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return out
}
