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

// maxTTL is a day: a longer one would outlive every repair.
const maxTTL = 86400

// lookup returns what is known about a host name now.
type lookup func(federation.FQDN) resolve.Host

// shard makes the shard of a Service that is federated and not being deleted.
// It depends on its arguments only, and not on the order in which the watches
// delivered what they say.
func (c Config) shard(s service, eps endpoints, overLimit bool, hosts lookup) Shard {
	b := shardBuilder{policy: c.Policy, hosts: hosts, member: c.Name, service: s.key.Service}
	b.shard.Member = c.Name
	b.shard.ReadyEndpoints = eps.ready
	b.known(s)
	switch name := s.key.Service; {
	case !c.serves(name.Namespace):
		b.bar(federation.ReasonNamespaceRefused, fmt.Errorf("namespace %q is not among the namespaces that the member may serve", name.Namespace))
	case overLimit:
		b.bar(federation.ReasonTooManyServices, fmt.Errorf("the member has more federated Services than its maxServices, %d: the oldest count", c.MaxServices))
	default:
		b.ttl(s.ttl)
		b.take(s)
		b.resolve()
		b.bound()
		b.judge(eps)
	}
	slices.Sort(b.shard.Known)
	b.shard.Known = slices.Compact(b.shard.Known)
	return b.shard
}

type shardBuilder struct {
	policy     Policy
	hosts      lookup
	member     string
	service    federation.ServiceName
	shard      Shard
	hostNames  []federation.FQDN
	hostsLeft  int      // host names beyond those
	unresolved bool     // a host name whose last answer is too old
	unheard    []string // the host names of which nothing has been learned since the start
}

func (b *shardBuilder) report(reason federation.Reason, err error) {
	b.shard.Problems = append(b.shard.Problems, federation.Problem{
		Member: b.member, Service: b.service, Reason: reason, Detail: err.Error(),
	})
}

// bar says that the shard may not be published whatever it shows.
func (b *shardBuilder) bar(reason federation.Reason, err error) {
	b.report(reason, err)
	b.shard.Reason = reason
}

// known notes what the load balancer has, published or not (X1b).
func (b *shardBuilder) known(s service) {
	for _, in := range s.ingress {
		if a, err := netip.ParseAddr(in.ip); err == nil {
			b.shard.Known = append(b.shard.Known, a.String())
		} else if h, err := federation.ParseFQDN(in.host); err == nil {
			b.shard.Known = append(b.shard.Known, string(h))
		}
	}
}

func (b *shardBuilder) ttl(annotation string) {
	if annotation == "" {
		return
	}
	n, err := strconv.ParseUint(annotation, 10, 32)
	if err != nil || n < 1 || n > maxTTL {
		b.report(federation.ReasonBadAnnotation, fmt.Errorf("annotation %s: %q is not a number of seconds from 1 to %d; it is ignored", AnnotationTTL, annotation, maxTTL))
		return
	}
	b.shard.TTL = uint32(n)
}

// take gathers the addresses: the annotation's where it is allowed and there,
// else the load balancer's (H2).
func (b *shardBuilder) take(s service) {
	if s.annotated && b.policy.AllowAddressAnnotation {
		b.takeAnnotation(s.addresses)
		return
	}
	if s.annotated {
		b.report(federation.ReasonBadAnnotation, fmt.Errorf("annotation %s is ignored: the member has no allowAddressAnnotation", AnnotationAddresses))
	}
	if !s.balanced {
		return
	}
	if s.ingresses > len(s.ingress) {
		b.report(federation.ReasonTooManyAddresses, fmt.Errorf("%d load balancer ingresses, %d are read", s.ingresses, len(s.ingress)))
	}
	for _, in := range s.ingress {
		switch {
		case in.failed:
		case in.ip != "":
			a, err := netip.ParseAddr(in.ip)
			if err != nil {
				b.report(federation.ReasonAddressRefused, fmt.Errorf("load balancer address %q is not an IP address", in.ip))
				continue
			}
			b.address(a, false)
		default:
			b.host(in.host, false)
		}
	}
}

// takeAnnotation takes IP addresses, or one host name. What is neither costs
// only itself (X7).
func (b *shardBuilder) takeAnnotation(text string) {
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
		b.host(others[0], true)
	case len(addrs) == 0 || len(others) > 0:
		b.report(federation.ReasonBadAnnotation, fmt.Errorf("annotation %s: %q: comma-separated IP addresses, or one host name, are allowed", AnnotationAddresses, text))
	}
	for _, a := range addrs {
		b.address(a, true)
	}
}

func (b *shardBuilder) address(a netip.Addr, annotated bool) {
	if err := b.policy.CheckAddress(a, annotated); err != nil {
		b.report(federation.ReasonAddressRefused, err)
		return
	}
	b.shard.Known = append(b.shard.Known, a.String())
	b.shard.Addresses = append(b.shard.Addresses, a)
}

func (b *shardBuilder) host(text string, annotated bool) {
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
		b.hostsLeft++
	default:
		b.shard.Known = append(b.shard.Known, string(host))
		b.hostNames = append(b.hostNames, host)
	}
}

// resolve adds what is known of the host names (H4). The host itself is for a
// CNAME only if the shard has nothing else, and if all its addresses may be
// published: a CNAME would lead to the others too (H3). A host name of which
// nothing has been learned accounts for no record (X1b): one that leads to it
// may be all that is known of it.
func (b *shardBuilder) resolve() {
	s := &b.shard
	asHost := len(b.hostNames) == 1 && len(s.Addresses) == 0
	if b.hostsLeft > 0 {
		b.report(federation.ReasonTooManyAddresses, fmt.Errorf("%d host names, the first %d are used", len(b.hostNames)+b.hostsLeft, MaxAddresses))
	}
	for _, h := range b.hostNames {
		r := b.hosts(h)
		if r.Failure != "" {
			b.report(federation.ReasonHostUnresolved, fmt.Errorf("host name %q: %s", h, r.Failure))
		}
		if r.Unresolved {
			b.unheard = append(b.unheard, string(h))
			s.Known = slices.DeleteFunc(s.Known, func(k string) bool { return k == string(h) })
		}
		b.unresolved = b.unresolved || len(r.Addresses) == 0 && !r.Nonexistent
		asHost = asHost && len(r.Addresses) > 0
		through := b.through(h, r.Aliases)
		asHost = asHost && through
		for _, a := range r.Addresses {
			s.Known = append(s.Known, a.String())
			if err := b.policy.CheckAddress(a, false); err != nil {
				b.report(federation.ReasonAddressRefused, fmt.Errorf("host name %q: %w", h, err))
				asHost = false
			} else if through {
				s.Addresses = append(s.Addresses, a)
				s.Resolved = true
			}
		}
	}
	if asHost {
		s.Host = b.hostNames[0]
	}
}

// through reports whether a host name may be followed through its aliases: one
// of ours would lead back here (H3c).
func (b *shardBuilder) through(host federation.FQDN, aliases []federation.FQDN) bool {
	for _, alias := range aliases {
		if err := b.policy.CheckHost(alias, false); err != nil {
			b.report(federation.ReasonHostRefused, fmt.Errorf("host name %q leads on: %w", host, err))
			return false
		}
	}
	return true
}

// bound sorts the addresses and keeps MaxAddresses of them (H3d).
func (b *shardBuilder) bound() {
	s := &b.shard
	slices.SortFunc(s.Addresses, netip.Addr.Compare)
	s.Addresses = slices.Compact(s.Addresses)
	if len(s.Addresses) > MaxAddresses {
		b.report(federation.ReasonTooManyAddresses, fmt.Errorf("%d addresses, the first %d are used", len(s.Addresses), MaxAddresses))
		s.Addresses = slices.Clone(s.Addresses[:MaxAddresses])
	}
}

// judge decides health as the watches see it (H5).
func (b *shardBuilder) judge(eps endpoints) {
	s := &b.shard
	switch {
	case eps.slices == 0:
		s.Reason = federation.ReasonNoSlices
	case eps.ready == 0:
		s.Reason = federation.ReasonNoReadyEndpoints
	case len(s.Addresses) == 0 && b.unresolved:
		s.Reason, s.Unresolved = federation.ReasonHostUnresolved, b.unheard
	case len(s.Addresses) == 0:
		s.Reason = federation.ReasonNoAddress
	default:
		s.Healthy = true
	}
}
