package route53

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/cloudzone"
)

// The API escapes octets by three octal digits.

// octets decodes a text of the API.
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

// parseName returns the canonical name for a text of the API. An escaped dot does not end a label.
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
	name, err := cloudzone.CanonicalName(dns.Fqdn(b.String()))
	if err != nil {
		return "", fmt.Errorf("FATAL problem: DomainNameInvalid encountered with '%s'", s)
	}
	return name, nil
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

// record parses a value, and fails if Route 53 would refuse it.
func record(s cloudzone.Set, value string) (dns.RR, error) {
	fatal := func(problem string) error {
		return fmt.Errorf("FATAL problem: %s encountered with '%s'", problem, value)
	}
	switch s.Type {
	case "A":
		if rr, ok := s.Address(value); ok {
			return rr, nil
		}
		return nil, fatal("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)")
	case "AAAA":
		if rr, ok := s.Address(value); ok {
			return rr, nil
		}
		return nil, fatal("AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)")
	case "CNAME":
		target, err := parseName(value)
		if err != nil {
			return nil, err
		}
		return &dns.CNAME{Hdr: s.Header(), Target: target}, nil
	case "TXT":
		text, problem := strs(value)
		if problem != "" {
			return nil, fatal(problem)
		}
		return &dns.TXT{Hdr: s.Header(), Txt: text}, nil
	}
	return dns.NewRR(fmt.Sprintf("%s %d IN %s %s", s.Name, s.TTL, s.Type, value))
}

// strs returns the character strings of a TXT value in the presentation form of DNS, or why Route 53 would refuse it.
func strs(value string) (all []string, problem string) {
	rest := strings.TrimSpace(value)
	for rest != "" {
		if rest[0] != '"' {
			return nil, "InvalidCharacterString (Value should be enclosed in quotation marks)"
		}
		end := 1
		for end < len(rest) && rest[end] != '"' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(rest) {
			return nil, "UnterminatedCharacterString"
		}
		text := octets(rest[1:end])
		if len(text) > 255 {
			return nil, "CharacterStringTooLong (Value is too long)"
		}
		var b strings.Builder
		for _, c := range text {
			fmt.Fprintf(&b, `\%03d`, c)
		}
		all = append(all, b.String())
		rest = strings.TrimSpace(rest[end+1:])
	}
	if len(all) == 0 {
		return nil, "InvalidCharacterString"
	}
	return all, ""
}
