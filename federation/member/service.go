package member

import (
	"slices"
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
	ingress   []ingress
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
	t.addresses, t.annotated = s.Annotations[AnnotationAddresses]
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
