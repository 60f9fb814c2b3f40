package route53

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
)

// The API escapes octets by three octal digits.

// octets returns what the text of the API stands for.
func octets(s string) []byte {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
			continue
		}
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out = append(out, s[i])
	}
	return out
}

func isOctal(s string) bool {
	return strings.Trim(s, "01234567") == "" && s[0] <= '3'
}

// parseName returns the canonical name that the text of the API means. A dot
// that is escaped does not end a label.
func parseName(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			fmt.Fprintf(&b, `\%03d`, octets(s[i : i+4])[0])
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	wire := make([]byte, 256)
	n, err := dns.PackDomainName(dns.Fqdn(b.String()), wire, 0, nil, false)
	if err != nil {
		return "", fmt.Errorf("FATAL problem: DomainNameInvalid encountered with '%s'", s)
	}
	name, _, err := dns.UnpackDomainName(wire[:n], 0)
	return dns.CanonicalName(name), err
}

// printName returns a canonical name as the API has it.
func printName(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '\\' && i+3 < len(name) && name[i+1] >= '0' && name[i+1] <= '9' {
			var v int
			fmt.Sscanf(name[i+1:i+4], "%d", &v)
			fmt.Fprintf(&b, `\%03o`, v)
			i += 3
			continue
		}
		escaped := c == '\\' && i+1 < len(name)
		if escaped {
			i++
			c = name[i]
		}
		plain := c == '-' || c == '_' || c == '.' && !escaped || c >= '0' && c <= '9' || c >= 'a' && c <= 'z'
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	return b.String()
}

// records returns the records of an RRset; it fails on values that Route 53
// would refuse. Aliases and the like are served as nothing.
func records(s cloudzone.Set) ([]dns.RR, error) {
	if s.Special != "" {
		return nil, nil
	}
	var out []dns.RR
	for _, value := range s.Data {
		rr, err := record(s, value)
		if err != nil {
			return nil, err
		}
		out = append(out, rr)
	}
	return out, nil
}

func record(s cloudzone.Set, value string) (dns.RR, error) {
	header := dns.RR_Header{Name: s.Name, Rrtype: dns.StringToType[s.Type], Class: dns.ClassINET, Ttl: s.TTL}
	addr, addrErr := netip.ParseAddr(value)
	switch s.Type {
	case "A":
		if addrErr != nil || !addr.Is4() {
			return nil, fmt.Errorf("FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '%s'", value)
		}
		return &dns.A{Hdr: header, A: addr.AsSlice()}, nil
	case "AAAA":
		if addrErr != nil || !addr.Is6() {
			return nil, fmt.Errorf("FATAL problem: AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address) encountered with '%s'", value)
		}
		return &dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}, nil
	case "CNAME":
		target, err := parseName(value)
		if err != nil {
			return nil, err
		}
		return &dns.CNAME{Hdr: header, Target: target}, nil
	case "TXT":
		text, err := strs(value)
		if err != nil {
			return nil, err
		}
		return &dns.TXT{Hdr: header, Txt: text}, nil
	}
	return dns.NewRR(fmt.Sprintf("%s %d IN %s %s", s.Name, s.TTL, s.Type, value))
}

// strs returns the character strings of a TXT value, in the presentation form
// of DNS.
func strs(value string) ([]string, error) {
	var all []string
	rest := strings.TrimSpace(value)
	for rest != "" {
		if rest[0] != '"' {
			return nil, fmt.Errorf("FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) encountered with '%s'", value)
		}
		end := 1
		for end < len(rest) && rest[end] != '"' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(rest) {
			return nil, fmt.Errorf("FATAL problem: UnterminatedCharacterString encountered with '%s'", value)
		}
		text := octets(rest[1:end])
		if len(text) > 255 {
			return nil, fmt.Errorf("FATAL problem: CharacterStringTooLong (Value is too long) encountered with '%s'", value)
		}
		var b strings.Builder
		for _, c := range text {
			fmt.Fprintf(&b, `\%03d`, c)
		}
		all = append(all, b.String())
		rest = strings.TrimSpace(rest[end+1:])
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("FATAL problem: InvalidCharacterString encountered with '%s'", value)
	}
	return all, nil
}
