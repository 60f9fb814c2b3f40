package federation

import (
	"fmt"
	"slices"

	"golang.org/x/net/publicsuffix"
)

// Naming is the shape of the names of topology zones (N2, N3).
type Naming string

const (
	// Flat names a topology zone S.N.F.svc.<topology zone>.D (N2).
	Flat Naming = "flat"
	// Nested names it S.N.F.svc.<topology zone>.<region>.D (N3).
	Nested Naming = "nested"
)

// ParseNaming returns the Naming called s; the empty string is Flat.
func ParseNaming(s string) (Naming, error) {
	switch Naming(s) {
	case "", Flat:
		return Flat, nil
	case Nested:
		return Nested, nil
	}
	return "", fmt.Errorf("unknown naming %q: %q and %q are allowed", s, Flat, Nested)
}

// Federation is a named set of member clusters with a DNS domain.
type Federation struct {
	// Name is the label F in S.N.F.svc.
	Name Label
	// Domain is D, the domain that contains the records.
	Domain FQDN
	// Naming is the shape of the names of topology zones.
	Naming Naming
}

// ParseName checks the name of a federation: a DNS-1123 label other than "svc" and "pod", which ordinary cluster names
// have in its place (N4).
func ParseName(s string) (Label, error) {
	l, err := ParseLabel(s)
	if err != nil {
		return "", fmt.Errorf("federation name %q: %w", s, err)
	}
	if l == "svc" || l == "pod" {
		return "", fmt.Errorf("federation name %q: \"svc\" and \"pod\" are reserved by Kubernetes", s)
	}
	return l, nil
}

// ParseDomain checks the domain of a federation: a DNS-1123 subdomain, with or without the trailing dot (N4).
func ParseDomain(s string) (FQDN, error) {
	name, err := ParseFQDN(s)
	if err != nil {
		return "", fmt.Errorf("domain: %w", err)
	}
	for i := range len(name) {
		if name[i] == '_' {
			return "", fmt.Errorf("domain: name %q: an underscore is not allowed in a DNS-1123 subdomain", s)
		}
	}
	return name, nil
}

// Suffix returns what follows S.N in the names of a level with the given domain: "F.svc.<levelName>". The domain of
// global is D itself.
func (f Federation) Suffix(levelName FQDN) FQDN {
	return join(string(f.Name), join("svc", levelName))
}

// LevelName returns the domain of a level: <topology zone>.D or <topology zone>.<region>.D, <region>.D, or D for the
// zero Topology. With both labels it is that of the topology zone. It is empty if the naming has no name for the level:
// under Nested, a topology zone without a region (N3).
func (f Federation) LevelName(t Topology) FQDN {
	switch {
	case t.Zone == "" && t.Region == "":
		return f.Domain
	case t.Zone == "":
		return join(string(t.Region), f.Domain)
	case f.Naming != Nested:
		return join(string(t.Zone), f.Domain)
	case t.Region == "":
		return ""
	}
	return join(string(t.Zone), join(string(t.Region), f.Domain))
}

// Path returns the domains that a query from a place goes through, closest first: those of its topology zone, its
// region and global, each once and without those that the place does not have (N3, N5, Q7a). The last one is the
// federation's domain.
func (f Federation) Path(t Topology) []FQDN {
	path := make([]FQDN, 0, 3)
	for _, level := range []Topology{t, {Region: t.Region}, {}} {
		name := f.LevelName(level)
		if name != "" && (len(path) == 0 || path[len(path)-1] != name) {
			path = append(path, name)
		}
	}
	return path
}

// Topology is a place: the labels topology.kubernetes.io/region and topology.kubernetes.io/zone of a Node. A missing
// label is "".
type Topology struct {
	Region Label
	Zone   Label
}

// TopLevel is a kind of top-level domain. A search path turns every outside name below one into a name of the
// federation that has the same name: for a federation "internal", metadata.google.internal.svc.cluster.local is Service
// metadata in namespace google.
type TopLevel string

const (
	// Public is a domain of the root zone: the ICANN section of the public suffix list.
	Public TopLevel = "public"
	// SpecialUse is a domain that a standard reserves, or that ICANN keeps out of the root zone.
	SpecialUse TopLevel = "special-use"
	// Private is a domain that private networks customarily use.
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

// TopLevelDomain returns the kind of top-level domain that has the same name as the federation; "" if there is none.
// The syncer refuses such a name, and the plugin expands it for existing namespaces only (N4, Q4b).
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
