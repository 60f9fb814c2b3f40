package member

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/federation-dns/federation/federation"
)

// service is what is kept of a Service: what a shard is made of, no more.
type service struct {
	key       ShardKey
	created   time.Time
	deleting  bool
	balanced  bool // type LoadBalancer
	ips       []string
	hosts     []string
	addresses string // the annotation, "" if it has none
	annotated bool
	ttl       string
}

func trimService(s *corev1.Service) service {
	t := service{
		key: ShardKey{
			Federation: federation.Label(s.Labels[LabelFederation]),
			Service:    federation.ServiceName{Namespace: s.Namespace, Name: s.Name},
		},
		created:  s.CreationTimestamp.Time,
		deleting: s.DeletionTimestamp != nil,
		balanced: s.Spec.Type == corev1.ServiceTypeLoadBalancer,
		ttl:      s.Annotations[AnnotationTTL],
	}
	t.addresses, t.annotated = s.Annotations[AnnotationAddresses]
	for _, in := range s.Status.LoadBalancer.Ingress {
		if slices.ContainsFunc(in.Ports, func(p corev1.PortStatus) bool { return p.Error != nil }) {
			continue // H2
		}
		switch {
		case in.IP != "":
			t.ips = append(t.ips, in.IP)
		case in.Hostname != "":
			t.hosts = append(t.hosts, in.Hostname)
		}
	}
	return t
}

// endpointSlice is what is kept of an EndpointSlice.
type endpointSlice struct {
	service federation.ServiceName
	ready   int
}

func trimSlice(s *discoveryv1.EndpointSlice) endpointSlice {
	t := endpointSlice{service: federation.ServiceName{Namespace: s.Namespace, Name: s.Labels[discoveryv1.LabelServiceName]}}
	for _, ep := range s.Endpoints {
		if ep.Conditions.Ready == nil || *ep.Conditions.Ready {
			t.ready++
		}
	}
	return t
}

// endpoints is what the slices of one Service say together.
type endpoints struct {
	slices int
	ready  int
}

// resolved are the addresses known of a host name. known is false until the
// name has been looked up.
type resolved struct {
	addrs []netip.Addr
	known bool
}

// shard makes the shard of a Service that is federated and not being deleted.
// hosts says what is known of a host name.
func (c Config) shard(s service, eps endpoints, hosts func(federation.FQDN) resolved) Shard {
	b := shardBuilder{policy: c.Policy, hosts: hosts, shard: Shard{
		Shard:          federation.Shard{Member: c.Name},
		ReadyEndpoints: eps.ready,
	}, member: c.Name, service: s.key.Service}
	b.ttl(s.ttl)
	if !c.serves(s.key.Service.Namespace) {
		b.refuse(ReasonNamespaceRefused, fmt.Errorf("namespace %q is not among the namespaces that the member may serve", s.key.Service.Namespace))
	}
	b.take(s)
	b.finish(eps, c.serves(s.key.Service.Namespace))
	return b.shard
}

type shardBuilder struct {
	policy     Policy
	hosts      func(federation.FQDN) resolved
	member     string
	service    federation.ServiceName
	shard      Shard
	hostNames  []federation.FQDN
	unresolved bool
}

func (b *shardBuilder) refuse(reason federation.Reason, err error) {
	b.shard.Problems = append(b.shard.Problems, federation.Problem{
		Member: b.member, Service: b.service, Reason: reason, Detail: err.Error(),
	})
}

// maxTTL is a day: a longer one would outlive every repair.
const maxTTL = 86400

func (b *shardBuilder) ttl(annotation string) {
	if annotation == "" {
		return
	}
	n, err := strconv.ParseUint(annotation, 10, 32)
	if err != nil || n < 1 || n > maxTTL {
		b.refuse(ReasonBadAnnotation, fmt.Errorf("annotation %s: %q is not a number of seconds from 1 to %d", AnnotationTTL, annotation, maxTTL))
		return
	}
	b.shard.TTL = uint32(n)
}

// take gathers the addresses: the annotation's where it is allowed and there,
// else the load balancer's (H2).
func (b *shardBuilder) take(s service) {
	if s.annotated && b.policy.AllowAddressAnnotation {
		for part := range strings.SplitSeq(s.addresses, ",") {
			part = strings.TrimSpace(part)
			if _, err := netip.ParseAddr(part); err == nil {
				b.address(part, true)
			} else {
				b.host(part, true)
			}
		}
		if len(b.hostNames) > 0 && (len(b.hostNames) > 1 || len(b.shard.Known) > 0) {
			b.refuse(ReasonBadAnnotation, fmt.Errorf("annotation %s: %q: comma-separated IP addresses, or one host name, are allowed", AnnotationAddresses, s.addresses))
			b.hostNames, b.shard.Addresses = nil, nil
		}
		return
	}
	if s.annotated {
		b.refuse(ReasonBadAnnotation, fmt.Errorf("annotation %s is ignored: the member has no allowAddressAnnotation", AnnotationAddresses))
	}
	if !s.balanced {
		return
	}
	for _, ip := range s.ips {
		b.address(ip, false)
	}
	for _, h := range s.hosts {
		b.host(h, false)
	}
}

func (b *shardBuilder) address(text string, annotated bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		b.refuse(ReasonAddressRefused, fmt.Errorf("address %q is not an IP address", text))
		return
	}
	b.shard.Known = append(b.shard.Known, a.String())
	if err := b.policy.CheckAddress(a, annotated); err != nil {
		b.refuse(ReasonAddressRefused, err)
		return
	}
	b.shard.Addresses = append(b.shard.Addresses, a)
}

func (b *shardBuilder) host(text string, annotated bool) {
	host, err := federation.ParseFQDN(text)
	if err == nil {
		err = b.policy.CheckHost(host, annotated)
	}
	if err != nil {
		b.refuse(ReasonHostRefused, err)
		return
	}
	b.hostNames = append(b.hostNames, host)
}

// finish resolves the host names, bounds the addresses, and decides health as
// the watches see it (H5).
func (b *shardBuilder) finish(eps endpoints, served bool) {
	s := &b.shard
	own := len(s.Addresses)
	for _, h := range b.hostNames {
		r := b.hosts(h)
		b.unresolved = b.unresolved || !r.known
		s.Known = append(s.Known, string(h))
		for _, a := range r.addrs {
			s.Known = append(s.Known, a.String())
			if err := b.policy.CheckAddress(a, false); err != nil {
				b.refuse(ReasonAddressRefused, fmt.Errorf("host name %q: %w", h, err))
				continue
			}
			s.Addresses = append(s.Addresses, a)
			s.Resolved = true
		}
	}
	slices.SortFunc(s.Addresses, netip.Addr.Compare)
	s.Addresses = slices.Compact(s.Addresses)
	if len(s.Addresses) > MaxAddresses {
		b.refuse(ReasonTooManyAddresses, fmt.Errorf("%d addresses, the first %d are used", len(s.Addresses), MaxAddresses))
		s.Addresses = s.Addresses[:MaxAddresses]
	}
	if len(b.hostNames) == 1 && own == 0 && len(s.Addresses) > 0 {
		s.Host = b.hostNames[0]
	}
	switch {
	case !served:
		s.Reason = ReasonNotServed
	case eps.slices == 0:
		s.Reason = ReasonNoSlices
	case eps.ready == 0:
		s.Reason = ReasonNoReadyEndpoints
	case len(s.Addresses) == 0 && b.unresolved:
		s.Reason = ReasonHostUnresolved
	case len(s.Addresses) == 0:
		s.Reason = ReasonNoAddress
	default:
		s.Healthy = true
	}
}
