package member

import (
	"fmt"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Event is what a Watcher saw: a ListEvent, a ShardEvent, a TopologyEvent or a ProbeEvent. Events of one member arrive
// in the order in which they happened, and are immutable.
type Event interface{ member() string }

// ShardKey names a shard within a member.
type ShardKey struct {
	// Federation is the value of the label federation-dns.io/federation.
	Federation federation.Label
	Service    federation.ServiceName
}

// Shard is what a member shows of a federated Service right now.
type Shard struct {
	// Shard is what the publishing rule needs. Healthy is H5 as the watches see it: an address that may be published
	// and a ready endpoint.
	federation.Shard
	// ReadyEndpoints counts the ready endpoints of all slices.
	ReadyEndpoints int
	// Reason is why the shard is not healthy; "" if it is.
	Reason federation.Reason
	// Unresolved lists host names that have not resolved since the start (H4), if the health of the shard depends on
	// them: its endpoints are ready, and it has no address. Healthy is then false, but what was known before the start
	// counts more. A name is listed for at most the time for which a failure keeps the last answer. Known does not have
	// them.
	Unresolved []string
	// Known are the addresses and host names of the Service, ready or not: they account for addresses in the records
	// (X1b). Those of its load balancer are known even if they may not be published; those of the annotation, which
	// anyone who may edit the Service can choose, only if they may. Sorted, unique.
	Known []string
	// Problems name the values that were refused (H3, X7).
	Problems []federation.Problem
}

// ListEvent is the complete content of a member after a fresh LIST: what is not in it no longer exists. It is the first
// event with shards, and follows the lists of all kinds since the start or the last Relist. There is another one
// whenever a kind had to be listed again.
type ListEvent struct {
	Member   string
	Shards   map[ShardKey]Shard
	Topology federation.Member
	// ClusterUID is the UID of the namespace kube-system; "" if the syncer may not read it.
	ClusterUID string
	// Version is the server's version, such as "v1.37.2"; "" if it is unknown.
	Version string
	// Problems are those that belong to no shard: labels, refused watches.
	Problems []federation.Problem
}

// ShardEvent says that one shard changed. Shard is nil if the Service is deleted, has lost its label, or has a
// deletionTimestamp (H5).
type ShardEvent struct {
	Member string
	Key    ShardKey
	Shard  *Shard
	// Seen is when the watch delivered the change.
	Seen time.Time
}

// TopologyEvent says that the region, the topology zones (H6), or the problems that belong to no shard have changed.
// One before the first ListEvent has the topology known so far, which may be none.
type TopologyEvent struct {
	Member   string
	Topology federation.Member
	Problems []federation.Problem
}

// ProbeEvent is the result of one probe (X2a). There is one in each interval, whatever happens to the requests.
type ProbeEvent struct {
	Member string
	// At is when the probe was sent.
	At time.Time
	// Unwatched is since when nothing has been seen of the member's Services or EndpointSlices because they cannot be
	// listed or watched (X2d); zero if they can.
	Unwatched time.Time
	// Idle is how long before At this process itself did not run, and so sent no probe when one was due.
	Idle time.Duration
	// Err is nil after an answer that shows that the API server serves this client. Otherwise it names the member; it
	// never contains a credential.
	Err error
}

func (e ListEvent) member() string     { return e.Member }
func (e ShardEvent) member() string    { return e.Member }
func (e TopologyEvent) member() string { return e.Member }
func (e ProbeEvent) member() string    { return e.Member }

// IdentityError is the Err of a ProbeEvent of a member that is another cluster than it is known to be.
type IdentityError struct{ Member, Known, Is string }

// Error implements error.
func (e *IdentityError) Error() string {
	return fmt.Sprintf("member %q is another cluster than before: the UID of its namespace kube-system was %s, "+
		"and is %s", e.Member, e.Known, e.Is)
}

// DuplicateError is the Err of a ProbeEvent of a member that is the same cluster as another one (C1).
type DuplicateError struct{ Member, Other string }

// Error implements error.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("member %q is the same cluster as member %q, or a copy of it, "+
		"by the UID of its namespace kube-system: a cluster may be one member only; "+
		"remove one of the two from the configuration, or correct its kubeconfig", e.Member, e.Other)
}
