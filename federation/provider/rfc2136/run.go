package rfc2136

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

const (
	// maxFailures is how many changes, or messages, may fail without a reason before a probe checks whether the server
	// is at fault.
	maxFailures = 4
	// maxInARow is how many may fail in a row before the run ends. The next run sends what has failed last.
	maxInARow = 16
	// maxSilent is the same for messages without any answer: each takes the whole timeout.
	maxSilent = 4
	// shrink is how much smaller the messages are in which changes without an answer are sent again.
	shrink = 4
)

// run is one call of Apply.
type run struct {
	p     *Provider
	claim *federation.RRset
	errs  []error

	dead     error // why nothing more is sent
	passed   bool  // the empty update has, since the last maxFailures failures
	failures int   // in a row
	silent   int   // messages without an answer
}

// send makes the changes of one message, halving it where it is refused. more says that other messages are to follow.
func (r *run) send(ctx context.Context, batch []job, more bool) {
	if r.dead != nil {
		r.fail(batch, r.dead)
		return
	}
	batch = r.inKnownForm(batch)
	err := r.p.update(ctx, r.claim, batch)
	var replied *replyError
	switch {
	case err == nil:
		r.failures = 0
		r.p.last.Done(namesOf(batch)...)
		r.readBack(ctx, batch)
	case !errors.As(err, &replied):
		r.unanswered(ctx, batch, err, more)
	case replied.rcode == dns.RcodeNotAuth:
		r.fail(batch, err)
		r.dead = err
	case len(batch) == 1:
		r.single(ctx, batch[0], err, replied.rcode)
	case !r.probe(ctx):
		r.fail(batch, r.dead)
	default:
		r.send(ctx, batch[:len(batch)/2], true)
		r.send(ctx, batch[len(batch)/2:], more)
	}
}

func (r *run) fail(batch []job, err error) {
	for _, j := range batch {
		r.errs[j.index] = fmt.Errorf("%q: %w", j.change.Name, err)
	}
}

func namesOf(batch []job) (names []federation.FQDN) {
	for _, j := range batch {
		names = append(names, j.change.Name)
	}
	return names
}

// unanswered handles a message without an answer. If the server answers another one, it is hardly at fault: the run
// goes on, and the next one sends these changes last, in smaller messages.
func (r *run) unanswered(ctx context.Context, batch []job, err error, more bool) {
	r.fail(batch, err)
	if errors.Is(err, provider.ErrRefused) {
		return // it could not be packed
	}
	r.passed = false
	if errors.Is(err, provider.ErrNotSent) || ctx.Err() != nil {
		r.end(err)
		return
	}
	if r.silent++; r.silent >= maxSilent {
		r.end(err)
	}
	if (more || len(batch) > 1) && r.dead == nil && !r.probe(ctx) {
		r.end(err)
		return
	}
	r.p.last.Failed(len(batch)/shrink, namesOf(batch)...)
}

// end ends the run after a failure that is not due to the remaining changes.
func (r *run) end(err error) {
	r.dead = provider.Recast(provider.ErrNotSent, fmt.Errorf("an earlier change has failed: %w", err))
}

// probe sends an update without changes: its failure is not the fault of any change, but of the claim or the rights of
// the key.
func (r *run) probe(ctx context.Context) bool {
	if r.passed {
		return true
	}
	err := r.p.update(ctx, r.claim, nil)
	switch kind := provider.KindOf(err); {
	case err == nil:
		r.passed = true
		return true
	case errors.Is(kind, provider.ErrConflict) && r.claim != nil:
		r.dead = fmt.Errorf("the claim %q is another: %w", r.claim.Name, err)
	case errors.Is(kind, provider.ErrConflict) || errors.Is(kind, provider.ErrRefused):
		r.dead = err
	default:
		r.end(err)
	}
	return false
}

// single handles a change that was refused alone.
func (r *run) single(ctx context.Context, j job, err error, rcode int) {
	if j.putsBack && !errors.Is(provider.KindOf(err), provider.ErrConflict) && r.withoutPutBack(ctx, j, rcode) {
		return
	}
	r.fail([]job{j}, err)
	if kind := provider.KindOf(err); errors.Is(kind, provider.ErrConflict) || errors.Is(kind, provider.ErrRefused) {
		r.p.last.Done(j.change.Name) // this is the answer
		return
	}
	r.p.last.Failed(1, j.change.Name)
	switch r.failures++; {
	case r.failures >= maxInARow:
		r.end(err)
	case r.failures%maxFailures == 0:
		r.passed = false
		r.probe(ctx)
	}
}
