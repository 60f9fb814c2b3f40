// Package writer keeps the mirrors of one member: it writes what the member is told of each service (package content)
// into ConfigMaps of the member, and renews the heartbeats that vouch for them (M2-M4, M8).
//
// Each member has a Writer of its own, with its own connections, pace and budget, so that none delays another. A Writer
// reads snapshots, as every other reader does; no loop waits for it.
package writer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/snapshot"
)

// The times and bounds of a mirror. docs/mirror.md has them.
const (
	// beatEvery is how often a heartbeat is renewed. What is older and not written yet is not vouched for (M4).
	beatEvery = 5 * time.Second
	// takenEvery is the time between renewals that say that the zone has taken more. Until one says so, a plugin whose
	// mirror is not fresh believes that rather than the zone (M6).
	takenEvery = time.Second
	// bucketEvery is the time between the writes of one bucket if it keeps changing, and bucketBurst how many may come
	// without it: a bucket has many services, and a failover must not wait for a change of another one (M8).
	bucketEvery = time.Second
	bucketBurst = 5
	// beatWithin bounds how long buckets that have been written wait for the heartbeat that vouches for them.
	beatWithin = 100 * time.Millisecond
	// BytesPerSecond and BurstBytes bound what is written into a member: an etcd keeps every version of the last five
	// minutes, and its usual quota is 2 GiB (M8).
	BytesPerSecond = 256 << 10
	BurstBytes     = 32 << 20
	// writeTimeout bounds one request.
	writeTimeout = 5 * time.Second
	// removeTimeout bounds the removal of a mirror.
	removeTimeout = 10 * time.Second
	// The pause after a request that failed for a reason that concerns the member as a whole.
	minPause, maxPause = 500 * time.Millisecond, 10 * time.Second
	// refusedPause is the pause after a refusal: somebody has to give the right first.
	refusedPause = 30 * time.Second
)

// Options are the dependencies of a Writer.
type Options struct {
	// Member is the member's name.
	Member string
	// Snapshots returns the current snapshots, one for each federation.
	Snapshots func() []*snapshot.Federation
	// Budget is the member's; it outlives its Writers. See NewBudget.
	Budget *rate.Limiter
	Log    *slog.Logger
	// Wrote is called after each write, with the number of bytes; err is nil if it was made. It must not block.
	Wrote func(s *snapshot.Federation, bytes int, err error)
}

// NewBudget returns the budget of a member, in bytes.
func NewBudget() *rate.Limiter { return rate.NewLimiter(BytesPerSecond, BurstBytes) }

// Writer keeps the mirrors of one member. See New.
type Writer struct {
	opt  Options
	log  *slog.Logger
	api  *api
	own  *standing
	sets map[string]*set // by federation
	wake chan struct{}   // holds a token while there may be work
	said sayings

	failedAt    time.Time // the last failure that concerned the member as a whole
	pausedUntil time.Time
	pause       time.Duration
}

// New returns a Writer that does nothing until Run. It uses the server and the credentials of base, with connections of
// its own.
func New(o Options, base *rest.Config) (*Writer, error) {
	w := &Writer{opt: o, log: o.Log.With("member", o.Member), sets: map[string]*set{}, wake: make(chan struct{}, 1)}
	w.said.log = w.log
	var err error
	if w.api, err = newAPI(o.Member, base); err != nil {
		return nil, fmt.Errorf("member %q: %w", o.Member, err)
	}
	w.own = newStanding(w.api, w.Wake)
	return w, nil
}

// Wake tells the Writer that services may have other answers. It never blocks; any goroutine may call it.
func (w *Writer) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// ErrLeft is the cause of the end of a Writer's context if its member has left: then it removes the mirrors.
var ErrLeft = errors.New("the member has left")

// Run writes until ctx ends. If the cause is ErrLeft, it then removes the member's mirrors as far as they are ours.
// Nothing is written after Run returns. Call it once.
func (w *Writer) Run(ctx context.Context) {
	defer w.api.close()
	defer w.forget()
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer func() { stop(); w.own.running.Wait() }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	read := time.Now()
	for {
		ended := time.Now()
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), ErrLeft) {
				w.remove(context.WithoutCancel(ctx))
			}
			return
		case <-w.wake:
		case <-timer.C:
		}
		now := time.Now()
		since := now
		if now.Sub(ended) < time.Millisecond { // it may have waited for the round before
			since = read
		}
		next := now.Add(beatEvery)
		if w.follow(); len(w.sets) > 0 {
			w.own.watch(watching)
			next = w.round(ctx, now, since)
		}
		read = now
		timer.Reset(max(time.Until(next), 0))
	}
}

// round brings all mirrors of the member up to date, as far as that may be done now, and returns when to look again.
// The changes that it finds were made at since at the earliest.
func (w *Writer) round(ctx context.Context, now, since time.Time) (next time.Time) {
	next = now.Add(beatEvery)
	defer w.report()
	if listed, _ := w.own.listed(); !listed {
		return next
	}
	w.tellStart(ctx)
	changed := w.own.take()
	for _, t := range w.sets {
		if t.buckets == nil {
			t.adopt(w.own.all())
		}
		t.observe(now, changed)
		t.read(since)
		if now.Before(w.pausedUntil) {
			next = earlier(next, w.pausedUntil)
		} else {
			next = earlier(next, t.write(ctx))
		}
	}
	return next
}

// follow has a set for each federation with mirrors, with its current snapshot.
func (w *Writer) follow() {
	seen := map[string]bool{}
	for _, s := range w.opt.Snapshots() {
		if s.Mirror == nil {
			continue
		}
		key := s.Config.Key()
		seen[key] = true
		if t := w.sets[key]; t == nil || t.views != s.Views {
			w.sets[key] = w.newSet(s)
		}
		w.sets[key].snapshot = s
	}
	for key, t := range w.sets {
		if !seen[key] {
			t.views.ForgetMirror(w.opt.Member)
			delete(w.sets, key)
		}
	}
}
