package batch

import (
	"context"
	"errors"
	"fmt"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

const (
	// maxRefused is how many changes in a row may be refused one by one before the run ends: the reason is then hardly
	// the changes themselves (a full zone, say). maxDenied is the same for Denied while nothing was made: the
	// credentials then hardly allow anything.
	maxRefused = 64
	maxDenied  = 3
	// maxSilent is how many requests may fail without a reason, and how many names may be unreadable, before the run
	// ends; the next run sends these last. shrink is how much smaller the requests are in which it does so.
	maxSilent = 4
	shrink    = 4
)

// run is one call of Apply.
type run struct {
	server Server
	claim  *federation.RRset
	errs   []error

	dead    error // why nothing more is sent
	refused int   // changes refused in a row
	granted bool  // one of the requests was
	silent  int   // requests, and reads, without an answer
}

// top makes one request of the first round.
func (r *run) top(ctx context.Context, part []job) {
	if part[0].empty() {
		r.checkEmpty(ctx, part[0])
		return
	}
	r.send(ctx, part, true)
}

// send makes the changes of one request, halving it where it is refused.
func (r *run) send(ctx context.Context, part []job, top bool) {
	if r.dead != nil {
		r.fail(part, r.dead)
		return
	}
	err := r.attempt(ctx, part)
	if err == nil {
		r.refused, r.granted = 0, true
		r.server.Last().Done(namesOf(part)...)
		return
	}
	switch KindOf(err) {
	case Refused, Denied:
		// Reading the claim once shows whether it is worth going on.
		if top && !part[0].alone && KindOf(err) == Refused && !r.claimHolds(ctx) {
			r.fail(part, r.dead)
			return
		}
		if len(part) == 1 {
			r.single(ctx, part[0], err, top)
			return
		}
		r.send(ctx, part[:len(part)/2], false)
		r.send(ctx, part[len(part)/2:], false)
	case Rejected:
		r.fail(part, err)
		r.dead = err
	case Later:
		r.fail(part, err)
		r.end(err)
	default:
		r.unanswered(ctx, part, err)
	}
}

// unanswered handles a request that failed without a reason. If the server still shows the claim, the server is hardly
// at fault.
func (r *run) unanswered(ctx context.Context, part []job, err error) {
	if provider.KindOf(err) == nil {
		err = fmt.Errorf("%w: %w", provider.ErrUnknownOutcome, err)
	}
	r.fail(part, err)
	if r.claim == nil || ctx.Err() != nil || errors.Is(provider.KindOf(err), provider.ErrNotSent) {
		r.end(err)
		return
	}
	r.stumble(ctx, err)
	if r.dead == nil || r.silent >= maxSilent {
		r.server.Last().Failed(len(part)/shrink, namesOf(part)...)
	}
}

// stumble counts a failure that may be specific to one name. It ends the run after many, or if the claim cannot be read
// either.
func (r *run) stumble(ctx context.Context, err error) {
	if r.silent++; r.silent >= maxSilent || ctx.Err() != nil {
		r.end(err)
		return
	}
	r.claimHolds(ctx)
}

// end ends the run after a failure that is not due to the remaining changes.
func (r *run) end(err error) {
	r.dead = provider.Recast(provider.ErrNotSent, fmt.Errorf("an earlier change has failed: %w", err))
}

func namesOf(part []job) (names []federation.FQDN) {
	for _, j := range part {
		names = append(names, j.change.Name)
	}
	return names
}

func (r *run) fail(part []job, err error) {
	for _, j := range part {
		r.errs[j.index] = fmt.Errorf("%q: %w", j.change.Name, err)
	}
}

// attempt sends one request, and retries if it was certainly not made.
func (r *run) attempt(ctx context.Context, part []job) error {
	changes := make([]plan.Change, len(part))
	for i, j := range part {
		changes[i] = j.change
	}
	claim := r.claim
	if part[0].alone {
		claim = nil
	}
	lost := false // an earlier attempt may have been made after all
	for n := 1; ; n++ {
		err := r.server.Send(ctx, claim, changes)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case ctx.Err() != nil:
			return err
		}
		switch KindOf(err) {
		case Refused, Denied:
			if lost && r.settle(ctx, changes) == made {
				return nil
			}
			return err
		case Rejected:
			return err
		case Open:
			lost = true
			switch r.settle(ctx, changes) {
			case made:
				return nil
			case unknown:
				return err
			}
			err = provider.Recast(provider.ErrUnavailable, fmt.Errorf("%w; a look shows that it was not made", err))
		}
		if n == maxAttempts || !pause(ctx, n) {
			return err
		}
	}
}

// claimHolds reads the claim. If it differs, the run is over.
func (r *run) claimHolds(ctx context.Context) bool {
	if r.claim == nil {
		return true
	}
	state, err := r.server.Read(ctx, r.claim.Name)
	if err != nil {
		r.end(fmt.Errorf("reading the claim %q: %w", r.claim.Name, err))
		return false
	}
	if is := provider.Find(state.Sets, federation.TypeTXT); is == nil || !is.Equal(*r.claim) {
		r.dead = fmt.Errorf("%w: the claim %q is another: %s", provider.ErrConflict, r.claim.Name, describe(state))
		return false
	}
	return true
}

// single handles a change that was refused alone: reading its name shows whether it is a conflict.
func (r *run) single(ctx context.Context, j job, refusal error, claimRead bool) {
	if KindOf(refusal) == Denied {
		r.fail([]job{j}, fmt.Errorf("%w: %w", provider.ErrRefused, refusal))
		r.count(refusal, !r.granted)
		return
	}
	state, err := r.server.Read(ctx, j.change.Name)
	if err != nil {
		kind := provider.ErrUnavailable
		if errors.Is(err, provider.ErrRefused) {
			kind = provider.ErrRefused
		}
		err = provider.Recast(kind, fmt.Errorf("refused (%w), and the name could not be read: %w", refusal, err))
		r.fail([]job{j}, err)
		r.stumble(ctx, err)
		r.server.Last().Failed(1, j.change.Name)
		return
	}
	reason := conflict(j.change, state)
	if reason == nil {
		reason = blocked(j.change, state)
	}
	if reason == nil && !claimRead && !j.alone && !r.claimHolds(ctx) {
		reason = r.dead
	}
	if reason != nil {
		r.fail([]job{j}, reason)
		return
	}
	r.fail([]job{j}, fmt.Errorf("%w: %w", provider.ErrRefused, refusal))
	r.count(refusal, false)
}

// count counts a refused change; after too many in a row the run is over.
func (r *run) count(refusal error, soon bool) {
	if r.refused++; r.refused >= maxRefused || soon && r.refused >= maxDenied {
		r.dead = provider.Recast(provider.ErrNotSent,
			fmt.Errorf("%d changes in a row were refused before it, the last with: %w", r.refused, refusal))
	}
}

// checkEmpty makes a change that has neither From nor To: it only checks that the name is empty.
func (r *run) checkEmpty(ctx context.Context, j job) {
	if r.dead != nil || !r.claimHolds(ctx) {
		r.fail([]job{j}, r.dead)
		return
	}
	state, err := r.server.Read(ctx, j.change.Name)
	if err == nil {
		err = conflict(j.change, state)
	}
	if err != nil {
		r.fail([]job{j}, err)
	}
}
