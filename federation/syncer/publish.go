package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// publish plans for the services that need it and starts the changes; it
// reports whether there are any to make now.
func (l *loop) publish(ctx context.Context, now time.Time) bool {
	if len(l.dirty) == 0 {
		l.quietAt = time.Time{}
		return false
	}
	if now.Before(l.quietAt) {
		return false
	}
	for batch := l.mostUrgent(); len(batch) > 0; batch = l.mostUrgent() {
		if changes := l.plan(now, batch); len(changes) > 0 {
			l.send(ctx, changes)
			return true
		}
	}
	l.quietAt = time.Time{}
	return false
}

// mostUrgent takes services out of those to be planned for: first those with
// records, then new ones, then those that nobody has any more (X5b).
func (l *loop) mostUrgent() []federation.ServiceName {
	var rows [3][]federation.ServiceName
	for name := range l.dirty {
		row := 0
		if len(l.shadow.Services[name]) == 0 {
			row = 1
		} else if l.services[name].shards == 0 {
			row = 2
		}
		rows[row] = append(rows[row], name)
		if len(rows[0]) == maxBatch {
			break
		}
	}
	for _, row := range rows {
		if len(row) > 0 {
			batch := row[:min(len(row), maxBatch)]
			for _, name := range batch {
				delete(l.dirty, name)
			}
			return batch
		}
	}
	return nil
}

// plan returns the changes that may be made now for the services.
func (l *loop) plan(now time.Time, batch []federation.ServiceName) []plan.Change {
	var current, desired []federation.RRset
	all := l.standing.Summary()
	for _, name := range batch {
		have := l.shadow.Of(name)
		want, write := l.desired(now, name, all, have)
		if !write || federation.EqualRRsets(have, want) {
			l.settled(name)
			continue
		}
		current, desired = append(current, have...), append(desired, want...)
	}
	return changesOf(plan.Diff(current, desired), func(c plan.Change) bool { return l.allowed(now, c) })
}

// allowed reports whether the change may be made now; else its service is
// planned again when it may (X5). A name whose state is open waits for that.
func (l *loop) allowed(now time.Time, c plan.Change) bool {
	svc, _, ok := l.config.ParseOwner(c.Name)
	if !ok || l.reread[c.Name] {
		return false
	}
	at := l.names[c.Name].notBefore(now, c, policy.Withdraws(l.config.Federation, c))
	if at.After(now) {
		l.timers.set(svc, at)
		return false
	}
	return true
}

func (l *loop) send(ctx context.Context, changes []plan.Change) {
	main := l.held.Claim
	l.start(ctx, func(ctx context.Context) func() {
		errs := l.provider.Apply(ctx, &main, changes)
		return func() { l.applied(changes, errs) }
	})
}

// settled: the records of the service are what they are to be for now.
func (l *loop) settled(name federation.ServiceName) {
	s := l.services[name]
	s.since = time.Time{}
	if s.shards == 0 && len(l.shadow.Services[name]) == 0 && s.parts == 0 {
		delete(l.services, name) // nothing to remember
	}
}

// report keeps the problems of a service for the status, and logs new ones.
func (l *loop) report(name federation.ServiceName, s *service, problems []federation.Problem) {
	for _, m := range l.order {
		problems = append(problems, l.members[m].shards[name].Problems...)
	}
	for _, p := range problems {
		if !slices.Contains(s.problems, p) {
			l.log.Warn("service", "service", name.String(), "member", p.Member, "reason", string(p.Reason), "detail", p.Detail)
		}
	}
	s.problems = problems
}

// shards are the shards of a service as the members show them, or as they were
// before where the members cannot tell (X1b, H4).
func (l *loop) shards(name federation.ServiceName) []policy.ShardState {
	out := make([]policy.ShardState, 0, len(l.order))
	for _, m := range l.order {
		ms := l.members[m]
		st := policy.ShardState{Member: l.standing.Get(m), Drained: ms.drained}
		ok := false
		if ms.shards == nil {
			st.Shard, ok = l.recorded(m, name)
		} else {
			var observed member.Shard
			observed, ok = ms.shards[name]
			st.Shard = observed.Shard
			if before, since, known := l.before(m, name); known {
				st.Shard, st.Unresolved = before, since
			}
		}
		if ok {
			out = append(out, st)
		}
	}
	return out
}

// applied takes the results of changes.
func (l *loop) applied(changes []plan.Change, errs []error) {
	now := time.Now()
	var open error
	var conflicts []federation.FQDN
	done, refused := 0, 0
	stand := map[federation.ServiceName]bool{}
	for i, c := range changes {
		err := errs[i]
		if svc, _, ok := l.config.ParseOwner(c.Name); ok && (err != nil || l.service(svc).shards == 0) {
			l.touch(svc)
		}
		switch {
		case err == nil:
			done++
			stand[l.changed(now, c)] = true
		case errors.Is(err, provider.ErrConflict):
			conflicts = append(conflicts, c.Name)
			l.metrics.change(resultOf(err))
			l.log.Warn("another writer has changed a name: reading it again", "name", string(c.Name), "error", err)
		case errors.Is(err, provider.ErrRefused):
			refused++
			n := l.name(c.Name)
			n.refuse(now, err, c.To)
			l.metrics.change(resultOf(err))
			l.log.Error("the provider refuses a change", "name", string(c.Name), "error", err, "retry", n.refusedUntil.Sub(now))
		default:
			open = err
			l.reread[c.Name] = true
			l.metrics.change("failed")
		}
	}
	for svc := range stand {
		l.stands(svc)
	}
	l.conflict(conflicts...)
	l.suspect = l.suspect || done == 0 && refused > 0 // is it the names, or all of it?
	switch {
	case open != nil:
		l.failed("changing records", open)
	case done > 0 || len(conflicts) > 0:
		l.succeeded()
	}
	if l.tidyAt.IsZero() {
		l.tidyAt = now.Add(tidyEvery)
	}
}

// changed takes a change that the provider has confirmed, and returns the
// service: the brake has to be told what stands of it now.
func (l *loop) changed(now time.Time, c plan.Change) federation.ServiceName {
	l.learn(c.Name, c.To)
	n := l.name(c.Name)
	n.pace.Changed(now)
	n.refusal, n.backoff = nil, 0
	l.metrics.change("ok")
	l.log.Debug("changed", "name", string(c.Name), "from", describe(c.From), "to", describe(c.To))
	svc, _, _ := l.config.ParseOwner(c.Name)
	if s := l.service(svc); !s.since.IsZero() {
		l.metrics.latency.Observe(now.Sub(s.since).Seconds())
		s.since = time.Time{}
	}
	return svc
}

func describe(sets []federation.RRset) string {
	if len(sets) == 0 {
		return "nothing"
	}
	parts := make([]string, len(sets))
	for i, s := range sets {
		parts[i] = fmt.Sprintf("%s %d %v", s.Type, s.TTL, s.Data)
	}
	return strings.Join(parts, " ")
}
