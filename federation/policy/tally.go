package policy

import "slices"

// fewLosses is the number of losses that are never too many (X4b).
const fewLosses = 10

// exceeds reports whether n losses out of total are too many (X4b).
func exceeds(n, total, percent int) bool { return n > fewLosses && n*100 > percent*total }

// emptiedServices counts the services that lose their last address, in the federation and for each member with an
// address of theirs (X4a). It depends on verdicts only, not on where they are published.
type emptiedServices struct {
	total   serviceTally
	members map[string]*serviceTally
}

type serviceTally struct {
	has    int // services with an address whose loss has not been granted
	had    int // services with an address within HoldFor
	losing int // services about to lose it
	lost   int // grants within HoldFor that took it
}

func (e *emptiedServices) count(a *account, by int) {
	has, had, members := a.published.Address, a.published.Address, a.published.Members
	for _, g := range a.granted {
		if g.last.empties {
			has, had = has && !g.open, true
		}
		if g.last.empties && !a.published.Address {
			members = g.last.members
		}
	}
	losing := a.empties()
	e.each(members, func(t *serviceTally) {
		t.has += by * one(has)
		t.had += by * one(had)
		t.losing += by * one(losing)
	})
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (e *emptiedServices) countGrant(g grant, by int) {
	if g.empties {
		e.each(g.members, func(t *serviceTally) { t.lost += by })
	}
}

// each calls f for the federation and for each of the members.
func (e *emptiedServices) each(members []string, f func(*serviceTally)) {
	f(&e.total)
	for _, m := range members {
		t := e.members[m]
		if t == nil {
			t = &serviceTally{}
			e.members[m] = t
		}
		f(t)
	}
}

// tooMany reports whether emptying the service is too much: for the federation, which must not lose all of several
// services, or for one of the service's members (X4b).
func (e *emptiedServices) tooMany(percent int, a *account) bool {
	if e.total.losing >= e.total.has && e.total.had > 1 {
		return true
	}
	return e.total.tooMany(percent) ||
		slices.ContainsFunc(a.published.Members, func(m string) bool { return e.members[m].tooMany(percent) })
}

func (t *serviceTally) tooMany(percent int) bool { return exceeds(t.losing+t.lost, t.had, percent) }

// deletedNames counts the owner names that the zone loses (X4a).
type deletedNames struct {
	names   int // names within HoldFor
	wanted  int // names about to be deleted
	granted int // deletions granted within HoldFor
}

func (d *deletedNames) count(a *account, by int) {
	d.names += by * a.published.Names
	for _, g := range a.granted {
		if !g.there {
			d.names += by
		}
	}
	d.wanted += by * len(a.wanted)
}

func (d *deletedNames) tooMany(percent int) bool {
	return exceeds(d.wanted+d.granted, d.names, percent)
}
