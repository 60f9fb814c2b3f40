package membercluster

import (
	"context"
	"log/slog"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/api/v1alpha1"
)

const (
	// statusEvery is how often a status is compared with what is known, and thus written, at most (K3); a ticker is not
	// more exact than statusSlack.
	statusEvery, statusSlack = time.Second, 50 * time.Millisecond
	// parallelWrites is how many statuses are written at once: one that gets no answer delays no other.
	parallelWrites = 8
	// minRetry and maxRetry bound the wait before a status that could not be written is tried again. The wait doubles
	// with each failure in a row.
	minRetry, maxRetry = statusEvery, 10 * time.Second
)

// applyFunc writes a status, and returns the object that results.
type applyFunc func(context.Context, *v1alpha1.MemberCluster, v1alpha1.MemberClusterStatus) (
	*v1alpha1.MemberCluster, error)

// writer writes statuses, several at once. Its methods are for one goroutine, the receiver of results.
type writer struct {
	apply applyFunc
	log   *slog.Logger
	// results receives the end of each write; the receiver calls ended.
	results chan result
	queue   []due
	objects map[string]*writing // by name
	running int
}

// due is a status that an object is to have.
type due struct {
	object  *v1alpha1.MemberCluster
	watched string // the object's resource version in the watch
	status  v1alpha1.MemberClusterStatus
}

type result struct {
	due
	written *v1alpha1.MemberCluster
	err     error
}

// writing is what is known of the writes of one object.
type writing struct {
	running bool
	next    time.Time // not before
	failure error     // of the last write; nil if it succeeded
	wait    time.Duration
	said    bool // the failure is in the log
	// before is the resource version in the watch when written was the result; until the watch has another one, written
	// is the newest.
	before  string
	written *v1alpha1.MemberCluster
}

func newWriter(apply applyFunc, log *slog.Logger) *writer {
	return &writer{
		apply: apply, log: log, results: make(chan result, parallelWrites), objects: map[string]*writing{},
	}
}

// newest returns m, or what was written to it, until the watch has that.
func (w *writer) newest(m *v1alpha1.MemberCluster) *v1alpha1.MemberCluster {
	if o := w.objects[m.Name]; o != nil && o.written != nil {
		if o.before == m.ResourceVersion && o.written.UID == m.UID {
			return o.written
		}
		o.written = nil
	}
	return m
}

// enqueue replaces what is to be written: objects that have not failed come first.
func (w *writer) enqueue(all []due) {
	w.queue = all
	slices.SortStableFunc(w.queue, func(a, b due) int { return w.failing(a) - w.failing(b) })
}

func (w *writer) failing(d due) int {
	if o := w.objects[d.object.Name]; o != nil && o.failure != nil {
		return 1
	}
	return 0
}

// retain forgets the objects that are not in keep.
func (w *writer) retain(keep map[string]bool) {
	for name, o := range w.objects {
		if !keep[name] && !o.running {
			delete(w.objects, name)
		}
	}
}

// start starts as many writes as may run now.
func (w *writer) start(ctx context.Context, now time.Time) {
	for w.running < parallelWrites && len(w.queue) > 0 {
		d := w.queue[0]
		w.queue = w.queue[1:]
		o := w.objects[d.object.Name]
		if o == nil {
			o = &writing{}
			w.objects[d.object.Name] = o
		}
		if o.running || now.Before(o.next) {
			continue
		}
		o.running, o.next = true, now.Add(statusEvery-statusSlack)
		w.running++
		go func() {
			written, err := w.apply(ctx, d.object, d.status)
			w.results <- result{d, written, err} // there is room for all that run
		}()
	}
}

// ended takes the result of a write.
func (w *writer) ended(r result, now time.Time) {
	w.running--
	name := r.object.Name
	o := w.objects[name]
	o.running = false
	switch {
	case r.err == nil:
		if o.said {
			w.log.Info("the status of the MemberCluster is written again", "member", name)
		}
		*o = writing{next: o.next, before: r.watched, written: r.written}
	case apierrors.IsNotFound(r.err) || apierrors.IsConflict(r.err): // it is gone, or another one
	default:
		w.failed(name, o, r.err, now)
	}
}

// failed has a status retried. Of many that get no answer, as when the host is away, the first is worth a line.
func (w *writer) failed(name string, o *writing, err error, now time.Time) {
	if !o.said && (answered(err) || !w.silenceSaid()) {
		o.said = true
		w.log.Error("cannot write the status of a MemberCluster; retrying", "member", name, "error", err)
	}
	o.failure = err
	o.wait = min(max(2*o.wait, minRetry), maxRetry)
	o.next = now.Add(o.wait)
}

// silenceSaid reports whether the log has a write that got no answer, and has not succeeded since.
func (w *writer) silenceSaid() bool {
	for _, o := range w.objects {
		if o.said && !answered(o.failure) {
			return true
		}
	}
	return false
}

// answered reports whether err is an answer of the API server.
func answered(err error) bool { return apierrors.ReasonForError(err) != "" }

// wait waits for the writes under way, whose context has ended.
func (w *writer) wait() {
	for ; w.running > 0; w.running-- {
		<-w.results
	}
}
