package v1alpha1

// MemberSettings are what a MemberCluster has in common with an entry of clusters in the configuration file of the
// syncer; the words and the defaults are the same. The file says more than the schema does about what is wrong.
type MemberSettings struct {
	// Where the member is; the default is taken from the labels of its Nodes.
	// +optional
	Topology *Topology `json:"topology,omitempty" yaml:"topology"`
	// The prefixes in which private and annotated addresses of the member may be published. Public addresses of its
	// load balancers need none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=49
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c) && cidr(c) == cidr(c).masked())",message="each entry is a prefix without host bits, like 10.0.0.0/8 or fd00::/8"
	AddressCIDRs []string `json:"addressCIDRs,omitempty" yaml:"addressCIDRs"`
	// The domains in which annotated host names of the member may be.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.all(d, !format.dns1123Subdomain().validate(d).hasValue())",message="each entry is a domain in lower case, like lb.example.com"
	HostSuffixes []string `json:"hostSuffixes,omitempty" yaml:"hostSuffixes"`
	// Whether the annotation `federation-dns.io/addresses` of its Services counts.
	// +optional
	AllowAddressAnnotation bool `json:"allowAddressAnnotation,omitempty" yaml:"allowAddressAnnotation"`
	// The namespaces that the member may serve; the default is all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.all(n, !format.dns1123Label().validate(n).hasValue())",message="each entry is the name of a namespace: lower-case letters, digits and '-'"
	Namespaces []string `json:"namespaces,omitempty" yaml:"namespaces"`
	// The member's own value, instead of the one in timers.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+(ms|s|m|h))+$') && duration(self) >= duration('1s')",message="a time of at least 1 s, like 45s or 2m"
	UnreachableAfter string `json:"unreachableAfter,omitempty" yaml:"unreachableAfter"`
	// Whether its shards count as unhealthy: other members take over at once, and it keeps its levels. Set it before
	// you remove a member or work on it.
	// +optional
	Drain bool `json:"drain,omitempty" yaml:"drain"`
}

// Topology is where a member is.
// +kubebuilder:validation:XValidation:rule="has(self.region) || has(self.zones) && self.zones.size() > 0",message="say a region, zones, or both; leave topology out to take it from the labels of the Nodes"
type Topology struct {
	// The region; optional.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="a region is a DNS label: lower-case letters, digits and '-', as it becomes part of a name"
	Region string `json:"region,omitempty" yaml:"region"`
	// The topology zones, at most 16.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.all(z, !format.dns1123Label().validate(z).hasValue())",message="a topology zone is a DNS label: lower-case letters, digits and '-', as it becomes part of a name"
	Zones []string `json:"zones,omitempty" yaml:"zones"`
}
