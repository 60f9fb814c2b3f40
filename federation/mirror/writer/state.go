package writer

import (
	"fmt"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/snapshot"
)

// report publishes the state of each mirror, and logs what is new of it.
func (w *Writer) report() {
	now := time.Now()
	_, refused := w.own.listed()
	for key, t := range w.sets {
		st := t.state(now, refused)
		w.said.say(key, st.Reason, st.Detail)
		t.views.SetMirror(w.opt.Member, st)
	}
}

// state returns the state of the mirror; refused is why the member's objects cannot be listed or watched.
func (t *set) state(now time.Time, refused error) snapshot.MirrorState {
	st := snapshot.MirrorState{
		Renewed: t.beat.wroteAt, Buckets: len(t.buckets), Bytes: t.stats.bytes, Writes: t.stats.writes,
		Repaired: t.stats.repaired,
	}
	err := refused
	note := func(e error) {
		if err == nil {
			err = e
		}
	}
	if owner := t.foreign(); owner != "" {
		note(&foreignError{t.beat.name, owner})
	}
	note(t.beat.err)
	st.Fresh = !st.Renewed.IsZero() && now.Sub(st.Renewed) < mirror.FreshFor
	for _, b := range t.buckets {
		note(b.err)
		st.Services += len(b.services)
		st.Upstream += b.upstream
		st.Fresh = st.Fresh && b.vouched != "" && !b.isLate(now)
	}
	st.Reason, st.Detail = reasonOf(err)
	if st.Reason == "" && st.Upstream > 0 {
		st.Reason = federation.ReasonMirrorTooLarge
		st.Detail = fmt.Sprintf("%d services do not fit into the mirror: they are answered through the upstream",
			st.Upstream)
	}
	return st
}
