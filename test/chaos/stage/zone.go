// Package stage is what a chaos run plays on: real clusters behind links that
// can be cut, DNS servers or stand-ins of clouds behind proxies that can fail as
// these do, and syncers that can be killed, stopped and doubled. It does what it is asked to do, and
// knows nothing of what must come of it.
package stage

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

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
// what it knows. Of a zone that is not there the upstream says that no name exists.
func (o Options) corefile(p *world.Place, kubeconfig string) string {
	var names, forwards strings.Builder
	for i, z := range Zones {
		fmt.Fprintf(&names, "\t\t%s %s\n", z.Name, z.Domain)
		if o.Hosts[i] == None {
			fmt.Fprintf(&forwards, "\ttemplate ANY ANY %s {\n\t\trcode NXDOMAIN\n\t}\n", z.Domain)
		} else {
			fmt.Fprintf(&forwards, "\tforward %s %s\n", z.Domain, z.Address)
		}
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

// Update is a change of some names that a host has answered.
type Update struct {
	Syncer int
	// Made: it was made, all of it; else nothing was.
	Made bool
	// Asserts: it depends on what the main claim is.
	Asserts bool
	// Names are those that it changes.
	Names map[string]Change
}

// Change is what an Update does at one name.
type Change struct {
	// Switches: addresses become a CNAME, or back.
	Switches bool
	// Uncompared are the types that it changes whatever is there.
	Uncompared []string
}

// Marks reports whether the name is one of a claim, or of the list of levels or a
// part of it (O1).
func (z Zone) Marks(name string) bool {
	list := string(z.LevelsName())
	return strings.HasPrefix(name, "_claim."+string(z.Name)+".svc.") || name == list ||
		strings.HasSuffix(name, "."+list)
}

// comparable are the types that a change of the name has to compare (O3a).
func (z Zone) comparable(name string) []string {
	if z.Marks(name) {
		return []string{"TXT"}
	}
	return []string{federation.TypeA, federation.TypeAAAA, federation.TypeCNAME}
}

// dnsUpdate is a dynamic update that a DNS server has answered.
type dnsUpdate struct {
	syncer  int
	message *dns.Msg
	rcode   int
}

func (u dnsUpdate) update(z Zone) Update {
	out := Update{
		Syncer: u.syncer, Made: u.rcode == dns.RcodeSuccess, Names: map[string]Change{},
		Asserts: u.asserts(string(z.ClaimName(z.Domain)), "TXT"),
	}
	for _, rr := range u.message.Ns {
		name := strings.ToLower(rr.Header().Name)
		if _, ok := out.Names[name]; ok {
			continue
		}
		c := Change{Switches: u.switches(name)}
		for _, typ := range z.comparable(name) {
			if !u.asserts(name, typ) {
				c.Uncompared = append(c.Uncompared, typ)
			}
		}
		out.Names[name] = c
	}
	return out
}

// asserts reports whether there is a prerequisite for the RRset.
func (u dnsUpdate) asserts(name, typ string) bool {
	return slices.ContainsFunc(u.message.Answer, func(rr dns.RR) bool {
		return strings.EqualFold(rr.Header().Name, name) && dns.TypeToString[rr.Header().Rrtype] == typ
	})
}

// switches reports whether the update turns addresses into a CNAME or back.
func (u dnsUpdate) switches(name string) bool {
	of := func(rrs []dns.RR, types ...uint16) bool {
		return slices.ContainsFunc(rrs, func(rr dns.RR) bool {
			h := rr.Header()
			return h.Class == dns.ClassINET && strings.EqualFold(h.Name, name) && slices.Contains(types, h.Rrtype)
		})
	}
	had, gets := u.message.Answer, u.message.Ns
	return of(gets, dns.TypeCNAME) && of(had, dns.TypeA, dns.TypeAAAA) ||
		of(had, dns.TypeCNAME) && of(gets, dns.TypeA, dns.TypeAAAA)
}
