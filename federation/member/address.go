package member

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// The reasons of this package.
const (
	// H3a, H3b: an address that may not be published: not a global unicast address, or private or annotated and outside the member's addressCIDRs. Mend the Service, or add the prefix to addressCIDRs.
	ReasonAddressRefused federation.Reason = "AddressRefused"
	// H3b, H3c: a host name that may not be followed: annotated and not below the member's hostSuffixes, or in a domain of a federation or the cluster zone.
	ReasonHostRefused federation.Reason = "HostRefused"
	// H3d, H3e: the shard has more than 16 addresses or host names, of which the first 16 by order are used, or more than 256 load balancer ingresses, of which no more are read.
	ReasonTooManyAddresses federation.Reason = "TooManyAddresses"
	// H3d: the member has more federated Services than its maxServices; the oldest count, this one does not.
	ReasonTooManyServices federation.Reason = "TooManyServices"
	// H3d: the Service's namespace is not among the namespaces that the member may serve.
	ReasonNamespaceRefused federation.Reason = "NamespaceRefused"
	// X7: an annotation has a value that is not allowed, or the member has no allowAddressAnnotation; the bad value alone is ignored.
	ReasonBadAnnotation federation.Reason = "BadAnnotation"
	// H5: no endpoint is ready. Look at the pods and their readiness probes.
	ReasonNoReadyEndpoints federation.Reason = "NoReadyEndpoints"
	// H1: no EndpointSlice of the Service has the label federation-dns.io/federation. The EndpointSlice controller copies it from the Service; slices made by hand, and Endpoints objects, need it themselves.
	ReasonNoSlices federation.Reason = "NoSlices"
	// H5: the Service has no address that may be published: its load balancer has none yet, it is not of type LoadBalancer and not annotated, or all were refused.
	ReasonNoAddress federation.Reason = "NoAddress"
	// H4: nothing is known of the host name of the load balancer: its DNS does not answer, or it does not exist.
	ReasonHostUnresolved federation.Reason = "HostUnresolved"
	// X7: kinds of objects of the member cannot be listed or watched; the detail has the API server's words. Check the account (deploy/member-rbac.yaml). Without Services or EndpointSlices for 3 minutes the member is unknown (X2d).
	ReasonWatchFailed federation.Reason = "WatchFailed"
	// H3e: the topology labels of the member's Nodes change too often: five changes count at once, then one a minute; or more than 16 levels that the member has left still have names, and it moves to no new one until they are gone (confirm). Find out what writes them.
	ReasonLabelsUnstable federation.Reason = "LabelsUnstable"
	// H1: so many Services of the member carry the label federation-dns.io/federation with a value that is none of this syncer's federations: it is mistyped, or another syncer's.
	ReasonOtherFederation federation.Reason = "OtherFederation"
)

// MaxAddresses is the most addresses of one shard (H3d).
const MaxAddresses = 16

// neverPublished are the ranges that lead nowhere, back to the client, or
// through a translation that only the member knows (H3a). Unspecified,
// loopback, link-local, multicast and IPv4-mapped addresses are tested apart.
var neverPublished = prefixes(
	"0.0.0.0/8", "192.0.0.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2002::/16", "2001::/32",
)

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

// CheckAddress returns nil if the member may publish the address, else an
// error that names it and says what is allowed. annotated says that it comes
// from the Service's annotation.
func (p Policy) CheckAddress(a netip.Addr, annotated bool) error {
	switch {
	case !a.IsValid() || a.Zone() != "" || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.Is4In6() ||
		a.IsLinkLocalUnicast() || within(neverPublished, a):
		return fmt.Errorf("address %s is never published: it is not a global unicast address", a)
	case annotated && !within(p.AddressCIDRs, a):
		return fmt.Errorf("address %s of the annotation %s is outside the member's addressCIDRs", a, AnnotationAddresses)
	case within(privateRanges, a) && !within(p.AddressCIDRs, a):
		return fmt.Errorf("private address %s is outside the member's addressCIDRs", a)
	}
	return nil
}

// CheckHost returns nil if the member may publish addresses of the host name,
// and the name itself as the target of a CNAME.
func (p Policy) CheckHost(host federation.FQDN, annotated bool) error {
	for _, d := range p.ForbiddenHosts {
		if host.In(d) {
			return fmt.Errorf("host name %q lies in %q, which would lead back here", host, d)
		}
	}
	below := func(suffix federation.FQDN) bool { return host != suffix && host.In(suffix) }
	if annotated && !slices.ContainsFunc(p.HostSuffixes, below) {
		return fmt.Errorf("host name %q of the annotation %s is not below one of the member's hostSuffixes", host, AnnotationAddresses)
	}
	return nil
}
