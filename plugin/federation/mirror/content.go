package mirror

import (
	"net/netip"
	"slices"

	core "github.com/federation-dns/federation/federation"
	form "github.com/federation-dns/federation/federation/mirror"
)

// Service is what a mirror says of a service, as a question needs it. It is not changed.
type Service struct {
	// Upstream reports that the mirror does not have the service's levels: they are chased.
	Upstream bool
	Levels   []Level
	Ports    []form.Port
}

// Level is what a service has at a level: addresses, a host name, the way up, or nothing.
type Level struct {
	// Suffix is what follows the Service's name and namespace in the name of the record.
	Suffix    string
	TTL       uint32
	Host      string // the target of a CNAME to a load balancer
	HostOf    string // the member that Host belongs to, if it is only one
	Up        string // the suffix of the level that a CNAME leads to
	Addresses []Address
}

// Address is an address of a service.
type Address struct {
	netip.Addr
	Of string // the member that it belongs to, if it is only one
}

// Level returns the level with the suffix, or nil if the mirror does not have it.
func (s *Service) Level(suffix string) *Level {
	for i := range s.Levels {
		if s.Levels[i].Suffix == suffix {
			return &s.Levels[i]
		}
	}
	return nil
}

// Port returns the port of a Service with the name and the protocol, or nil.
func (s *Service) Port(name, protocol string) *form.Port {
	for i := range s.Ports {
		if s.Ports[i].Name == name && s.Ports[i].Protocol == protocol {
			return &s.Ports[i]
		}
	}
	return nil
}

// Own returns the addresses that belong to the member alone.
func (s *Service) Own(member string) []netip.Addr {
	var own []netip.Addr
	for i := range s.Levels {
		for _, a := range s.Levels[i].Addresses {
			if a.Of == member && !slices.Contains(own, a.Addr) {
				own = append(own, a.Addr)
			}
		}
	}
	return own
}

// content is what a bucket holds. It is not changed.
type content struct {
	hash     string
	header   form.Header
	services map[string]*Service // by "S.N", as in the kubernetes plugin's indexes
}

// newContent returns what a bucket's data says, or what is wrong with it.
func newContent(f core.Federation, data map[string]string) (*content, error) {
	header, services, err := form.DecodeBucket(data)
	if err != nil {
		return nil, err
	}
	c := &content{hash: form.Hash(data), header: header, services: make(map[string]*Service, len(services))}
	k := keeper{federation: f, strings: map[string]string{}}
	for i := range services {
		s := &services[i]
		c.services[s.Name+"."+s.Namespace] = k.service(s)
	}
	return c, nil
}

// keeper makes the compact form. Strings that many services of a bucket have are one.
type keeper struct {
	federation core.Federation
	strings    map[string]string
}

func (k *keeper) service(s *form.Service) *Service {
	out := &Service{Upstream: s.Upstream}
	if len(s.Levels) > 0 {
		out.Levels = make([]Level, len(s.Levels))
	}
	for i := range s.Levels {
		from := &s.Levels[i]
		to := Level{Suffix: k.suffix(from.Level), Up: k.suffix(from.Up), TTL: from.TTL, Host: string(from.Host),
			HostOf: k.only(from.Members)}
		if len(from.Addresses) > 0 {
			to.Addresses = make([]Address, len(from.Addresses))
		}
		for j, a := range from.Addresses {
			to.Addresses[j] = Address{a.Address, k.only(a.Members)}
		}
		out.Levels[i] = to
	}
	if len(s.Ports) > 0 {
		out.Ports = make([]form.Port, len(s.Ports))
	}
	for i, p := range s.Ports {
		out.Ports[i] = form.Port{Name: k.one(p.Name), Protocol: k.one(p.Protocol), Port: p.Port}
	}
	return out
}

// only is the member of a list of one, or "".
func (k *keeper) only(members []string) string {
	if len(members) != 1 {
		return ""
	}
	return k.one(members[0])
}

// suffix is the suffix of the records of a level, or "" for none.
func (k *keeper) suffix(level core.FQDN) string {
	if level == "" {
		return ""
	}
	kept, ok := k.strings[string(level)] // no name of a member or a port ends in a dot
	if !ok {
		kept = string(k.federation.Suffix(level))
		k.strings[string(level)] = kept
	}
	return kept
}

// one is the one string that is kept of equal ones.
func (k *keeper) one(s string) string {
	kept, ok := k.strings[s]
	if !ok {
		kept = s
		k.strings[s] = s
	}
	return kept
}
