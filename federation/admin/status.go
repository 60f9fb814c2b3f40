package admin

import (
	"iter"
	"time"

	"github.com/federation-dns/federation/federation"
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
	// Stream is what a server sends as Services, one at a time, so that it need not hold all of them; nil if Services is.
	Stream iter.Seq[ServiceStatus] `json:"-"`
}

// MemberStatus is one member's.
type MemberStatus struct {
	Name   string    `json:"name"`
	Status string    `json:"status"` // starting, present, unreachable, unwatched or departed
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
	Name    string        `json:"name"`
	Shards  []ShardStatus `json:"shards,omitempty"`
	Held    []HeldStatus  `json:"held,omitempty"`
	Records []RRsetStatus `json:"records,omitempty"`
	// Refused are the names at which the provider refuses what shall be there.
	Refused []RefusedStatus `json:"refused,omitempty"`
	// Coming are the RRsets that are to be there and are not yet, with the reason.
	Coming []RRsetStatus `json:"coming,omitempty"`
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

// RRsetStatus is one RRset as it was last confirmed by the provider.
type RRsetStatus struct {
	Name string   `json:"name"`
	Type string   `json:"type"`
	TTL  uint32   `json:"ttl"`
	Data []string `json:"data"`
	// Reason is why it is as it is; docs/operations.md lists the reasons.
	Reason string `json:"reason"`
	// Members are those whose shards give it.
	Members []string `json:"members,omitempty"`
}

// Waiting is a withdrawal or deletion that waits: of a service, as too much
// would go at once (X4b), or of all that a member has, which is not in the
// configuration any more (X4d).
type Waiting struct {
	Federation string `json:"federation"`
	Domain     string `json:"domain"`
	Namespace  string `json:"namespace,omitempty"`
	Service    string `json:"service,omitempty"`
	Member     string `json:"member,omitempty"`
	// Empties: the service loses its last address.
	Empties bool `json:"empties,omitempty"`
	// Services is how many lose their last address with the member.
	Services int `json:"services,omitempty"`
	// Names is how many of its names are deleted.
	Names int `json:"names,omitempty"`
	// Deletes are these names, of a service.
	Deletes []federation.FQDN `json:"deletes,omitempty"`
	// Emptied are the services, as namespace/name, and Levels the domains of the levels that go with a member.
	Emptied []string          `json:"emptied,omitempty"`
	Levels  []federation.FQDN `json:"levels,omitempty"`
	// Watched: it was seen by watches, and is let through at Until; else it waits
	// for a confirmation.
	Watched bool       `json:"watched"`
	Until   *time.Time `json:"until,omitempty"`
}
