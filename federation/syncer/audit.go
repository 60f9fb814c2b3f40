package syncer

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/provider"
)

// runAudit compares everything at the levels with the shadow (X6), beside the
// requests.
func (l *loop) runAudit(ctx context.Context) {
	held := l.held
	l.auditing = map[federation.FQDN]bool{}
	for name, n := range l.names {
		if n.inFlight { // its change may come before or after what is read
			l.auditing[name] = true
		}
	}
	slow := l.claims
	slow.Provider = throttled{l.provider, rate.NewLimiter(auditsPerSecond, 1)}
	l.aside.Go(func() {
		mine, err := slow.Held(ctx, held)
		var found claim.Survey
		if err == nil && mine {
			found, err = slow.Survey(ctx, held.Entries, false)
		}
		var levels *federation.RRset
		if err == nil && mine {
			levels, err = slow.TXT(ctx, held.Levels.Name)
		}
		l.audits <- func() { l.audited(held, mine, found, levels, err) }
	})
}

func (l *loop) audited(held *claim.Holding, mine bool, found claim.Survey, levels *federation.RRset, err error) {
	touched := l.auditing
	l.auditing = nil
	l.auditAt = time.Now().Add(jitter(l.audit))
	switch {
	case err != nil:
		l.log.Warn("audit failed", "error", err)
		l.auditAt = time.Now().Add(jitter(min(l.audit, foreignRetry)))
		return
	case !mine:
		l.suspect = true
		return
	}
	l.metrics.audits.Inc()
	l.takeLevels(held, levels)
	if len(found.Foreign) > 0 { // lost since
		l.held = l.held.Without(found.Foreign)
		l.notOurs(time.Now(), found.Foreign)
		l.relevel()
	}
	l.takeFound(found.Records, touched)
}

// takeLevels has a list of levels that somebody else changed read again, and
// then written as it is to be; nil is none. One that changed meanwhile is none
// of that.
func (l *loop) takeLevels(held *claim.Holding, found *federation.RRset) {
	was := held.Levels
	is := federation.RRset{Name: was.Name, Type: was.Type}
	if found != nil {
		is = *found
	}
	if is.SameData(was) || !l.held.Levels.SameData(was) || l.list.open {
		return
	}
	l.log.Warn("audit: the list of levels is not as it was left", "name", string(was.Name), "was", was.Data, "is", is.Data)
	l.list.open = true
	l.metrics.drift.Inc()
}

// takeFound takes what an audit found for the truth, but for names that were
// changed meanwhile, and has what differs planned again.
func (l *loop) takeFound(found *claim.Records, touched map[federation.FQDN]bool) {
	drift := map[federation.FQDN]bool{}
	for _, s := range []*claim.Records{l.shadow, found} {
		for _, names := range s.Services {
			for name := range names {
				if !touched[name] && l.reread[name] == nil && !federation.EqualRRsets(l.shadow.At(name), found.At(name)) {
					drift[name] = true
				}
			}
		}
	}
	for name := range drift {
		l.log.Warn("audit: a name is not as it was left", "name", string(name), "was", describe(l.shadow.At(name)), "is", describe(found.At(name)))
		l.know(name, found.At(name))
		l.touchName(name)
	}
	l.metrics.drift.Add(float64(len(drift)))
}

// throttled is a provider whose reads keep to a budget of their own (X5b).
type throttled struct {
	provider.Provider
	budget *rate.Limiter
}

// Get waits for the budget.
func (t throttled) Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error) {
	if err := t.budget.Wait(ctx); err != nil {
		return nil, err
	}
	return t.Provider.Get(provider.ForAudit(ctx), name)
}

// List waits for the budget.
func (t throttled) List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error {
	if err := t.budget.Wait(ctx); err != nil {
		return err
	}
	return t.Provider.List(provider.ForAudit(ctx), suffix, yield)
}
