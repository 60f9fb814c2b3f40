package syncer

import (
	"context"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

const (
	// maxReads is how many names are read between two publications.
	maxReads = 4
	// listFrom is how many names of a level are read with one List rather than one by one.
	listFrom = 8
)

// unread is a name whose state at the provider is open: the reply to a change was lost, or somebody else changed it. It
// is left out of publishing until it has been read; one that cannot be read waits with a backoff of its own (X5a).
type unread struct {
	setback
	conflict bool // the main claim is to be read first (O3c)
	single   bool // a List did not give it
}

// doubts are the names, and the main claim, whose state at the provider is open.
type doubts struct {
	reread  map[federation.FQDN]*unread
	reads   timers[federation.FQDN] // when they are read
	suspect bool                    // the main claim is to be read: whether the provider works, or is ours, is open
	checkAt time.Time               // not before
	// claimUnread: the main claim could not be read, though the provider answers.
	claimUnread setback
}

// doubt has the name read again after a while.
func (d *doubts) doubt(now time.Time, name federation.FQDN, conflict bool, after time.Duration) {
	u := d.reread[name]
	if u == nil {
		u = &unread{}
		d.reread[name] = u
	}
	u.conflict = u.conflict || conflict
	u.until = now.Add(after)
	d.reads.set(name, u.until)
}

// readNames returns a request that reads a few of the names whose state is open, or many of one level with one List; nil
// if there is nothing to read now.
func (z *zone) readNames(now time.Time, retries *retries) request {
	names, suffix := z.takeReads(now, retries)
	if len(names) == 0 {
		return nil
	}
	return readRequest{provider: z.provider, names: names, suffix: suffix}
}

// takeReads takes out the names to be read now; with a suffix, by a List of it.
func (z *zone) takeReads(now time.Time, retries *retries) (names []federation.FQDN, suffix federation.FQDN) {
	name, ok := z.firstRead(now, retries)
	if !ok {
		return nil, ""
	}
	names = []federation.FQDN{name}
	if u := z.reread[name]; !u.single {
		of, suffix := z.listedWith(name)
		together := z.dueReads(now, func(n federation.FQDN, u *unread) bool { return n != name && !u.single && of(n) })
		if len(together)+1 >= listFrom {
			return z.takenOut(append(names, together...)), suffix
		}
	}
	others := z.dueReads(now, func(n federation.FQDN, u *unread) bool { return n != name && u.tries == 0 })
	return z.takenOut(append(names, others[:min(len(others), maxReads-1)]...)), ""
}

// firstRead takes out the name that is due first. One that could not be read before keeps to the rate of what failed.
func (d *doubts) firstRead(now time.Time, retries *retries) (first federation.FQDN, ok bool) {
	var later []federation.FQDN
	until := retries.held
	for at := d.reads.next(); !at.IsZero() && !now.Before(at) && len(later) < 100; at = d.reads.next() {
		name := d.reads.pop()
		switch u := d.reread[name]; {
		case u.conflict && d.suspect:
			until = d.checkAt
		case u.tries == 0 || !now.Before(retries.held) && retries.admit(now, len(d.reread)):
			first, ok = name, true
		default:
			until = retries.held
		}
		if ok {
			break
		}
		later = append(later, name)
	}
	for _, name := range later {
		d.reads.set(name, maxTime(until, now.Add(time.Millisecond)))
	}
	return first, ok
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// listedWith says which names a List that has this one gives too, and of which suffix that List is.
func (z *zone) listedWith(name federation.FQDN) (of func(federation.FQDN) bool, suffix federation.FQDN) {
	if z.provider.Caps().ListsWholeZone {
		return func(federation.FQDN) bool { return true }, z.config.Domain
	}
	_, level, _ := z.config.ParseOwner(name)
	return func(other federation.FQDN) bool {
		_, of, _ := z.config.ParseOwner(other)
		return of == level
	}, z.config.Suffix(level)
}

// dueReads are the names that may be read now and are of a kind, sorted.
func (d *doubts) dueReads(now time.Time, kind func(federation.FQDN, *unread) bool) (names []federation.FQDN) {
	for name, u := range d.reread {
		if _, waits := d.reads.at[name]; waits && !now.Before(u.until) && (!u.conflict || !d.suspect) && kind(name, u) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (d *doubts) takenOut(names []federation.FQDN) []federation.FQDN {
	for _, name := range names {
		d.reads.unset(name)
	}
	return names
}

// readRequest reads names, each by itself or all with one List of a suffix.
type readRequest struct {
	provider provider.Provider
	names    []federation.FQDN
	suffix   federation.FQDN
}

type readResult struct {
	readRequest
	sets map[federation.FQDN][]federation.RRset
	errs map[federation.FQDN]error
}

func (r readRequest) do(ctx context.Context) result {
	res := readResult{r, map[federation.FQDN][]federation.RRset{}, map[federation.FQDN]error{}}
	if r.suffix == "" {
		for _, n := range r.names {
			res.sets[n], res.errs[n] = r.provider.Get(ctx, n)
		}
		return res
	}
	for _, n := range r.names {
		res.sets[n] = nil
	}
	err := r.provider.List(ctx, r.suffix, func(set federation.RRset) error {
		if sets, asked := res.sets[set.Name]; asked {
			res.sets[set.Name] = append(sets, set)
		}
		return nil
	})
	for _, n := range r.names {
		res.errs[n] = err
	}
	return res
}

// apply takes each name by itself: what could not be read waits, whatever the error is (X5a). Names that a List did not
// give are read one by one.
func (r readResult) apply(l *loop, now time.Time) {
	for _, name := range r.names {
		u, err := l.reread[name], r.errs[name]
		switch {
		case u == nil:
		case err == nil:
			delete(l.reread, name)
			l.know(name, r.sets[name])
			l.touchName(name)
			l.succeeded()
		case r.suffix != "":
			u.single, u.until = true, now
			l.reads.set(name, now)
		default:
			if u.isNews(err) {
				l.log.Error("a name could not be read: it is left as it is and read again, all others go on", "name", string(name), "error", err)
			}
			u.failed(now, err, minUnread, maxUnread)
			l.reads.set(name, u.until)
			l.show(name)
		}
	}
}
