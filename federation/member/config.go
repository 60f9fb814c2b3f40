// Package member turns one member cluster of a federation into events: its
// shards, its topology, and whether it can be reached.
//
// It watches Services and EndpointSlices that carry the label
// federation-dns.io/federation, and the metadata of Nodes, so that its cost
// follows the federated Services and not the cluster's size. It decides
// nothing: what an unreachable member's shards count as is the business of
// package policy.
package member

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
)

// The label and the annotations of a Service that are read (H1, H2, P5).
const (
	LabelFederation     = "federation-dns.io/federation"
	AnnotationAddresses = "federation-dns.io/addresses"
	AnnotationTTL       = "federation-dns.io/ttl"
)

// DefaultUnreachableAfter is X2a's time for a Config that has none.
const DefaultUnreachableAfter = 45 * time.Second

// Config describes one member.
type Config struct {
	// Name is the member's name, unique in its syncer.
	Name string
	// Federations are the values of the label that count; others belong to
	// another syncer.
	Federations []federation.Label
	// Topology is the member's place if the configuration says it; nil takes it
	// from the labels of the Nodes (H6).
	Topology *federation.Member
	// Policy says which addresses the member may publish.
	Policy Policy
	// Namespaces are those the member may serve; none means all (H3d).
	Namespaces []string
	// MaxServices is the most Services it may serve; 0 means no limit (H3d). The
	// oldest Services count, so that a new one never takes another's place.
	MaxServices int
	// UnreachableAfter sets how often the member is probed (X2a); 0 means
	// DefaultUnreachableAfter.
	UnreachableAfter time.Duration
}

// probeTimes are the interval and the time-out of probes (X2a).
func (c Config) probeTimes() (interval, timeout time.Duration) {
	interval = max(min(5*time.Second, cmp.Or(c.UnreachableAfter, DefaultUnreachableAfter)/5), time.Millisecond)
	return interval, min(3*time.Second, interval)
}

func (c Config) serves(namespace string) bool {
	return len(c.Namespaces) == 0 || slices.Contains(c.Namespaces, namespace)
}

// Policy says which addresses and host names a member may publish (H3).
type Policy struct {
	// AllowAddressAnnotation lets the annotation federation-dns.io/addresses
	// stand instead of the load balancer's addresses (H2).
	AllowAddressAnnotation bool
	// AddressCIDRs are the prefixes in which private addresses, and all
	// annotated ones, must lie (H3b).
	AddressCIDRs []netip.Prefix
	// HostSuffixes are the domains below which annotated host names must lie.
	HostSuffixes []federation.FQDN
	// ForbiddenHosts are the domains of the federations and the cluster zones:
	// a host name in or below them would lead back to us (H3c).
	ForbiddenHosts []federation.FQDN
}
