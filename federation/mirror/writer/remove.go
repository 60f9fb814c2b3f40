package writer

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// remove removes the member's mirrors as far as they are ours, heartbeats first, so that nothing vouches for the rest.
//
// It asks what stands there, and again until nothing does: what was written last, or by a request that is still on its
// way, the watch may not have shown.
func (w *Writer) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	n := 0
	for range removeRounds {
		found, err := w.removeOnce(ctx)
		if err != nil {
			w.log.Warn("the member has left, and its mirror could not be removed: delete the namespace "+
				"federation-mirror there", "error", text(err))
			return
		}
		if n += found; found == 0 {
			break
		}
	}
	if n > 0 {
		w.log.Info("the member has left: its mirror is removed", "objects", n)
	}
}

// removeRounds bounds how often is asked what is left: a finalizer keeps what has been deleted.
const removeRounds = 4

// removeOnce removes what stands now, and returns how many objects that were. An error is the last one; what it did not
// concern is removed.
func (w *Writer) removeOnce(ctx context.Context) (n int, failed error) {
	if len(w.sets) == 0 {
		return 0, nil
	}
	list, err := w.api.list(ctx)
	if err != nil {
		return 0, err
	}
	for _, heartbeats := range []bool{true, false} {
		for i := range list {
			o := objectOf(&list[i])
			if !w.removable(o) || (o.heartbeat != nil) != heartbeats {
				continue
			}
			n++
			// One that has changed or gone meanwhile is in the next list, or not.
			err := w.api.remove(ctx, o.name, o.version)
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
				failed = err
			}
		}
	}
	return n, failed
}

// removable reports whether an object is of one of our mirrors.
func (w *Writer) removable(o object) bool {
	for _, t := range w.sets {
		if o.owner == t.owner() && (o.heartbeat != nil && o.heartbeat.Identity == t.id || o.header.Identity == t.id) {
			return true
		}
	}
	return false
}

// forget drops the states of the member's mirrors.
func (w *Writer) forget() {
	for _, t := range w.sets {
		t.views.ForgetMirror(w.opt.Member)
	}
}
