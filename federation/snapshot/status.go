package snapshot

import (
	"cmp"
	"iter"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// Status returns the federation's status without its services.
func (s *Federation) Status() admin.FederationStatus {
	st := admin.FederationStatus{
		Name: string(s.Config.Name), Domain: strings.TrimSuffix(string(s.Config.Domain), "."),
		Naming: string(s.Config.Naming), State: "writing", Owner: s.Claim.Owner,
		TTL: cmp.Or(s.Config.Options.TTL, federation.DefaultTTL),
	}
	if p := s.Config.Provider.RFC2136; p != nil {
		st.Server = p.Server
	}
	st.NoProvider = s.Config.Provider.None != nil
	switch {
	case s.Claim.Deposed != nil:
		st.State, st.Error = "deposed", s.Claim.Deposed.Error()
	case s.Claim.Foreign:
		st.State = "foreign"
	case s.Claim.ProviderDown:
		st.State = "provider-down"
	case !s.Claim.Held:
		st.State = "claiming"
	}
	if s.Claim.Err != nil {
		st.Error = s.Claim.Err.Error()
	}
	if !s.PanicSince.IsZero() {
		st.PanicSince = &s.PanicSince
	}
	for _, m := range s.Members {
		st.Members = append(st.Members, m.status())
		st.Members[len(st.Members)-1].Mirror = s.mirrorStatus(m.Name)
		st.Problems = append(st.Problems, problemStatuses(m.Problems)...)
	}
	st.Problems = append(st.Problems, problemStatuses(s.Problems)...)
	for _, lv := range s.Levels.All() {
		st.Levels = append(st.Levels, admin.LevelStatus{
			Name: string(lv.Name), Kind: string(lv.Kind), Members: lv.Members, Foreign: s.Foreign[lv.Name],
		})
	}
	for _, name := range s.Leaving {
		st.Leaving = append(st.Leaving, string(name))
	}
	st.Waiting = s.Waiting()
	for _, v := range s.Views.List() {
		st.Problems = append(st.Problems, problemStatuses(v.Problems)...)
	}
	return st
}

// Services returns the status of each service, in the order of their names.
func (s *Federation) Services() iter.Seq[admin.ServiceStatus] {
	return func(yield func(admin.ServiceStatus) bool) {
		now := time.Now()
		for _, v := range s.Views.List() {
			if !yield(s.Service(now, v)) {
				return
			}
		}
	}
}

// mirrorStatus returns the status of a member's mirror; nil if it has none.
func (s *Federation) mirrorStatus(member string) *admin.MirrorStatus {
	state, ok := s.Views.MirrorOf(member)
	if s.Mirror == nil || !ok {
		return nil
	}
	st := &admin.MirrorStatus{
		Fresh: state.Fresh, Services: state.Services, Reason: string(state.Reason), Detail: state.Detail,
	}
	if !state.Renewed.IsZero() {
		st.Renewed = &state.Renewed
	}
	return st
}

func (m *Member) status() admin.MemberStatus {
	st := admin.MemberStatus{
		Name: m.Name, Status: m.Reach.String(), Since: m.Reach.Since, Panic: m.Reach.Panic,
		Drained: !m.Drained.IsZero(), Object: m.Object,
		Version: m.Version, ClusterID: m.ClusterUID, Region: string(m.Topology.Region),
		Shards: m.Shards, Healthy: m.Healthy,
	}
	for _, z := range m.Topology.Zones {
		st.Zones = append(st.Zones, string(z))
	}
	if m.Contact.Ever {
		st.Reachable, st.LastContact = m.Contact.Answers(), &m.Contact.Since
	}
	if m.ProbeErr != nil {
		st.Error = m.ProbeErr.Error()
	}
	return st
}

// Service returns the status of one service at now.
func (s *Federation) Service(now time.Time, v *Service) admin.ServiceStatus {
	st := admin.ServiceStatus{Name: v.Name.String()}
	for _, sh := range v.Shards {
		if !sh.Listed || s.Member(sh.Member) == nil {
			continue
		}
		shown := &sh.Shard
		if sh.Shown != nil {
			shown = sh.Shown
		}
		one := admin.ShardStatus{
			Member: sh.Member, Healthy: shown.Healthy, Reason: string(sh.Reason), ReadyEndpoints: sh.Ready,
			Resolved: shown.Resolved, Host: string(shown.Host),
		}
		if sh.Reason != "" {
			since := time.Unix(sh.Since, 0).UTC()
			one.Since = &since
		}
		for _, a := range shown.Addresses {
			one.Addresses = append(one.Addresses, a.String())
		}
		st.Shards = append(st.Shards, one)
	}
	is, coming, verdict := s.explain(now, v)
	held := v.Held
	if s.actual != nil {
		held = verdict.Held
	}
	for _, h := range held {
		st.Held = append(st.Held, admin.HeldStatus{Member: h.Member, Reason: string(h.Reason), Since: h.Since})
	}
	st.Records, st.Coming = recordStatuses(is), recordStatuses(coming)
	st.Mirror = s.serviceMirror(v, is, coming, verdict)
	if s.Mirror != nil && v.Answer != nil {
		for _, p := range v.Answer.Ports.List() {
			st.Ports = append(st.Ports, admin.PortStatus{Name: p.Name, Protocol: p.Protocol, Port: p.Port})
		}
	}
	if len(v.Names) > 0 {
		for _, lv := range s.Levels.All() {
			name := lv.OwnerName(v.Name)
			if n := v.Names[name]; n.Open != nil {
				st.Refused = append(st.Refused, admin.RefusedStatus{
					Name: string(name), Error: n.Open.Error(), Retry: n.Retry,
				})
			}
		}
	}
	return st
}

// Waiting returns what waits for a confirmation, or for holdFor to pass.
func (s *Federation) Waiting() (list []admin.Waiting) {
	for _, b := range s.Braked {
		w := admin.Waiting{
			Federation: string(s.Config.Name), Domain: string(s.Config.Domain), Namespace: b.Service.Namespace,
			Service: b.Service.Name,
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
			Name: string(set.Name), Type: set.Type, TTL: set.TTL, Data: set.Data, Reason: string(set.Reason),
			Members: set.Members,
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
