package writer

import (
	"context"

	"github.com/federation-dns/federation/federation/mirror"
)

// tellStart tells the loops that have no records what the mirrors say (M1), each once for as long as it asks. If they
// cannot be read, the next round tries it again.
func (w *Writer) tellStart(ctx context.Context) {
	var data map[string]map[string]string
	for _, t := range w.sets {
		if !t.snapshot.Mirror.Unclaimed {
			t.toldStart = false
		}
		if t.toldStart || !t.snapshot.Mirror.Unclaimed {
			continue
		}
		if data == nil {
			list, err := w.api.list(ctx)
			if err != nil {
				w.log.Warn("the mirror cannot be read, trying again", "error", text(err))
				return
			}
			data = make(map[string]map[string]string, len(list))
			for _, cm := range list {
				data[cm.Name] = cm.Data
			}
		}
		c := mirror.ReadContents(t.id, data)
		if c != nil && (c.Heartbeat.Owner != t.owner() || c.Heartbeat.Member != w.opt.Member) {
			c = nil
		}
		t.toldStart = true
		t.views.FoundMirror(w.opt.Member, c)
	}
}

// mayKeep reports whether the mirror may be kept without a claim: if it is this syncer's already (M1, M3).
func (t *set) mayKeep() bool {
	return !t.snapshot.Mirror.Unclaimed || t.beat.generation > 0 ||
		t.beat.is.heartbeat != nil && t.beat.is.owner == t.owner()
}
