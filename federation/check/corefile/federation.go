package corefile

import (
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/mirror"
)

// DefaultMirror is where the plugin looks for mirrors, and MirrorOff turns that off.
const (
	DefaultMirror = mirror.Namespace
	MirrorOff     = "off"
)

// Federation is the directive of the plugin federation, as far as others have to know it.
type Federation struct {
	// Zones are the cluster zones in which names are expanded, in lower case and with a trailing dot.
	Zones []string
	// Domains are the federations, by name, with their domains: lower case, no trailing dot.
	Domains map[string]string
	// Naming is flat or nested.
	Naming string
	// Topology is whether the region and the topology zone are in the Corefile.
	Topology bool
	// Mirror is the namespace in which it looks for mirrors, or off.
	Mirror string
}

// Federation returns the directive of the plugin; nil if the server block has none.
func (s *Server) Federation() *Federation {
	list := s.All("federation")
	if len(list) == 0 {
		return nil
	}
	f := &Federation{Domains: map[string]string{}, Naming: "flat", Mirror: DefaultMirror}
	p := list[0] // CoreDNS does not start with two
	for _, zone := range p.Args {
		f.Zones = append(f.Zones, strings.ToLower(dns.Fqdn(zone)))
	}
	if len(f.Zones) == 0 {
		f.Zones = s.forwardZones()
	}
	for _, o := range p.Options {
		// An option followed by one dotted argument is the name of a federation (Q1).
		federation := len(o.Args) == 1 && strings.Contains(o.Args[0], ".") && o.Name != "upstream"
		switch {
		case !federation && o.Name == "naming" && len(o.Args) == 1:
			f.Naming = o.Args[0]
		case !federation && o.Name == "topology":
			f.Topology = true
		case !federation && o.Name == "mirror" && len(o.Args) == 1:
			f.Mirror = o.Args[0]
		case !federation && slices.Contains([]string{"ttl", "no_chase", "upstream"}, o.Name):
		case len(o.Args) == 1:
			f.Domains[strings.ToLower(o.Name)] = strings.ToLower(strings.TrimSuffix(o.Args[0], "."))
		}
	}
	return f
}

// forwardZones are the zones of kubernetes that are not for reverse lookups.
func (s *Server) forwardZones() (zones []string) {
	for _, p := range s.All("kubernetes") {
		all := p.Args
		if len(all) == 0 {
			for _, k := range s.Keys {
				all = append(all, k.Zone)
			}
		}
		for _, zone := range all {
			zone = strings.ToLower(dns.Fqdn(zone))
			if !dns.IsSubDomain("in-addr.arpa.", zone) && !dns.IsSubDomain("ip6.arpa.", zone) {
				zones = append(zones, zone)
			}
		}
	}
	return zones
}
