package syncer

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/policy"
)

// Status is what the admin socket tells: the whole state in words.
type Status struct {
	// Leader is the replica that writes, if it is another one (O4); this one then
	// has no federations.
	Leader      string             `json:"leader,omitempty"`
	Federations []FederationStatus `json:"federations"`
}

// FederationStatus is one federation's.
type FederationStatus struct {
	Name   string `json:"name"`
	Domain string `json:"domain"`
	// State is claiming, writing, foreign, deposed, or provider-down.
	State string `json:"state"`
	// Error is the last error of the provider, "" if it answers.
	Error string `json:"error,omitempty"`
	// PanicSince is when most members were lost at once (X3).
	PanicSince *time.Time      `json:"panicSince,omitempty"`
	Members    []MemberStatus  `json:"members"`
	Levels     []LevelStatus   `json:"levels"`
	Problems   []ProblemStatus `json:"problems,omitempty"`
	// Waiting is what waits for a confirmation, or for holdFor (X4).
	Waiting  []Waiting       `json:"waiting,omitempty"`
	Services []ServiceStatus `json:"services,omitempty"`
}

// MemberStatus is one member's.
type MemberStatus struct {
	Name   string    `json:"name"`
	Status string    `json:"status"` // starting, present, unreachable, unwatched or gone
	Since  time.Time `json:"since"`
	// Reachable: the last probe was answered.
	Reachable bool `json:"reachable"`
	// LastContact is when the last probe that was answered was sent.
	LastContact *time.Time `json:"lastContact,omitempty"`
	Version     string     `json:"version,omitempty"`
	Region      string     `json:"region,omitempty"`
	Zones       []string   `json:"zones,omitempty"`
	Shards      int        `json:"shards"`
	Healthy     int        `json:"healthy"`
	Error       string     `json:"error,omitempty"`
	// Panic: lost in a cut that is taken for the syncer's own (X3).
	Panic bool `json:"panic,omitempty"`
	// Drained: its shards count as unhealthy, by the configuration.
	Drained bool `json:"drained,omitempty"`
}

// LevelStatus is one level's.
type LevelStatus struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`
	Members []string `json:"members"`
	// Foreign says why nothing is written there; "" if we write.
	Foreign string `json:"foreign,omitempty"`
}

// ProblemStatus is something refused or left out.
type ProblemStatus struct {
	Member  string `json:"member,omitempty"`
	Service string `json:"service,omitempty"`
	Reason  string `json:"reason"`
	Detail  string `json:"detail"`
}

// ServiceStatus is one service's.
type ServiceStatus struct {
	Name    string         `json:"name"`
	Shards  []ShardStatus  `json:"shards,omitempty"`
	Held    []HeldStatus   `json:"held,omitempty"`
	Records []RecordStatus `json:"records,omitempty"`
	// Refused are the names at which the provider refuses what shall be there.
	Refused []RefusedStatus `json:"refused,omitempty"`
	// Coming are the RRsets that are to be there and are not yet, with the reason.
	Coming []RecordStatus `json:"coming,omitempty"`
}

// ShardStatus is one shard's.
type ShardStatus struct {
	Member         string   `json:"member"`
	Healthy        bool     `json:"healthy"`
	Reason         string   `json:"reason,omitempty"`
	Addresses      []string `json:"addresses,omitempty"`
	ReadyEndpoints int      `json:"readyEndpoints"`
}

// HeldStatus says what is published without being seen healthy, and why.
type HeldStatus struct {
	Member string    `json:"member,omitempty"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// RefusedStatus is one name that the provider refuses.
type RefusedStatus struct {
	Name  string    `json:"name"`
	Error string    `json:"error"`
	Retry time.Time `json:"retry"`
}

// RecordStatus is one RRset as it was last confirmed by the provider.
type RecordStatus struct {
	Name string   `json:"name"`
	Type string   `json:"type"`
	TTL  uint32   `json:"ttl"`
	Data []string `json:"data"`
	// Reason is why it is as it is; docs/operations.md lists the reasons.
	Reason string `json:"reason"`
	// Members are those whose shards give it.
	Members []string `json:"members,omitempty"`
}

func (l *loop) isForeign() bool { return errors.Is(l.lastErr, claim.ErrForeign) }

// status is called in the loop's goroutine.
func (l *loop) status(services bool) FederationStatus {
	s := FederationStatus{Name: string(l.config.Name), Domain: strings.TrimSuffix(string(l.config.Domain), "."), State: "writing"}
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
		st := LevelStatus{Name: string(lv.Name), Kind: string(lv.Kind), Members: lv.Members}
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
func (l *loop) serviceNames() []federation.ServiceName {
	return slices.SortedFunc(maps.Keys(l.services), federation.CompareServiceNames)
}

func (l *loop) memberStatus(name string) MemberStatus {
	ms, standing := l.members[name], l.standing.Get(name)
	m := MemberStatus{
		Name: name, Status: standing.String(), Since: standing.Since, Panic: standing.Panic, Drained: !ms.drained.IsZero(),
		Version: ms.version, Region: string(ms.topology.Region), Shards: len(ms.shards),
	}
	for _, z := range ms.topology.Zones {
		m.Zones = append(m.Zones, string(z))
	}
	m.Healthy = ms.healthy
	if contact := l.standing.Contact(name); contact.Ever {
		m.Reachable, m.LastContact = contact.Answers(), &contact.Since
	}
	if ms.probeErr != nil {
		m.Error = ms.probeErr.Error()
	}
	return m
}

func (l *loop) serviceStatus(name federation.ServiceName) ServiceStatus {
	st := ServiceStatus{Name: name.String()}
	for _, m := range slices.Sorted(maps.Keys(l.members)) {
		sh, ok := l.members[m].shards[name]
		if !ok {
			continue
		}
		one := ShardStatus{Member: m, Healthy: sh.Healthy, Reason: string(sh.Reason), ReadyEndpoints: sh.ReadyEndpoints}
		for _, a := range sh.Addresses {
			one.Addresses = append(one.Addresses, a.String())
		}
		st.Shards = append(st.Shards, one)
	}
	for _, h := range l.services[name].held {
		st.Held = append(st.Held, HeldStatus{Member: h.Member, Reason: string(h.Reason), Since: h.Since})
	}
	is, coming := l.explain(time.Now(), name)
	st.Records, st.Coming = recordStatuses(is), recordStatuses(coming)
	for _, lv := range l.levels.All() {
		name := lv.OwnerName(name)
		if retry, err := l.failing(name); err != nil {
			st.Refused = append(st.Refused, RefusedStatus{Name: string(name), Error: err.Error(), Retry: retry})
		}
	}
	return st
}

func recordStatuses(sets []explained) (out []RecordStatus) {
	for _, set := range sets {
		out = append(out, RecordStatus{
			Name: string(set.Name), Type: set.Type, TTL: set.TTL, Data: set.Data, Reason: string(set.reason), Members: set.members,
		})
	}
	return out
}

func problemStatuses(problems []federation.Problem) []ProblemStatus {
	out := make([]ProblemStatus, 0, len(problems))
	for _, p := range problems {
		s := ProblemStatus{Member: p.Member, Reason: string(p.Reason), Detail: p.Detail}
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
