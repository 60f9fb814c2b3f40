package writer

import (
	"context"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation/mirror"
)

// maxPuts is how many buckets of a mirror are on their way at once: a member that is far away would otherwise take one
// in each round trip. Few, as the API server has others to serve.
const maxPuts = 4

const (
	// gatherFor bounds how long a bucket waits for the decisions that are on their way, twice that if it was written
	// meanwhile. gatherMost is how many buckets have to change for that.
	gatherFor  = 2 * time.Second
	gatherMost = 8
)

// parcel is a bucket on its way to the member, and what came of it.
type parcel struct {
	bucket  *bucket
	data    map[string]string
	hash    string
	size    int
	version string // of what it replaces
	began   time.Time
	stands  object
	err     error
}

// writeBuckets writes the buckets that are due, those first whose changes have waited longest, and has the heartbeat
// vouch for them as they arrive. It returns when there is more to do.
func (t *set) writeBuckets(ctx context.Context, now time.Time) (next time.Time) {
	next = now.Add(beatEvery)
	arrived := make(chan parcel, maxPuts)
	flying := 0
	land := func() {
		p := <-arrived
		flying--
		next = earlier(next, t.landed(ctx, p))
		now = time.Now()
		if !t.news.IsZero() && now.Sub(t.news) >= beatWithin && ctx.Err() == nil && !now.Before(t.pausedUntil) {
			next = earlier(next, t.renew(ctx, now))
		}
	}
	gathers := !t.snapshot.Mirror.Settled && mostChange(t.buckets)
	for _, i := range inOrder(t.buckets) {
		at, due := t.buckets[i].due(now)
		if most := t.buckets[i].gathered(); gathers && most.After(at) {
			at = most
		}
		if !due || now.Before(at) {
			next = earlier(next, at)
			continue
		}
		if flying == maxPuts {
			land()
		}
		if now = time.Now(); ctx.Err() != nil || now.Before(t.pausedUntil) {
			break
		}
		p, again := t.prepare(now, i)
		next = earlier(next, again)
		if p != nil {
			flying++
			federation := string(t.id.Federation)
			go func() { arrived <- p.sent(ctx, t.api, federation) }()
		}
	}
	for flying > 0 {
		land()
	}
	return next
}

// mostChange reports whether most buckets have changed. If the loop has not decided on all services yet, as when a
// member of all of them is lost, then more is to be expected of each. To write them at once would be to write them
// again, and take from the loop, and from API servers, what the decisions and the last writes need.
func mostChange(buckets []*bucket) bool {
	n := 0
	for _, b := range buckets {
		if !b.since.IsZero() {
			n++
		}
	}
	return n >= gatherMost && 2*n >= len(buckets)
}

// gathered returns until when the bucket waits for decisions at most.
func (b *bucket) gathered() time.Time {
	at, again := b.since.Add(gatherFor), b.wroteAt.Add(2*gatherFor)
	if again.After(at) {
		return again
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// inOrder returns the indexes of the buckets, those first whose changes have waited longest.
func inOrder(buckets []*bucket) []int {
	order := make([]int, len(buckets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return buckets[a].since.Compare(buckets[b].since) })
	return order
}

// prepare returns what is to be written of a bucket: nil if it is as it should be, or may not be written now; again is
// when to try again then, zero if there is no need.
func (t *set) prepare(now time.Time, i int) (p *parcel, again time.Time) {
	b := t.buckets[i]
	if b.is.version != "" && !t.isOurs(b.is) {
		b.tried, b.vouched = true, ""
		b.failed(now, &foreignError{b.name, b.is.owner})
		return nil, b.retryAt
	}
	data := b.content(mirror.Header{
		Format: mirror.Format, Identity: t.id, Owner: t.owner(), Set: t.name, Index: i, Count: len(t.buckets),
	}, t.appendLine)
	hash, size := mirror.Hash(data), sizeOf(data)
	if b.is.hash == hash && b.is.labelled == string(t.id.Federation) {
		b.vouched, b.since, b.tried, b.err = hash, time.Time{}, true, nil
		return nil, again
	}
	if !t.opt.Budget.AllowN(now, size) {
		missing := float64(size) - t.opt.Budget.TokensAt(now)
		b.err = errBudget
		return nil, now.Add(time.Duration(missing / float64(t.opt.Budget.Limit()) * float64(time.Second)))
	}
	b.tried, b.sent = true, hash
	b.pace.AllowN(now, 1)
	return &parcel{bucket: b, data: data, hash: hash, size: size, version: b.is.version, began: now}, again
}

func sizeOf(data map[string]string) (n int) {
	for _, d := range data {
		n += len(d)
	}
	return n
}

// sent writes the bucket, and returns what came of it. Nothing of the set is changed: others may be on their way too.
func (p parcel) sent(ctx context.Context, a *api, federation string) parcel {
	p.stands, p.err = a.put(ctx, p.bucket.name, federation, p.version, p.data)
	return p
}

// landed notes what came of writing a bucket, and returns when to try again; zero if there is no need.
func (t *set) landed(ctx context.Context, p parcel) (again time.Time) {
	b := p.bucket
	if t.noted(ctx, &b.target, p.began, p.size, p.err) != nil {
		return b.again(time.Now())
	}
	b.wrote(time.Now(), p.stands)
	b.vouched, b.since = p.hash, time.Time{}
	if t.news.IsZero() {
		t.news = time.Now()
	}
	return again
}
