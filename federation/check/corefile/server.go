package corefile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// All returns the directives of this name, in order.
func (s *Server) All(name string) (out []*Plugin) {
	for _, p := range s.Plugins {
		if p.Name == name {
			out = append(out, p)
		}
	}
	return out
}

// Has reports whether the server block has a directive of this name.
func (s *Server) Has(name string) bool { return len(s.All(name)) > 0 }

// HasPort reports whether the server block listens on the port.
func (s *Server) HasPort(port string) bool {
	return slices.ContainsFunc(s.Keys, func(k Key) bool { return k.Port == port })
}

// String is how the server block begins.
func (s *Server) String() string {
	keys := make([]string, len(s.Keys))
	for i, k := range s.Keys {
		keys[i] = k.Zone
		if k.Zone != "." {
			keys[i] = strings.TrimSuffix(k.Zone, ".")
		}
		keys[i] += ":" + k.Port
	}
	return strings.Join(keys, " ")
}

// Route returns the server block that is asked for a name on a port: the one with the longest zone; nil if there is
// none.
func (f *File) Route(name, port string) *Server {
	var found *Server
	longest := -1
	for i := range f.Servers {
		for _, k := range f.Servers[i].Keys {
			if n := len(k.Zone); k.Port == port && dns.IsSubDomain(k.Zone, dns.Fqdn(name)) && n > longest {
				found, longest = &f.Servers[i], n
			}
		}
	}
	return found
}

// Forwards returns where the server block forwards questions for a name to; nothing if it does not.
func (s *Server) Forwards(name string) []string {
	name = strings.ToLower(dns.Fqdn(name))
	below := func(zone string) bool { return dns.IsSubDomain(strings.ToLower(dns.Fqdn(zone)), name) }
	for _, p := range s.All("forward") {
		if len(p.Args) < 2 || !below(p.Args[0]) {
			continue
		}
		if !slices.ContainsFunc(Option(p, "except"), below) {
			return p.Args[1:]
		}
	}
	return nil
}

// Option returns the arguments of all lines of this name in the block of a directive.
func Option(p *Plugin, name string) (args []string) {
	for _, o := range p.Options {
		if o.Name == name {
			args = append(args, o.Args...)
		}
	}
	return args
}

// HasOption reports whether the block of a directive has a line of this name.
func HasOption(p *Plugin, name string) bool {
	for _, o := range p.Options {
		if o.Name == name {
			return true
		}
	}
	return false
}

// MetricsPort is the port of the directive prometheus; "" if no server block has it.
func (f *File) MetricsPort() string {
	for i := range f.Servers {
		list := f.Servers[i].All("prometheus")
		switch {
		case len(list) == 0:
			continue
		case len(list[0].Args) > 0 && strings.Contains(list[0].Args[0], ":"):
			address := list[0].Args[0]
			return address[strings.LastIndexByte(address, ':')+1:]
		}
		return "9153"
	}
	return ""
}

// DenialTTL is for how many seconds the server block keeps denials at most; ok is false if it has no cache for the
// name.
func (s *Server) DenialTTL(name string) (seconds int, ok bool) {
	name = strings.ToLower(dns.Fqdn(name))
	for _, p := range s.All("cache") {
		seconds, zones := 1800, p.Args // CoreDNS's default
		if len(zones) > 0 {
			if n, err := strconv.Atoi(zones[0]); err == nil {
				seconds, zones = n, zones[1:]
			}
		}
		covers := func(zone string) bool { return dns.IsSubDomain(strings.ToLower(dns.Fqdn(zone)), name) }
		if len(zones) > 0 && !slices.ContainsFunc(zones, covers) {
			continue
		}
		for _, o := range p.Options {
			switch {
			case o.Name == "denial" && len(o.Args) > 1: // CAPACITY TTL MINTTL
				if n, err := strconv.Atoi(o.Args[1]); err == nil {
					seconds = n
				}
			case o.Name == "disable" && len(o.Args) > 0 && o.Args[0] == "denial" &&
				(len(o.Args) == 1 || slices.ContainsFunc(o.Args[1:], covers)):
				seconds = 0
			}
		}
		return seconds, true
	}
	return 0, false
}
