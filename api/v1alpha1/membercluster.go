package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MemberCluster is a cluster whose Services take part in the federations of the syncer in this cluster. It is the same
// as an entry of clusters in the configuration file of the syncer. To delete it is to remove the member: what it has in
// DNS stays until that is confirmed.
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=mc,categories=federation
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.status.topology.region`
// +kubebuilder:printcolumn:name="Zones",type=string,JSONPath=`.status.zones`
// +kubebuilder:printcolumn:name="Shards",type=string,JSONPath=`.status.shards.summary`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self.metadata.name).hasValue()",message="the name of a member is a DNS label (letters, digits and '-', at most 63): it stands in metrics and in the list of levels"
type MemberCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// How to reach the member, and what it may publish.
	Spec MemberClusterSpec `json:"spec"`
	// What the syncer that writes sees of it.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Ready", status: "Unknown", reason: "Pending", message: "no syncer has looked at it yet", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status MemberClusterStatus `json:"status,omitempty"`
}

// MemberClusterSpec says how to reach a member, and what it may publish.
type MemberClusterSpec struct {
	// The kubeconfig with which the syncer reaches the API server of the member.
	KubeconfigSecret SecretKey `json:"kubeconfigSecret"`

	MemberSettings `json:",inline"`
	// The maximum number of federated Services of the member that count, the oldest first; 0 means no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxServices int32 `json:"maxServices,omitempty"`
	// Whether the syncer creates the Services of FederatedServices in the member. A member is read-only unless this
	// says Enabled and its API server grants the right.
	// +optional
	// +kubebuilder:default=Disabled
	Propagation Propagation `json:"propagation,omitempty"`
}

// Propagation says whether FederatedServices reach a member.
// +kubebuilder:validation:Enum=Enabled;Disabled
type Propagation string

// The values of Propagation.
const (
	// PropagationEnabled lets the syncer create, change and delete its own Services in the member.
	PropagationEnabled Propagation = "Enabled"
	// PropagationDisabled keeps the member read-only.
	PropagationDisabled Propagation = "Disabled"
)

// SecretKey is a key of a Secret in the syncer's own namespace, that of its Lease.
type SecretKey struct {
	// The name of the Secret.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="the name of a Secret in the namespace of the syncer: lower-case letters, digits, '-' and '.'"
	Name string `json:"name"`
	// The key of the kubeconfig in it.
	// +optional
	// +kubebuilder:default=kubeconfig
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// MemberClusterStatus is what the syncer that writes sees of a member. It changes when its content does.
type MemberClusterStatus struct {
	// Ready is whether the member takes part; its reason is the column STATUS. PropagationReady is whether
	// FederatedServices reach it.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// The UID of its namespace kube-system, which identifies the cluster.
	// +optional
	ClusterID string `json:"clusterID,omitempty"`
	// The version of its API server.
	// +optional
	Version string `json:"version,omitempty"`
	// Where it is: as in the spec, or as its Nodes say.
	// +optional
	Topology *ObservedTopology `json:"topology,omitempty"`
	// The topology zones as one text, for the column ZONES.
	// +optional
	Zones string `json:"zones,omitempty"`
	// Its shards in all federations.
	// +optional
	Shards *ShardCount `json:"shards,omitempty"`
	// Which version of the Secret the syncer uses: the member has accepted the kubeconfig in it.
	// +optional
	KubeconfigSecret *SecretInUse `json:"kubeconfigSecret,omitempty"`
	// The Services of deleted FederatedServices, as namespace/name, that could not be deleted in the member yet, or
	// given back. They are once it is reached.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=127
	PendingDeletions []string `json:"pendingDeletions,omitempty"`
}

// SecretInUse is a version of a Secret that the syncer uses: a client made from it had an answer of success. A token
// that it replaced is needed no more.
type SecretInUse struct {
	SecretKey `json:",inline"`
	// The resourceVersion of the Secret.
	ResourceVersion string `json:"resourceVersion"`
}

// ObservedTopology is where the syncer sees a member.
type ObservedTopology struct {
	// The region.
	// +optional
	Region string `json:"region,omitempty"`
	// The topology zones.
	// +optional
	// +listType=set
	Zones []string `json:"zones,omitempty"`
}

// ShardCount counts the shards of a member.
type ShardCount struct {
	// All of them.
	Total int32 `json:"total"`
	// Those that are healthy, and thus in DNS.
	Healthy int32 `json:"healthy"`
	// Both as one text, such as 13/14.
	Summary string `json:"summary"`
}

// MemberClusterList is a list of members.
// +kubebuilder:object:root=true
type MemberClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MemberCluster `json:"items"`
}
