package member

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// MaxAddresses is the most addresses of one shard (H3d).
const MaxAddresses = 16

// maxPorts is how many ports of a Service are read, the first by name (H3e): as many as one EndpointSlice may have.
const maxPorts = 100

// AddressPolicy says which addresses and host names a member may publish (H3).
type AddressPolicy struct {
	// AllowAddressAnnotation lets the annotation federation-dns.io/addresses replace the load balancer's addresses
	// (H2).
	AllowAddressAnnotation bool
	// AddressCIDRs are the prefixes that must contain private addresses, and all annotated ones (H3b).
	AddressCIDRs []netip.Prefix
	// HostSuffixes are the domains below which annotated host names must be (H3b).
	HostSuffixes []federation.FQDN
	// ForbiddenHosts are the domains of the federations and the cluster zones: a host name in or below them would
	// resolve through the records that it is for (H3c).
	ForbiddenHosts []federation.FQDN
}

// privateRanges may be published only inside the member's AddressCIDRs (H3b).
var privateRanges = prefixes(
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7", "fec0::/10",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// CheckAddress returns nil if the member may publish the address, and otherwise an error that names it and says what is
// allowed. annotated says that it is from the Service's annotation.
func (p AddressPolicy) CheckAddress(a netip.Addr, annotated bool) error {
	switch {
	case !federation.MayBePublished(a):
		return fmt.Errorf("address %s is never published: it is not a global unicast address", a)
	case annotated && !within(p.AddressCIDRs, a):
		return fmt.Errorf("address %s of the annotation %s is outside the member's addressCIDRs",
			a, AnnotationAddresses)
	case within(privateRanges, a) && !within(p.AddressCIDRs, a):
		return fmt.Errorf("private address %s is outside the member's addressCIDRs", a)
	}
	return nil
}

// CheckHost returns nil if the member may publish the addresses of the host name, and the name itself as the target of
// a CNAME.
func (p AddressPolicy) CheckHost(host federation.FQDN, annotated bool) error {
	for _, d := range p.ForbiddenHosts {
		if host.In(d) {
			return fmt.Errorf("host name %q is in %q, a domain of ours: it would resolve to itself", host, d)
		}
	}
	below := func(suffix federation.FQDN) bool { return host != suffix && host.In(suffix) }
	if annotated && !slices.ContainsFunc(p.HostSuffixes, below) {
		return fmt.Errorf("host name %q of the annotation %s is not below one of the member's hostSuffixes",
			host, AnnotationAddresses)
	}
	return nil
}
