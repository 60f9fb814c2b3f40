package clouddns

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
)

// The API has names and data in the presentation form of DNS (RFC 1035, section 5).

// parseName returns the canonical form of a name. The API requires the trailing dot.
func parseName(s string) (string, error) {
	if !dns.IsFqdn(s) {
		return "", fmt.Errorf("%q has no trailing dot", s)
	}
	return cloudzone.CanonicalName(s)
}

// canonical returns the data as answers have it.
func canonical(name, typ, data string) (string, error) {
	rr, err := record(cloudzone.Set{Name: name, Type: typ}, data)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String()), nil
}

// record parses data of an RRset.
func record(s cloudzone.Set, data string) (dns.RR, error) {
	address, isAddress := s.Address(data)
	switch {
	case isAddress:
		return address, nil
	case s.Type == "A", s.Type == "AAAA":
		return nil, fmt.Errorf("%q is not an address for type %s", data, s.Type)
	case s.Type == "CNAME":
		target, err := parseName(data)
		if err != nil {
			return nil, err
		}
		return &dns.CNAME{Hdr: s.Header(), Target: target}, nil
	case strings.ContainsAny(data, "\r\n"):
		return nil, fmt.Errorf("%q has a line break", data)
	}
	// A text without quotation marks is one string for each of its words.
	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", s.Name, s.TTL, s.Type, data))
	if err == nil && rr == nil {
		err = fmt.Errorf("%q is not data of type %s", data, s.Type)
	}
	if err != nil {
		return nil, err
	}
	if s.Type == "TXT" && longest(data) > 255 {
		return nil, fmt.Errorf("%q has a string of more than 255 octets", data)
	}
	return rr, nil
}

// longest is how many octets the longest string of a text has. The DNS library would split it.
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
