package resolve

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
)

// maxAliases is the longest chain of CNAME records that is followed.
const maxAliases = 8

// maxTTL is the largest valid TTL; a larger one counts as 0 (RFC 2181, section 8).
const maxTTL = 1<<31 - 1

// read returns the answer to the question in a reply: the addresses at the end of the chain of CNAME records that
// begins at the name, or that there are none. It ignores records that are not part of the chain.
func read(q dns.Question, m *dns.Msg) (Answer, error) {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return Answer{}, fmt.Errorf("it answered %s", rcodeName(m.Rcode))
	}
	var answer Answer
	name, ttl := dns.CanonicalName(q.Name), uint32(maxTTL)
	visited := []string{name}
	for {
		addrs, least := addressesAt(name, q.Qtype, m.Answer)
		if len(addrs) > 0 {
			if m.Rcode == dns.RcodeNameError {
				return Answer{}, fmt.Errorf("it answered NXDOMAIN with addresses of %q", name)
			}
			answer.Addresses, answer.TTL = addrs, seconds(min(ttl, least))
			return answer, nil
		}
		target, least, err := aliasAt(name, m.Answer)
		switch {
		case err != nil:
			return Answer{}, err
		case target == "":
			return answer.deny(name, ttl, m)
		case slices.Contains(visited, target):
			return Answer{}, fmt.Errorf("the CNAME records loop from %q back to %q", name, target)
		case len(answer.Aliases) == maxAliases:
			return Answer{}, fmt.Errorf("more than %d CNAME records in a chain", maxAliases)
		}
		name, ttl = target, min(ttl, least)
		visited = append(visited, name)
		answer.Aliases = append(answer.Aliases, federation.FQDN(name))
	}
}

func rcodeName(rcode int) string {
	if s, ok := dns.RcodeToString[rcode]; ok {
		return s
	}
	return fmt.Sprintf("rcode %d", rcode)
}

// addressesAt returns the addresses of one type at a name, sorted and unique, and their least TTL.
func addressesAt(name string, qtype uint16, rrs []dns.RR) (addrs []netip.Addr, ttl uint32) {
	ttl = maxTTL
	for _, rr := range rrs {
		if !matches(rr, name, qtype) {
			continue
		}
		var a netip.Addr
		var ok bool
		switch rr := rr.(type) {
		case *dns.A:
			a, ok = netip.AddrFromSlice(rr.A.To4())
		case *dns.AAAA:
			a, ok = netip.AddrFromSlice(rr.AAAA.To16())
		}
		if ok {
			addrs = append(addrs, a)
			ttl = min(ttl, validTTL(rr.Header().Ttl))
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), ttl
}

// aliasAt returns the target of the CNAME record at a name; "" if it has none.
func aliasAt(name string, rrs []dns.RR) (target string, ttl uint32, err error) {
	ttl = maxTTL
	for _, rr := range rrs {
		c, ok := rr.(*dns.CNAME)
		if !ok || !matches(rr, name, dns.TypeCNAME) {
			continue
		}
		alias := dns.CanonicalName(c.Target)
		if target != "" && alias != target {
			return "", 0, fmt.Errorf("%q has two CNAME records, to %q and to %q", name, target, alias)
		}
		target, ttl = alias, min(ttl, validTTL(c.Hdr.Ttl))
	}
	return target, ttl, nil
}

// deny adds why there are no addresses at the end of the chain (RFC 2308, section 2). ttl is that of the chain.
func (a Answer) deny(name string, ttl uint32, m *dns.Msg) (Answer, error) {
	soa := soaAbove(name, m.Ns)
	switch {
	case m.Rcode == dns.RcodeNameError:
		a.Denial = NXDomain
	case soa == nil && slices.ContainsFunc(m.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeNS }):
		return Answer{}, errors.New("it answered with a referral: it is not a recursive server")
	case soa == nil && len(a.Aliases) > 0:
		return Answer{}, fmt.Errorf("the CNAME records end at %q, of which nothing is said", name)
	default:
		a.Denial = NoData
	}
	if soa != nil { // RFC 2308, section 5
		a.TTL = seconds(min(ttl, validTTL(soa.Hdr.Ttl), validTTL(soa.Minttl)))
	}
	return a, nil
}

// soaAbove returns the SOA record of a zone that may hold the name.
func soaAbove(name string, rrs []dns.RR) *dns.SOA {
	for _, rr := range rrs {
		if soa, ok := rr.(*dns.SOA); ok && soa.Hdr.Class == dns.ClassINET && dns.IsSubDomain(soa.Hdr.Name, name) {
			return soa
		}
	}
	return nil
}

func matches(rr dns.RR, name string, rrtype uint16) bool {
	h := rr.Header()
	return h.Rrtype == rrtype && h.Class == dns.ClassINET && dns.CanonicalName(h.Name) == name
}

func validTTL(ttl uint32) uint32 {
	if ttl > maxTTL {
		return 0
	}
	return ttl
}

func seconds(ttl uint32) time.Duration { return time.Duration(ttl) * time.Second }
