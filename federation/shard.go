package federation

import (
	"cmp"
	"net/netip"
)

// ServiceName names a federated Service: its namespace and name, the same in
// all members.
type ServiceName struct {
	Namespace string
	Name      string
}

// String returns "namespace/name".
func (s ServiceName) String() string { return s.Namespace + "/" + s.Name }

// CompareServiceNames orders by namespace, then name.
func CompareServiceNames(a, b ServiceName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// Member is a cluster of the federation with its place: the region and all
// topology zones of its Nodes (H6). Name is its identity, a DNS-1123
// subdomain.
type Member struct {
	Name   string
	Region Label
	Zones  []Label
}

// Shard is one member's part of a federated Service, as it counts now for
// the rule: whether it is published is decided before (H5, X1-X3).
type Shard struct {
	// Member is the name of the member.
	Member string
	// Healthy says that the shard's addresses are to be published: healthy by
	// H5, or held by X1-X3. A shard with neither Addresses nor Host has nothing
	// to publish and counts as not healthy.
	Healthy bool
	// Addresses are the addresses that may be published, sorted and without
	// doubles; those of resolved host names are among them.
	Addresses []netip.Addr
	// Host is the load balancer's host name if the shard has exactly one and
	// no IP address of its own; else "". A level that has this shard alone gets
	// a CNAME to it, all others the Addresses (H4). Without Addresses (a held
	// shard of which only a CNAME is known) it stands where nothing else is
	// healthy.
	Host FQDN
	// Resolved says that Addresses came from host names: their TTL is at most
	// ResolvedTTL (H4).
	Resolved bool
	// TTL is what the Service's annotation asks for in seconds; 0 is no wish (P5).
	TTL uint32
}

// ResolvedTTL is the highest TTL, in seconds, of an RRset with addresses that
// were resolved from a load balancer's host name (H4).
const ResolvedTTL = 60
