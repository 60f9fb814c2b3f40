package writer

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/mirror/content"
	"github.com/federation-dns/federation/federation/snapshot"
)

// set is the mirror of one federation in the member.
type set struct {
	*Writer
	views    *snapshot.Views
	snapshot *snapshot.Federation // the current one
	id       mirror.Identity
	member   *content.Member // nil before the first content
	position uint64          // in the changes of views
	starts   []mirror.Start  // for which the content is complete

	name    string // the random id of the set (M4); "" before adopt
	buckets []*bucket
	beat    beat
	news    time.Time // when the first bucket was written that no heartbeat vouches for yet; zero if there is none
	// retired are objects of ours that no heartbeat names any more, with their versions.
	retired map[string]string
	stats   stats
	line    []byte // room for one
	// toldStart: the loop has been told what the mirror says, as it asked for that.
	toldStart bool
}

// stats are what is counted of a set.
type stats struct{ bytes, writes, repaired uint64 }

func (w *Writer) newSet(s *snapshot.Federation) *set {
	t := &set{Writer: w, views: s.Views, id: mirror.IdentityOf(s.Config.Federation), retired: map[string]string{}}
	t.beat.name = t.id.HeartbeatName()
	return t
}

// owner is the id of the syncer.
func (t *set) owner() string { return t.snapshot.Claim.Owner }

// isOurs reports whether we may write over what stands: nobody else says that it is theirs (M3).
func (t *set) isOurs(o object) bool { return o.owner == "" || o.owner == t.owner() }

// adopt takes over what stands: the set that our heartbeat names goes on, so that only what differs is written.
func (t *set) adopt(standing []object) {
	count := 1
	t.name = strings.ToLower(rand.Text())
	for _, o := range standing {
		if o.name == t.beat.name {
			t.beat.stands(o)
			if o.heartbeat != nil && o.owner == t.owner() {
				t.name, count, t.beat.number = o.heartbeat.Set, len(o.heartbeat.Buckets), o.heartbeat.Snapshot
			}
		}
	}
	t.layOut(count)
	for _, o := range standing {
		t.observeOne(time.Time{}, o)
	}
}

// layOut makes the buckets of a set of count, empty.
func (t *set) layOut(count int) {
	t.buckets = make([]*bucket, count)
	for i := range t.buckets {
		t.buckets[i] = &bucket{target: target{name: t.id.BucketName(i, count)},
			services: map[federation.ServiceName]entry{}, pace: rate.NewLimiter(rate.Every(bucketEvery), bucketBurst)}
	}
}

// grow doubles the number of buckets until each has room, or there are as many as there may be (M2). The buckets before
// go once a heartbeat names the new ones.
func (t *set) grow(now time.Time) {
	full := func(b *bucket) bool { return b.bytes > mirror.MaxBucketBytes }
	for slices.ContainsFunc(t.buckets, full) && len(t.buckets) < mirror.MaxBuckets {
		before := t.buckets
		t.layOut(2 * len(before))
		for _, b := range before {
			if b.is.version != "" {
				t.retired[b.name] = b.is.version
			}
			for name, e := range b.services {
				t.bucket(name).put(name, e, now)
			}
		}
		for _, b := range t.buckets { // of an attempt before
			delete(t.retired, b.name)
			for _, o := range t.own.all() {
				if o.name == b.name {
					b.stands(o)
				}
			}
		}
	}
}

func (t *set) bucket(name federation.ServiceName) *bucket {
	return t.buckets[mirror.BucketOf(t.name, len(t.buckets), name)]
}

// observe applies what the watch has seen.
func (t *set) observe(now time.Time, changed []object) {
	for _, o := range changed {
		t.observeOne(now, o)
	}
}

// observeOne applies what stands at one name; at the start, now is zero.
func (t *set) observeOne(now time.Time, o object) {
	var at *target
	if o.name == t.beat.name {
		at = &t.beat.target
	}
	for _, b := range t.buckets {
		if b.name == o.name {
			at = &b.target
		}
	}
	switch {
	case at == nil && o.version == "":
		delete(t.retired, o.name)
	case at == nil:
		if o.header.Identity == t.id && o.owner == t.owner() {
			t.retired[o.name] = o.version // of a set before
		}
	case !at.knows(o):
		t.found(now, at, o)
	}
}

// found takes over what stands where something else was expected. What somebody else has changed is reported, and
// written again if it is ours (M3).
func (t *set) found(now time.Time, at *target, o object) {
	before := at.is
	at.stands(o)
	var b *bucket // nil: it is the heartbeat
	for _, one := range t.buckets {
		if &one.target == at {
			b = one
		}
	}
	switch {
	case b != nil && o.hash != "" && (o.hash == b.vouched || o.hash == b.sent) && o.labelled == string(t.id.Federation):
		return // of ours, by a request whose answer was lost
	case b != nil:
		b.changed(now)
	case o.heartbeat != nil && o.owner == t.owner() && o.heartbeat.Set == t.name:
		sent := o.heartbeat.Snapshot == t.beat.number+1
		t.beat.number = max(t.beat.number, o.heartbeat.Snapshot) // the next one has to be higher
		t.beat.writtenAt = time.Time{}
		if sent {
			return
		}
	default:
		t.beat.writtenAt = time.Time{}
	}
	if now.IsZero() || before.version == "" && o.version == "" {
		return
	}
	t.stats.repaired++
	switch {
	case o.version == "":
		t.log.Warn("an object of the mirror was deleted: writing it again", "object", o.name)
	case t.isOurs(o):
		t.log.Warn("an object of the mirror was edited: writing it again", "object", o.name)
	}
}

// foreign returns the owner of the mirror if that is somebody else; "" if it is not.
func (t *set) foreign() string {
	if t.beat.is.version != "" && !t.isOurs(t.beat.is) {
		return t.beat.is.owner
	}
	return ""
}

// active reports whether the mirror may be written: the answers are complete, and the member is one of the federation.
func (t *set) active() bool {
	m := t.snapshot.Member(t.opt.Member)
	return t.snapshot.Mirror.Ready && m != nil && !m.Departed && t.mayKeep()
}

// read takes over the services whose answers may have changed. since is when the oldest of these changes may have been
// made.
//
// When the member has moved, new starts count once the answers know the new levels.
func (t *set) read(since time.Time) {
	if !t.active() {
		return
	}
	names, next, all := t.views.Since(t.position)
	moved := false
	place := t.snapshot.Member(t.opt.Member).Topology
	if m := content.NewMember(t.snapshot.Config.Federation, place); !m.Equal(t.member) {
		t.member, all, moved = m, true, true
	}
	t.position = next
	if t.snapshot.Mirror.Settled {
		t.starts = t.member.Starts()
	} else {
		t.starts = slices.DeleteFunc(slices.Clone(t.starts), func(s mirror.Start) bool {
			return !slices.Contains(t.member.Starts(), s)
		})
	}
	if all {
		names = nil
		for _, b := range t.buckets {
			for name := range b.services {
				names = append(names, name)
			}
		}
		t.views.Each(func(s *snapshot.Service) { names = append(names, s.Name) })
	}
	for _, name := range names {
		t.readOne(name, moved, since)
	}
}

// readOne takes over a service. What is known of the view already is not made again: a view never changes, and a
// service that changes several times before it is read is named as often.
func (t *set) readOne(name federation.ServiceName, moved bool, since time.Time) {
	b, v := t.bucket(name), t.views.Service(name)
	old, had := b.services[name]
	switch {
	case v == nil:
		b.drop(name, since)
		return
	case !moved && had && old.view == v:
		return
	case !moved && had && old.view.Answer == v.Answer && v.Answer != nil &&
		slices.EqualFunc(v.Answer.RRsets, v.Records, federation.RRset.Equal):
		old.view, old.published = v, true // the zone has taken it
		b.put(name, old, since)
		return
	}
	s, published, ok := t.member.Tell(name, v.Answer, v.Records)
	if !ok {
		b.drop(name, since)
		return
	}
	t.line = s.AppendLine(t.line[:0])
	b.put(name, entryOf(v, t.line, published), since)
}

// appendLine appends a service's line as it is now.
func (t *set) appendLine(to []byte, name federation.ServiceName) []byte {
	v := t.views.Service(name)
	if v == nil {
		return to // it is gone meanwhile, and its own change follows
	}
	s, _, ok := t.member.Tell(name, v.Answer, v.Records)
	if !ok {
		return to
	}
	return s.AppendLine(to)
}
