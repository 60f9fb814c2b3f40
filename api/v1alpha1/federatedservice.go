package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FederatedService is a Service that the syncer creates in the members, in the namespace of the same name, and shows as
// one. It needs members with spec.propagation Enabled. To delete it is to delete the Services that it created.
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=fsvc,categories=federation
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Federation",type=string,JSONPath=`.spec.federation`
// +kubebuilder:printcolumn:name="Propagated",type=string,JSONPath=`.status.conditions[?(@.type=="Propagated")].reason`
// +kubebuilder:printcolumn:name="Published",type=string,JSONPath=`.status.conditions[?(@.type=="Published")].reason`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.healthy`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Addresses",type=string,priority=1,JSONPath=`.status.addresses`
// +kubebuilder:validation:XValidation:rule="!format.dns1035Label().validate(self.metadata.name).hasValue()",message="the name is that of the Services in the members: a DNS label that begins with a letter (a-z, 0-9 and '-', at most 63)"
type FederatedService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// The Service, and where it is to be.
	Spec FederatedServiceSpec `json:"spec"`
	// What the syncer that writes sees of it.
	// +optional
	// +kubebuilder:default={conditions: {{type: "Propagated", status: "Unknown", reason: "Pending", message: "no syncer has looked at it yet", lastTransitionTime: "1970-01-01T00:00:00Z"}, {type: "Published", status: "Unknown", reason: "Pending", message: "no syncer has looked at it yet", lastTransitionTime: "1970-01-01T00:00:00Z"}}}
	Status FederatedServiceStatus `json:"status,omitempty"`
}

// FederatedServiceSpec says what the Services in the members are like, and which members have one.
type FederatedServiceSpec struct {
	// The federation in whose names the Services are published. It cannot be changed.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="the name of a federation is a DNS label: lower-case letters, digits and '-'"
	// +kubebuilder:validation:XValidation:rule="!(self in ['svc', 'pod'])",message="a federation is not called svc or pod"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="federation cannot be changed: make another FederatedService, and delete this one when nobody asks for the old name"
	Federation string `json:"federation"`
	// The Service as it is to be in each member.
	Template ServiceTemplate `json:"template"`
	// Which members have the Service; the default is all whose propagation is Enabled.
	// +optional
	Placement *Placement `json:"placement,omitempty"`
	// The TTL of the records in seconds; the default is that of the federation.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	TTL *int32 `json:"ttl,omitempty"`
	// Whether a Service that exists in a member already is taken over as a whole, unless a tool that uses server-side
	// apply manages it. One that is adopted is given back, not deleted.
	// +optional
	Adopt bool `json:"adopt,omitempty"`
}

// ServiceTemplate is a Service without what belongs to one cluster.
type ServiceTemplate struct {
	// Labels and annotations of the Services.
	// +optional
	Metadata TemplateMetadata `json:"metadata,omitempty"`
	// The spec of the Services.
	// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type in ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']",message="type is ClusterIP, NodePort or LoadBalancer"
	// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'ExternalName'",message="type ExternalName has no endpoints whose health could be known: use ClusterIP, NodePort or LoadBalancer"
	// +kubebuilder:validation:XValidation:rule="(!has(self.clusterIP) || self.clusterIP in ['', 'None']) && (!has(self.clusterIPs) || self.clusterIPs.all(ip, ip == 'None'))",message="each member allocates its own clusterIP: leave clusterIP and clusterIPs out, or say None for a headless Service"
	// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type in ['ClusterIP', 'ExternalName'] || ((!has(self.clusterIP) || self.clusterIP != 'None') && (!has(self.clusterIPs) || self.clusterIPs.all(ip, ip != 'None')))",message="a headless Service (clusterIP None) has type ClusterIP"
	// +kubebuilder:validation:XValidation:rule="(has(self.ports) && self.ports.size() > 0) || (has(self.clusterIP) && self.clusterIP == 'None') || (has(self.type) && self.type == 'ExternalName')",message="say at least one port: only a headless Service (clusterIP None) may have none"
	// +kubebuilder:validation:XValidation:rule="!has(self.ports) || self.ports.all(p, p.port >= 1 && p.port <= 65535)",message="a port is a number from 1 to 65535"
	// +kubebuilder:validation:XValidation:rule="!has(self.ports) || self.ports.size() < 2 || self.ports.all(p, has(p.name) && p.name != '')",message="each of several ports has a name"
	// +kubebuilder:validation:XValidation:rule="!has(self.ports) || self.ports.all(p, !has(p.nodePort) || p.nodePort == 0)",message="each member allocates its own nodePort: leave it out"
	// +kubebuilder:validation:XValidation:rule="!has(self.healthCheckNodePort) || self.healthCheckNodePort == 0",message="each member allocates its own healthCheckNodePort: leave it out"
	// +kubebuilder:validation:XValidation:rule="(!has(self.externalIPs) || self.externalIPs.size() == 0) && (!has(self.loadBalancerIP) || self.loadBalancerIP == '')",message="externalIPs and loadBalancerIP belong to one cluster: leave them out"
	Spec corev1.ServiceSpec `json:"spec"`
}

// TemplateMetadata is the part of an object's metadata that may be the same in all members.
type TemplateMetadata struct {
	// The labels of the Services.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('federation-dns.io/'))",message="labels of federation-dns.io are set by the syncer: leave them out"
	Labels map[string]string `json:"labels,omitempty"`
	// The annotations of the Services.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('federation-dns.io/'))",message="annotations of federation-dns.io belong to one member, or are set by the syncer: leave them out, and say spec.ttl for a TTL"
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Placement selects members; only those whose propagation is Enabled count. A member that is selected no longer loses
// the Service.
// +kubebuilder:validation:XValidation:rule="has(self.clusters) != has(self.selector)",message="say either clusters or selector"
type Placement struct {
	// The names of the members.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.all(c, !format.dns1123Label().validate(c).hasValue())",message="each entry is the name of a MemberCluster: lower-case letters, digits and '-'"
	Clusters []string `json:"clusters,omitempty"`
	// Selects MemberClusters by their labels.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// FederatedServiceStatus is what the syncer that writes sees of a FederatedService. It changes when its content does.
type FederatedServiceStatus struct {
	// The generation of the object that the status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Propagated is whether each selected member has the Service as the template says; Published is whether its names
	// lead to healthy shards.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// The addresses of the load balancers of all healthy shards, as a Service has its own.
	// +optional
	LoadBalancer corev1.LoadBalancerStatus `json:"loadBalancer,omitempty"`
	// The selected members, and the Service there.
	// +optional
	// +listType=map
	// +listMapKey=cluster
	Clusters []ClusterStatus `json:"clusters,omitempty"`
	// The names under which it is published: the global one first, then those of the levels that exist.
	// +optional
	// +listType=atomic
	Names []string `json:"names,omitempty"`
	// How many shards are healthy, of how many there are, as one text such as 3/4.
	// +optional
	Healthy string `json:"healthy,omitempty"`
	// The addresses as one text, for the column ADDRESSES.
	// +optional
	Addresses string `json:"addresses,omitempty"`
}

// ClusterState says in one word how the Service in a member is.
// +kubebuilder:validation:Enum=Healthy;Unhealthy;Unknown;Missing
type ClusterState string

// The states of the Service in a member.
const (
	// ClusterHealthy: its shard is healthy, and in DNS.
	ClusterHealthy ClusterState = "Healthy"
	// ClusterUnhealthy: it exists, and its shard does not count as healthy; the reason says why.
	ClusterUnhealthy ClusterState = "Unhealthy"
	// ClusterUnknown: the syncer does not see the member.
	ClusterUnknown ClusterState = "Unknown"
	// ClusterMissing: the member has no such Service; the reason says why.
	ClusterMissing ClusterState = "Missing"
)

// ClusterStatus is the Service in one member.
type ClusterStatus struct {
	// The name of the member.
	Cluster string `json:"cluster"`
	// How the Service is there.
	State ClusterState `json:"state"`
	// Why it is so, in one word; empty for a healthy shard in whose Service the template is as it should be.
	// +optional
	Reason string `json:"reason,omitempty"`
	// The same in a sentence, with what to do.
	// +optional
	Message string `json:"message,omitempty"`
	// The number of ready endpoints.
	// +optional
	ReadyEndpoints int32 `json:"readyEndpoints,omitempty"`
	// The addresses and host names that may be published.
	// +optional
	// +listType=atomic
	Addresses []string `json:"addresses,omitempty"`
}

// FederatedServiceList is a list of federated Services.
// +kubebuilder:object:root=true
type FederatedServiceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []FederatedService `json:"items"`
}
