package federation

import (
	"net"
	"strings"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/nonwriter"
	api "k8s.io/api/core/v1"

	"github.com/miekg/dns"
)

// local answers from the healthy local shard what the kubernetes plugin
// answers for the name without the federation's label (Q6). It reports false,
// with nothing written, if again is set and the Service turned out to be gone.
func (a *answerer) local(s shard, again bool) bool {
	q := a.r.Question[0]
	clusterIP := a.m.shape == shapeService && s.service.Type != api.ServiceTypeExternalName && !s.service.Headless()
	if clusterIP && (q.Qtype == dns.TypeA || q.Qtype == dns.TypeAAAA) {
		a.clusterIPs(s.service.ClusterIPs, q)
		return true
	}
	return a.delegate(again)
}

// clusterIPs answers A and AAAA of a ClusterIP Service; a family that it does
// not have is NODATA.
func (a *answerer) clusterIPs(ips []string, q dns.Question) {
	reply := a.reply(dns.RcodeSuccess)
	ttl := a.f.backend.MinTTL(a.state())
	for _, text := range ips {
		ip := net.ParseIP(text)
		if ip == nil || (ip.To4() != nil) != (q.Qtype == dns.TypeA) {
			continue
		}
		hdr := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: ttl}
		if q.Qtype == dns.TypeA {
			reply.Answer = append(reply.Answer, &dns.A{Hdr: hdr, A: ip.To4()})
		} else {
			reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: hdr, AAAA: ip})
		}
	}
	if len(reply.Answer) == 0 {
		a.noData()
		return
	}
	a.write(reply, resultLocal)
}

// delegate asks the kubernetes plugin for the name without the federation's
// label, on a message of our own, and answers under the asked name.
func (a *answerer) delegate(again bool) bool {
	asked := *a.r // shallow: the sections are only read
	asked.Question = []dns.Question{a.r.Question[0]}
	asked.Question[0].Name = a.m.local
	nw := nonwriter.New(a.w)
	rcode, err := a.f.delegate.ServeDNS(a.ctx, nw, &asked)
	if nw.Msg == nil || err != nil || !plugin.ClientWrite(rcode) {
		a.servfail(dns.ExtendedErrorCodeOther, "the kubernetes plugin gave no answer")
		a.err = err
		return true
	}
	if again && nw.Msg.Rcode == dns.RcodeNameError && a.m.shape != shapeEndpoint && !a.f.shard(a.m).healthy {
		return false
	}
	reply := nw.Msg.Copy() // it may be shared, as with a cache or a zone file below
	reply.Id = a.r.Id
	reply.Question = a.r.Question
	rename(reply.Answer, a.m.local, a.r.Question[0].Name)
	a.write(reply, resultOf(reply, resultLocal))
	return true
}

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
func resultOf(m *dns.Msg, positive string) string {
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
