package rfc2136

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// maxFailures is how many single changes may end in a SERVFAIL before the
// server is thought to be broken altogether.
const maxFailures = 4

// run is one call of Apply.
type run struct {
	p     *Provider
	claim *federation.RRset
	errs  []error

	dead     error // why nothing more is sent
	probed   bool  // the empty update has passed
	failures int
}

// send makes the changes of one message, halving it where it is refused.
func (r *run) send(ctx context.Context, batch []job) {
	if r.dead != nil {
		r.fail(batch, r.dead)
		return
	}
	err := r.p.update(ctx, r.claim, batch)
	var replied *replyError
	switch {
	case err == nil:
		r.readBack(ctx, batch)
	case !errors.As(err, &replied):
		r.failed(batch, err)
	case replied.rcode == dns.RcodeNotAuth:
		r.fail(batch, err)
		r.dead = err
	case len(batch) == 1:
		r.single(ctx, batch[0], err, replied.rcode)
	case !r.probe(ctx):
		r.fail(batch, r.dead)
	default:
		r.send(ctx, batch[:len(batch)/2])
		r.send(ctx, batch[len(batch)/2:])
	}
}

func (r *run) fail(batch []job, err error) {
	for _, j := range batch {
		r.errs[j.index] = fmt.Errorf("%q: %w", j.change.Name, err)
	}
}

// failed is fail, and ends the run if the server has not answered.
func (r *run) failed(batch []job, err error) {
	r.fail(batch, err)
	var replied *replyError
	if !errors.As(err, &replied) && !errors.Is(err, provider.ErrRefused) {
		r.dead = fmt.Errorf("%w after an earlier failure: %w", errNotSent, err)
	}
}

// probe sends an update without changes, once: what it gets is not the fault
// of any change, be it the claim or what the key may do.
func (r *run) probe(ctx context.Context) bool {
	if !r.probed {
		if err := r.p.update(ctx, r.claim, nil); err != nil {
			if errors.Is(err, provider.ErrConflict) && r.claim != nil {
				err = fmt.Errorf("the claim %q is another: %w", r.claim.Name, err)
			}
			r.dead = err
		}
		r.probed = true
	}
	return r.dead == nil
}

// single deals with a change that was refused alone.
func (r *run) single(ctx context.Context, j job, err error, rcode int) {
	if rcode == dns.RcodeRefused && j.putsBack && r.withoutPutBack(ctx, j) {
		return
	}
	r.fail([]job{j}, err)
	if rcode == dns.RcodeServerFailure {
		if r.failures++; r.failures >= maxFailures {
			r.dead = err
		}
	}
}

// withoutPutBack sends a switch to CNAME in the form that servers take which
// refuse a CNAME and another RRset of its name in one message. It reports
// whether that has settled the change; else the first refusal stands.
func (r *run) withoutPutBack(ctx context.Context, j job) (settled bool) {
	plain, err := newJob(j.index, j.change, false)
	if err != nil {
		return false
	}
	err = r.p.update(ctx, r.claim, []job{plain})
	if errors.Is(err, provider.ErrRefused) {
		return false
	}
	if err != nil {
		// No refusal any more: somebody else's change, or the outcome is open.
		r.failed([]job{plain}, err)
		return true
	}
	r.p.plain.Store(true)
	r.readBack(ctx, []job{plain})
	return true
}

// readBack looks whether the switches to CNAME have come true (P6r).
func (r *run) readBack(ctx context.Context, batch []job) {
	var switched []job
	for _, j := range batch {
		if j.switches() {
			switched = append(switched, j)
		}
	}
	for len(switched) > 0 {
		part := switched[:min(maxPipeline, len(switched))]
		switched = switched[len(part):]
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
		r.fail(part, fmt.Errorf("the switch to CNAME was sent but not read back: %w", err))
		return
	}
	for i, j := range part {
		if err := r.p.authoritative(queries[i], replies[i]); err != nil {
			r.fail(part[i:i+1], fmt.Errorf("the switch to CNAME was sent but not read back: %w", err))
			continue
		}
		if provider.Find(setsAt(replies[i], j.change.Name), federation.TypeCNAME) == nil {
			r.fail(part[i:i+1], r.ignored(ctx, j))
		}
	}
}

// ignored is the error of a switch that the server has acknowledged but not
// made. If the message did not do so itself, the old RRsets are put back.
func (r *run) ignored(ctx context.Context, j job) error {
	err := fmt.Errorf("%w: the server ignored the CNAME: there are foreign RRsets at the name, which allow none beside them", provider.ErrRefused)
	if len(j.change.From) == 0 || j.putsBack {
		return err
	}
	back, backErr := newJob(j.index, plan.Change{Name: j.change.Name, To: j.change.From}, false)
	if backErr == nil {
		backErr = r.p.update(ctx, r.claim, []job{back})
	}
	if backErr != nil {
		// The outcome is open: not a refusal.
		return fmt.Errorf("the server ignored the CNAME because of foreign RRsets, and the old RRsets could not be put back: %w", backErr)
	}
	return err
}
