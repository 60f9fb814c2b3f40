// Package stage is what a chaos run plays on: real clusters behind links that
// can be cut, DNS servers or stand-ins of clouds behind proxies that can fail as
// these do, and syncers that can be killed, stopped and doubled. It does what it is asked to do, and
// knows nothing of what must come of it.
package stage

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/world"
)

// Zone is a federation with its DNS zone.
type Zone struct {
	federation.Federation
	// Address is that of its host's DNS server, at port 53.
	Address string
}

// Zones are the two federations.
var Zones = []Zone{
	{federation.Federation{Name: "fedone", Domain: "one.example.com.", Naming: federation.Flat}, "198.51.100.61"},
	{federation.Federation{Name: "fedtwo", Domain: "two.example.net.", Naming: federation.Flat}, "198.51.100.62"},
}

// Timers are those that the syncers are configured with: short, so that a run
// holds many faults.
var Timers = struct {
	UnreachableAfter, StartupTimeout, EmptyGrace, PanicHold, HoldFor, HeldMax, AuditInterval time.Duration
}{
	UnreachableAfter: 5 * time.Second, StartupTimeout: 6 * time.Second, EmptyGrace: 3 * time.Second,
	PanicHold: 20 * time.Second, HoldFor: 15 * time.Second, HeldMax: 10 * time.Minute, AuditInterval: 8 * time.Second,
}

// places are where the members are: two in one region.
var places = [][3]string{ // name, region, topology zone
	{"us-central", "us", "us-a"}, {"us-east", "us", "us-b"}, {"europe", "eu", "eu-a"}, {"asia", "asia", "asia-a"},
}

// MaxMembers is how many members there can be.
const MaxMembers = 4

func placesOf(n int) (out []*world.Place) {
	for i, p := range places[:n] {
		i++
		prefix := func(format string) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf(format, i)) }
		out = append(out, &world.Place{
			Name: p[0], Region: p[1], Zone: p[2],
			PodCIDRs:     []netip.Prefix{prefix("10.%d.0.0/16"), prefix("fd00:0:0:%d::/64")},
			ServiceCIDRs: []netip.Prefix{prefix("10.10%d.0.0/16"), prefix("fd00:0:0:10%d::/112")},
			DNS:          netip.MustParseAddr(fmt.Sprintf("10.10%d.0.10", i)),
		})
	}
	return out
}

// ServiceName is the name of a service, in scenario.Namespace.
func ServiceName(service int) string { return fmt.Sprintf("s%02d", service) }

// Addresses are those of a shard: an IPv4 address, and an IPv6 address too for
// every other pair of services. No two shards or versions share one.
func Addresses(member, service, version int) []netip.Addr {
	n := member<<15 | service<<9 | version&511
	out := []netip.Addr{netip.AddrFrom4([4]byte{198, byte(18 + n>>16), byte(n >> 8), byte(n)})}
	if service/2%2 == 0 {
		out = append(out, netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x::%x:%x", member+1, service+1, version)))
	}
	return out
}

// corefile is that of a member's CoreDNS: no cache, so that what it answers is
// what it knows.
func corefile(p *world.Place, kubeconfig string) string {
	var names, forwards strings.Builder
	for _, z := range Zones {
		fmt.Fprintf(&names, "\t\t%s %s\n", z.Name, z.Domain)
		fmt.Fprintf(&forwards, "\tforward %s %s\n", z.Domain, z.Address)
	}
	return fmt.Sprintf(`.:53 {
	bind %[1]s
	errors
	ready %[1]s:8181
	federation cluster.local {
%[3]s	}
	kubernetes cluster.local {
		kubeconfig %[2]q
	}
%[4]s}
`, p.DNS, kubeconfig, names.String(), forwards.String())
}
