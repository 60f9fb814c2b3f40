package federation

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unique"
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
	// Ports are those of the Service. No RRset depends on them: members' mirrors have them, for SRV (M9).
	Ports Ports
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

// Port is a port of a Service that has a name, as the names of SRV records have it (M9).
type Port struct {
	Name     string
	Protocol string // lower case: tcp, udp or sctp
	Port     uint16
}

// Valid reports whether a Service may have such a port, so that an SRV record can be asked for.
func (p Port) Valid() bool {
	known := p.Protocol == "tcp" || p.Protocol == "udp" || p.Protocol == "sctp"
	return known && p.Port != 0 && checkLabel(p.Name) == nil
}

func (p Port) key() portKey { return portKey{p.Name, p.Protocol} }

// portKey is what an SRV record is asked for by.
type portKey struct{ name, protocol string }

func comparePorts(a, b Port) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
}

// Ports are the ports of a Service. Equal ones are one in memory, as most shards have those of their neighbours. The
// zero value says that they are not known.
type Ports struct{ text unique.Handle[string] }

// MakePorts returns ports that are known; there may be none. It leaves out those that are not
// valid, and the second of two with one name and protocol.
func MakePorts(list []Port) Ports {
	sorted := slices.SortedFunc(slices.Values(list), comparePorts)
	var b strings.Builder
	var before portKey
	for _, p := range sorted {
		if !p.Valid() || p.key() == before {
			continue
		}
		before = p.key()
		fmt.Fprintf(&b, "%s/%s/%d\n", p.Name, p.Protocol, p.Port)
	}
	return Ports{unique.Make(b.String())}
}

// Known reports whether it is known which ports there are.
func (p Ports) Known() bool { return p != Ports{} }

// Equal reports whether both are the same.
func (p Ports) Equal(o Ports) bool { return p == o }

// List returns the ports by name and protocol.
func (p Ports) List() []Port {
	if !p.Known() || p.text.Value() == "" {
		return nil
	}
	text := p.text.Value()
	list := make([]Port, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "/")
		protocol, number, _ := strings.Cut(rest, "/")
		n, _ := strconv.ParseUint(number, 10, 16) // MakePorts has written it
		list = append(list, Port{name, protocol, uint16(n)})
	}
	return list
}

// CommonPorts returns the ports that all shards whose ports are known have alike, healthy or not: a failover leads to
// any of them. differ says for each other port which shards have what, in the order of the shards.
func CommonPorts(shards []Shard) (common Ports, differ []string) {
	known := make([]*Shard, 0, len(shards))
	for i := range shards {
		if shards[i].Ports.Known() {
			known = append(known, &shards[i])
		}
	}
	if len(known) == 0 {
		return common, nil
	}
	common = known[0].Ports
	if !slices.ContainsFunc(known, func(s *Shard) bool { return s.Ports != common }) {
		return common, nil
	}
	has := make([]map[portKey]uint16, len(known))
	all := map[portKey]bool{}
	for i, s := range known {
		has[i] = map[portKey]uint16{}
		for _, p := range s.Ports.List() {
			has[i][p.key()], all[p.key()] = p.Port, true
		}
	}
	var alike []Port
	var others []Port
	for key := range all {
		p := Port{key.name, key.protocol, has[0][key]}
		if slices.ContainsFunc(has, func(ports map[portKey]uint16) bool { return ports[key] != p.Port }) {
			others = append(others, p)
		} else {
			alike = append(alike, p)
		}
	}
	slices.SortFunc(others, comparePorts)
	for _, p := range others {
		differ = append(differ, describePort(p.key(), known, has))
	}
	return MakePorts(alike), differ
}

// describePort says which shards have which number for a port.
func describePort(key portKey, shards []*Shard, has []map[portKey]uint16) string {
	var numbers []uint16 // 0: the shard has no such port
	members := map[uint16][]string{}
	for i, s := range shards {
		n := has[i][key]
		if members[n] == nil {
			numbers = append(numbers, n)
		}
		members[n] = append(members[n], s.Member)
	}
	var parts []string
	for _, n := range numbers {
		part := "missing"
		if n != 0 {
			part = strconv.Itoa(int(n))
		}
		part += " in " + members[n][0]
		if more := len(members[n]) - 1; more > 0 {
			part += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("%s (%s) is %s", key.name, key.protocol, strings.Join(parts, ", "))
}
