package writer

import (
	"hash/maphash"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/snapshot"
)

// target is a ConfigMap that is kept.
type target struct {
	name string
	is   object // what stands there, as far as is known
	// known are the versions of it that we have written or read lately: a watch shows them later.
	known   []string
	wroteAt time.Time // when it was written last
	retryAt time.Time // after a failure
	wait    time.Duration
	err     error // of the last write; nil if it was made
}

// maxKnown is how many versions are kept: a bucket is written once a second, and no watch is that late.
const maxKnown = 16

// knows reports whether it was known already that o stands there, or did once: a watch shows it later than the answer
// of a write does.
func (t *target) knows(o object) bool {
	if o.version == "" {
		return t.is.version == "" || o.deleted != t.is.version && slices.Contains(t.known, o.deleted)
	}
	return o.version == t.is.version || slices.Contains(t.known, o.version)
}

// stands notes what is known to stand there.
func (t *target) stands(o object) {
	if o.version == "" {
		t.is = o
		return
	}
	if len(t.known) == maxKnown {
		t.known = slices.Delete(t.known, 0, 1)
	}
	t.is, t.known = o, append(t.known, o.version)
}

// failed notes a failure, and delays the next write.
func (t *target) failed(now time.Time, err error) {
	t.err, t.wait = err, min(max(2*t.wait, minPause), time.Minute)
	t.retryAt = now.Add(t.wait)
}

// again returns when to write after a failure: at once if nothing delays it.
func (t *target) again(now time.Time) time.Time {
	if t.retryAt.After(now) {
		return t.retryAt
	}
	return now
}

// wrote notes a write, and what stands now.
func (t *target) wrote(now time.Time, o object) {
	t.stands(o)
	t.wroteAt, t.retryAt, t.wait, t.err = now, time.Time{}, 0, nil
}

// bucket is a part of the services, in a ConfigMap.
type bucket struct {
	target
	services map[federation.ServiceName]entry
	bytes    int
	// unpublished counts the services of which the zone has not taken all.
	unpublished int
	// since is when the oldest change that has not been written was made; zero if there is none.
	since time.Time
	// tried reports that the bucket was written, found as it should be, or could not be written.
	tried bool
	// sent is the hash of what was written last, or perhaps was: the answer may have been lost.
	sent string
	// vouched is the hash of the last content of ours that stood there; "" if there is none.
	vouched string
	// upstream counts the services that were left out as too large.
	upstream int
	pace     *rate.Limiter // of its writes
}

// entry is what is remembered of a service's line: the line itself is made again whenever its bucket is written.
type entry struct {
	hash      uint64
	view      *snapshot.Service // that the line was made of
	size      int32
	published bool
}

// seed is of the hashes of lines, which nobody but this process compares.
var seed = maphash.MakeSeed()

func entryOf(view *snapshot.Service, line []byte, published bool) entry {
	return entry{maphash.Bytes(seed, line), view, int32(len(line)), published}
}

// put notes a service's line; since is when it may have changed.
func (b *bucket) put(name federation.ServiceName, e entry, since time.Time) {
	old, had := b.services[name]
	b.services[name] = e
	b.count(old, had, -1)
	b.count(e, true, 1)
	if !had || old.hash != e.hash {
		b.changed(since)
	}
}

// drop notes that a service does not exist any more.
func (b *bucket) drop(name federation.ServiceName, since time.Time) {
	if old, had := b.services[name]; had {
		delete(b.services, name)
		b.count(old, true, -1)
		b.changed(since)
	}
}

// count keeps the sums over all services: n more like e, if it is one.
func (b *bucket) count(e entry, is bool, n int) {
	b.bytes += n * int(e.size)
	if is && !e.published {
		b.unpublished += n
	}
}

func (b *bucket) changed(since time.Time) {
	if b.since.IsZero() || since.Before(b.since) {
		b.since = since
	}
}

// state returns what a heartbeat may say of the bucket. A change that has waited for longer than beatEvery is not
// hidden: then no content is vouched for (M4).
func (b *bucket) state(now time.Time) mirror.BucketState {
	st := mirror.BucketState{Hash: b.vouched, Published: b.unpublished == 0}
	if b.isLate(now) {
		st.Hash = ""
	}
	return st
}

func (b *bucket) isLate(now time.Time) bool { return !b.since.IsZero() && now.Sub(b.since) > beatEvery }

// due returns when the bucket may be written; ok is false if there is nothing to write.
func (b *bucket) due(now time.Time) (at time.Time, ok bool) {
	if b.since.IsZero() && b.tried {
		return at, false
	}
	if tokens := b.pace.TokensAt(now); tokens < 1 {
		at = now.Add(time.Duration((1 - tokens) * float64(bucketEvery)))
	}
	if b.retryAt.After(at) {
		at = b.retryAt
	}
	return at, true
}

// content returns the bucket's data; line appends a service's line, or nothing if the service is gone. Services that do
// not fit are left to the upstream if the number of buckets may not grow: those with the last names (M2).
func (b *bucket) content(h mirror.Header, line func([]byte, federation.ServiceName) []byte) map[string]string {
	names := make([]federation.ServiceName, 0, len(b.services))
	for name := range b.services {
		names = append(names, name)
	}
	slices.SortFunc(names, federation.CompareServiceNames)
	b.upstream = 0
	left := mirror.MaxBucketBytes
	lines := make([]byte, 0, b.bytes+b.bytes/8)
	for _, name := range names {
		before := len(lines)
		lines = line(lines, name)
		if h.Count == mirror.MaxBuckets && len(lines)-before > left {
			upstream := mirror.Service{Namespace: name.Namespace, Name: name.Name, Upstream: true}
			lines = upstream.AppendLine(lines[:before])
			b.upstream++
		}
		left -= len(lines) - before
	}
	return mirror.EncodeBucket(h, []string{string(lines)})
}
