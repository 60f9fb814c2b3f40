package federation

import (
	"cmp"
	"net/netip"
	"slices"
)

// ServiceName identifies a federated Service: its namespace and name, the same in all members.
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

// Member is a cluster of the federation and its place: the region and all topology zones of its Nodes (H6). Name is its
// identity, a DNS-1123 subdomain.
type Member struct {
	Name   string
	Region Label
	Zones  []Label
}

// Shard is one member's part of a federated Service, as it counts now for the publishing rule. Whether it counts as
// healthy is decided before (H5, X1-X3).
type Shard struct {
	// Member is the name of the member.
	Member string
	// Healthy reports that the shard's addresses are to be published: it is healthy (H5), or held (X1-X3). A shard with
	// neither Addresses nor Host has nothing to publish, and does not count as healthy.
	Healthy bool
	// Addresses are the addresses that may be published, including those of resolved host names, sorted and each once.
	Addresses []netip.Addr
	// Host is the load balancer's host name, if the shard has exactly one and no IP address of its own; else "". A
	// level with only this shard has a CNAME to it, all others have the Addresses (H4). Without Addresses, as in a held
	// shard of which only a CNAME is known, Host is used where nothing else is healthy.
	Host FQDN
	// Resolved reports that Addresses came from host names: their TTL is at most ResolvedTTL (H4).
	Resolved bool
	// TTL is the TTL in seconds that the Service's annotation asks for; 0 if it does not (P5).
	TTL uint32
}

// ResolvedTTL is the maximum TTL, in seconds, of an RRset with addresses that a load balancer's host name resolved to
// (H4).
const ResolvedTTL = 60

// neverPublished are ranges whose addresses reach nothing, the client itself, or a translator that only the member has
// (H3a). MayBePublished tests unspecified, loopback, link-local, multicast and IPv4-mapped addresses separately.
var neverPublished = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
}

// MayBePublished reports whether the address can be a shard's in some member: it is a global unicast address without a
// zone, and outside the ranges that are never published (H3a).
func MayBePublished(a netip.Addr) bool {
	return a.IsValid() && a.Zone() == "" && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && !a.Is4In6() &&
		!a.IsLinkLocalUnicast() &&
		!slices.ContainsFunc(neverPublished, func(p netip.Prefix) bool { return p.Contains(a) })
}
