package admin

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Status is the whole state of a syncer, for people and scripts.
type Status struct {
	// Version is the syncer's; "" if it was built without one.
	Version string `json:"version,omitempty"`
	// Leader is the replica that writes, if it is another one (O4); this one then has no federations.
	Leader string `json:"leader,omitempty"`
	// Config is the configuration file in use; nil from a syncer that does not tell.
	Config *ConfigStatus `json:"config,omitempty"`
	// Page is the address on the syncer's own machine, or in its pod, where the page is served; "" if it is not (W1).
	Page string `json:"page,omitempty"`
	// If is what the status assumes; nil in the status as it is.
	If          *Assumption        `json:"if,omitempty"`
	Federations []FederationStatus `json:"federations"`
}

// ConfigStatus is the configuration file in use (C1).
type ConfigStatus struct {
	// Path is where the syncer reads it.
	Path string `json:"path,omitempty"`
	// SHA256 is that of its content, in hexadecimal digits.
	SHA256 string `json:"sha256"`
	// Since is when it was read.
	Since time.Time `json:"since"`
	// Error is what is wrong with the file as it is now, or with a file that it names; "" if it is the one in use.
	Error string `json:"error,omitempty"`
}

// Assumption is a change of which a status shows what would follow: that a member is drained, or that it is not.
// Records are then what is published, and Coming what the syncer would write.
type Assumption struct {
	Member  string `json:"member"`
	Drained bool   `json:"drained"`
	// Braked is, for each federation in the order of the status, how many services would wait for a confirmation,
	// because too many would lose their last address at once (X4b).
	Braked []int `json:"braked,omitempty"`
}

// FederationStatus is the state of one federation.
type FederationStatus struct {
	Name   string `json:"name"`
	Domain string `json:"domain"`
	// Naming is flat or nested, as in the Corefiles.
	Naming string `json:"naming"`
	// Owner is the syncer's owner id, which its claims have (O1d).
	Owner string `json:"owner,omitempty"`
	FederationProvider
	// TTL is that of the records, in seconds, unless a Service says otherwise.
	TTL uint32 `json:"ttl,omitempty"`
	// State is claiming, writing, foreign, deposed, or provider-down.
	State string `json:"state"`
	// Error is the last error of the provider, or "" if it answers.
	Error string `json:"error,omitempty"`
	// PanicSince is when most members were lost at once (X3).
	PanicSince *time.Time     `json:"panicSince,omitempty"`
	Members    []MemberStatus `json:"members"`
	FederationLevels
	Problems []ProblemStatus `json:"problems,omitempty"`
	// Waiting are the changes that wait for a confirmation, or for holdFor (X4).
	Waiting  []Waiting       `json:"waiting,omitempty"`
	Services []ServiceStatus `json:"services,omitempty"`
	// Stream, if set, is what a server sends as Services, one at a time, so that it does not hold all of them.
	Stream iter.Seq[ServiceStatus] `json:"-"`
}

// FederationProvider is who hosts the zone of a federation.
type FederationProvider struct {
	// Server is the primary of the zone, a host with a port or not; "" if a provider without one hosts it.
	Server string `json:"server,omitempty"`
	// NoProvider reports that there is no DNS provider: the members' mirrors are the only outlet, and the host has the
	// records (M7).
	NoProvider bool `json:"noProvider,omitempty"`
}

// FederationLevels are the levels of a federation.
type FederationLevels struct {
	Levels []LevelStatus `json:"levels"`
	// Leaving are the domains of the levels that no member has any more, and whose records are being removed.
	Leaving []string `json:"leaving,omitempty"`
}

// MemberStatus is the state of one member.
type MemberStatus struct {
	Name   string    `json:"name"`
	Status string    `json:"status"` // starting, present, unreachable, unwatched or departed
	Since  time.Time `json:"since"`
	MemberContact
	Version string `json:"version,omitempty"`
	// ClusterID is the UID of its namespace kube-system; "" if it is not known.
	ClusterID string   `json:"clusterID,omitempty"`
	Region    string   `json:"region,omitempty"`
	Zones     []string `json:"zones,omitempty"`
	Shards    int      `json:"shards"`
	Healthy   int      `json:"healthy"`
	Error     string   `json:"error,omitempty"`
	// Panic is whether it was lost when the syncer assumed that it is itself isolated (X3).
	Panic bool `json:"panic,omitempty"`
	// Drained is whether its shards count as unhealthy by configuration.
	Drained bool `json:"drained,omitempty"`
	// Object is whether it is a MemberCluster of the host cluster; otherwise the configuration file has it.
	Object bool `json:"object,omitempty"`
	// Mirror is the state of its mirror (M4); nil if it has none, by configuration or yet.
	Mirror *MirrorStatus `json:"mirror,omitempty"`
}

// MemberContact is how a member answers probes.
type MemberContact struct {
	// Reachable is whether the last probe was answered.
	Reachable bool `json:"reachable"`
	// LastContact is when the last answered probe was sent.
	LastContact *time.Time `json:"lastContact,omitempty"`
}

// MirrorStatus is the state of a member's mirror.
type MirrorStatus struct {
	// Fresh is whether the member's CoreDNS answers from it.
	Fresh bool `json:"fresh"`
	// Renewed is when the heartbeat was written last.
	Renewed  *time.Time `json:"renewed,omitempty"`
	Services int        `json:"services"`
	// Reason is why it is not fresh, or not complete, and Detail what to do; "" if it is.
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// LevelStatus is the state of one level.
type LevelStatus struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`
	Members []string `json:"members"`
	// Foreign says why nothing is written there, or is "" if we write.
	Foreign string `json:"foreign,omitempty"`
}

// ProblemStatus is something that was refused or left out.
type ProblemStatus struct {
	Member  string `json:"member,omitempty"`
	Service string `json:"service,omitempty"`
	Reason  string `json:"reason"`
	Detail  string `json:"detail"`
}

// ServiceStatus is the state of one service.
type ServiceStatus struct {
	Name    string        `json:"name"`
	Shards  []ShardStatus `json:"shards,omitempty"`
	Held    []HeldStatus  `json:"held,omitempty"`
	Records []RRsetStatus `json:"records,omitempty"`
	// Refused are the names whose changes the provider refuses.
	Refused []RefusedStatus `json:"refused,omitempty"`
	// Coming are the RRsets that are not published yet, with the reason.
	Coming []RRsetStatus `json:"coming,omitempty"`
	// Mirror is what the members' mirrors are told; nil if that is what Records say, or there are no mirrors.
	Mirror *ServiceMirror `json:"mirror,omitempty"`
	// Ports are those that all shards have alike: mirrors have them, for SRV (M9).
	Ports []PortStatus `json:"ports,omitempty"`
}

// PortStatus is a port of a service.
type PortStatus struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"` // tcp, udp or sctp
	Port     uint16 `json:"port"`
}

// ServiceMirror is what the members' mirrors are told of a service: what is due, which the zone may not have taken, or
// cannot have, at a level that is not the syncer's (M1).
type ServiceMirror struct {
	Records []RRsetStatus `json:"records"`
}

// ServiceName returns the namespace and name that Name has.
func (s *ServiceStatus) ServiceName() federation.ServiceName {
	namespace, name, _ := strings.Cut(s.Name, "/")
	return federation.ServiceName{Namespace: namespace, Name: name}
}

// The states of a service, in one word.
const (
	StatePublished   = "published"
	StateChanging    = "changing"    // some records are not yet what they are due to be
	StateHeld        = "held"        // something is published although it is not seen healthy
	StateRefused     = "refused"     // the provider refuses a change
	StateEmpty       = "empty"       // it has records, and none of them has an address
	StateUnpublished = "unpublished" // it has no records
)

// State returns the service's state, and whether that is as it should be, or about to be.
func (s *ServiceStatus) State() (state string, good bool) {
	answers := func(r RRsetStatus) bool { return r.Type != "CNAME" || len(r.Members) > 0 } // or a load balancer's name
	switch {
	case len(s.Refused) > 0:
		return StateRefused, false
	case len(s.Coming) > 0:
		return StateChanging, true
	case len(s.Held) > 0:
		return StateHeld, false
	case len(s.Records) == 0:
		return StateUnpublished, false
	case !slices.ContainsFunc(s.Records, answers):
		return StateEmpty, false
	}
	return StatePublished, true
}

// ShardStatus is the state of one shard.
type ShardStatus struct {
	Member  string `json:"member"`
	Healthy bool   `json:"healthy"`
	Reason  string `json:"reason,omitempty"`
	// Since is since when this run of the syncer has seen the Reason; nil without one.
	Since     *time.Time `json:"since,omitempty"`
	Addresses []string   `json:"addresses,omitempty"`
	// Host is the load balancer's host name, if that is what it has.
	Host string `json:"host,omitempty"`
	// Resolved is whether the addresses are those of the load balancer's host name.
	Resolved       bool `json:"resolved,omitempty"`
	ReadyEndpoints int  `json:"readyEndpoints"`
}

// HeldStatus is what is published although it is not seen healthy, and why.
type HeldStatus struct {
	Member string    `json:"member,omitempty"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// RefusedStatus is one name whose changes the provider refuses.
type RefusedStatus struct {
	Name  string    `json:"name"`
	Error string    `json:"error"`
	Retry time.Time `json:"retry"`
}

// RRsetStatus is one RRset as the provider last confirmed it.
type RRsetStatus struct {
	Name string   `json:"name"`
	Type string   `json:"type"`
	TTL  uint32   `json:"ttl"`
	Data []string `json:"data"`
	// Reason explains it; docs/operations.md lists the reasons.
	Reason string `json:"reason"`
	// Members are those whose shards it consists of.
	Members []string `json:"members,omitempty"`
}

// Waiting is a withdrawal or deletion that waits: of a service, because too much would go at once (X4b), or of
// everything that a departed member has (X4d).
type Waiting struct {
	Federation string `json:"federation"`
	Domain     string `json:"domain"`
	Namespace  string `json:"namespace,omitempty"`
	Service    string `json:"service,omitempty"`
	Member     string `json:"member,omitempty"`
	// Empties is whether the service loses its last address.
	Empties bool `json:"empties,omitempty"`
	// Services is how many services lose their last address with the member.
	Services int `json:"services,omitempty"`
	// Names is how many names are deleted.
	Names int `json:"names,omitempty"`
	// Deletes are the names of the service that are deleted.
	Deletes []federation.FQDN `json:"deletes,omitempty"`
	// Emptied are the services, as namespace/name, and Levels the domains of the levels that go with a member.
	Emptied []string          `json:"emptied,omitempty"`
	Levels  []federation.FQDN `json:"levels,omitempty"`
	// Watched is whether watches saw it: it is then released at Until, and otherwise waits for a confirmation.
	Watched bool       `json:"watched"`
	Until   *time.Time `json:"until,omitempty"`
}
