package syncer

import (
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/provider"
)

// auditor says when what is believed of the zone is compared with what is there (X6).
type auditor struct {
	audit    time.Duration
	auditAt  time.Time
	auditing map[federation.FQDN]bool // the names changed since the audit began; nil: none is under way
}

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
		state, _, err := slow.State(ctx, held)
		var found claim.Survey
		if err == nil && state == claim.Current {
			found, err = slow.Survey(ctx, held, false)
		}
		l.audits <- func() { l.audited(held, state, found, err) }
	})
}

func (l *loop) audited(began *claim.Holding, state claim.State, found claim.Survey, err error) {
	touched := l.auditing
	l.auditing = nil
	l.auditAt = time.Now().Add(jitter(l.audit))
	switch {
	case err != nil:
		l.log.Warn("audit failed", "error", err)
		l.auditAt = time.Now().Add(jitter(min(l.audit, foreignRetry)))
		return
	case state != claim.Current || l.held == nil:
		l.suspect = true
		return
	}
	l.metrics.audits.Inc()
	l.auditLevels(began, found)
	for level := range l.foreign { // what is there stays as it is
		found.Records.ForgetLevel(level)
	}
	l.takeFound(found.Records, touched)
	l.auditServed(time.Now())
}

// auditLevels has claims and list entries that are not as they were left made again, and levels that are somebody
// else's now left alone. What this syncer has changed during the audit is as it was left.
func (l *loop) auditLevels(began *claim.Holding, found claim.Survey) {
	listed := inBoth(began.Drift(found), l.held.Drift(found))
	for _, level := range listed {
		l.log.Warn("audit: a level is not in the list as it was left", "level", string(level))
	}
	claims := inBoth(began.LostClaims(found), l.held.LostClaims(found))
	for _, level := range claims {
		l.log.Warn("audit: the claim of a level is gone", "level", string(level))
	}
	if began.FormerDrift(l.config.Federation, found) && l.held.FormerDrift(l.config.Federation, found) {
		l.log.Warn("audit: the list of levels of earlier releases is not as it was left", "name", string(l.config.LevelsName()))
		l.metrics.drift.Inc()
		l.keepFormer = true
	}
	l.metrics.drift.Add(float64(len(listed) + len(claims)))
	l.held = l.held.Reopen(listed...).Without(claims...)
	if len(listed)+len(claims) > 0 {
		l.stale = true
	}
	if len(found.Foreign) > 0 { // lost since
		l.held = l.held.Without(slices.Collect(maps.Keys(found.Foreign))...)
		l.notOurs(time.Now(), found.Foreign)
	}
	if len(claims)+len(found.Foreign) > 0 {
		stale := l.stale
		l.relevel()
		l.stale = l.stale || stale
	}
}

// inBoth returns the levels that are in a and in b.
func inBoth(a, b []federation.FQDN) []federation.FQDN {
	return slices.DeleteFunc(slices.Clone(a), func(level federation.FQDN) bool { return !slices.Contains(b, level) })
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
