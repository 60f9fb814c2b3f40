package federation

// Reason says in one word why something is not published, or why it is published as it is. Reasons are metric labels
// and part of the status.
type Reason string

// Problem reports what was left out and why, by name (X7).
type Problem struct {
	// Member is the member concerned, or "".
	Member string
	// Service is the service concerned, or the zero value.
	Service ServiceName
	Reason  Reason
	// Detail is one sentence that names the value and what is allowed.
	Detail string
}

// All reasons, of every package. Operators look them up: the comment of each is its entry in docs/operations.md, and
// its name is "Reason" and its value.

// Why an RRset is as it is.
const (
	// P1: an RRset: it has the addresses of the healthy shards at this level.
	ReasonHealthyShards Reason = "HealthyShards"
	// H4: an RRset: it is a CNAME to the load balancer of the level's only healthy shard, which has a host name.
	ReasonLoadBalancer Reason = "LoadBalancer"
	// P2a: an RRset: it is a CNAME one level up, as no shard at this level is healthy.
	ReasonNoHealthyShard Reason = "NoHealthyShard"
	// P2b: an RRset: it is a copy of another region's, by regionFallback, as no shard in this region is healthy.
	ReasonRegionFallback Reason = "RegionFallback"
)

// Why an RRset is not what it should be yet.
const (
	// X5a: an RRset: it is not what it should be, as the provider refuses the change; the status has the provider's
	// answer. The change is retried, at growing intervals.
	ReasonRefused Reason = "Refused"
	// X5a: an RRset: it is not what it should be, as the provider could not make the change or does not show what is
	// there, or someone else changes the name too; the status has the error. The change is retried, at growing
	// intervals.
	ReasonChangeFailed Reason = "ChangeFailed"
	// X5c: an RRset: it is not what it should be yet, as the name has changed often lately. It waits for at most 10
	// seconds.
	ReasonChangesTooOften Reason = "ChangesTooOften"
	// X5a: an RRset: it is not what it should be yet: the change is under way, or waits for the provider.
	ReasonChanging Reason = "Changing"
)

// Why a level, or a name at it, is not published.
const (
	// N6: a name would be longer than 255 octets; that level has no record of the service.
	ReasonNameTooLong Reason = "NameTooLong"
	// N5: the label of a topology zone stands for more than one place: its name is a CNAME to global. Also reported for
	// a member whose Nodes have several regions. Rename the labels, or use naming nested.
	ReasonLabelConflict Reason = "LabelConflict"
	// N4: a label is not a DNS-1123 label, and counts as missing: a topology label of a Node, or
	// federation-dns.io/federation of a Service.
	ReasonBadLabel Reason = "BadLabel"
	// H6: the member has more than 16 topology zones; 16 are used.
	ReasonTooManyZones Reason = "TooManyZones"
	// O5: a delegation or a wildcard answers for names of the federation, so that clients do not get what is written.
	// The level is left as it is, and names below it lead to the next level up.
	ReasonNotServed Reason = "NotServed"
	// O1b: the number of levels is close to a bound; past it, further levels are not written.
	ReasonManyLevels Reason = "ManyLevels"
)

// Why a member's shard, or a part of it, is not published.
const (
	// H3a, H3b: an address may not be published: it is not a global unicast address, or it is private or annotated and
	// outside the member's addressCIDRs. Correct the Service, or add the prefix to addressCIDRs.
	ReasonAddressRefused Reason = "AddressRefused"
	// H3b, H3c: a host name may not be followed: it is annotated and not below the member's hostSuffixes, or in a
	// domain of a federation or the cluster zone.
	ReasonHostRefused Reason = "HostRefused"
	// H3d, H3e: the shard has more than 16 addresses or host names, of which the first 16 in order are used, or more
	// than 256 load balancer ingresses, of which the first 256 are read.
	ReasonTooManyAddresses Reason = "TooManyAddresses"
	// H3d: the member has more federated Services than its maxServices; the oldest count, this one does not.
	ReasonTooManyServices Reason = "TooManyServices"
	// H3d: the Service's namespace is not among the namespaces that the member may serve.
	ReasonNamespaceRefused Reason = "NamespaceRefused"
	// X7: an annotation has a value that is not allowed, or the member has no allowAddressAnnotation; only the bad
	// value is ignored.
	ReasonBadAnnotation Reason = "BadAnnotation"
	// H5: no endpoint is ready. Check the pods and their readiness probes.
	ReasonNoReadyEndpoints Reason = "NoReadyEndpoints"
	// H1: no EndpointSlice of the Service has the label federation-dns.io/federation. The EndpointSlice controller
	// copies it from the Service; slices made by hand, and Endpoints objects, need it themselves.
	ReasonNoSlices Reason = "NoSlices"
	// H5: the Service has no address that may be published: its load balancer has none yet, it is not of type
	// LoadBalancer and not annotated, or all were refused.
	ReasonNoAddress Reason = "NoAddress"
	// H4: nothing is known of the load balancer's host name: its DNS does not answer, or the name does not exist.
	ReasonHostUnresolved Reason = "HostUnresolved"
	// X7: some kinds of objects of the member cannot be listed or watched; the detail has the API server's message.
	// Check the account (deploy/member-rbac.yaml). Without Services or EndpointSlices for 3 minutes the member is
	// unknown (X2d).
	ReasonWatchFailed Reason = "WatchFailed"
	// H3e: the topology labels of the member's Nodes change too often: five changes count at once, then one a minute;
	// or more than 16 levels that the member has left still have names, and it moves to no new one until they are gone
	// (confirm). Find out what writes the labels.
	ReasonLabelsUnstable Reason = "LabelsUnstable"
	// H1: the number of Services of the member whose label federation-dns.io/federation names none of this syncer's
	// federations: the label is mistyped, or the federation is another syncer's.
	ReasonOtherFederation Reason = "OtherFederation"
)

// Why a member's mirror is not as it should be, or is not there. Everything else works without mirrors.
const (
	// M8, M10: the syncer may not keep a mirror in the member, or the namespace federation-mirror is not there: apply
	// deploy/member-mirror-rbac.yaml in the member.
	ReasonMirrorRefused Reason = "MirrorRefused"
	// M3: the mirror is that of another syncer: it is left alone. If that syncer is gone, delete the ConfigMaps.
	ReasonMirrorForeign Reason = "MirrorForeign"
	// M4: the member's API server does not take the mirror; the status has its answer. It is retried, at growing
	// intervals, and what could not be written is not vouched for.
	ReasonMirrorFailed Reason = "MirrorFailed"
	// M8: the mirror changes more than the bytes a second that a member gets: it follows as fast as it may.
	ReasonMirrorBehind Reason = "MirrorBehind"
	// M2: the mirror has not room for all services: those left out are answered through the upstream.
	ReasonMirrorTooLarge Reason = "MirrorTooLarge"
	// M9: the shards of a service differ in a port, or a Service has more than 100: the port is left out of mirrors, so
	// that its SRV name does not exist where the service is another member's. Give the Services the same ports.
	ReasonServicePorts Reason = "ServicePorts"
)

// Why something is held: published although it is not seen to be healthy.
const (
	// X1b: held: the syncer has just started and the member has not been listed yet; its addresses in the records stay
	// until it is, for startupTimeout at most.
	ReasonMemberStarting Reason = "MemberStarting"
	// X2c: held: the member cannot be reached and no other shard is healthy; its last addresses stay published, for
	// heldMax at most.
	ReasonMemberUnreachable Reason = "MemberUnreachable"
	// X2d: held: the member answers, but its Services or EndpointSlices cannot be listed or watched, and no other shard
	// is healthy; its last addresses stay published, for heldMax at most. WatchFailed says why; check the permissions
	// of the syncer's account there.
	ReasonMemberUnwatched Reason = "MemberUnwatched"
	// X4d: held: the member is no longer in the configuration and no other shard is healthy; its last addresses stay
	// until `federation-syncer confirm`, or until it is in the configuration again.
	ReasonMemberDeparted Reason = "MemberDeparted"
	// X3b: held: most members became unreachable at once, so the syncer assumes that it is itself isolated (panic).
	// Check its own network.
	ReasonSyncerCutOff Reason = "SyncerCutOff"
	// H4: held: the host name of the load balancer has not been resolved since the syncer started, or since it relisted
	// the member; its previous addresses stay, for 10 minutes at most. Check the DNS servers that the syncer asks.
	ReasonLastAnswerKept Reason = "LastAnswerKept"
	// P3a: held: no shard is healthy anywhere; the records stay as they are for emptyGrace.
	ReasonEmptyGrace Reason = "EmptyGrace"
	// X4b: held: too many services would lose their last address, or too many names would be deleted, at about the same
	// time. Find out why; `federation-syncer confirm` releases them. Changes seen as watch events are released after
	// holdFor, all others are not.
	ReasonTooMuchAtOnce Reason = "TooMuchAtOnce"
)
