package reconcile

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/plan"
)

// A lane has at most one request under way. Publications have a lane of their own, and everything else that the
// provider is asked for shares another, so that neither a slow list nor a failing name delays a publication (X5a).
// While publications wait, at most one request of the other lane starts between two of them. Audits have a lane too:
// they take long, and their reads have their own budget (X5b).
type lane int

const (
	publishing lane = iota
	maintaining
	auditing
	lanes
)

const (
	// The backoff of a provider that does not answer (X5a).
	minBackoff, maxBackoff = 500 * time.Millisecond, 30 * time.Second
	// answerValid is how long an answer counts as proof that the provider works (X3c).
	answerValid = 30 * time.Second
)

// request is something to ask of the provider. do blocks, runs beside the loop, and must not touch its state.
type request interface {
	do(ctx context.Context) result
}

// result is the outcome of a request; apply runs in the loop's goroutine.
type result interface {
	apply(l *Loop, now time.Time)
}

// ended is a request's result, with its lane.
type ended struct {
	lane   lane
	result result
}

// requests are those under way, when the next may start, and whether the provider answers.
type requests struct {
	*env
	results    chan ended
	running    sync.WaitGroup // the requests' goroutines
	busy       [lanes]bool
	maintained bool // a maintaining request has started since the last publication
	lastKind   int  // of the maintaining requests, which take turns
	budget     *rate.Limiter
	notBefore  time.Time // by the budget
	retryAt    time.Time // by backoff
	backoff    time.Duration
	lastErr    error
	answered   time.Time // when the provider last did
}

// start starts a request beside the loop.
func (rq *requests) start(ctx context.Context, ln lane, r request) {
	rq.busy[ln] = true
	if ln != auditing {
		rq.budget.AllowN(time.Now(), 1)
	}
	rq.running.Go(func() { rq.results <- ended{ln, r.do(ctx)} })
}

// finish applies the result of a request.
func (l *Loop) finish(e ended) {
	l.busy[e.lane] = false
	e.result.apply(l, time.Now())
}

// maintainer returns the requests that publish nothing new.
type maintainer struct{ *Loop }

// next returns the next request; nil if none is due. The kinds take turns. up reports that the claim is held and the
// provider answers.
func (k maintainer) next(now time.Time, up bool) request {
	switch {
	case k.holding == nil:
		return k.open()
	case !up || k.suspect && !now.Before(k.checkAt) || k.reach.AskProvider(now) && !k.answers(now):
		return k.check(now)
	case k.maintained && len(k.dirty) > 0:
		return nil
	}
	kinds := []func() request{
		func() request { return k.readNames(now, &k.retries) },
		func() request { return k.claimLevels(now, k.entries, k.reach.Summary().Starting) },
		func() request { return k.retryFailed(now) },
		func() request {
			if k.busy[publishing] { // it may write at the level
				return nil
			}
			return k.dropLevel(now, k.levels)
		},
		func() request { return k.writeFormer(now) },
		k.askNegativeTTL,
		func() request { return k.askServed(now) },
	}
	for range kinds {
		k.lastKind = (k.lastKind + 1) % len(kinds)
		if r := kinds[k.lastKind](); r != nil {
			return r
		}
	}
	return nil
}

// retryFailed returns a request that retries failed changes; nil if none is due.
func (k maintainer) retryFailed(now time.Time) request {
	p := planner(k)
	names := k.retries.Due(now, func(n federation.FQDN) int {
		svc, _, _ := k.config.ParseOwner(n)
		return p.urgency(svc)
	})
	if len(names) == 0 {
		return nil
	}
	services := map[federation.ServiceName]bool{}
	for _, name := range names {
		svc, _, _ := k.config.ParseOwner(name)
		services[svc], k.unpublished[svc] = true, true
	}
	needed := p.diff(now, slices.SortedFunc(maps.Keys(services), federation.CompareServiceNames))
	changes := slices.DeleteFunc(needed, func(c plan.Change) bool {
		return !slices.Contains(names, c.Name) || k.reread[c.Name] != nil || k.names[c.Name].InFlight
	})
	if len(changes) == 0 {
		return nil
	}
	return k.change(now, changes, true)
}

// providerFailed notes the failure of a neutral request: the provider as a whole does not answer, or the federation's
// names belong to somebody else. Until such a request succeeds, no other is made (X5a).
func (rq *requests) providerFailed(what string, err error) {
	wait := foreignRetry
	if !errors.Is(err, claim.ErrForeign) {
		rq.backoff = min(max(2*rq.backoff, minBackoff), maxBackoff)
		wait = rq.backoff/2 + rand.N(rq.backoff/2+1)
	}
	rq.retryAt = time.Now().Add(wait)
	if rq.lastErr == nil || rq.lastErr.Error() != err.Error() {
		rq.log.Error(what+" failed, retrying", "error", err, "in", wait.Round(time.Millisecond))
	}
	rq.lastErr = err
}

// providerAnswered notes that the provider has answered, which ends a row of failures.
func (l *Loop) providerAnswered() {
	now := time.Now()
	if l.lastErr != nil {
		l.log.Info("the provider answers again")
		l.retryNow(now)
	}
	l.backoff, l.retryAt, l.lastErr = 0, time.Time{}, nil
	l.answered = now
}

// answers reports whether the provider has answered within answerValid (X3c).
func (l *Loop) answers(now time.Time) bool {
	return l.holding != nil && l.backoff == 0 && now.Sub(l.answered) < answerValid
}

// affordable reports whether the budget has a request left.
func (rq *requests) affordable(now time.Time) bool {
	if rq.budget.TokensAt(now) >= 1 {
		return true
	}
	if !now.Before(rq.notBefore) {
		rq.metrics.Budget.Inc()
	}
	rq.notBefore = now.Add(time.Second / requestsPerSecond)
	return false
}

func (rq *requests) isForeign() bool { return errors.Is(rq.lastErr, claim.ErrForeign) }
