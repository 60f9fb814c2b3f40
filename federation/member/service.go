package member

import (
	"cmp"
	"hash/maphash"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/federation-dns/federation/federation"
)

const (
	// maxIngresses is how many ingresses of a Service are read (H3e). After those that may not be published are
	// dropped, at most MaxAddresses addresses and MaxAddresses host names of them count.
	maxIngresses = 256
	// maxAnnotation is how many octets of an annotation are kept.
	maxAnnotation = 2048
)

// service is what is kept of a Service: the input of its shard, and no more.
type service struct {
	key       ShardKey
	labeled   bool // has the label, even if it is empty
	created   time.Time
	deleting  bool
	balanced  bool // type LoadBalancer
	ingress   []ingress
	ingresses int    // how many the Service has; ingress may have fewer
	addresses string // the annotation's value
	annotated bool   // has the annotation
	ttl       string
	ports     federation.Ports
	morePorts int // those beyond maxPorts
}

// ingress is one entry of status.loadBalancer.ingress: an IP address or a host name. One with an error at a port is
// skipped (H2), but known.
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
	t.ttl, t.addresses = truncate(t.ttl), truncate(t.addresses)
	t.ports, t.morePorts = trimPorts(s.Spec.Ports)
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
	// Their order in the status means nothing, and if there are too many, the same ones are read each time.
	slices.SortFunc(t.ingress, compareIngress)
	t.ingress = slices.Compact(t.ingress)
	if t.ingresses = len(t.ingress); t.ingresses > maxIngresses {
		t.ingress = slices.Clone(t.ingress[:maxIngresses])
	}
	return t
}

// trimPorts returns the ports that count, and how many more there are.
func trimPorts(list []corev1.ServicePort) (ports federation.Ports, more int) {
	if more = len(list) - maxPorts; more > 0 {
		list = slices.SortedFunc(slices.Values(list), func(a, b corev1.ServicePort) int {
			return cmp.Compare(a.Name, b.Name)
		})[:maxPorts]
	}
	out := make([]federation.Port, 0, len(list))
	for _, p := range list {
		protocol := cmp.Or(strings.ToLower(string(p.Protocol)), "tcp")
		if 0 < p.Port && p.Port <= math.MaxUint16 {
			out = append(out, federation.Port{Name: p.Name, Protocol: protocol, Port: uint16(p.Port)})
		}
	}
	return federation.MakePorts(out), max(more, 0)
}

// truncate bounds what is kept of an annotation. A value of that length is invalid, and remains so when it is
// truncated.
func truncate(text string) string {
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

// endpointSlice is what is kept of an EndpointSlice: its ready endpoints, as hashes of what identifies each. An
// endpoint may be in several slices: in one for each address family, and in two while it moves between them.
type endpointSlice struct {
	service federation.ServiceName
	ipv6    bool
	targets []uint64 // of the endpoints that refer to an object, such as a pod
	others  []uint64 // by address
}

var seed = maphash.MakeSeed()

func trimSlice(s *discoveryv1.EndpointSlice) endpointSlice {
	service := federation.ServiceName{Namespace: s.Namespace, Name: s.Labels[discoveryv1.LabelServiceName]}
	t := endpointSlice{service: service, ipv6: s.AddressType == discoveryv1.AddressTypeIPv6}
	if s.AddressType == discoveryv1.AddressTypeFQDN {
		return t // names are not ready endpoints (H5)
	}
	for _, ep := range s.Endpoints {
		if ep.Conditions.Ready != nil && !*ep.Conditions.Ready {
			continue
		}
		if r := ep.TargetRef; r != nil {
			target := string(r.UID) + "/" + r.Kind + "/" + r.Namespace + "/" + r.Name
			t.targets = append(t.targets, maphash.String(seed, target))
		} else {
			t.others = append(t.others, maphash.String(seed, strings.Join(ep.Addresses, ",")))
		}
	}
	return t
}

// endpoints sums up the slices of one Service.
type endpoints struct {
	slices int
	ready  int
}

// sum counts each endpoint once. Those that refer to no object are counted by address family: which IPv4 and which IPv6
// addresses are one endpoint is not known.
func sum(slices []endpointSlice) endpoints {
	var targets, ipv4, ipv6 map[uint64]struct{}
	for _, s := range slices {
		add(&targets, s.targets)
		if s.ipv6 {
			add(&ipv6, s.others)
		} else {
			add(&ipv4, s.others)
		}
	}
	return endpoints{len(slices), len(targets) + max(len(ipv4), len(ipv6))}
}

func add(set *map[uint64]struct{}, hashes []uint64) {
	if *set == nil && len(hashes) > 0 {
		*set = make(map[uint64]struct{}, len(hashes))
	}
	for _, h := range hashes {
		(*set)[h] = struct{}{}
	}
}

// objectKey names an object of one kind.
type objectKey struct{ namespace, name string }

// services holds the Services of this syncer's federations, and all their EndpointSlices. A change returns the keys of
// the shards that it touches: one that services no longer has lost its shard.
type services struct {
	list      map[federation.ServiceName]service
	slices    map[objectKey]endpointSlice
	slicesOf  map[federation.ServiceName][]objectKey
	endpoints map[federation.ServiceName]endpoints
	quota     *quota
}

func newServices(maxServices int) services {
	s := services{list: map[federation.ServiceName]service{}, quota: newQuota(maxServices)}
	s.clearSlices()
	return s
}

// clearServices removes all Services, but keeps the slices.
func (s *services) clearServices() {
	clear(s.list)
	s.quota = newQuota(s.quota.limit)
}

func (s *services) clearSlices() {
	s.slices, s.endpoints = map[objectKey]endpointSlice{}, map[federation.ServiceName]endpoints{}
	s.slicesOf = map[federation.ServiceName][]objectKey{}
}

// has reports whether there is a Service with the name and the federation of the key.
func (s *services) has(key ShardKey) bool {
	svc, ok := s.list[key.Service]
	return ok && svc.key == key
}

// keys returns the keys of those Services that there are.
func (s *services) keys(names ...federation.ServiceName) (keys []ShardKey) {
	for _, name := range names {
		if svc, ok := s.list[name]; ok {
			keys = append(keys, svc.key)
		}
	}
	return keys
}

// put adds or replaces a Service.
func (s *services) put(svc service) (touched []ShardKey) {
	name := svc.key.Service
	before, had := s.list[name]
	if had && before.key != svc.key {
		touched = s.remove(name)
		had = false
	}
	s.list[name] = svc
	if !had || !before.created.Equal(svc.created) {
		touched = append(touched, s.keys(s.quota.set(name, svc.created)...)...)
	}
	return append(touched, svc.key)
}

// remove removes a Service; it may not be there.
func (s *services) remove(name federation.ServiceName) (touched []ShardKey) {
	svc, had := s.list[name]
	if !had {
		return nil
	}
	delete(s.list, name)
	return append([]ShardKey{svc.key}, s.keys(s.quota.remove(name)...)...)
}

// putSlice adds or replaces a slice; one without a service is removed.
func (s *services) putSlice(key objectKey, slice endpointSlice) (touched []ShardKey) {
	before, had := s.slices[key]
	moved := had && before.service != slice.service
	if moved {
		of := s.slicesOf[before.service]
		s.slicesOf[before.service] = slices.DeleteFunc(of, func(k objectKey) bool { return k == key })
		delete(s.slices, key)
		touched = s.recount(before.service)
	}
	if slice.service.Name != "" {
		s.slices[key] = slice
		if !had || moved {
			s.slicesOf[slice.service] = append(s.slicesOf[slice.service], key)
		}
		touched = append(touched, s.recount(slice.service)...)
	}
	return touched
}

// recount sums up the slices of a Service, which is touched if that makes a difference.
func (s *services) recount(name federation.ServiceName) (touched []ShardKey) {
	var list []endpointSlice
	for _, key := range s.slicesOf[name] {
		list = append(list, s.slices[key])
	}
	before, now := s.endpoints[name], sum(list)
	if now.slices == 0 {
		delete(s.endpoints, name)
		delete(s.slicesOf, name)
	} else {
		s.endpoints[name] = now
	}
	if before == now {
		return nil
	}
	return s.keys(name)
}
