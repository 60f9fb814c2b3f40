package writer

import (
	"context"
)

// remove removes the member's mirrors as far as they are ours, heartbeats first, so that nothing vouches for the rest.
func (w *Writer) remove(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	n, failed := 0, error(nil)
	for _, heartbeats := range []bool{true, false} {
		for _, o := range w.own.all() {
			if w.removable(o) && (o.heartbeat != nil) == heartbeats && ctx.Err() == nil {
				if err := w.api.remove(ctx, o.name, o.version); err != nil {
					failed = err
					continue
				}
				n++
			}
		}
	}
	switch {
	case failed != nil:
		w.log.Warn("the member has left, and its mirror could not be removed: delete the namespace federation-mirror "+
			"there", "error", text(failed))
	case n > 0:
		w.log.Info("the member has left: its mirror is removed", "objects", n)
	}
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
