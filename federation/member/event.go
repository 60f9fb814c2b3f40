package member

import (
	"time"

	"github.com/federation-dns/federation/federation"
)

// Event is what a Watcher saw: a ListEvent, a ShardEvent, a TopologyEvent or
// a ProbeEvent. Events of one member arrive in the order in which they
// happened; nothing in them is changed after they were sent.
type Event interface{ member() string }

// ShardKey names a shard within a member.
type ShardKey struct {
	// Federation is the value of the label federation-dns.io/federation.
	Federation federation.Label
	Service    federation.ServiceName
}

// Shard is what a member shows of a federated Service right now.
type Shard struct {
	// Shard holds what the publishing rule needs. Healthy is H5 as the watches
	// see it: an address that may be published and a ready endpoint.
	federation.Shard
	// ReadyEndpoints counts the ready endpoints over all slices.
	ReadyEndpoints int
	// Reason says why the shard is not healthy; "" if it is.
	Reason federation.Reason
	// Unresolved says that it is not known whether the shard is healthy: its
	// endpoints are ready, it has no address, and of these host names nothing has
	// been learned since the start, for the time that a failure keeps the last
	// answer (H4). Healthy is then false; what was known before tells better, and
	// Known has not these names.
	Unresolved []string
	// Known are the addresses and host names that stand on the Service, ready
	// or not: by them an address in the records is accounted for (X1b). Those of
	// its load balancer count even where they may not be published; those of the
	// annotation, which whoever may edit the Service can choose, only where they
	// may. Sorted and without doubles.
	Known []string
	// Problems are the values that were refused (H3, X7), by name.
	Problems []federation.Problem
}

// ListEvent is the complete content of a member after a fresh LIST: what is
// not in it is gone. It is the first event with shards, and all kinds have been
// listed since the start, or since the last Relist. It comes again when a
// watch had to be listed afresh on the way.
type ListEvent struct {
	Member   string
	Shards   map[ShardKey]Shard
	Topology federation.Member
	// ClusterUID is the UID of the namespace kube-system, or "" if it may not
	// be read.
	ClusterUID string
	// Version is the server's version, such as "v1.37.2", or "" if it is not
	// told.
	Version string
	// Problems are those that belong to no shard: labels, refused watches.
	Problems []federation.Problem
}

// ShardEvent says that one shard changed. Shard is nil if the Service is
// gone, not labeled any more, or has a deletionTimestamp (H5).
type ShardEvent struct {
	Member string
	Key    ShardKey
	Shard  *Shard
	// Seen is when the watch delivered the change.
	Seen time.Time
}

// TopologyEvent says that the region, the topology zones (H6), or the problems
// that belong to no shard have changed. It may come before the first ListEvent,
// then with the topology that is known, which may be none.
type TopologyEvent struct {
	Member   string
	Topology federation.Member
	Problems []federation.Problem
}

// ProbeEvent is the result of one probe (X2a): Err is nil after an answer that
// shows that the API server serves this client, else it names the member and
// never holds a credential. At is when the probe was sent, or was to be sent:
// one comes in each interval, whatever becomes of the requests.
type ProbeEvent struct {
	Member string
	At     time.Time
	// Unwatched is since when nothing has been seen of the member's Services or
	// EndpointSlices, as they cannot be listed or watched (X2d); zero if they can.
	Unwatched time.Time
	// Idle is how long before it the program itself stood still, so that no probe
	// was sent when it was time to.
	Idle time.Duration
	Err  error
}

func (e ListEvent) member() string     { return e.Member }
func (e ShardEvent) member() string    { return e.Member }
func (e TopologyEvent) member() string { return e.Member }
func (e ProbeEvent) member() string    { return e.Member }
