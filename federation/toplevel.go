package federation

import (
	"slices"

	"golang.org/x/net/publicsuffix"
)

// TopLevel is a kind of top-level domain. A search path turns every outside
// name below one into a name of the federation with the same name: for a
// federation "internal", metadata.google.internal.svc.cluster.local is Service
// metadata in namespace google.
type TopLevel string

const (
	// Public is a domain of the root zone: the ICANN part of the public suffix
	// list.
	Public TopLevel = "public"
	// SpecialUse is a domain that a standard sets apart, or that ICANN keeps out
	// of the root zone.
	SpecialUse TopLevel = "special-use"
	// Private is a domain that private networks use by custom.
	Private TopLevel = "private"
)

var (
	specialUse = []Label{
		"alt",                                     // RFC 9476
		"example", "invalid", "localhost", "test", // RFC 6761
		"internal", // reserved by ICANN for private use
		"local",    // RFC 6762
		"onion",    // RFC 7686
	}
	private = []Label{
		"corp", "home", "mail", // never to be delegated, as too many networks use them
		"intranet", "lan", "private", // RFC 6762, appendix G
		"domain", "localdomain", "mshome", "router", "workgroup", // defaults of routers and systems
		"consul", "marathon", "mesos", // service discovery
	}
)

// TopLevelDomain returns what kind of top-level domain the name of a federation
// is, too; "" if it is none. The syncer refuses such a name, and the plugin
// expands it for existing namespaces only (N4, Q4b).
func TopLevelDomain(name Label) TopLevel {
	// Below some top-level domains every name is a public suffix ("*.ck").
	suffix, icann := publicsuffix.PublicSuffix("example." + string(name))
	switch {
	case slices.Contains(specialUse, name):
		return SpecialUse
	case slices.Contains(private, name):
		return Private
	case icann && (suffix == string(name) || suffix == "example."+string(name)):
		return Public
	}
	return ""
}
