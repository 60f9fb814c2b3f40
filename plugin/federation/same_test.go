package federation

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/kubernetes/object"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
	api "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

// TestSameAsKubernetes holds Q6 against the real thing: whatever a healthy Service and its slices are, and whatever is
// asked of it in which way, the reply is the kubernetes plugin's for the plain name, octet by octet once the names are
// the same, but for the TTL (Q15).
func TestSameAsKubernetes(t *testing.T) {
	t.Run("Q6 the answer is the kubernetes plugin's", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			c := newCluster()
			healthy := drawService(t, rt, c)
			ttl := rapid.SampledFrom([]string{"", "", "30", "0", "3"}).Draw(rt, "ttl")
			k8s := usualKubernetes
			if ttl != "" {
				k8s += " {\n ttl " + ttl + "\n}"
			}
			up := newRecords(t, "www.example.net. 60 IN CNAME host.example.net.",
				"host.example.net. 60 IN A 192.0.2.80", "host.example.net. 60 IN AAAA 2001:db8::80")
			f := newPlugin(t, c, up, k8s, usualFederation)
			q := drawQuestion(rt)
			plain, federated := q.ask(t, f, "drawn.ns.svc.cluster.local."),
				q.ask(t, f, "drawn.ns.myfed.svc.cluster.local.")
			if !healthy {
				if q.qtype == dns.TypeCNAME && (len(federated.Answer) != 1 ||
					federated.Answer[0].Header().Rrtype != dns.TypeCNAME) {
					rt.Errorf("%+v: a Service without a ready address is answered with %s", q, short(federated))
				}
				return
			}
			limitTTLs(plain.Answer, f.ttl)
			limitTTLs(plain.Ns, f.ttl)
			limitTTLs(plain.Extra, f.ttl)
			for _, rrs := range [][]dns.RR{federated.Answer, federated.Ns, federated.Extra} {
				for _, rr := range rrs {
					if h := rr.Header(); strings.HasSuffix(h.Name, q.prefix+"drawn.ns.svc.cluster.local.") &&
						rrs[0] == federated.Answer[0] {
						rt.Errorf("an answer of the delegated name: %s", rr)
					}
				}
			}
			rename(federated.Answer, q.prefix+"drawn.ns.myfed.svc.cluster.local.",
				q.prefix+"drawn.ns.svc.cluster.local.")
			federated.Question[0].Name = plain.Question[0].Name
			if a, b := q.wire(t, plain), q.wire(t, federated); !bytes.Equal(a, b) {
				rt.Errorf("%+v\nplain:\n%s\nfederated:\n%s", q, plain, federated)
			}
		})
	})
}

// drawn is a question, and how it is sent.
type drawn struct {
	prefix string
	qtype  uint16
	tcp    bool
	edns   uint16 // 0 is none
	do, cd bool
}

func drawQuestion(t *rapid.T) drawn {
	return drawn{
		prefix: rapid.SampledFrom([]string{"", "", "", "", "_http._tcp.", "_none._udp.", "host-0.", "172-0-0-1.",
			"none."}).Draw(t, "prefix"),
		qtype: rapid.SampledFrom([]uint16{dns.TypeA, dns.TypeA, dns.TypeA, dns.TypeAAAA, dns.TypeAAAA, dns.TypeSRV,
			dns.TypeSRV, dns.TypeTXT, dns.TypeMX, dns.TypeNS,
			dns.TypeSOA, dns.TypeDS, dns.TypeANY, dns.TypeCNAME, dns.TypeHTTPS, dns.TypePTR, dns.TypeCAA, 65280,
			dns.TypeNone, dns.TypeOPT, 128, dns.TypeTKEY, dns.TypeMAILB, dns.TypeMAILA}).Draw(t, "type"),
		tcp:  rapid.Bool().Draw(t, "tcp"),
		edns: rapid.SampledFrom([]uint16{0, 0, 512, 1232, 4096}).Draw(t, "edns"),
		do:   rapid.Bool().Draw(t, "do"),
		cd:   rapid.Bool().Draw(t, "cd"),
	}
}

func (q drawn) msg(name string) *dns.Msg {
	r := new(dns.Msg).SetQuestion(q.prefix+name, q.qtype)
	r.Id, r.CheckingDisabled = 7, q.cd
	if q.edns > 0 {
		r.SetEdns0(q.edns, q.do)
	}
	return r
}

func (q drawn) ask(t *testing.T, f *Federation, name string) *dns.Msg {
	t.Helper()
	return exchange(t, f, q.msg(name)).Copy()
}

// wire packs a reply to the plain name as the server does.
func (q drawn) wire(t *testing.T, m *dns.Msg) []byte {
	t.Helper()
	state := request.Request{Req: q.msg("drawn.ns.svc.cluster.local."), W: &test.ResponseWriter{TCP: q.tcp}}
	state.SizeAndDo(m)
	wire, err := state.Scrub(m).Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// drawService adds a Service drawn.ns and its slices, as an API server may have them; healthy if there is a ready
// endpoint with an address.
func drawService(t *testing.T, rt *rapid.T, c *cluster) (healthy bool) {
	ips := rapid.SampledFrom([][]string{
		{"10.9.0.1"}, {"10.9.0.1", "fd09::1"}, {"fd09::1", "10.9.0.1"}, {"fd09::1"}, {"::ffff:10.9.0.1"}, {"None"},
		{"None"}, {"None"}, {""},
	}).Draw(rt, "ips")
	service := &api.Service{ObjectMeta: meta.ObjectMeta{Name: "drawn", Namespace: "ns"},
		Spec: api.ServiceSpec{Type: api.ServiceTypeClusterIP, ClusterIP: ips[0], ClusterIPs: ips}}
	for i := range rapid.IntRange(0, 2).Draw(rt, "service ports") {
		service.Spec.Ports = append(service.Spec.Ports, api.ServicePort{Name: []string{"http", "dns"}[i],
			Protocol: "TCP", Port: int32(80 + i)})
	}
	if rapid.IntRange(0, 9).Draw(rt, "external") == 0 {
		service.Spec = api.ServiceSpec{Type: api.ServiceTypeExternalName,
			ExternalName: rapid.SampledFrom([]string{"www.example.net", "192.0.2.1", "nowhere.example.net"}).Draw(rt,
				"name")}
		healthy = true
	}
	c.services["drawn.ns"] = converted[*object.Service](t, object.ToService, service)
	for i := range rapid.IntRange(1, 3).Draw(rt, "slices") {
		slice, ready := drawSlice(rt, i)
		healthy = healthy || ready
		c.endpoints["drawn.ns"] = append(c.endpoints["drawn.ns"],
			converted[*object.Endpoints](t, object.EndpointSliceToEndpoints, slice))
	}
	return healthy
}

func drawSlice(t *rapid.T, i int) (slice *discovery.EndpointSlice, ready bool) {
	kind := rapid.SampledFrom([]discovery.AddressType{
		discovery.AddressTypeIPv4, discovery.AddressTypeIPv4, discovery.AddressTypeIPv6, discovery.AddressTypeIPv6,
		discovery.AddressTypeFQDN,
	}).Draw(t, "address type")
	slice = &discovery.EndpointSlice{ObjectMeta: meta.ObjectMeta{Name: fmt.Sprintf("drawn-%d", i), Namespace: "ns",
		Labels: map[string]string{discovery.LabelServiceName: "drawn"}}, AddressType: kind}
	for p := range rapid.IntRange(0, 2).Draw(t, "ports") {
		name, number, proto := []string{"http", "dns"}[p], int32(8080+p), api.ProtocolTCP
		port := discovery.EndpointPort{Name: &name, Port: &number, Protocol: &proto}
		if rapid.IntRange(0, 5).Draw(t, "bare port") == 0 {
			port = discovery.EndpointPort{}
		}
		slice.Ports = append(slice.Ports, port)
	}
	for j := range rapid.SampledFrom([]int{0, 1, 2, 20, 40}).Draw(t, "endpoints") {
		e := discovery.Endpoint{}
		switch kind {
		case discovery.AddressTypeIPv4:
			// duplicates are intended
			e.Addresses = []string{fmt.Sprintf("172.0.%d.%d", rapid.IntRange(0, 1).Draw(t, "net"), j+1)}
		case discovery.AddressTypeIPv6:
			e.Addresses = []string{rapid.SampledFrom([]string{
				// one address, spelled in two ways
				fmt.Sprintf("fd01::%d:%d", i, j+1), fmt.Sprintf("FD01::%d:%d", i, j+1),
				fmt.Sprintf("::ffff:172.0.0.%d", j+1), "fd01::", "FD01::",
			}).Draw(t, "address")}
		default:
			e.Addresses = []string{rapid.SampledFrom([]string{"www.example.net", "nowhere.example.net",
				"drawn.ns.svc.cluster.local"}).Draw(t, "address")}
		}
		switch rapid.IntRange(0, 3).Draw(t, "conditions") {
		case 0, 1:
			yes := true
			e.Conditions.Ready = &yes
		case 2: // nil counts as ready
		case 3:
			no := false
			e.Conditions.Ready = &no
		}
		if rapid.Bool().Draw(t, "named") {
			host := fmt.Sprintf("host-%d", j)
			e.Hostname = &host
		}
		slice.Endpoints = append(slice.Endpoints, e)
		ready = ready || kind != discovery.AddressTypeFQDN && (e.Conditions.Ready == nil || *e.Conditions.Ready)
	}
	return slice, ready
}

// TestNamesInSlices: slices of type FQDN, as some controllers make them for services of a cloud.
func TestNamesInSlices(t *testing.T) {
	add := func(c *cluster, key string, ips []string, addrs ...string) {
		c.service(key, ips...)
		c.slice(key, addrs...)
	}
	c := newCluster()
	add(c, "rds.ns", []string{"None"}, "www.example.net")
	add(c, "fronted.ns", []string{"10.0.3.1"}, "www.example.net")
	add(c, "digits.ns", []string{"10.0.3.2"}, "1.2.3", "1.2.3.4.5", "beef.cafe")
	add(c, "mixed.ns", []string{"None"}, "www.example.net", "172.0.3.1")
	add(c, "names.ns", []string{"None"}, "one=www.example.net", "two=172.0.3.2")
	up := newRecords(t, "www.example.net. 60 IN A 192.0.2.80")
	f := newPlugin(t, c, up, usualKubernetes, usualFederation)
	for _, tc := range []struct{ rule, name, want string }{
		{"Q5 a headless Service that has names only is not healthy", "rds.ns",
			"CNAME rds.ns.myfed.svc.zone1.example.com."},
		{"Q5 nor is one with a ClusterIP", "fronted.ns", "CNAME fronted.ns.myfed.svc.zone1.example.com."},
		{"Q5 nor is one whose names look like addresses", "digits.ns", "CNAME digits.ns.myfed.svc.zone1.example.com."},
		{"Q6 names beside addresses are what the plain name has", "mixed.ns",
			"CNAME www.example.net.; www.example.net. A 192.0.2.80; mixed.ns.myfed.svc.cluster.local. A 172.0.3.1"},
		{"Q6 the name of an endpoint that has one", "one.names.ns",
			"CNAME www.example.net.; www.example.net. A 192.0.2.80"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			name := tc.name + ".myfed.svc.cluster.local."
			if got, want := short(ask(t, f, name, dns.TypeA)), name+" "+tc.want; !strings.Contains(got, want) {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
	t.Run("Q11 records of the upstream's reply are not changed", func(t *testing.T) {
		if h := up.rrs[0].Header(); h.Ttl != 60 || h.Name != "www.example.net." {
			t.Errorf("it is %s", up.rrs[0])
		}
	})
}

// TestSpellings: what the random Services of TestSameAsKubernetes have rarely.
func TestSpellings(t *testing.T) {
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf("172.0.4.%d", i+1)
	}
	for _, tc := range []struct {
		rule   string
		ips    []string
		slices [][]string
	}{
		{"Q6 an address in two slices", []string{"None"}, [][]string{{"172.0.4.1"}, {"172.0.4.1", "172.0.4.2"}}},
		{"Q6 many addresses in two slices", []string{"None"}, [][]string{many, many}},
		{"Q6 an address in two spellings", []string{"None"}, [][]string{{"fd01::1", "FD01::1"}}},
		{"Q6 an IPv4 address in IPv6 form", []string{"None"}, [][]string{{"::ffff:10.9.9.9", "fd01::1"}}},
		{"Q6 a ClusterIP in IPv6 form", []string{"::ffff:10.9.9.9"}, [][]string{{"172.0.4.1"}}},
		{"Q6 no ClusterIP", []string{""}, [][]string{{"172.0.4.1"}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			c := newCluster()
			c.service("drawn.ns", tc.ips...)
			for _, addrs := range tc.slices {
				c.slice("drawn.ns", addrs...)
			}
			up := changedFor{newRecords(t, ". 60 IN A 192.0.2.1"), func(*dns.Msg, request.Request) {}}
			f := newPlugin(t, c, up, usualKubernetes, usualFederation)
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				plain := short(ask(t, f, "drawn.ns.svc.cluster.local.", qtype))
				if got := strings.ReplaceAll(short(ask(t, f, "drawn.ns.myfed.svc.cluster.local.", qtype)), ".myfed.",
					"."); got != plain {
					t.Errorf("%s\n got %s\nwant %s", dns.TypeToString[qtype], got, plain)
				}
			}
		})
	}
}
