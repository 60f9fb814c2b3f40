package member

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/federation-dns/federation/federation"
)

const (
	// maxIngresses is how many ingresses of a Service are read (H3e): of them at most MaxAddresses addresses and
	// MaxAddresses host names count, once those that may not be published are out.
	maxIngresses = 256
	// maxAnnotation is how many octets of an annotation are kept.
	maxAnnotation = 2048
)

// service is what is kept of a Service: what a shard is made of, no more.
type service struct {
	key       ShardKey
	labeled   bool // has the label, be it empty
	created   time.Time
	deleting  bool
	balanced  bool // type LoadBalancer
	ingress   []ingress
	ingresses int    // how many it has
	addresses string // the annotation
	annotated bool   // has it
	ttl       string
}

// ingress is one entry of status.loadBalancer.ingress: an IP address or a host
// name. One with an error at a port is skipped (H2), but known.
type ingress struct {
	ip, host string
	failed   bool
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
	_, t.labeled = s.Labels[LabelFederation]
	t.addresses, t.annotated = s.Annotations[AnnotationAddresses]
	t.ttl, t.addresses = cut(t.ttl), cut(t.addresses)
	for _, in := range s.Status.LoadBalancer.Ingress {
		i := ingress{failed: slices.ContainsFunc(in.Ports, func(p corev1.PortStatus) bool { return p.Error != nil })}
		switch {
		case in.IP != "":
			i.ip = in.IP
		case in.Hostname != "":
			i.host = in.Hostname
		default:
			continue
		}
		t.ingress = append(t.ingress, i)
	}
	// Whoever changes their order changes nothing. Of more than are read, the same are read each time.
	slices.SortFunc(t.ingress, compareIngress)
	t.ingress = slices.Compact(t.ingress)
	if t.ingresses = len(t.ingress); t.ingresses > maxIngresses {
		t.ingress = slices.Clone(t.ingress[:maxIngresses])
	}
	return t
}

// cut bounds what is kept of an annotation. A longer one than that is none that is allowed, and stays so.
func cut(text string) string {
	if len(text) > maxAnnotation {
		return strings.ToValidUTF8(text[:maxAnnotation], "") + "..."
	}
	return text
}

// compareIngress sorts IP addresses first.
func compareIngress(a, b ingress) int {
	failed := func(i ingress) int {
		if i.failed {
			return 1
		}
		return 0
	}
	x, errX := netip.ParseAddr(a.ip)
	y, errY := netip.ParseAddr(b.ip)
	switch {
	case errX == nil && errY == nil && x != y:
		return x.Compare(y)
	case (errX == nil) != (errY == nil):
		return map[bool]int{true: -1, false: 1}[errX == nil]
	}
	return cmp.Or(strings.Compare(a.ip, b.ip), strings.Compare(a.host, b.host), failed(a)-failed(b))
}

// endpointSlice is what is kept of an EndpointSlice.
type endpointSlice struct {
	service federation.ServiceName
	ready   int
}

func trimSlice(s *discoveryv1.EndpointSlice) endpointSlice {
	t := endpointSlice{service: federation.ServiceName{Namespace: s.Namespace, Name: s.Labels[discoveryv1.LabelServiceName]}}
	if s.AddressType == discoveryv1.AddressTypeFQDN {
		return t // nothing serves these: they are no ready endpoints (H5)
	}
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
