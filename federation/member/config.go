// Package member turns one member cluster of a federation into events: its shards, its topology, and whether it can be
// reached.
//
// It watches Services and EndpointSlices that carry the label federation-dns.io/federation, and the metadata of Nodes,
// so that its cost depends on the federated Services and not on the size of the cluster. It decides nothing: package
// policy decides what the shards of an unreachable member count as.
package member

import (
	"cmp"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
)

// The label and the annotations of a Service that matter (H1, H2, P5).
const (
	LabelFederation     = "federation-dns.io/federation"
	AnnotationAddresses = "federation-dns.io/addresses"
	AnnotationTTL       = "federation-dns.io/ttl"
)

// DefaultUnreachableAfter is the UnreachableAfter of a Config that has none (X2a).
const DefaultUnreachableAfter = 45 * time.Second

// Config describes one member.
type Config struct {
	// Name is the member's name, unique in its syncer.
	Name string
	// Federations are this syncer's; Services of others are ignored.
	Federations []federation.Label
	// Topology is the member's region and topology zones; nil takes them from the labels of its Nodes (H6).
	Topology *federation.Member
	// AddressPolicy says which addresses the member may publish.
	AddressPolicy AddressPolicy
	// Namespaces are those whose Services it may serve; none means all (H3d).
	Namespaces []string
	// MaxServices limits the Services that it may serve; 0 means no limit (H3d). The oldest count, so that a new
	// Service never displaces another.
	MaxServices int
	// UnreachableAfter sets how often the member is probed (X2a); 0 means DefaultUnreachableAfter.
	UnreachableAfter time.Duration
}

// probeTimes returns the interval and the timeout of probes (X2a).
func (c Config) probeTimes() (interval, timeout time.Duration) {
	interval = max(min(5*time.Second, cmp.Or(c.UnreachableAfter, DefaultUnreachableAfter)/5), time.Millisecond)
	return interval, min(3*time.Second, interval)
}

func (c Config) serves(namespace string) bool {
	return len(c.Namespaces) == 0 || slices.Contains(c.Namespaces, namespace)
}
