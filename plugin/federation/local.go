package federation

import (
	"iter"
	"net/netip"
	"strings"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes/object"
	"github.com/coredns/coredns/plugin/pkg/nonwriter"
	api "k8s.io/api/core/v1"

	"github.com/miekg/dns"
)

// shard is the local shard of a service, as the indexes have it.
type shard struct {
	service   *object.Service // nil if there is none
	endpoints []*object.Endpoints
	healthy   bool
}

// findShard reads the local shard from the indexes and decides, once for all types, whether it is healthy: the Service
// exists, its namespace is exposed, and over all its EndpointSlices it has a ready endpoint with an IP address. An
// ExternalName Service is healthy when it exists (Q5).
func (a *answerer) findShard() {
	a.shard = shard{}
	if !a.synced || a.m.key == "" {
		return
	}
	services := a.f.indexes.SvcIndex(a.m.key)
	if len(services) == 0 {
		return
	}
	a.shard.service = services[0]
	if !a.f.exposed(a.m.namespace) || !a.f.namespaceExists(a.m.namespace) {
		return
	}
	if a.shard.service.Type == api.ServiceTypeExternalName {
		a.shard.healthy = true
		return
	}
	a.shard.endpoints = a.f.indexes.EpIndex(a.m.key)
	a.shard.healthy = hasReady(a.shard.endpoints)
}

// exposed reports whether the kubernetes plugin answers for the namespace.
func (f *Federation) exposed(namespace string) bool {
	_, named := f.k8s.Namespaces[namespace]
	return named || len(f.k8s.Namespaces) == 0
}

// readyEndpoints yields the endpoints of all slices. The index holds ready ones only, among them the names of slices of
// type FQDN.
func readyEndpoints(list []*object.Endpoints) iter.Seq[*object.EndpointAddress] {
	return func(yield func(*object.EndpointAddress) bool) {
		for _, ep := range list {
			for i := range ep.Subsets {
				for j := range ep.Subsets[i].Addresses {
					if !yield(&ep.Subsets[i].Addresses[j]) {
						return
					}
				}
			}
		}
	}
}

// hasReady reports whether one of the endpoints has an IP address.
func hasReady(list []*object.Endpoints) bool {
	for ep := range readyEndpoints(list) {
		if _, ok := parseIP(ep.IP); ok {
			return true
		}
	}
	return false
}

// parseIP accepts what net.ParseIP accepts: that is how the kubernetes plugin tells addresses from names.
func parseIP(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	return addr, err == nil && addr.Zone() == ""
}

// local answers what the kubernetes plugin would answer for the name without the federation's label (Q6). The shard is
// healthy.
//
// Most questions are for the addresses of a Service. Those are read from the indexes where the result is sure to be the
// same; everything else is left to the kubernetes plugin.
func (a *answerer) local() *dns.Msg {
	s := &a.shard
	qtype := a.r.Question[0].Qtype
	addresses := qtype == dns.TypeA || qtype == dns.TypeAAAA
	if addresses && a.m.shape == shapeService && s.service.Type != api.ServiceTypeExternalName {
		var m *dns.Msg
		if s.service.Headless() {
			m = a.endpoints(s.endpoints)
		} else {
			m = a.clusterIPs(s.service.ClusterIPs)
		}
		if m != nil {
			return m
		}
	}
	return a.delegate()
}

// clusterIPs answers A and AAAA of a ClusterIP Service; a family that it does not have is NODATA. It returns nil if the
// list is not one that Kubernetes makes: one address of each family at most.
func (a *answerer) clusterIPs(ips []string) *dns.Msg {
	var chosen netip.Addr
	for _, text := range ips {
		addr, ok := parseIP(text)
		if !ok {
			return nil
		}
		if addr = addr.Unmap(); isOfType(addr, a.r.Question[0].Qtype) {
			if chosen.IsValid() {
				return nil
			}
			chosen = addr
		}
	}
	if !chosen.IsValid() {
		return a.noData()
	}
	return a.oneAddress(chosen)
}

// isOfType reports whether records of the type hold such an address.
func isOfType(addr netip.Addr, qtype uint16) bool { return addr.Is4() == (qtype == dns.TypeA) }

// addressReply is a reply with one address, in one allocation. It refers to nothing of the question, as a cache may
// keep it.
type addressReply struct {
	msg      dns.Msg
	question [1]dns.Question
	answer   [1]dns.RR
	a        dns.A
	aaaa     dns.AAAA
	ip       [16]byte
}

// oneAddress builds a reply with one address, all that a Service has of a family.
func (a *answerer) oneAddress(addr netip.Addr) *dns.Msg {
	a.result = resultLocal
	r := &addressReply{}
	a.begin(&r.msg, &r.question, dns.RcodeSuccess)
	if hdr := a.header(); hdr.Rrtype == dns.TypeA {
		r.answer[0] = fillA(&r.a, hdr, addr, r.ip[:])
	} else {
		r.answer[0] = fillAAAA(&r.aaaa, hdr, addr, r.ip[:])
	}
	r.msg.Answer = r.answer[:]
	return &r.msg
}

// header is the header of an address record of the asked name.
func (a *answerer) header() dns.RR_Header {
	q := &a.r.Question[0]
	return dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: a.f.localTTL}
}

// fillA and fillAAAA fill a record. The octets of the address go into ip.

func fillA(rr *dns.A, hdr dns.RR_Header, addr netip.Addr, ip []byte) dns.RR {
	octets := addr.As4()
	rr.Hdr, rr.A = hdr, ip[:copy(ip, octets[:]):len(octets)]
	return rr
}

func fillAAAA(rr *dns.AAAA, hdr dns.RR_Header, addr netip.Addr, ip []byte) dns.RR {
	octets := addr.As16()
	rr.Hdr, rr.AAAA = hdr, ip[:copy(ip, octets[:]):len(octets)]
	return rr
}

// endpoints answers A and AAAA of a headless Service: its ready addresses, each once; none of the family is NODATA. It
// returns nil if there are names among them.
func (a *answerer) endpoints(list []*object.Endpoints) *dns.Msg {
	addrs, ok := readyAddresses(list, a.r.Question[0].Qtype)
	if !ok {
		return nil
	}
	if len(addrs) == 0 {
		return a.noData()
	}
	a.result = resultLocal
	reply := a.newReply(dns.RcodeSuccess)
	reply.Answer = make([]dns.RR, len(addrs))
	hdr := a.header()
	ips := make([]byte, 16*len(addrs))
	ip := func(i int) []byte { return ips[16*i : 16*i+16] }
	if hdr.Rrtype == dns.TypeA {
		rrs := make([]dns.A, len(addrs))
		for i, addr := range addrs {
			reply.Answer[i] = fillA(&rrs[i], hdr, addr, ip(i))
		}
	} else {
		rrs := make([]dns.AAAA, len(addrs))
		for i, addr := range addrs {
			reply.Answer[i] = fillAAAA(&rrs[i], hdr, addr, ip(i))
		}
	}
	return reply
}

// manyAddresses is the number of addresses above which duplicates are found with a map.
const manyAddresses = 32

// readyAddresses returns the addresses of the type, in the order of the index and each once: one that moves from one
// EndpointSlice to another is in both for a while. As in the kubernetes plugin, two spellings of an address are two
// addresses. It returns false if one of them is not an address.
func readyAddresses(list []*object.Endpoints, qtype uint16) ([]netip.Addr, bool) {
	n := 0
	for _, ep := range list {
		for i := range ep.Subsets {
			n += len(ep.Subsets[i].Addresses)
		}
	}
	addrs := make([]netip.Addr, 0, n)
	var seen map[string]bool
	if n > manyAddresses {
		seen = make(map[string]bool, n)
	}
	for ep := range readyEndpoints(list) {
		addr, ok := parseIP(ep.IP)
		if !ok {
			return nil, false
		}
		addr = addr.Unmap()
		if !isOfType(addr, qtype) || seen[ep.IP] || seen == nil && duplicate(list, ep) {
			continue
		}
		addrs = append(addrs, addr)
		if seen != nil {
			seen[ep.IP] = true
		}
	}
	return addrs, true
}

// duplicate reports whether the list has the text of the endpoint's address before the endpoint itself.
func duplicate(list []*object.Endpoints, ep *object.EndpointAddress) bool {
	for other := range readyEndpoints(list) {
		switch {
		case other == ep:
			return false
		case other.IP == ep.IP:
			return true
		}
	}
	return false
}

// allAddresses reports whether none of the endpoints is a name.
func allAddresses(list []*object.Endpoints) bool {
	for ep := range readyEndpoints(list) {
		if _, ok := parseIP(ep.IP); !ok {
			return false
		}
	}
	return true
}

// delegate asks the kubernetes plugin for the name without the federation's label, with a message of our own, and makes
// its answer one for the asked name. If the Service has vanished meanwhile, it decides again.
func (a *answerer) delegate() *dns.Msg {
	plain := *a.r // shallow: the sections are only read
	plain.Question = []dns.Question{a.r.Question[0]}
	plain.Question[0].Name = a.m.plainName(a.r.Question[0].Name)
	ctx, external := a.ctx, a.shard.service.Type == api.ServiceTypeExternalName || !allAddresses(a.shard.endpoints)
	if external { // the kubernetes plugin looks up a name through the upstream, and that may loop back here
		if lookupDepth(ctx) >= maxDepth {
			return a.servfail(dns.ExtendedErrorCodeOther, "the Service's external name loops back here")
		}
		ctx = deeper(ctx)
	}
	nw := nonwriter.New(a.w)
	rcode, err := a.f.k8s.ServeDNS(ctx, nw, &plain)
	switch {
	case nw.Msg != nil && err == nil && plugin.ClientWrite(rcode):
	case err == nil && rcode == dns.RcodeRefused: // by a plugin that it has fallen through to
		return a.refuse(rcode)
	default:
		a.err = err
		return a.servfail(dns.ExtendedErrorCodeOther, "the kubernetes plugin gave no answer")
	}
	if nw.Msg.Rcode == dns.RcodeNameError && a.m.shape != shapeEndpoint {
		if a.findShard(); !a.shard.healthy {
			return a.remote()
		}
	}
	reply := nw.Msg
	if a.f.fallsThrough || external {
		// The message or its records may be shared: those of a zone file, for example, or of a cache.
		reply = reply.Copy()
	}
	reply.Id = a.r.Id
	reply.Question = []dns.Question{a.r.Question[0]} // plugins above may change the reply
	rename(reply.Answer, plain.Question[0].Name, a.r.Question[0].Name)
	limitTTLs(reply.Answer, a.f.ttl)
	limitTTLs(reply.Ns, a.f.ttl)
	limitTTLs(reply.Extra, a.f.ttl)
	a.result = resultOf(reply)
	return reply
}

// plainName is the question's name without the federation's label.
func (m *match) plainName(qname string) string { return qname[:m.labelStart] + qname[m.labelEnd:] }

// rename gives the records of the delegated name the asked name. All others, such as the rest of a CNAME chain, keep
// theirs.
func rename(rrs []dns.RR, from, to string) {
	for _, rr := range rrs {
		if h := rr.Header(); strings.EqualFold(h.Name, from) {
			h.Name = to
		}
	}
}

// resultOf is the result that a delegated reply counts as.
func resultOf(m *dns.Msg) result {
	switch {
	case m.Rcode == dns.RcodeNameError:
		return resultNXDomain
	case m.Rcode != dns.RcodeSuccess:
		return resultServFail
	case len(m.Answer) == 0:
		return resultNoData
	}
	return resultLocal
}
