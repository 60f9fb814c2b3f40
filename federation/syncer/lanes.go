package syncer

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
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

// requests are those under way, when the next may start, and whether the provider answers.
type requests struct {
	*env
	results   chan ended
	aside     sync.WaitGroup // goroutines that work beside the loop
	busy      [lanes]bool
	kept      bool // a request of keeping has started since the last publication
	turn      int  // the kind of it
	budget    *rate.Limiter
	notBefore time.Time // by the budget
	retryAt   time.Time // by backoff
	backoff   time.Duration
	lastErr   error
	answered  time.Time // the last time that the provider did
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
	if up && !l.busy[publishing] && l.affordable(now) {
		if r := l.publish(now); r != nil {
			l.start(requests, publishing, r)
			l.kept = false
		}
	}
	if !l.busy[keeping] && l.affordable(now) {
		if r := l.keep(now, up); r != nil {
			l.start(requests, keeping, r)
			l.kept = true
		}
	}
	if up && l.auditing == nil && !now.Before(l.auditAt) {
		l.runAudit(ctx)
	}
}

// keep returns the next request that publishes nothing new; nil if none is due. The kinds of them take turns.
func (l *loop) keep(now time.Time, up bool) request {
	switch {
	case l.held == nil:
		return l.open()
	case !up || l.suspect && !now.Before(l.checkAt) || l.standing.AskProvider(now) && !l.answers(now):
		return l.check(now)
	case l.kept && len(l.dirty) > 0:
		return nil
	}
	for range keepings {
		l.turn = (l.turn + 1) % keepings
		if r := l.keepingOf(l.turn, now); r != nil {
			return r
		}
	}
	return nil
}

// keepings is how many kinds of requests there are that publish nothing new.
const keepings = 7

// keepingOf returns the next request of a kind; nil if there is nothing to ask for now.
func (l *loop) keepingOf(kind int, now time.Time) request {
	switch kind {
	case 0:
		return l.readNames(now, &l.retries)
	case 1:
		return l.claimLevels(now, l.entries, l.standing.Summary().Starting)
	case 2:
		return l.retry(now)
	case 3:
		if l.busy[publishing] { // what is being published may be at a level that goes
			return nil
		}
		return l.dropLevel(now, l.levels)
	case 4:
		return l.writeFormer(now)
	case 5:
		return l.askNegativeTTL()
	}
	return l.askServed(now)
}

// affordable reports whether the budget has a request left.
func (rq *requests) affordable(now time.Time) bool {
	if rq.budget.TokensAt(now) >= 1 {
		return true
	}
	if !now.Before(rq.notBefore) {
		rq.metrics.budget.Inc()
	}
	rq.notBefore = now.Add(time.Second / requestsPerSecond)
	return false
}
