package provider

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
)

// Types are the types of RRsets that providers handle, sorted.
var Types = []string{federation.TypeA, federation.TypeAAAA, federation.TypeCNAME, federation.TypeTXT}

// ParseRRs returns the RRset as resource records of the DNS library, one for each element of Data, in order.
func ParseRRs(set federation.RRset) ([]dns.RR, error) {
	rrs := make([]dns.RR, 0, len(set.Data))
	for _, d := range set.Data {
		rr, err := parseRR(set, d)
		if err != nil {
			return nil, err
		}
		rrs = append(rrs, rr)
	}
	return rrs, nil
}

func parseRR(set federation.RRset, data string) (dns.RR, error) {
	hdr := dns.RR_Header{Name: string(set.Name), Rrtype: dns.StringToType[set.Type], Class: dns.ClassINET, Ttl: set.TTL}
	switch set.Type {
	case federation.TypeA:
		if a, err := netip.ParseAddr(data); err == nil && a.Is4() {
			return &dns.A{Hdr: hdr, A: a.AsSlice()}, nil
		}
	case federation.TypeAAAA:
		if a, err := netip.ParseAddr(data); err == nil && a.Is6() && a.Zone() == "" && !a.Is4In6() {
			return &dns.AAAA{Hdr: hdr, AAAA: a.AsSlice()}, nil
		}
	case federation.TypeCNAME:
		if isName(data) {
			return &dns.CNAME{Hdr: hdr, Target: data}, nil
		}
	case federation.TypeTXT:
		// A line break would end the record and begin another one.
		if strings.HasPrefix(data, `"`) && !strings.ContainsAny(data, "\r\n") {
			rr, err := dns.NewRR(fmt.Sprintf("%s %d IN TXT %s", set.Name, set.TTL, data))
			if err == nil && rr != nil {
				return rr, nil
			}
		}
	}
	return nil, fmt.Errorf("RRset %q %s: %q is not valid data", set.Name, set.Type, data)
}

// ParseName returns a name in presentation form, with or without the trailing dot, in canonical form: lower case, and
// escaped as a server on the wire would have it.
func ParseName(s string) (federation.FQDN, error) {
	name, err := roundTrip(dns.Fqdn(s))
	if err != nil {
		return "", fmt.Errorf("name %q: %w", s, err)
	}
	return federation.CanonicalName(name), nil
}

// isName reports whether s is a name with the trailing dot as it comes from the wire: what needs an escape has it.
func isName(s string) bool {
	back, err := roundTrip(s)
	return err == nil && back == s
}

// roundTrip packs and unpacks a name.
func roundTrip(s string) (string, error) {
	wire := make([]byte, 2*federation.MaxNameOctets)
	n, err := dns.PackDomainName(s, wire, 0, nil, false)
	if err != nil {
		return "", err
	}
	back, _, err := dns.UnpackDomainName(wire[:n], 0)
	return back, err
}

// RRsets gathers the records of our types into RRsets in canonical form, sorted by name and type; records of other
// types and classes are left out. If the TTLs in an RRset differ the lowest counts (RFC 2181, section 5.2).
func RRsets(rrs []dns.RR) []federation.RRset {
	type key struct {
		name federation.FQDN
		typ  string
	}
	sets := map[key]federation.RRset{}
	for _, rr := range rrs {
		data, ok := rrData(rr)
		if !ok || rr.Header().Class != dns.ClassINET {
			continue
		}
		h := rr.Header()
		k := key{federation.CanonicalName(h.Name), dns.TypeToString[h.Rrtype]}
		set, seen := sets[k]
		if !seen {
			set = federation.RRset{Name: k.name, Type: k.typ, TTL: h.Ttl}
		}
		set.TTL = min(set.TTL, h.Ttl)
		set.Data = append(set.Data, data)
		sets[k] = set
	}
	out := make([]federation.RRset, 0, len(sets))
	for _, set := range sets {
		SortData(set.Type, set.Data)
		set.Data = slices.Compact(set.Data)
		out = append(out, set)
	}
	slices.SortFunc(out, federation.CompareRRsets)
	return out
}

func rrData(rr dns.RR) (data string, ok bool) {
	switch rr := rr.(type) {
	case *dns.A:
		a, ok := netip.AddrFromSlice(rr.A.To4())
		return a.String(), ok
	case *dns.AAAA:
		a, ok := netip.AddrFromSlice(rr.AAAA.To16())
		return a.String(), ok
	case *dns.CNAME:
		return dns.CanonicalName(rr.Target), true
	case *dns.TXT:
		return strings.TrimPrefix(rr.String(), rr.Hdr.String()), true
	}
	return "", false
}

// SortData sorts the data of an RRset in place as federation.RRset has it: addresses by value, all else as text.
func SortData(typ string, data []string) {
	if typ != federation.TypeA && typ != federation.TypeAAAA {
		slices.Sort(data)
		return
	}
	slices.SortFunc(data, func(a, b string) int {
		x, errX := netip.ParseAddr(a)
		y, errY := netip.ParseAddr(b)
		if errX != nil || errY != nil {
			return cmp.Compare(a, b)
		}
		return x.Compare(y)
	})
}
