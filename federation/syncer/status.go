package syncer

import (
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/claim"
)

func (rq *requests) isForeign() bool { return errors.Is(rq.lastErr, claim.ErrForeign) }

// status returns the federation's state without its services.
func (s *snapshot) status() admin.FederationStatus {
	st := admin.FederationStatus{Name: string(s.config.Name), Domain: strings.TrimSuffix(string(s.config.Domain), "."), State: "writing"}
	switch {
	case s.claim.deposed != nil:
		st.State, st.Error = "deposed", s.claim.deposed.Error()
	case s.claim.foreign:
		st.State = "foreign"
	case s.claim.providerDown:
		st.State = "provider-down"
	case !s.claim.held:
		st.State = "claiming"
	}
	if s.claim.err != nil {
		st.Error = s.claim.err.Error()
	}
	if !s.panicSince.IsZero() {
		st.PanicSince = &s.panicSince
	}
	for i := range s.members {
		st.Members = append(st.Members, s.members[i].status())
		st.Problems = append(st.Problems, problemStatuses(s.members[i].problems)...)
	}
	st.Problems = append(st.Problems, problemStatuses(s.problems)...)
	for _, lv := range s.levels.All() {
		st.Levels = append(st.Levels, admin.LevelStatus{Name: string(lv.Name), Kind: string(lv.Kind), Members: lv.Members, Foreign: s.foreign[lv.Name]})
	}
	st.Waiting = s.waiting()
	for _, v := range s.views.list() {
		st.Problems = append(st.Problems, problemStatuses(v.problems)...)
	}
	return st
}

// services returns the state of the services, in order of their names.
func (s *snapshot) services() iter.Seq[admin.ServiceStatus] {
	return func(yield func(admin.ServiceStatus) bool) {
		e := newExplainer(time.Now(), s)
		for _, v := range s.views.list() {
			if !yield(e.service(v)) {
				return
			}
		}
	}
}

func (m *memberView) status() admin.MemberStatus {
	st := admin.MemberStatus{
		Name: m.name, Status: m.reach.String(), Since: m.reach.Since, Panic: m.reach.Panic, Drained: !m.drained.IsZero(),
		Version: m.version, Region: string(m.topology.Region), Shards: m.shards, Healthy: m.healthy,
	}
	for _, z := range m.topology.Zones {
		st.Zones = append(st.Zones, string(z))
	}
	if m.contact.Ever {
		st.Reachable, st.LastContact = m.contact.Answers(), &m.contact.Since
	}
	if m.probeErr != nil {
		st.Error = m.probeErr.Error()
	}
	return st
}

// service returns the status of one service.
func (e *explainer) service(v *serviceView) admin.ServiceStatus {
	st := admin.ServiceStatus{Name: v.name.String()}
	for _, sh := range v.shards {
		if !sh.listed || e.member(sh.Member) == nil {
			continue
		}
		shown := &sh.Shard
		if sh.shown != nil {
			shown = sh.shown
		}
		one := admin.ShardStatus{Member: sh.Member, Healthy: shown.Healthy, Reason: string(sh.reason), ReadyEndpoints: sh.ready}
		for _, a := range shown.Addresses {
			one.Addresses = append(one.Addresses, a.String())
		}
		st.Shards = append(st.Shards, one)
	}
	for _, h := range v.held {
		st.Held = append(st.Held, admin.HeldStatus{Member: h.Member, Reason: string(h.Reason), Since: h.Since})
	}
	is, coming := e.explain(v)
	st.Records, st.Coming = recordStatuses(is), recordStatuses(coming)
	if len(v.names) > 0 {
		for _, lv := range e.levels.All() {
			name := lv.OwnerName(v.name)
			if n := v.names[name]; n.open != nil {
				st.Refused = append(st.Refused, admin.RefusedStatus{Name: string(name), Error: n.open.Error(), Retry: n.retry})
			}
		}
	}
	return st
}

// waiting returns what waits for a confirmation, or for holdFor.
func (s *snapshot) waiting() (list []admin.Waiting) {
	for _, b := range s.braked {
		w := admin.Waiting{
			Federation: string(s.config.Name), Domain: string(s.config.Domain), Namespace: b.Service.Namespace, Service: b.Service.Name,
			Empties: b.Empties, Names: len(b.Names), Deletes: b.Names, Watched: b.Watched,
		}
		if b.Watched {
			w.Until = &b.Until
		}
		list = append(list, w)
	}
	return append(list, s.waitingMembers()...)
}

func recordStatuses(sets []federation.Explained) (out []admin.RRsetStatus) {
	for _, set := range sets {
		out = append(out, admin.RRsetStatus{
			Name: string(set.Name), Type: set.Type, TTL: set.TTL, Data: set.Data, Reason: string(set.Reason), Members: set.Members,
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
