package clouddns

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
)

// The API has names and data in the presentation form of DNS (RFC 1035,
// section 5).

// parseName returns the canonical form of a name; the API wants the trailing
// dot.
func parseName(s string) (string, error) {
	if !dns.IsFqdn(s) {
		return "", fmt.Errorf("%q has no trailing dot", s)
	}
	wire := make([]byte, 256)
	n, err := dns.PackDomainName(s, wire, 0, nil, false)
	if err != nil {
		return "", err
	}
	name, _, err := dns.UnpackDomainName(wire[:n], 0)
	return dns.CanonicalName(name), err
}

// canonical returns the data as answers have it, or says that it is none.
func canonical(name, typ, data string) (string, error) {
	rr, err := record(cloudzone.Set{Name: name, Type: typ}, data)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String()), nil
}

// records returns the records of an RRset. Routing policies are served as
// nothing.
func records(s cloudzone.Set) ([]dns.RR, error) {
	if s.Special != "" {
		return nil, nil
	}
	var out []dns.RR
	for _, data := range s.Data {
		rr, err := record(s, data)
		if err != nil {
			return nil, err
		}
		out = append(out, rr)
	}
	return out, nil
}

func record(s cloudzone.Set, data string) (dns.RR, error) {
	header := dns.RR_Header{Name: s.Name, Rrtype: dns.StringToType[s.Type], Class: dns.ClassINET, Ttl: s.TTL}
	addr, addrErr := netip.ParseAddr(data)
	switch {
	case s.Type == "A" && (addrErr != nil || !addr.Is4()), s.Type == "AAAA" && (addrErr != nil || !addr.Is6()):
		return nil, fmt.Errorf("%q is no address of type %s", data, s.Type)
	case s.Type == "A":
		return &dns.A{Hdr: header, A: addr.AsSlice()}, nil
	case s.Type == "AAAA":
		return &dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}, nil
	case s.Type == "CNAME":
		target, err := parseName(data)
		if err != nil {
			return nil, err
		}
		return &dns.CNAME{Hdr: header, Target: target}, nil
	case strings.ContainsAny(data, "\r\n"):
		return nil, fmt.Errorf("%q has a line break", data)
	}
	// A text without quotation marks is one string for each of its words.
	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", s.Name, s.TTL, s.Type, data))
	if err == nil && rr == nil {
		err = fmt.Errorf("%q is no data of type %s", data, s.Type)
	}
	if err != nil {
		return nil, err
	}
	if s.Type == "TXT" && longest(data) > 255 {
		return nil, fmt.Errorf("%q has a string of more than 255 octets", data)
	}
	return rr, nil
}

// longest is how many octets the longest string of a text has. The DNS library
// would make two of it.
func longest(data string) (most int) {
	inside, count := false, 0
	for i := 0; i < len(data); i++ {
		switch {
		case data[i] == '"', data[i] == ' ' && !inside:
			inside = inside != (data[i] == '"')
			count = 0
			continue
		case data[i] == '\\' && i+3 < len(data) && strings.Trim(data[i+1:i+4], "0123456789") == "":
			i += 3
		case data[i] == '\\':
			i++
		}
		count++
		most = max(most, count)
	}
	return most
}
