package federation

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	core "github.com/federation-dns/federation/federation"
)

// remote answers for a shard that is not healthy: a CNAME to the record of the
// closest level that this node has, followed in the same answer (Q7, Q8).
func (a *answerer) remote() *dns.Msg {
	levels := *a.m.fed.levels.Load()
	if a.f.config.noChase || a.r.Question[0].Qtype == dns.TypeCNAME {
		return a.bareCNAME(levels[0])
	}
	return a.followed(levels)
}

// cnameReply is a reply with a CNAME alone, in one piece of memory.
type cnameReply struct {
	msg      dns.Msg
	question [1]dns.Question
	answer   [1]dns.RR
	cname    dns.CNAME
}

// bareCNAME answers the CNAME to the level, and nothing else.
func (a *answerer) bareCNAME(suffix string) *dns.Msg {
	r := &cnameReply{}
	if !a.fillCNAME(&r.cname, suffix) {
		return a.servfail(dns.ExtendedErrorCodeOther, "the name of the record would be too long")
	}
	a.result = resultCNAME
	a.begin(&r.msg, &r.question, dns.RcodeSuccess)
	r.answer[0] = &r.cname
	r.msg.Answer = r.answer[:]
	return &r.msg
}

// followed answers the CNAME and what it leads to.
//
//go:noinline
func (a *answerer) followed(levels []string) *dns.Msg {
	qtype := a.r.Question[0].Qtype
	chosen, failure := a.chooseLevel(levels, ownAddresses(a.shard, qtype))
	if failure != nil {
		return a.servfail(failure.code, failure.text)
	}
	m := a.newReply(chosen.found.rcode)
	answer, ns := chosen.found.answer, chosen.found.ns
	if chosen.found.kept { // for others too: plugins above may change what they are given (Q11)
		answer, ns = copies(answer), copies(ns)
	}
	m.Answer = append([]dns.RR{chosen.cname}, answer...)
	m.Ns = ns
	limitTTLs(m.Answer, a.f.ttl)
	limitTTLs(m.Ns, a.f.ttl)
	m.Truncated = chosen.found.truncated
	m.RecursionAvailable = chosen.found.recursion
	switch {
	case m.Rcode == dns.RcodeNameError:
		a.result = resultNXDomain
	case !chosen.found.hasData(qtype):
		a.result = resultNoData
	default:
		a.result = resultCNAME
	}
	return m
}

// fillCNAME fills the record that leads to the level; false if its target would
// be longer than a name can be (N6).
func (a *answerer) fillCNAME(cname *dns.CNAME, suffix string) bool {
	cname.Target = a.m.prefix + a.m.key + "." + suffix
	if core.FQDN(cname.Target).WireOctets() > core.MaxNameOctets {
		return false
	}
	cname.Hdr = dns.RR_Header{Name: a.r.Question[0].Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: a.f.ttl}
	return true
}

// level is the answer by way of one level.
type level struct {
	cname *dns.CNAME
	found *found
}

// chooseLevel follows the levels up: the first one whose own name exists
// counts, else the first one asked (Q7b). One about which nothing is learned is
// passed over, too, but then there is no answer by default (Q8b). Addresses of our own Service, which
// is not healthy, are left out; a level that has none but those leads to the
// next, and if global has none but those either, the first level's answer
// stands as it was received (Q8d).
func (a *answerer) chooseLevel(levels []string, own []netip.Addr) (level, *failure) {
	chase := a.f.chaser.begin(a.ctx, a.w, a.r)
	defer chase.end()
	var first, owned *level
	unclear := false
	for _, suffix := range levels {
		cname := &dns.CNAME{}
		if !a.fillCNAME(cname, suffix) {
			return level{}, &failure{dns.ExtendedErrorCodeOther, "the name of the record would be too long"}
		}
		found, failure := chase.follow(cname.Target)
		if failure != nil {
			return level{}, failure
		}
		if found.unclear {
			unclear = true
			continue
		}
		at := &level{cname: cname, found: found}
		if first == nil {
			first = at
		}
		if owned == nil && found.rcode == dns.RcodeNameError && len(found.answer) == 0 {
			continue // the level's own name does not exist
		}
		kept, dropped := found.without(own)
		switch {
		case !dropped:
			return *at, nil
		case kept.hasAddresses():
			return level{cname: cname, found: kept}, nil
		case owned == nil:
			owned = at
		}
	}
	switch {
	case unclear:
		return level{}, &failure{dns.ExtendedErrorCodeInvalidData, "the servers of the federation's records neither answer nor deny"}
	case owned != nil:
		return *owned, nil
	}
	return *first, nil
}

// ownAddresses are the addresses of the local Service's load balancer (Q8d).
// Host names stand among them in the index; and addresses in any form that an
// API server takes, such as 2001:DB8:0::1.
func ownAddresses(s shard, qtype uint16) []netip.Addr {
	if s.service == nil || qtype != dns.TypeA && qtype != dns.TypeAAAA && qtype != dns.TypeANY {
		return nil
	}
	var own []netip.Addr
	for _, text := range s.service.ExternalIPs {
		if addr, err := netip.ParseAddr(text); err == nil {
			own = append(own, addr.Unmap())
		}
	}
	return own
}

// found is where a chase ended. Its records are copies of our own.
type found struct {
	rcode     int
	answer    []dns.RR
	ns        []dns.RR
	truncated bool
	recursion bool
	kept      bool // as a negative answer, for other questions too
	unclear   bool // the servers have neither answered nor denied
}

func copies(rrs []dns.RR) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
	}
	return out
}

// without returns the answer without the addresses, and whether any was there.
func (f *found) without(addrs []netip.Addr) (*found, bool) {
	if len(addrs) == 0 {
		return f, false
	}
	kept := *f
	kept.answer = slices.DeleteFunc(slices.Clone(f.answer), func(rr dns.RR) bool {
		return slices.Contains(addrs, addressOf(rr))
	})
	return &kept, len(kept.answer) < len(f.answer)
}

func (f *found) hasAddresses() bool {
	return slices.ContainsFunc(f.answer, func(rr dns.RR) bool { return addressOf(rr).IsValid() })
}

// hasData reports whether the answer has more than the way to it.
func (f *found) hasData(qtype uint16) bool {
	return slices.ContainsFunc(f.answer, func(rr dns.RR) bool {
		t := rr.Header().Rrtype
		return t == qtype || qtype == dns.TypeANY && t != dns.TypeCNAME
	})
}

// addressOf is the address of an A or AAAA record, else the zero Addr.
func addressOf(rr dns.RR) netip.Addr {
	var addr netip.Addr
	switch rr := rr.(type) {
	case *dns.A:
		addr, _ = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		addr, _ = netip.AddrFromSlice(rr.AAAA)
	}
	return addr.Unmap()
}
