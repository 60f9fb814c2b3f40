package syncer

import (
	"context"
	"time"

	"github.com/federation-dns/federation/federation/claim"
)

// checkEvery is how often the main claim is read at most, while what is published fails or is in conflict.
const checkEvery = time.Second

// check returns the request that reads the main claim: a neutral request, which alone says whether the provider works (X5a) and whether the
// names are still ours (O3c).
func (z *zone) check(now time.Time) request {
	z.suspect, z.checkAt = false, now.Add(checkEvery)
	return checkRequest{claims: z.claims, held: z.held}
}

type checkRequest struct {
	claims claim.Keeper
	held   *claim.Holding
}

type checkResult struct {
	state claim.State
	why   error
	err   error // the claim could not be read
	up    bool  // the provider answers though the claim cannot be read
}

func (r checkRequest) do(ctx context.Context) result {
	var res checkResult
	if res.state, res.why, res.err = r.claims.State(ctx, r.held); res.err == nil {
		return res
	}
	_, err := r.claims.Provider.NegativeTTL(ctx)
	res.up = err == nil
	return res
}

func (r checkResult) apply(l *loop, now time.Time) {
	switch {
	case r.err != nil && !r.up:
		l.suspect = true
		l.failed("reading the main claim", r.err)
		return
	case r.err != nil: // the claim alone cannot be read: changes assert it, so nothing is lost
		if l.claimUnread.isNews(r.err) {
			l.log.Error("the main claim could not be read: it is read again, all else goes on", "error", r.err)
		}
		l.claimUnread.failed(now, r.err, minUnread, maxUnread)
		l.suspect, l.checkAt = true, l.claimUnread.until
		l.succeeded()
		return
	}
	l.claimUnread = setback{}
	l.succeeded()
	switch r.state {
	case claim.Taken:
		l.depose(r.why)
	case claim.Lost:
		l.lostClaim(r.why)
	}
}
