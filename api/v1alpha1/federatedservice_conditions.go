package v1alpha1

// ConditionPropagationReady is whether the Services of FederatedServices reach a member.
const ConditionPropagationReady = "PropagationReady"

// The reasons of ConditionPropagationReady, and what to do. ReasonReady, ReasonForbidden and ReasonPending are the
// others: all Services are as they should be, a right is missing (apply deploy/member-propagation-rbac.yaml in the
// member), and the syncer has not tried yet.
const (
	// ReasonDisabled (False): spec.propagation is Disabled, which is the default.
	ReasonDisabled = "Disabled"
)

// ConditionPropagated is whether each selected member has the Service of a FederatedService as its template says.
const ConditionPropagated = "Propagated"

// ConditionPublished is whether the names of a FederatedService lead to healthy shards.
const ConditionPublished = "Published"

// The reasons of ConditionPropagated, and what to do. ReasonPending is one of them.
const (
	// ReasonInAllClusters (True): each selected member has the Service as the template says.
	ReasonInAllClusters = "InAllClusters"
	// ReasonSomeClustersFailed (False): some selected members have no such Service, or one that differs; the message
	// names them, and status.clusters says why.
	ReasonSomeClustersFailed = "SomeClustersFailed"
	// ReasonNoClusters (False): no member is selected. Set spec.propagation of a MemberCluster to Enabled, or correct
	// spec.placement.
	ReasonNoClusters = "NoClusters"
)

// The reasons of ConditionPublished, and what to do. ReasonPending is one of them.
const (
	// ReasonPublished (True): its names lead to healthy shards.
	ReasonPublished = "Published"
	// ReasonNoHealthyShard (False): no shard is healthy, in any member. status.clusters says why.
	ReasonNoHealthyShard = "NoHealthyShard"
	// ReasonHeld (False): its records are not what they should be, as what is seen may not be the truth; the message
	// says what is waited for.
	ReasonHeld = "Held"
	// ReasonForeign (False): records at its names are not the syncer's. Delete them in the zone, or give the Service
	// another name.
	ReasonForeign = "Foreign"
	// ReasonProviderDown (False): the DNS provider does not take the change; the message has its answer.
	ReasonProviderDown = "ProviderDown"
	// ReasonWaitsForConfirm (False): the change is too large to be made without `kubectl federation confirm`.
	ReasonWaitsForConfirm = "WaitsForConfirm"
	// ReasonFederationUnknown (False): the syncer keeps no federation of that name. Correct spec.federation by another
	// FederatedService, or add the federation to the configuration of the syncer.
	ReasonFederationUnknown = "FederationUnknown"
)

// The reasons why a member has no Service of a FederatedService, or one that differs, and what to do. ReasonForbidden
// is one of them. Those of a shard that is not healthy are the same as anywhere (see docs/operations.md).
const (
	// ReasonNamespaceMissing: the member has no such namespace, and the syncer creates none. Create it there.
	ReasonNamespaceMissing = "NamespaceMissing"
	// ReasonNotOurs: the member has a Service of this name that the syncer did not create. Delete it there, or set
	// spec.adopt.
	ReasonNotOurs = "NotOurs"
	// ReasonConflict: another tool manages the same fields, and sets them back; the message names it. Let it leave the
	// Service alone, or label its Service with federation-dns.io/federation instead.
	ReasonConflict = "Conflict"
	// ReasonImmutableField: a field that differs cannot be changed in a Service that exists; the message names it.
	// Delete the Service in the member, or make another FederatedService.
	ReasonImmutableField = "ImmutableField"
	// ReasonFieldUnknown: the member is too old for a field of the template; the message names it. Leave the field out,
	// or upgrade the member.
	ReasonFieldUnknown = "FieldUnknown"
	// ReasonRefused: the API server of the member refuses the Service: by validation, admission or a quota. The message
	// has its words.
	ReasonRefused = "Refused"
	// ReasonPropagationDisabled: spec.propagation of the MemberCluster is Disabled. Whoever administers the member
	// decides on that.
	ReasonPropagationDisabled = "PropagationDisabled"
	// ReasonMemberUnknown: there is no MemberCluster of the name that spec.placement has. Correct it, or join the
	// member.
	ReasonMemberUnknown = "MemberUnknown"
	// ReasonMemberUnreachable: the member cannot be reached; the Service is as it was there.
	ReasonMemberUnreachable = "MemberUnreachable"
)
