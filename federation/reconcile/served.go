package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/retry"
)

// What is written has to be what is served (O5): when a level is claimed, and at each audit, the provider is asked what
// clients are told of names there. A level at which a delegation or a wildcard answers is left alone, like one that is
// not ours.
const (
	// evidenceApart is how long a problem has to last: a zone that is just being changed is no evidence.
	evidenceApart = time.Minute
	// The backoff of a level that could not be checked, and the pause of all others then.
	minUnasked, maxUnasked, unaskedPause = 30 * time.Second, 10 * time.Minute, 5 * time.Second
	// askEvery keeps the checks of many levels to the audits' share of the budget (X5b).
	askEvery = time.Second / auditsPerSecond
)

// errNotServed is why a level is excluded at which clients are told something else than what is written.
var errNotServed = errors.New("what is written is not what is served")

// evidence is what is known of how names at a level are served. The zero value is that nothing is wrong.
type evidence struct {
	problem string    // in the last answer; "" is none
	since   time.Time // the first of the answers in a row that had one
	proven  bool
	failure retry.Backoff // of the check itself; says nothing about the level
}

// update notes an answer, or why there is none, and returns when to check again; zero is at the next audit.
func (e *evidence) update(now time.Time, problem string, err error) (again time.Time) {
	switch {
	case err != nil:
		e.failure.Failed(now, err, minUnasked, maxUnasked)
		return e.failure.Until
	case problem == "":
		*e = evidence{}
		return time.Time{}
	case e.problem == "":
		e.since = now
	}
	e.problem, e.failure = problem, retry.Backoff{}
	e.proven = now.Sub(e.since) >= evidenceApart
	if !e.proven {
		return e.since.Add(evidenceApart)
	}
	return now.Add(foreignRetry)
}

// served is the evidence of all levels by their suffix, and that of the domain itself.
type served struct {
	view        provider.ClientView // nil: the provider cannot say
	bySuffix    map[federation.FQDN]*evidence
	due         retry.Timers[federation.FQDN]
	pausedUntil time.Time
}

// proven returns what is wrong at the suffix, and whether that is certain.
func (s *served) proven(suffix federation.FQDN) (problem string, ok bool) {
	if e := s.bySuffix[suffix]; e != nil && e.proven {
		return e.problem, true
	}
	return "", false
}

func (s *served) next() time.Time {
	next := s.due.Next()
	if !next.IsZero() && next.Before(s.pausedUntil) {
		return s.pausedUntil
	}
	return next
}

// watchServed has newly claimed levels checked, and forgets those that are no longer ours.
func (z *zone) watchServed(now time.Time) {
	want := map[federation.FQDN]bool{z.config.Domain: true, z.config.Suffix(z.config.Domain): true}
	for level := range z.holding.Claimed {
		want[z.config.Suffix(level)] = true
	}
	for _, e := range z.holding.Entries { // those that are left alone
		if _, proven := z.served.proven(z.config.Suffix(e.Name)); proven {
			want[z.config.Suffix(e.Name)] = true
		}
	}
	maps.DeleteFunc(z.served.bySuffix, func(suffix federation.FQDN, _ *evidence) bool { return !want[suffix] })
	for suffix := range want {
		if z.served.bySuffix[suffix] == nil {
			z.served.bySuffix[suffix] = &evidence{}
			z.served.due.Set(suffix, now)
		}
	}
}

// auditServed has all levels checked again that are not due for a check anyway.
func (b *levelState) auditServed(now time.Time) {
	for suffix := range b.served.bySuffix {
		if !b.served.due.Has(suffix) {
			b.served.due.Set(suffix, now)
		}
	}
}

// askServed returns a request for what clients are told at one level; nil if none is due.
func (b *levelState) askServed(now time.Time) request {
	if b.served.view == nil || now.Before(b.served.pausedUntil) {
		return nil
	}
	for next := b.served.due.Next(); !next.IsZero() && !now.Before(next); next = b.served.due.Next() {
		suffix := b.served.due.Pop()
		if b.served.bySuffix[suffix] == nil {
			continue
		}
		b.served.pausedUntil = now.Add(askEvery)
		return servedRequest{b.served.view, suffix}
	}
	return nil
}

type servedRequest struct {
	view   provider.ClientView
	suffix federation.FQDN
}

type servedResult struct {
	suffix federation.FQDN
	served provider.Served
	err    error
}

func (r servedRequest) do(ctx context.Context) result {
	ctx, cancel := context.WithTimeout(provider.ForAudit(ctx), StopTimeout)
	defer cancel()
	res := servedResult{suffix: r.suffix}
	res.served, res.err = r.view.Serves(ctx, r.suffix)
	return res
}

func (r servedResult) apply(l *Loop, now time.Time) {
	e := l.served.bySuffix[r.suffix]
	if e == nil || l.holding == nil {
		return
	}
	if r.err != nil {
		l.served.pausedUntil = now.Add(unaskedPause)
		if e.failure.IsNews(r.err) {
			l.log.Warn("what clients are told at a level could not be found out: retrying, all else goes on",
				"suffix", string(r.suffix), "error", r.err)
		}
	} else {
		l.providerAnswered()
	}
	was := *e
	l.served.due.Set(r.suffix, e.update(now, r.served.Problem(), r.err))
	level, isLevel := l.config.ParseSuffix(r.suffix)
	isLevel = isLevel && level != l.config.Domain
	switch {
	case e.proven == was.proven:
	case !isLevel && e.proven:
		l.log.Warn("names of the domain are not served as they are written",
			"suffix", string(r.suffix), "problem", e.problem)
	case e.proven:
		l.holding = l.holding.Without(level)
		l.excludeLevels(now, map[federation.FQDN]error{level: fmt.Errorf("%w: %s", errNotServed, e.problem)})
		mover{l}.relevelClaimed()
	case isLevel:
		l.log.Info("level is served as it is written again: claiming it", "level", string(level))
		if s := l.foreign[level]; s != nil && errors.Is(s.Err, errNotServed) {
			delete(l.foreign, level)
		}
		l.levelsStale = true
	}
}

// dropUnserved excludes the levels that were not served as written before the main claim was made again.
func (z *zone) dropUnserved(now time.Time) {
	for level := range maps.Clone(z.holding.Claimed) {
		if problem, proven := z.served.proven(z.config.Suffix(level)); proven && level != z.config.Domain {
			z.holding = z.holding.Without(level)
			z.excludeLevels(now, map[federation.FQDN]error{level: fmt.Errorf("%w: %s", errNotServed, problem)})
		}
	}
}

// federationProblems returns the problems of the federation as a whole: names that are not served as written, and
// bounds on levels that are close.
func (z *zone) federationProblems() (problems []federation.Problem) {
	for suffix := range z.served.bySuffix {
		if problem, proven := z.served.proven(suffix); proven {
			problems = append(problems, federation.Problem{
				Reason: federation.ReasonNotServed, Detail: fmt.Sprintf("%q: %s", suffix, problem),
			})
		}
	}
	slices.SortFunc(problems, func(a, b federation.Problem) int { return cmp.Compare(a.Detail, b.Detail) })
	for _, text := range z.crowded {
		problems = append(problems, federation.Problem{Reason: federation.ReasonManyLevels, Detail: text})
	}
	return problems
}

// noteCrowded logs bounds on levels that are close, each once.
func (z *zone) noteCrowded() {
	texts := z.holding.Warnings()
	for _, text := range texts {
		if !slices.Contains(z.crowded, text) {
			z.log.Warn("there are many levels", "problem", text)
		}
	}
	z.crowded = texts
}
