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

// beginAudit returns the request that compares everything at the levels with the shadow (X6). inFlight are the names whose
// changes may come before or after what is read.
func (z *zone) beginAudit(inFlight map[federation.FQDN]bool) request {
	z.auditing = inFlight
	slow := z.claims
	slow.Provider = throttled{z.provider, rate.NewLimiter(auditsPerSecond, 1)}
	return auditRequest{claims: slow, held: z.held}
}

type auditRequest struct {
	claims claim.Keeper
	held   *claim.Holding
}

type auditResult struct {
	began *claim.Holding
	state claim.State
	found claim.Survey
	err   error
}

func (r auditRequest) do(ctx context.Context) result {
	res := auditResult{began: r.held}
	if res.state, _, res.err = r.claims.State(ctx, r.held); res.err == nil && res.state == claim.Current {
		res.found, res.err = r.claims.Survey(ctx, r.held, false)
	}
	return res
}

// apply has what the audit found changed repaired, but for what this syncer has changed meanwhile.
func (r auditResult) apply(l *loop, now time.Time) {
	touched := l.auditing
	l.auditing = nil
	l.auditAt = now.Add(jitter(l.audit))
	switch {
	case r.err != nil:
		l.log.Warn("audit failed", "error", r.err)
		l.auditAt = now.Add(jitter(min(l.audit, foreignRetry)))
		return
	case r.state != claim.Current || l.held == nil:
		l.suspect = true
		return
	}
	l.metrics.audits.Inc()
	repairer{l}.repairLevels(r.began, r.found)
	for level := range l.foreign { // what is there stays as it is
		r.found.Records.ForgetLevel(level)
	}
	repairer{l}.repairNames(r.found.Records, touched)
	l.auditServed(now)
}

// repairer has what an audit found changed repaired.
type repairer struct{ *loop }

// repairLevels has claims and list entries that are not as they were left made again, and levels that are somebody
// else's now left alone. What this syncer has changed during the audit is as it was left.
func (r repairer) repairLevels(began *claim.Holding, found claim.Survey) {
	listed := inBoth(began.Drift(found), r.held.Drift(found))
	for _, level := range listed {
		r.log.Warn("audit: a level is not in the list as it was left", "level", string(level))
	}
	claims := inBoth(began.LostClaims(found), r.held.LostClaims(found))
	for _, level := range claims {
		r.log.Warn("audit: the claim of a level is gone", "level", string(level))
	}
	if began.FormerDrift(r.config.Federation, found) && r.held.FormerDrift(r.config.Federation, found) {
		r.log.Warn("audit: the list of levels of earlier releases is not as it was left", "name", string(r.config.LevelsName()))
		r.metrics.drift.Inc()
		r.keepFormer = true
	}
	r.metrics.drift.Add(float64(len(listed) + len(claims)))
	r.held = r.held.Reopen(listed...).Without(claims...)
	if len(listed)+len(claims) > 0 {
		r.stale = true
	}
	if len(found.Foreign) > 0 { // lost since
		r.held = r.held.Without(slices.Collect(maps.Keys(found.Foreign))...)
		r.notOurs(time.Now(), found.Foreign)
	}
	if len(claims)+len(found.Foreign) > 0 {
		stale := r.stale
		r.relevel()
		r.stale = r.stale || stale
	}
}

// inBoth returns the levels that are in a and in b.
func inBoth(a, b []federation.FQDN) []federation.FQDN {
	return slices.DeleteFunc(slices.Clone(a), func(level federation.FQDN) bool { return !slices.Contains(b, level) })
}

// repairNames takes what an audit found for the truth, but for names that were
// changed meanwhile, and has what differs planned again.
func (r repairer) repairNames(found *claim.Records, touched map[federation.FQDN]bool) {
	drift := map[federation.FQDN]bool{}
	for _, s := range []*claim.Records{r.shadow, found} {
		for _, names := range s.Services {
			for name := range names {
				if !touched[name] && r.reread[name] == nil && !federation.EqualRRsets(r.shadow.ByName(name), found.ByName(name)) {
					drift[name] = true
				}
			}
		}
	}
	for name := range drift {
		r.log.Warn("audit: a name is not as it was left", "name", string(name), "was", describe(r.shadow.ByName(name)), "is", describe(found.ByName(name)))
		r.know(name, found.ByName(name))
		r.touchName(name)
	}
	r.metrics.drift.Add(float64(len(drift)))
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
