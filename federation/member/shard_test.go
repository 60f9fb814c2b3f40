package member

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/resolve"
)

// shardCase is a Service and the shard that it makes.
type shardCase struct {
	name    string
	config  func(*Config)
	service *corev1.Service
	eps     endpoints
	hosts   map[string]resolve.Host
	want    federation.Shard
	reason  federation.Reason
	known   []string
	refused []federation.Reason

	unresolved []string
	ports      []federation.Port
}

var ready = endpoints{slices: 1, ready: 1}

func (c shardCase) run(t *testing.T) {
	config := testConfig()
	if c.config != nil {
		c.config(&config)
	}
	got := config.shard(trimService(c.service), c.eps, false,
		func(h federation.FQDN) resolve.Host { return c.hosts[string(h)] })
	c.want.Member, c.want.Healthy = "gce", c.reason == ""
	equal(t, "ports", got.Ports.List(), c.ports)
	got.Ports = federation.Ports{}
	equal(t, "shard", got.Shard, c.want)
	equal(t, "reason", got.Reason, c.reason)
	equal(t, "unresolved", got.Unresolved, c.unresolved)
	equal(t, "refused", reasons(got.Problems), c.refused)
	if c.known != nil {
		equal(t, "known", got.Known, c.known)
	}
	for _, p := range got.Problems {
		if p.Member != "gce" || p.Service != nginx || p.Detail == "" {
			t.Errorf("a problem without names: %+v", p)
		}
	}
}

func allow(c *Config) {
	c.AddressPolicy = AddressPolicy{
		AllowAddressAnnotation: true, AddressCIDRs: prefixes("198.51.100.0/24"),
		HostSuffixes: []federation.FQDN{"lb.example.net."}, ForbiddenHosts: []federation.FQDN{"example.com."},
	}
}

func known(list ...string) resolve.Host { return resolve.Host{Addresses: addrs(list...)} }

// What is known of a host name without an answer.
var (
	unresolved  = resolve.Host{Unresolved: true, Failure: "no answer in time"}
	lapsed      = resolve.Host{Failure: "no answer in time"}
	nonexistent = resolve.Host{Nonexistent: true, Failure: "it does not exist"}
)

func TestShard(t *testing.T) {
	portError := balanced(nginx, "192.0.2.1", "192.0.2.2")
	reason := "example.com/NotReady"
	portError.Status.LoadBalancer.Ingress[0].Ports = []corev1.PortStatus{{Port: 80}, {Port: 443, Error: &reason}}
	both := balanced(nginx, "192.0.2.1")
	both.Status.LoadBalancer.Ingress[0].Hostname = "lb.example.net"
	clusterIP := balanced(nginx, "192.0.2.1")
	clusterIP.Spec.Type = corev1.ServiceTypeClusterIP
	external := balanced(nginx)
	external.Spec.ExternalIPs = []string{"192.0.2.1"}
	many := make([]string, 20)
	for i := range many {
		many[i] = fmt.Sprintf("192.0.2.%d", 100+i)
	}

	ported := balanced(nginx, "192.0.2.1")
	ported.Spec.Ports = []corev1.ServicePort{
		{Name: "https", Port: 443}, {Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}, {Port: 80},
		{Name: "bad", Port: 65536},
	}
	crowded := balanced(nginx, "192.0.2.1")
	for i := range 2 * maxPorts {
		crowded.Spec.Ports = append(crowded.Spec.Ports, corev1.ServicePort{Name: fmt.Sprintf("p%03d", 199-i), Port: 1})
	}
	var first []federation.Port
	for i := range maxPorts {
		first = append(first, federation.Port{Name: fmt.Sprintf("p%03d", i), Protocol: "tcp", Port: 1})
	}

	for _, c := range []shardCase{
		{name: "M9 the ports of the Service that have a name", service: ported, eps: ready,
			want: federation.Shard{Addresses: addrs("192.0.2.1")},
			ports: []federation.Port{{Name: "dns", Protocol: "udp", Port: 53},
				{Name: "https", Protocol: "tcp", Port: 443}}},
		{name: "H3e only so many ports, the first by name", service: crowded, eps: ready,
			want: federation.Shard{Addresses: addrs("192.0.2.1")}, ports: first,
			refused: []federation.Reason{federation.ReasonServicePorts}},
		{name: "M9 a Service that may not be published takes no port from others", service: ported, eps: ready,
			config: func(c *Config) { c.Namespaces = []string{"another"} },
			reason: federation.ReasonNamespaceRefused, refused: []federation.Reason{federation.ReasonNamespaceRefused}},
		{name: "H2 load balancer addresses, sorted",
			service: balanced(nginx, "2001:db8::1", "192.0.2.2", "192.0.2.1", "192.0.2.2"), eps: ready,
			want:  federation.Shard{Addresses: addrs("192.0.2.1", "192.0.2.2", "2001:db8::1")},
			known: []string{"192.0.2.1", "192.0.2.2", "2001:db8::1"}},
		{name: "H2 an ingress with a port error is skipped", service: portError, eps: ready,
			want: federation.Shard{Addresses: addrs("192.0.2.2")}, known: []string{"192.0.2.1", "192.0.2.2"}},
		{name: "H2 IP before host name", service: both, eps: ready,
			want: federation.Shard{Addresses: addrs("192.0.2.1")}},
		{name: "H2 only of type LoadBalancer", service: clusterIP, eps: ready, reason: federation.ReasonNoAddress},
		{name: "H2 never externalIPs", service: external, eps: ready, reason: federation.ReasonNoAddress},
		{name: "H2 the annotation replaces the addresses", config: allow,
			service: annotated(nginx, AnnotationAddresses, "198.51.100.2, 198.51.100.1", "192.0.2.1"), eps: ready,
			want:  federation.Shard{Addresses: addrs("198.51.100.1", "198.51.100.2")},
			known: []string{"192.0.2.1", "198.51.100.1", "198.51.100.2"}},
		{name: "H2 the annotation where it is not allowed",
			service: annotated(nginx, AnnotationAddresses, "198.51.100.1", "192.0.2.1"), eps: ready,
			want: federation.Shard{Addresses: addrs("192.0.2.1")}, known: []string{"192.0.2.1"},
			refused: []federation.Reason{federation.ReasonBadAnnotation}},
		{name: "H2 an empty annotation replaces them too", config: allow,
			service: annotated(nginx, AnnotationAddresses, "", "192.0.2.1"), eps: ready,
			reason: federation.ReasonNoAddress, refused: []federation.Reason{federation.ReasonBadAnnotation}},
		{name: "H2 a blank annotation", config: allow,
			service: annotated(nginx, AnnotationAddresses, " ", "192.0.2.1"), eps: ready,
			reason: federation.ReasonNoAddress, refused: []federation.Reason{federation.ReasonBadAnnotation}},
		{name: "H2 one host name in the annotation", config: allow,
			service: annotated(nginx, AnnotationAddresses, "A.lb.example.net"), eps: ready,
			hosts: map[string]resolve.Host{"a.lb.example.net.": known("192.0.2.9")},
			want:  federation.Shard{Addresses: addrs("192.0.2.9"), Host: "a.lb.example.net.", Resolved: true}},
		{name: "X7 a bad part of the annotation costs only itself", config: allow,
			service: annotated(nginx, AnnotationAddresses, "198.51.100.1,198.51.100.x"), eps: ready,
			want:    federation.Shard{Addresses: addrs("198.51.100.1")},
			refused: []federation.Reason{federation.ReasonBadAnnotation}},
		{name: "X7 two host names in the annotation", config: allow,
			service: annotated(nginx, AnnotationAddresses, "a.lb.example.net,b.lb.example.net"), eps: ready,
			reason: federation.ReasonNoAddress, refused: []federation.Reason{federation.ReasonBadAnnotation}},
		{name: "H3b annotated addresses outside", config: allow,
			service: annotated(nginx, AnnotationAddresses, "203.0.113.1,198.51.100.1"), eps: ready,
			want: federation.Shard{Addresses: addrs("198.51.100.1")}, known: []string{"198.51.100.1"},
			refused: []federation.Reason{federation.ReasonAddressRefused}},
		{name: "H3b annotated host name outside", config: allow,
			service: annotated(nginx, AnnotationAddresses, "a.example.org"), eps: ready,
			reason: federation.ReasonNoAddress, refused: []federation.Reason{federation.ReasonHostRefused}},
		{name: "H3b a private address is known but not published", service: balanced(nginx, "10.0.0.1"), eps: ready,
			reason: federation.ReasonNoAddress, known: []string{"10.0.0.1"},
			refused: []federation.Reason{federation.ReasonAddressRefused}},
		{name: "H3b resolved addresses are checked, for a CNAME too", service: balanced(nginx, "lb.example.org"),
			eps:     ready,
			hosts:   map[string]resolve.Host{"lb.example.org.": known("10.0.0.1", "192.0.2.1")},
			want:    federation.Shard{Addresses: addrs("192.0.2.1"), Resolved: true},
			refused: []federation.Reason{federation.ReasonAddressRefused}},
		{name: "H3c a host name below a federation's domain", config: allow, service: balanced(nginx, "x.example.com"),
			eps:    ready,
			reason: federation.ReasonNoAddress, refused: []federation.Reason{federation.ReasonHostRefused}},
		{name: "H3d at most 16 addresses", service: balanced(nginx, many...), eps: ready,
			want:    federation.Shard{Addresses: addrs(many[:16]...)},
			refused: []federation.Reason{federation.ReasonTooManyAddresses}},
		{name: "H3d namespaces", config: func(c *Config) { c.Namespaces = []string{"other"} },
			service: annotated(nginx, AnnotationTTL, "5", "192.0.2.1"), eps: ready,
			reason: federation.ReasonNamespaceRefused, known: []string{"192.0.2.1"},
			refused: []federation.Reason{federation.ReasonNamespaceRefused}},
		{name: "H4 one host name", service: balanced(nginx, "lb.example.org"), eps: ready,
			hosts: map[string]resolve.Host{"lb.example.org.": known("192.0.2.1", "192.0.2.2")},
			want: federation.Shard{Addresses: addrs("192.0.2.1", "192.0.2.2"), Host: "lb.example.org.",
				Resolved: true}, known: []string{"192.0.2.1", "192.0.2.2", "lb.example.org."}},
		{name: "H4 a host name beside an address", service: balanced(nginx, "lb.example.org", "192.0.2.9"), eps: ready,
			hosts: map[string]resolve.Host{"lb.example.org.": known("192.0.2.1")},
			want:  federation.Shard{Addresses: addrs("192.0.2.1", "192.0.2.9"), Resolved: true}},
		{name: "H4 two host names, one does not resolve", service: balanced(nginx, "a.example.org", "b.example.org"),
			eps:     ready,
			hosts:   map[string]resolve.Host{"a.example.org.": known("192.0.2.1"), "b.example.org.": lapsed},
			want:    federation.Shard{Addresses: addrs("192.0.2.1"), Resolved: true},
			refused: []federation.Reason{federation.ReasonHostUnresolved}},
		{name: "H4 no answer for longer than the last one is kept", service: balanced(nginx, "a.example.org"),
			eps:    ready,
			hosts:  map[string]resolve.Host{"a.example.org.": lapsed},
			reason: federation.ReasonHostUnresolved, refused: []federation.Reason{federation.ReasonHostUnresolved},
			known: []string{"a.example.org."}},
		{name: "H4 nothing learned since the start is unknown", service: balanced(nginx, "a.example.org"), eps: ready,
			hosts:  map[string]resolve.Host{"a.example.org.": unresolved},
			reason: federation.ReasonHostUnresolved, unresolved: []string{"a.example.org."},
			refused: []federation.Reason{federation.ReasonHostUnresolved}},
		{name: "X1b an unresolved name accounts for nothing",
			service: balanced(nginx, "a.example.org", "192.0.2.1"), eps: endpoints{slices: 1},
			hosts: map[string]resolve.Host{"a.example.org.": unresolved}, known: []string{"192.0.2.1"},
			want:   federation.Shard{Addresses: addrs("192.0.2.1")},
			reason: federation.ReasonNoReadyEndpoints, refused: []federation.Reason{federation.ReasonHostUnresolved}},
		{name: "H5 no ready endpoint is evidence whatever the name", service: balanced(nginx, "a.example.org"),
			eps:    endpoints{slices: 1},
			hosts:  map[string]resolve.Host{"a.example.org.": unresolved},
			reason: federation.ReasonNoReadyEndpoints, refused: []federation.Reason{federation.ReasonHostUnresolved}},
		{name: "H4 a name that does not resolve is no harm beside an address",
			service: balanced(nginx, "a.example.org", "192.0.2.1"), eps: ready,
			hosts:   map[string]resolve.Host{"a.example.org.": unresolved},
			want:    federation.Shard{Addresses: addrs("192.0.2.1")},
			refused: []federation.Reason{federation.ReasonHostUnresolved}},
		{name: "H4 a host name that does not exist", service: balanced(nginx, "a.example.org"), eps: ready,
			hosts:  map[string]resolve.Host{"a.example.org.": nonexistent},
			reason: federation.ReasonNoAddress, refused: []federation.Reason{federation.ReasonHostUnresolved}},
		{name: "H4 the last answer is kept and the failure reported", service: balanced(nginx, "a.example.org"),
			eps: ready,
			hosts: map[string]resolve.Host{"a.example.org.": {Addresses: addrs("192.0.2.1"),
				Failure: "no answer in time"}},
			want:    federation.Shard{Addresses: addrs("192.0.2.1"), Host: "a.example.org.", Resolved: true},
			refused: []federation.Reason{federation.ReasonHostUnresolved}},
		{name: "H3a an IPv4-mapped answer", service: balanced(nginx, "a.example.org"), eps: ready,
			hosts:  map[string]resolve.Host{"a.example.org.": known("::ffff:192.0.2.1")},
			reason: federation.ReasonNoAddress, refused: []federation.Reason{federation.ReasonAddressRefused}},
		{name: "H3b a private answer inside addressCIDRs",
			config:  func(c *Config) { c.AddressPolicy.AddressCIDRs = prefixes("10.1.0.0/16") },
			service: balanced(nginx, "a.example.org"), eps: ready,
			hosts: map[string]resolve.Host{"a.example.org.": known("10.1.2.3")},
			want:  federation.Shard{Addresses: addrs("10.1.2.3"), Host: "a.example.org.", Resolved: true}},
		{name: "H3c an alias in a federation's domain", config: allow,
			service: balanced(nginx, "a.example.org"), eps: ready,
			hosts: map[string]resolve.Host{"a.example.org.": {Addresses: addrs("192.0.2.1"),
				Aliases: []federation.FQDN{"nginx.ns.f.svc.example.com."}}},
			reason: federation.ReasonNoAddress, refused: []federation.Reason{federation.ReasonHostRefused}},
		{name: "H5 no ready endpoint", service: balanced(nginx, "192.0.2.1"), eps: endpoints{slices: 2},
			want: federation.Shard{Addresses: addrs("192.0.2.1")}, reason: federation.ReasonNoReadyEndpoints},
		{name: "H1 no slices", service: balanced(nginx, "192.0.2.1"),
			want: federation.Shard{Addresses: addrs("192.0.2.1")}, reason: federation.ReasonNoSlices},
		{name: "P5 TTL", service: annotated(nginx, AnnotationTTL, "30", "192.0.2.1"), eps: ready,
			want: federation.Shard{Addresses: addrs("192.0.2.1"), TTL: 30}},
	} {
		t.Run(c.name, c.run)
	}
	for _, ttl := range []string{"0", "-1", "86401", "5s", "1.5", " 5", "99999999999999"} {
		shardCase{service: annotated(nginx, AnnotationTTL, ttl, "192.0.2.1"), eps: ready,
			want:    federation.Shard{Addresses: addrs("192.0.2.1")},
			refused: []federation.Reason{federation.ReasonBadAnnotation}}.runAs(t, "P5 bad TTL "+ttl)
	}
}

func (c shardCase) runAs(t *testing.T, name string) { t.Run(name, c.run) }

func TestTrimSlice(t *testing.T) {
	yes, no := true, false
	s := slice(nginx, "a", 0)
	s.Endpoints = nil
	for i, r := range []*bool{&yes, nil, &no} {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{fmt.Sprintf("198.51.100.%d", i)},
			Conditions: discoveryv1.EndpointConditions{Ready: r},
		})
	}
	t.Run("Q5 H5 nil counts as ready", func(t *testing.T) {
		equal(t, "slice", sum([]endpointSlice{trimSlice(s)}).ready, 2)
	})
}

// TestReadyEndpoints has the same endpoints in several slices.
func TestReadyEndpoints(t *testing.T) {
	of := func(family discoveryv1.AddressType, pods ...string) *discoveryv1.EndpointSlice {
		s := slice(nginx, string(family), 0)
		s.AddressType, s.Endpoints = family, nil
		for i, pod := range pods {
			ep := discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("198.51.100.%d", i)}}
			if family == discoveryv1.AddressTypeIPv6 {
				ep.Addresses = []string{fmt.Sprintf("2001:db8::%d", i)}
			}
			if pod != "" {
				ep.TargetRef = &corev1.ObjectReference{Kind: "Pod", Namespace: "ns", Name: pod, UID: types.UID(pod)}
			}
			s.Endpoints = append(s.Endpoints, ep)
		}
		return s
	}
	const ipv4, ipv6 = discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6
	for _, tt := range []struct {
		what   string
		slices []*discoveryv1.EndpointSlice
		want   int
	}{
		{"one family", []*discoveryv1.EndpointSlice{of(ipv4, "a", "b")}, 2},
		{"both families", []*discoveryv1.EndpointSlice{of(ipv4, "a", "b"), of(ipv6, "b", "a")}, 2},
		{"a pod of one family only", []*discoveryv1.EndpointSlice{of(ipv4, "a"), of(ipv6, "a", "b")}, 2},
		{"two slices while a pod moves", []*discoveryv1.EndpointSlice{of(ipv4, "a", "b"), of(ipv4, "b", "c")}, 3},
		{"no objects, both families", []*discoveryv1.EndpointSlice{of(ipv4, "", "", ""), of(ipv6, "", "")}, 3},
		{"no objects, the same addresses", []*discoveryv1.EndpointSlice{of(ipv4, "", ""), of(ipv4, "")}, 2},
		{"pods and others", []*discoveryv1.EndpointSlice{of(ipv4, "a", ""), of(ipv6, "a", "")}, 2},
	} {
		t.Run("H5 an endpoint counts once: "+tt.what, func(t *testing.T) {
			s := newServices(0)
			s.put(trimService(balanced(nginx, "192.0.2.1")))
			for i, sl := range tt.slices {
				s.putSlice(objectKey{"ns", fmt.Sprint(i)}, trimSlice(sl))
			}
			if have, want := s.endpoints[nginx], (endpoints{len(tt.slices), tt.want}); have != want {
				t.Errorf("%+v, want %+v", have, want)
			}
			for i := range tt.slices {
				s.putSlice(objectKey{"ns", fmt.Sprint(i)}, endpointSlice{})
			}
			equal(t, "slices left", len(s.slices)+len(s.slicesOf)+len(s.endpoints), 0)
		})
	}
	t.Run("H5 a pod that replaces another touches nothing, and a slice can change its Service", func(t *testing.T) {
		s := newServices(0)
		s.put(trimService(balanced(nginx, "192.0.2.1")))
		key := objectKey{"ns", "x"}
		equal(t, "touched", s.putSlice(key, trimSlice(of(ipv4, "a"))), []ShardKey{nginxKey})
		equal(t, "touched", s.putSlice(key, trimSlice(of(ipv4, "b"))), []ShardKey(nil))
		other := trimSlice(of(ipv4, "b"))
		other.service.Name = "other"
		equal(t, "touched", s.putSlice(key, other), []ShardKey{nginxKey})
		if s.endpoints[nginx] != (endpoints{}) || s.endpoints[other.service] != (endpoints{1, 1}) {
			t.Errorf("%+v", s.endpoints)
		}
	})
}

// TestMaxServices checks that the oldest Services count, and that a deleted one makes room (H3d).
func TestMaxServices(t *testing.T) {
	t.Run("H3d maxServices", func(t *testing.T) {
		c := testConfig()
		c.MaxServices = 2
		w := newWorld(t, c)
		services := map[string]*corev1.Service{}
		for i, name := range []string{"c", "a", "b"} {
			s := balanced(federation.ServiceName{Namespace: "ns", Name: name}, "192.0.2.1")
			s.CreationTimestamp = metav1.Time{Time: time.Unix(int64(i), 0)}
			services[name] = s
			w.put(s)
			w.put(slice(federation.ServiceName{Namespace: "ns", Name: name}, "a", 1))
		}
		over := func() (out []string) {
			for key, s := range w.shards {
				if s.Reason == federation.ReasonTooManyServices {
					out = append(out, key.Service.Name)
				}
			}
			slices.Sort(out)
			return out
		}
		equal(t, "over", over(), []string{"b"})
		w.drop(services["c"])
		equal(t, "over", over(), []string(nil))
		if !w.shards[ShardKey{"myfederation", federation.ServiceName{Namespace: "ns", Name: "b"}}].Healthy {
			t.Error("the service that has room now is not healthy")
		}
	})
}

func FuzzAnnotation(f *testing.F) {
	f.Add("192.0.2.1,2001:db8::1")
	f.Add("lb.example.net")
	f.Fuzz(func(t *testing.T, text string) {
		c := testConfig()
		allow(&c)
		s := c.shard(trimService(annotated(nginx, AnnotationAddresses, text)), ready, false,
			func(federation.FQDN) resolve.Host { return known("192.0.2.77") })
		for _, a := range s.Addresses {
			if a != netip.MustParseAddr("192.0.2.77") && !within(c.AddressPolicy.AddressCIDRs, a) {
				t.Errorf("%q yields %s", text, a)
			}
		}
		if s.Healthy != (len(s.Addresses) > 0) || s.Healthy == (s.Reason != "") {
			t.Errorf("%q: %+v", text, s)
		}
		if s.Host != "" && !strings.HasSuffix(string(s.Host), ".lb.example.net.") {
			t.Errorf("%q yields host %s", text, s.Host)
		}
	})
}
