package member

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/resolve"
)

// maxTTL is a day: resolvers would keep a longer one for too long after a repair.
const maxTTL = 86400

// lookup returns what is known about a host name now.
type lookup func(federation.FQDN) resolve.Host

// shard returns the shard of a Service that is federated and not being deleted. It depends on its arguments only, and
// not on the order of the watch events (P7).
func (c Config) shard(s service, eps endpoints, overLimit bool, hosts lookup) Shard {
	b := shardBuilder{policy: c.AddressPolicy, hosts: hosts, member: c.Name, service: s.key.Service}
	b.shard.Member = c.Name
	b.shard.ReadyEndpoints = eps.ready
	b.addKnown(s)
	switch name := s.key.Service; {
	case !c.serves(name.Namespace):
		b.refuse(federation.ReasonNamespaceRefused,
			fmt.Errorf("namespace %q is not among the namespaces that the member may serve", name.Namespace))
	case overLimit:
		b.refuse(federation.ReasonTooManyServices, fmt.Errorf(
			"the member has more federated Services than its maxServices, %d: the oldest count", c.MaxServices))
	default:
		b.setTTL(s.ttl)
		b.setPorts(s)
		b.addAddresses(s)
		b.resolve()
		b.limitAddresses()
		b.setHealth(eps)
	}
	slices.Sort(b.shard.Known)
	b.shard.Known = slices.Compact(b.shard.Known)
	return b.shard
}

type shardBuilder struct {
	policy     AddressPolicy
	hosts      lookup
	member     string
	service    federation.ServiceName
	shard      Shard
	hostNames  []federation.FQDN
	moreHosts  int      // host names beyond the limit
	unknown    bool     // a host name has no addresses now, and no evidence that it does not exist
	unresolved []string // see Shard.Unresolved
}

func (b *shardBuilder) report(reason federation.Reason, err error) {
	b.shard.Problems = append(b.shard.Problems, federation.Problem{
		Member: b.member, Service: b.service, Reason: reason, Detail: err.Error(),
	})
}

// refuse reports that the shard may not be published, whatever it has.
func (b *shardBuilder) refuse(reason federation.Reason, err error) {
	b.report(reason, err)
	b.shard.Reason = reason
}

// addKnown adds what the load balancer has, published or not (X1b).
func (b *shardBuilder) addKnown(s service) {
	for _, in := range s.ingress {
		if a, err := netip.ParseAddr(in.ip); err == nil {
			b.shard.Known = append(b.shard.Known, a.String())
		} else if h, err := federation.ParseFQDN(in.host); err == nil {
			b.shard.Known = append(b.shard.Known, string(h))
		}
	}
}

func (b *shardBuilder) setTTL(annotation string) {
	if annotation == "" {
		return
	}
	n, err := strconv.ParseUint(annotation, 10, 32)
	if err != nil || n < 1 || n > maxTTL {
		b.report(federation.ReasonBadAnnotation, fmt.Errorf(
			"annotation %s: %q is not a number of seconds from 1 to %d; it is ignored",
			AnnotationTTL, annotation, maxTTL))
		return
	}
	b.shard.TTL = uint32(n)
}

// setPorts sets the ports of a Service that may be published: any other must not take a port from its neighbours (M9).
func (b *shardBuilder) setPorts(s service) {
	b.shard.Ports = s.ports
	if s.morePorts > 0 {
		b.report(federation.ReasonServicePorts, fmt.Errorf("%d ports, the first %d by name are read",
			maxPorts+s.morePorts, maxPorts))
	}
}

// addAddresses adds the addresses and host names: the annotation's if it exists and is allowed, or else the load
// balancer's (H2).
func (b *shardBuilder) addAddresses(s service) {
	if s.annotated && b.policy.AllowAddressAnnotation {
		b.addAnnotation(s.addresses)
		return
	}
	if s.annotated {
		b.report(federation.ReasonBadAnnotation,
			fmt.Errorf("annotation %s is ignored: the member has no allowAddressAnnotation", AnnotationAddresses))
	}
	if !s.balanced {
		return
	}
	if s.ingresses > len(s.ingress) {
		b.report(federation.ReasonTooManyAddresses,
			fmt.Errorf("%d load balancer ingresses, only %d are read", s.ingresses, len(s.ingress)))
	}
	for _, in := range s.ingress {
		switch {
		case in.failed:
		case in.ip != "":
			a, err := netip.ParseAddr(in.ip)
			if err != nil {
				b.report(federation.ReasonAddressRefused,
					fmt.Errorf("load balancer address %q is not an IP address", in.ip))
				continue
			}
			b.addAddress(a, false)
		default:
			b.addHost(in.host, false)
		}
	}
}

// addAnnotation adds IP addresses, or one host name. An invalid part invalidates only itself (X7).
func (b *shardBuilder) addAnnotation(text string) {
	var addrs []netip.Addr
	var others []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if a, err := netip.ParseAddr(part); err == nil {
			addrs = append(addrs, a)
		} else if part != "" {
			others = append(others, part)
		}
	}
	switch {
	case len(addrs) == 0 && len(others) == 1:
		b.addHost(others[0], true)
	case len(addrs) == 0 || len(others) > 0:
		b.report(federation.ReasonBadAnnotation, fmt.Errorf(
			"annotation %s: %q: comma-separated IP addresses, or one host name, are allowed",
			AnnotationAddresses, text))
	}
	for _, a := range addrs {
		b.addAddress(a, true)
	}
}

func (b *shardBuilder) addAddress(a netip.Addr, annotated bool) {
	if err := b.policy.CheckAddress(a, annotated); err != nil {
		b.report(federation.ReasonAddressRefused, err)
		return
	}
	b.shard.Known = append(b.shard.Known, a.String())
	b.shard.Addresses = append(b.shard.Addresses, a)
}

func (b *shardBuilder) addHost(text string, annotated bool) {
	host, err := federation.ParseFQDN(text)
	if err == nil {
		err = b.policy.CheckHost(host, annotated)
	}
	if err != nil {
		b.report(federation.ReasonHostRefused, err)
		return
	}
	switch {
	case slices.Contains(b.hostNames, host):
	case len(b.hostNames) == MaxAddresses:
		b.moreHosts++
	default:
		b.shard.Known = append(b.shard.Known, string(host))
		b.hostNames = append(b.hostNames, host)
	}
}

// resolve adds the addresses of the host names (H4). A CNAME to a host name is possible only if the shard has nothing
// else, and if all addresses of the name may be published: the CNAME would publish the others too (H3). A host name
// that has not resolved accounts for no record (X1b): a record that points to it may be all that is known about it.
func (b *shardBuilder) resolve() {
	s := &b.shard
	asHost := len(b.hostNames) == 1 && len(s.Addresses) == 0
	if b.moreHosts > 0 {
		b.report(federation.ReasonTooManyAddresses,
			fmt.Errorf("%d host names, the first %d are used", len(b.hostNames)+b.moreHosts, MaxAddresses))
	}
	for _, h := range b.hostNames {
		host := b.hosts(h)
		if host.Failure != "" {
			b.report(federation.ReasonHostUnresolved, fmt.Errorf("host name %q: %s", h, host.Failure))
		}
		if host.Unresolved {
			b.unresolved = append(b.unresolved, string(h))
			s.Known = slices.DeleteFunc(s.Known, func(k string) bool { return k == string(h) })
		}
		b.unknown = b.unknown || len(host.Addresses) == 0 && !host.Nonexistent
		allowed := b.checkAliases(h, host.Aliases)
		asHost = asHost && len(host.Addresses) > 0 && allowed
		for _, a := range host.Addresses {
			s.Known = append(s.Known, a.String())
			if err := b.policy.CheckAddress(a, false); err != nil {
				b.report(federation.ReasonAddressRefused, fmt.Errorf("host name %q: %w", h, err))
				asHost = false
			} else if allowed {
				s.Addresses = append(s.Addresses, a)
				s.Resolved = true
			}
		}
	}
	if asHost {
		s.Host = b.hostNames[0]
	}
}

// checkAliases reports whether all aliases of a host name are allowed; one in a domain of ours is not (H3c).
func (b *shardBuilder) checkAliases(host federation.FQDN, aliases []federation.FQDN) bool {
	for _, alias := range aliases {
		if err := b.policy.CheckHost(alias, false); err != nil {
			b.report(federation.ReasonHostRefused, fmt.Errorf("host name %q is an alias: %w", host, err))
			return false
		}
	}
	return true
}

// limitAddresses sorts the addresses and keeps the first MaxAddresses (H3d).
func (b *shardBuilder) limitAddresses() {
	s := &b.shard
	slices.SortFunc(s.Addresses, netip.Addr.Compare)
	s.Addresses = slices.Compact(s.Addresses)
	if len(s.Addresses) > MaxAddresses {
		b.report(federation.ReasonTooManyAddresses,
			fmt.Errorf("%d addresses, the first %d are used", len(s.Addresses), MaxAddresses))
		s.Addresses = slices.Clone(s.Addresses[:MaxAddresses])
	}
}

// setHealth sets the health as the watches see it (H5).
func (b *shardBuilder) setHealth(eps endpoints) {
	s := &b.shard
	switch {
	case eps.slices == 0:
		s.Reason = federation.ReasonNoSlices
	case eps.ready == 0:
		s.Reason = federation.ReasonNoReadyEndpoints
	case len(s.Addresses) == 0 && b.unknown:
		s.Reason, s.Unresolved = federation.ReasonHostUnresolved, b.unresolved
	case len(s.Addresses) == 0:
		s.Reason = federation.ReasonNoAddress
	default:
		s.Healthy = true
	}
}
