package syncer

import (
	"context"
	"time"
)

// A lane has at most one request under way. Publications have one of their own, and everything else that the provider
// is asked for has the other, so that neither a slow list nor a name that fails delays a publication (X5a). Of what is
// kept, at most one request starts between two publications, if any wait.
type lane int

const (
	publishing lane = iota
	keeping
	lanes
)

// request is something to ask of the provider. do blocks, and runs beside the loop.
type request interface {
	do(ctx context.Context) result
}

// result is what came of a request; apply runs in the loop.
type result interface {
	apply(l *loop, now time.Time)
}

// ended is the end of a request in a lane.
type ended struct {
	lane   lane
	result result
}

// start starts a request beside the loop.
func (rq *requests) start(ctx context.Context, in lane, r request) {
	rq.busy[in] = true
	rq.budget.AllowN(time.Now(), 1)
	rq.aside.Go(func() { rq.results <- ended{in, r.do(ctx)} })
}

// end takes the end of a request.
func (l *loop) end(e ended) {
	l.busy[e.lane] = false
	e.result.apply(l, time.Now())
}

// work starts the requests that are due, publications first (X5a), and an audit if that is due (X5b). Requests may end
// after ctx, audits not.
func (l *loop) work(ctx, requests context.Context, now time.Time) {
	if l.deposed != nil || now.Before(l.retryAt) {
		return
	}
	up := l.held != nil && l.backoff == 0
	if up && !l.busy[publishing] && l.affordable(now) && l.publish(requests, now) {
		l.kept = false
	}
	if !l.busy[keeping] && l.affordable(now) && l.keep(requests, now, up) {
		l.kept = true
	}
	if up && l.auditing == nil && !now.Before(l.auditAt) {
		l.runAudit(ctx)
	}
}

// keep starts the next request that publishes nothing new, if one is due. The kinds of them take turns.
func (l *loop) keep(ctx context.Context, now time.Time, up bool) bool {
	switch {
	case l.held == nil:
		l.open(ctx)
		return true
	case !up || l.suspect && !now.Before(l.checkAt) || l.standing.AskProvider(now) && !l.answers(now):
		l.check(ctx, now)
		return true
	case l.kept && len(l.dirty) > 0:
		return false
	}
	kinds := [...]func(context.Context, time.Time) bool{l.readNames, l.claimLevels, l.retry, l.dropLevel, l.writeFormer, l.askNegativeTTL, l.askServed}
	for range kinds {
		l.turn = (l.turn + 1) % len(kinds)
		if kinds[l.turn](ctx, now) {
			return true
		}
	}
	return false
}

// affordable reports whether the budget has a request left.
func (r *requests) affordable(now time.Time) bool {
	if r.budget.TokensAt(now) >= 1 {
		return true
	}
	if !now.Before(r.notBefore) {
		r.metrics.budget.Inc()
	}
	r.notBefore = now.Add(time.Second / requestsPerSecond)
	return false
}
