package federation

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes/object"
	"github.com/coredns/coredns/plugin/pkg/nonwriter"
	api "k8s.io/api/core/v1"

	"github.com/miekg/dns"
)

// local answers from the healthy local shard what the kubernetes plugin
// answers for the name without the federation's label (Q6). It reports false,
// with nothing written, if again is set and the Service turned out to be gone.
//
// The addresses of a Service, which most questions are about, are read from the
// indexes; everything else is left to the kubernetes plugin.
func (a *answerer) local(again bool) bool {
	s := &a.shard
	qtype := a.r.Question[0].Qtype
	if qtype != dns.TypeA && qtype != dns.TypeAAAA || a.m.shape != shapeService || s.service.Type == api.ServiceTypeExternalName {
		return a.delegate(again)
	}
	if s.service.Headless() {
		a.endpoints(s.endpoints)
	} else {
		a.clusterIPs(s.service.ClusterIPs)
	}
	return true
}

// clusterIPs answers A and AAAA of a ClusterIP Service; a family that it does
// not have is NODATA.
func (a *answerer) clusterIPs(ips []string) {
	q := &a.r.Question[0]
	for _, text := range ips {
		if addr, err := netip.ParseAddr(text); err == nil && isOfType(addr.Unmap(), q.Qtype) {
			a.write(a.oneAddress(addr.Unmap()), resultLocal)
			return
		}
	}
	a.noData()
}

// isOfType reports whether records of the type hold such an address.
func isOfType(addr netip.Addr, qtype uint16) bool { return addr.Is4() == (qtype == dns.TypeA) }

// addressReply is a reply with one address, in one piece of memory. Nothing of
// the question's context hangs on it, as a cache may keep it.
type addressReply struct {
	msg      dns.Msg
	question [1]dns.Question
	answer   [1]dns.RR
	a        dns.A
	aaaa     dns.AAAA
	ip       [16]byte
}

// oneAddress is the reply with the one address that a Service has of each
// family.
func (a *answerer) oneAddress(addr netip.Addr) *dns.Msg {
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

// header is that of an address record of the asked name.
func (a *answerer) header() dns.RR_Header {
	q := &a.r.Question[0]
	return dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: a.f.localTTL}
}

// fillA and fillAAAA fill a record, whose address is kept in ip.

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

// endpoints answers A and AAAA of a headless Service: its ready addresses, each
// once; none of the family is NODATA.
func (a *answerer) endpoints(list []*object.Endpoints) {
	addrs := readyAddresses(list, a.r.Question[0].Qtype)
	if len(addrs) == 0 {
		a.noData()
		return
	}
	reply := a.reply(dns.RcodeSuccess)
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
	a.write(reply, resultLocal)
}

// manyAddresses is from where on doubles are found with a map.
const manyAddresses = 32

// readyAddresses are those of the type, in the order of the index, each once:
// one that moves from one EndpointSlice to another stands in both for a while.
func readyAddresses(list []*object.Endpoints, qtype uint16) []netip.Addr {
	n := 0
	for _, ep := range list {
		for i := range ep.Subsets {
			n += len(ep.Subsets[i].Addresses)
		}
	}
	addrs := make([]netip.Addr, 0, n)
	var seen map[netip.Addr]bool
	if n > manyAddresses {
		seen = make(map[netip.Addr]bool, n)
	}
	for _, ep := range list {
		for i := range ep.Subsets {
			for j := range ep.Subsets[i].Addresses {
				addr, err := netip.ParseAddr(ep.Subsets[i].Addresses[j].IP)
				addr = addr.Unmap()
				if err != nil || !isOfType(addr, qtype) || seen[addr] || seen == nil && slices.Contains(addrs, addr) {
					continue
				}
				addrs = append(addrs, addr)
				if seen != nil {
					seen[addr] = true
				}
			}
		}
	}
	return addrs
}

// delegate asks the kubernetes plugin for the name without the federation's
// label, on a message of our own, and answers under the asked name.
func (a *answerer) delegate(again bool) bool {
	asked := *a.r // shallow: the sections are only read
	asked.Question = []dns.Question{a.r.Question[0]}
	asked.Question[0].Name = a.m.local(a.r.Question[0].Name)
	ctx, external := a.ctx, a.shard.service != nil && a.shard.service.Type == api.ServiceTypeExternalName
	if external { // the kubernetes plugin follows it through the upstream, and that may lead back here
		if reentrances(ctx) >= maxReentrance {
			a.servfail(dns.ExtendedErrorCodeOther, "the Service's external name leads back here")
			return true
		}
		ctx = reentering(ctx)
	}
	nw := nonwriter.New(a.w)
	rcode, err := a.f.delegate.ServeDNS(ctx, nw, &asked)
	if nw.Msg == nil || err != nil || !plugin.ClientWrite(rcode) {
		a.servfail(dns.ExtendedErrorCodeOther, "the kubernetes plugin gave no answer")
		a.err = err
		return true
	}
	if again && nw.Msg.Rcode == dns.RcodeNameError && a.m.shape != shapeEndpoint {
		if a.look(); !a.shard.healthy {
			return false
		}
	}
	reply := nw.Msg
	if a.f.fallsThrough || external {
		// It, or some of its records, may be shared, as of a zone file or a cache.
		reply = reply.Copy()
	}
	reply.Id = a.r.Id
	reply.Question = []dns.Question{a.r.Question[0]} // plugins above may change what they are given
	rename(reply.Answer, asked.Question[0].Name, a.r.Question[0].Name)
	a.write(reply, resultOf(reply, resultLocal))
	return true
}

// local is the question's name without the federation's label.
func (m *match) local(qname string) string { return qname[:m.labelAt] + qname[m.labelEnd:] }

// rename gives records of the delegated name the asked name; all others, such
// as the rest of a CNAME chain, keep theirs.
func rename(rrs []dns.RR, from, to string) {
	for _, rr := range rrs {
		if h := rr.Header(); strings.EqualFold(h.Name, from) {
			h.Name = to
		}
	}
}

// resultOf is the word for a reply that has been made.
func resultOf(m *dns.Msg, positive result) result {
	switch {
	case m.Rcode == dns.RcodeNameError:
		return resultNXDomain
	case m.Rcode != dns.RcodeSuccess:
		return resultServFail
	case len(m.Answer) == 0:
		return resultNoData
	}
	return positive
}
