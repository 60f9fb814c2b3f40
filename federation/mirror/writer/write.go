package writer

import (
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
)

// beat is the heartbeat of a set.
type beat struct {
	target
	number    uint64    // of the last renewal
	published []bool    // what it says of the buckets
	writtenAt time.Time // zero if it should be written now
	starts    []mirror.Start
	// generation is that of the last renewal; 0 before the first one.
	generation uint64
}

// nextGeneration returns the generation of the next renewal: that of the main claim, but above what stood here when
// this run took over, and above what somebody has written over it (M3). A reader would not believe a lower one at once.
// What stands in a member so concerns its own mirror only, and the highest number that there is, nobody's.
func (b *beat) nextGeneration(claim uint64) uint64 {
	next := max(claim, b.generation)
	if is := b.is.heartbeat; is != nil && (is.Generation > next || b.generation == 0 && is.Generation == next) {
		next = max(next, is.Generation+1)
	}
	return next
}

// write writes what is due: buckets, then the heartbeat that vouches for them, then what is left of a set before. It
// returns when there is more to do.
func (t *set) write(ctx context.Context) (next time.Time) {
	now := time.Now()
	next = now.Add(beatEvery)
	if !t.active() || t.foreign() != "" {
		return next
	}
	t.grow(now)
	var unvouched time.Time // when the first bucket was written that no heartbeat vouches for yet
	for _, i := range t.inOrder() {
		b := t.buckets[i]
		at, ok := b.due(now)
		switch {
		case !ok:
			continue
		case now.Before(at):
			next = earlier(next, at)
			continue
		}
		wrote, at := t.writeBucket(ctx, now, i)
		next = earlier(next, at)
		now = time.Now()
		if ctx.Err() != nil || now.Before(t.pausedUntil) {
			return next
		}
		if wrote && unvouched.IsZero() {
			unvouched = now
		}
		if !unvouched.IsZero() && now.Sub(unvouched) >= beatWithin {
			next, unvouched = earlier(next, t.renew(ctx, now, true)), time.Time{}
		}
	}
	next = earlier(next, t.renew(ctx, now, !unvouched.IsZero()))
	return next
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

// writeBucket writes a bucket, unless it is as it should be, and returns when it has to be tried again; zero if it has
// not.
func (t *set) writeBucket(ctx context.Context, now time.Time, i int) (wrote bool, again time.Time) {
	b := t.buckets[i]
	if b.is.version != "" && !t.isOurs(b.is) {
		b.tried, b.vouched = true, ""
		b.failed(now, &foreignError{b.name, b.is.owner})
		return false, b.retryAt
	}
	data := b.content(mirror.Header{
		Format: mirror.Format, Identity: t.id, Owner: t.owner(), Set: t.name, Index: i, Count: len(t.buckets),
	}, t.line)
	hash, size := mirror.Hash(data), 0
	if b.is.hash == hash && b.is.labelled == string(t.id.Federation) {
		b.vouched, b.since, b.tried, b.err = hash, time.Time{}, true, nil
		return false, again
	}
	for _, d := range data {
		size += len(d)
	}
	if !t.opt.Budget.AllowN(now, size) {
		missing := float64(size) - t.opt.Budget.TokensAt(now)
		b.err = errBudget
		return false, now.Add(time.Duration(missing / float64(t.opt.Budget.Limit()) * float64(time.Second)))
	}
	b.tried = true
	b.pace.AllowN(now, 1)
	b.sent = hash
	o, err := t.put(ctx, &b.target, size, data)
	if err != nil {
		return false, b.again(now)
	}
	b.wrote(time.Now(), o)
	b.vouched, b.since = hash, time.Time{}
	return true, again
}

// line returns a service's line, and the one if it is too large; "" if the service is gone.
func (t *set) line(name federation.ServiceName) (text, upstream string) {
	s, _, ok := t.tell(name)
	if !ok {
		return "", ""
	}
	left := mirror.Service{Namespace: name.Namespace, Name: name.Name, Upstream: true}
	return s.Line(), left.Line()
}

// renew writes the heartbeat if that is due, or if news says that there is more to vouch for. It is not renewed if the
// engine has stood still (M4). It returns when to look again.
func (t *set) renew(ctx context.Context, now time.Time, news bool) (next time.Time) {
	due := t.beat.writtenAt.Add(beatEvery)
	if t.zoneHasTaken(now) {
		due = t.beat.writtenAt.Add(takenEvery)
	}
	if t.beat.retryAt.After(now) {
		return t.beat.retryAt
	}
	if len(t.starts) == 0 || slices.ContainsFunc(t.buckets, func(b *bucket) bool { return !b.tried }) ||
		now.Sub(t.snapshot.Mirror.At) >= beatEvery {
		return now.Add(minPause)
	}
	if !news && now.Before(due) && slices.Equal(t.beat.starts, t.starts) {
		return due
	}
	h := &mirror.Heartbeat{
		Format: mirror.Format, Identity: t.id, Member: t.opt.Member, Owner: t.owner(),
		Generation: t.beat.nextGeneration(t.snapshot.Mirror.Generation), Set: t.name,
		Starts:     t.starts,
		NoProvider: t.snapshot.Config.Provider.None != nil,
		StaleUntil: now.Add(t.snapshot.Policy.HeldMax).UTC().Truncate(time.Minute),
		Snapshot:   t.beat.number + 1,
	}
	for _, b := range t.buckets {
		h.Buckets = append(h.Buckets, b.state(now))
	}
	data := h.Encode()
	size := 0
	for _, d := range data {
		size += len(d)
	}
	o, err := t.put(ctx, &t.beat.target, size, data)
	if err != nil {
		return t.beat.again(now)
	}
	now = time.Now()
	t.beat.wrote(now, o)
	t.beat.writtenAt, t.beat.number, t.beat.starts = now, h.Snapshot, h.Starts
	t.beat.generation = h.Generation
	t.beat.published = t.beat.published[:0]
	for _, b := range h.Buckets {
		t.beat.published = append(t.beat.published, b.Published)
	}
	t.removeRetired(ctx)
	return now.Add(beatEvery)
}

// zoneHasTaken reports whether the zone has taken all of a bucket of which the heartbeat says that it has not.
func (t *set) zoneHasTaken(now time.Time) bool {
	for i, said := range t.beat.published {
		if !said && i < len(t.buckets) && t.buckets[i].state(now).Published {
			return true
		}
	}
	return false
}

// removeRetired removes what no heartbeat names any more. What cannot be removed is tried again with the next renewal.
func (t *set) removeRetired(ctx context.Context) {
	for name, version := range t.retired {
		if err := t.api.remove(ctx, name, version); err == nil || apierrors.IsNotFound(err) {
			delete(t.retired, name)
		}
	}
}
