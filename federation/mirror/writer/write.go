package writer

import (
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

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
		next = is.Generation + 1
	}
	return next
}

// write writes what is due: buckets, then the heartbeat that vouches for them, then what is left of a set before. It
// returns when there is more to do.
func (t *set) write(ctx context.Context) (next time.Time) {
	now := time.Now()
	if !t.active() || t.foreign() != "" {
		return now.Add(beatEvery)
	}
	t.grow(now)
	if t.pause > 0 { // the bucket that fails again must not keep the heartbeat from vouching for the others
		next = t.renew(ctx, now)
		if now = time.Now(); ctx.Err() != nil || now.Before(t.pausedUntil) {
			return earlier(next, t.pausedUntil)
		}
	}
	next = t.writeBuckets(ctx, now)
	if now = time.Now(); ctx.Err() != nil || now.Before(t.pausedUntil) {
		return earlier(next, t.pausedUntil)
	}
	return earlier(next, t.renew(ctx, now))
}

// renew writes the heartbeat if that is due, or if there is more to vouch for. It is not renewed if the
// engine has stood still (M4). It returns when to look again.
func (t *set) renew(ctx context.Context, now time.Time) (next time.Time) {
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
	if t.news.IsZero() && now.Before(due) && slices.Equal(t.beat.starts, t.starts) {
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
	o, err := t.api.put(ctx, t.beat.name, string(t.id.Federation), t.beat.is.version, data)
	if t.noted(ctx, &t.beat.target, now, sizeOf(data), err) != nil {
		return t.beat.again(now)
	}
	now = time.Now()
	t.beat.wrote(now, o)
	t.beat.writtenAt, t.beat.number, t.beat.starts, t.news = now, h.Snapshot, h.Starts, time.Time{}
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
