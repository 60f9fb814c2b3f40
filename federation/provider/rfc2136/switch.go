package rfc2136

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// errIgnored is the refusal of a CNAME that the server acknowledged but did not make.
var errIgnored = fmt.Errorf("%w: the server ignored the CNAME: "+
	"there are foreign RRsets at the name, which allow none beside them", provider.ErrRefused)

// inKnownForm is the batch in the form that the server is known to accept.
func (r *run) inKnownForm(batch []job) []job {
	if !r.p.plain.Load() || !slices.ContainsFunc(batch, func(j job) bool { return j.putsBack }) {
		return batch
	}
	out := slices.Clone(batch)
	for i, j := range out {
		if plain, err := newJob(j.index, j.change, false); err == nil {
			out[i] = plain
		}
	}
	return out
}

// withoutPutBack sends a switch to CNAME in the form for servers that refuse a CNAME and another RRset of its name in
// one message (PowerDNS: FORMERR). It reports whether that settled the change; else the first refusal counts.
func (r *run) withoutPutBack(ctx context.Context, j job, rcode int) (settled bool) {
	plain, err := newJob(j.index, j.change, false)
	if err != nil {
		return false
	}
	err = r.p.update(ctx, r.claim, []job{plain})
	var replied *replyError
	switch {
	case err == nil:
		// A server that cannot answer now says nothing about the form.
		if rcode != dns.RcodeServerFailure {
			r.p.plain.Store(true)
		}
		r.failures = 0
		r.p.last.Done(j.change.Name)
		r.readBack(ctx, []job{plain})
	case errors.Is(err, provider.ErrConflict):
		// Another client's change.
		r.fail([]job{plain}, err)
	case errors.As(err, &replied), errors.Is(err, provider.ErrRefused):
		return false
	default:
		r.unanswered(ctx, []job{plain}, err, true)
	}
	return true
}

// readBack checks that the switches to CNAME were made (P6r).
func (r *run) readBack(ctx context.Context, batch []job) {
	var switched []job
	for _, j := range batch {
		if j.switches() {
			switched = append(switched, j)
		}
	}
	for part := range slices.Chunk(switched, maxPipeline) {
		r.readBackPart(ctx, part)
	}
}

func (r *run) readBackPart(ctx context.Context, part []job) {
	queries := make([]*dns.Msg, len(part))
	for i, j := range part {
		queries[i] = newQuery(j.change.Name, dns.TypeCNAME)
	}
	replies, err := r.p.client.exchange(ctx, queries...)
	if err != nil {
		r.fail(part, notReadBack(err))
		return
	}
	for i, j := range part {
		err := r.p.authoritative(queries[i], replies[i])
		switch {
		case errors.Is(err, provider.ErrRefused):
			r.fail(part[i:i+1], r.undone(ctx, j, err))
		case err != nil:
			r.fail(part[i:i+1], notReadBack(err))
		case provider.Find(setsAt(replies[i], j.change.Name), federation.TypeCNAME) == nil:
			if err := r.unseen(ctx, j); err != nil {
				r.fail(part[i:i+1], err)
			}
		}
	}
}

// notReadBack is the error of a switch that was acknowledged but could not be read back.
func notReadBack(err error) error {
	return provider.Recast(provider.ErrUnknownOutcome,
		fmt.Errorf("the switch to CNAME was sent but not read back: %w", err))
}

// unseen handles a switch that a query does not show. Most likely the CNAME was ignored; but a secondary that forwards
// updates, or a server with lagging replicas, shows old data: an update asks the server that decides.
func (r *run) unseen(ctx context.Context, j job) error {
	stands, err := newJob(j.index, plan.Change{Name: j.change.Name, From: j.change.To, To: j.change.To}, false)
	if err != nil {
		return notReadBack(err)
	}
	err = r.p.update(ctx, r.claim, []job{stands})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, provider.ErrConflict):
		return r.ignored(ctx, j)
	}
	return notReadBack(err)
}

// ignored returns the error of a switch that the server acknowledged but did not make. It puts the old RRsets back,
// unless the message did.
func (r *run) ignored(ctx context.Context, j job) error {
	if len(j.change.From) == 0 || j.putsBack {
		return errIgnored
	}
	back := plan.Change{Name: j.change.Name, To: j.change.From}
	if err := r.makeOne(ctx, j.index, back); err != nil {
		return provider.Recast(provider.ErrUnknownOutcome,
			fmt.Errorf("the server ignored the CNAME because of foreign RRsets, "+
				"and the old RRsets could not be put back: %w", err))
	}
	return errIgnored
}

// undone returns the error of a switch at a name that the server is not authoritative for: no client sees the records.
// It puts the old ones back.
func (r *run) undone(ctx context.Context, j job, refusal error) error {
	back := plan.Change{Name: j.change.Name, From: j.change.To, To: j.change.From}
	if err := r.makeOne(ctx, j.index, back); err != nil {
		return provider.Recast(provider.ErrUnknownOutcome,
			fmt.Errorf("%w; and the old RRsets could not be put back: %w", refusal, err))
	}
	return refusal
}

// makeOne makes a change that undoes another.
func (r *run) makeOne(ctx context.Context, index int, c plan.Change) error {
	j, err := newJob(index, c, false)
	if err != nil {
		return err
	}
	return r.p.update(ctx, r.claim, []job{j})
}
