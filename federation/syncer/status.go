package syncer

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/policy"
)

func (rq *requests) isForeign() bool { return errors.Is(rq.lastErr, claim.ErrForeign) }

// status is called in the loop's goroutine.
func (l *loop) status(services bool) admin.FederationStatus {
	s := admin.FederationStatus{Name: string(l.config.Name), Domain: strings.TrimSuffix(string(l.config.Domain), "."), State: "writing"}
	switch {
	case l.deposed != nil:
		s.State, s.Error = "deposed", l.deposed.Error()
	case l.isForeign():
		s.State = "foreign"
	case l.backoff > 0:
		s.State = "provider-down"
	case l.held == nil:
		s.State = "claiming"
	}
	if l.lastErr != nil {
		s.Error = l.lastErr.Error()
	}
	if p := l.standing.Panic(); !p.IsZero() {
		s.PanicSince = &p
	}
	for _, name := range slices.Sorted(maps.Keys(l.members)) {
		s.Members = append(s.Members, l.memberStatus(name))
		s.Problems = append(s.Problems, problemStatuses(l.members[name].allProblems())...)
	}
	s.Problems = append(s.Problems, problemStatuses(slices.Concat(l.levels.Problems(), l.ownProblems()))...)
	for _, lv := range l.levels.All() {
		st := admin.LevelStatus{Name: string(lv.Name), Kind: string(lv.Kind), Members: lv.Members}
		if s := l.foreign[lv.Name]; s != nil {
			st.Foreign = s.err.Error()
		}
		s.Levels = append(s.Levels, st)
	}
	s.Waiting = l.waiting()
	for _, name := range l.serviceNames() {
		s.Problems = append(s.Problems, problemStatuses(l.services[name].problems)...)
		if services {
			s.Services = append(s.Services, l.serviceStatus(name))
		}
	}
	return s
}

// serviceNames are the services in their order.
func (q *queue) serviceNames() []federation.ServiceName {
	return slices.SortedFunc(maps.Keys(q.services), federation.CompareServiceNames)
}

func (r *roster) memberStatus(name string) admin.MemberStatus {
	ms, standing := r.members[name], r.standing.Get(name)
	m := admin.MemberStatus{
		Name: name, Status: standing.String(), Since: standing.Since, Panic: standing.Panic, Drained: !ms.drained.IsZero(),
		Version: ms.version, Region: string(ms.topology.Region), Shards: len(ms.shards),
	}
	for _, z := range ms.topology.Zones {
		m.Zones = append(m.Zones, string(z))
	}
	m.Healthy = ms.healthy
	if contact := r.standing.Contact(name); contact.Ever {
		m.Reachable, m.LastContact = contact.Answers(), &contact.Since
	}
	if ms.probeErr != nil {
		m.Error = ms.probeErr.Error()
	}
	return m
}

func (l *loop) serviceStatus(name federation.ServiceName) admin.ServiceStatus {
	st := admin.ServiceStatus{Name: name.String()}
	for _, m := range slices.Sorted(maps.Keys(l.members)) {
		sh, ok := l.members[m].shards[name]
		if !ok {
			continue
		}
		one := admin.ShardStatus{Member: m, Healthy: sh.Healthy, Reason: string(sh.Reason), ReadyEndpoints: sh.ReadyEndpoints}
		for _, a := range sh.Addresses {
			one.Addresses = append(one.Addresses, a.String())
		}
		st.Shards = append(st.Shards, one)
	}
	for _, h := range l.services[name].held {
		st.Held = append(st.Held, admin.HeldStatus{Member: h.Member, Reason: string(h.Reason), Since: h.Since})
	}
	is, coming := l.explain(time.Now(), name)
	st.Records, st.Coming = recordStatuses(is), recordStatuses(coming)
	for _, lv := range l.levels.All() {
		name := lv.OwnerName(name)
		if retry, err := l.failing(name); err != nil {
			st.Refused = append(st.Refused, admin.RefusedStatus{Name: string(name), Error: err.Error(), Retry: retry})
		}
	}
	return st
}

func recordStatuses(sets []explained) (out []admin.RRsetStatus) {
	for _, set := range sets {
		out = append(out, admin.RRsetStatus{
			Name: string(set.Name), Type: set.Type, TTL: set.TTL, Data: set.Data, Reason: string(set.reason), Members: set.members,
		})
	}
	return out
}

func problemStatuses(problems []federation.Problem) []admin.ProblemStatus {
	out := make([]admin.ProblemStatus, 0, len(problems))
	for _, p := range problems {
		s := admin.ProblemStatus{Member: p.Member, Reason: string(p.Reason), Detail: p.Detail}
		if p.Service != (federation.ServiceName{}) {
			s.Service = p.Service.String()
		}
		out = append(out, s)
	}
	return out
}

// ready reports whether the loop has begun its work: the claim is taken, or
// somebody else's, and every member is present or lost. A deposed one does none.
func (l *loop) ready() bool {
	if l.deposed != nil || l.held == nil && !l.isForeign() {
		return false
	}
	for name := range l.members {
		if l.standing.Get(name).Standing == policy.Starting {
			return false
		}
	}
	return true
}
