package world

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/miekg/dns"
)

// What is federated in the walk-through, as in the announcement of Kubernetes
// federation of 2016.
const (
	FederationName = "myfederation"
	Domain         = "example.com"
	Namespace      = "mynamespace"
	Service        = "nginx"
	// Name is what a pod asks for.
	Name = Service + "." + Namespace + "." + FederationName
	// Authority is the address of the DNS server of Domain.
	Authority = "198.51.100.53"
)

// Place is one cluster of the walk-through: where it is and which
// addresses are its own.
type Place struct {
	Name, Region, Zone string
	// PodCIDRs, ServiceCIDRs and LBCIDRs are IPv4, then IPv6.
	PodCIDRs, ServiceCIDRs, LBCIDRs []netip.Prefix
	// DNS is the address of the cluster's CoreDNS.
	DNS netip.Addr
	// ClusterIPs are those of the Service in this cluster; they route nowhere
	// here.
	ClusterIPs []netip.Addr
	// Published are the addresses that the cloud's load balancer gives the
	// Service.
	Published []netip.Addr
}

// Places are the four clusters, by name.
var Places = []*Place{
	newPlace(1, "asia-east1"), newPlace(2, "europe-west1"), newPlace(3, "us-central1"), newPlace(4, "us-east1"),
}

func newPlace(i int, region string) *Place {
	prefix := func(format string, n int) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf(format, n)) }
	addr := func(format string, n int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf(format, n)) }
	return &Place{
		Name: "gce-" + region, Region: region, Zone: region + "-b",
		PodCIDRs:     []netip.Prefix{prefix("10.%d.0.0/16", i), prefix("fd00:0:0:%d::/64", i)},
		ServiceCIDRs: []netip.Prefix{prefix("10.10%d.0.0/16", i), prefix("fd00:0:0:10%d::/112", i)},
		LBCIDRs:      []netip.Prefix{prefix("203.0.113.%d/28", 16*i), prefix("2001:db8:0:%d::/112", i)},
		DNS:          addr("10.10%d.0.10", i),
		ClusterIPs:   []netip.Addr{addr("10.10%d.0.80", i), addr("fd00:0:0:10%d::80", i)},
		Published:    []netip.Addr{addr("203.0.113.%d", 16*i+1), addr("2001:db8:0:%d::1", i)},
	}
}

// HasType reports whether the place has addresses of the type.
func (p *Place) HasType(typ uint16) bool {
	return slices.ContainsFunc(p.ServiceCIDRs,
		func(c netip.Prefix) bool { return c.Addr().Is4() == (typ == dns.TypeA) })
}

// Outside is the view of a client that is in no cluster: it asks the DNS server
// of Domain.
const Outside = "outside"

// View is how a running World looks from one place: the files that make a
// process see it so. Views of a cluster are those of its pods.
type View struct {
	// Resolv is the file at /etc/resolv.conf.
	Resolv string
	// Kubeconfig is the cluster administrator's; Outside has none.
	Kubeconfig string
}

// ViewOf returns the view of a cluster, or of Outside, in the folder of a World.
func ViewOf(dir, name string) View {
	v := View{Resolv: filepath.Join(dir, "resolv", name)}
	if name != Outside {
		v.Kubeconfig = filepath.Join(dir, "admin", name)
	}
	return v
}

// FailoverPlaces are two of Places for MeasureFailover, with load balancers
// that have addresses for many Services. Those that are meant for benchmarks
// (RFC 2544) count as private, which the syncer does not publish (H3a).
func FailoverPlaces() []*Place {
	first, second := *Places[2], *Places[3]
	first.LBCIDRs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), first.LBCIDRs[1]}
	second.LBCIDRs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), second.LBCIDRs[1]}
	return []*Place{&first, &second}
}

// RemotePlaces are three clusters for MeasureRemote: the one whose pods ask, one beside it in the same region, and one
// in another. The load balancers of the last two have addresses for many Services.
func RemotePlaces() []*Place {
	asking, beside, far := *Places[2], *Places[1], *Places[3]
	beside.Name, beside.Region, beside.Zone = asking.Name+"-c", asking.Region, asking.Region+"-c"
	asking.LBCIDRs = nil
	beside.LBCIDRs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), beside.LBCIDRs[1]}
	far.LBCIDRs = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), far.LBCIDRs[1]}
	return []*Place{&asking, &beside, &far}
}

// localPrefixes are all addresses on which something listens.
func (w *World) localPrefixes() []netip.Prefix {
	prefixes := []netip.Prefix{netip.MustParsePrefix(Authority + "/32")}
	for _, p := range w.opt.Places {
		prefixes = append(prefixes, p.PodCIDRs...)
		prefixes = append(prefixes, p.LBCIDRs...)
		prefixes = append(prefixes, netip.PrefixFrom(p.DNS, p.DNS.BitLen())) // the other ClusterIPs route nowhere
	}
	return prefixes
}
