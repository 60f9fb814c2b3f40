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
	// gatherFor bounds how long a bucket waits for the decisions that are on their way, and gatherMost is how many
	// buckets have to change for that.
	gatherFor  = time.Second
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
	gathers := t.gathers()
	for _, i := range t.inOrder() {
		at, due := t.buckets[i].due(now)
		if most := t.buckets[i].since.Add(gatherFor); gathers && most.After(at) {
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
			go func() { arrived <- t.send(ctx, *p) }()
		}
	}
	for flying > 0 {
		land()
	}
	return next
}

// gathers reports whether more of what changes most buckets is to be expected: the loop has not decided on all services
// yet, as when a member of all of them is lost. To write them at once would be to write them again, and take from the
// loop, and from API servers, what the decisions and the last writes need.
func (t *set) gathers() bool {
	changed := 0
	for _, b := range t.buckets {
		if !b.since.IsZero() {
			changed++
		}
	}
	return !t.snapshot.Mirror.Settled && changed >= gatherMost && 2*changed >= len(t.buckets)
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// inOrder returns the indexes of the buckets, those first whose changes have waited longest.
func (t *set) inOrder() []int {
	order := make([]int, len(t.buckets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return t.buckets[a].since.Compare(t.buckets[b].since) })
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

// send writes the bucket. Nothing of the set is changed: others may be on their way too.
func (t *set) send(ctx context.Context, p parcel) parcel {
	p.stands, p.err = t.api.put(ctx, p.bucket.name, string(t.id.Federation), p.version, p.data)
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
