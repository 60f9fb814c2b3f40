package federation

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// MaxNameOctets is the longest name in wire form, including length octets and the root label (RFC 1035, section 3.1).
const MaxNameOctets = 255

// MaxLinks is the longest CNAME chain that counts: the plugin follows none that is longer (Q8a), and the order of
// changes knows none (X5b). A chain of the publishing rule has at most three links: topology zone, region, global, and
// a host name outside.
const MaxLinks = 8

// maxLabelOctets is the longest label (RFC 1035, section 2.3.4).
const maxLabelOctets = 63

// FQDN is an absolute domain name in presentation form: lower case, with the trailing dot. The zero value is no name;
// the root is ".". Values come from ParseFQDN, or from joining parsed labels.
type FQDN string

// ParseFQDN returns s as an FQDN: lower-cased, with a trailing dot. It refuses names that are not DNS-1123 subdomains
// (labels of letters, digits and hyphens), except that a label may begin with an underscore (RFC 8552), and names
// longer than MaxNameOctets.
func ParseFQDN(s string) (FQDN, error) {
	trimmed := strings.TrimSuffix(lower(s), ".")
	if trimmed == "" {
		return "", fmt.Errorf("name %q is empty", s)
	}
	for label := range strings.SplitSeq(trimmed, ".") {
		if err := checkLabel(strings.TrimPrefix(label, "_")); err != nil {
			return "", fmt.Errorf("name %q: %w", s, err)
		}
		if len(label) > maxLabelOctets {
			return "", fmt.Errorf("name %q: label %q has %d characters, at most %d are allowed", s, label, len(label),
				maxLabelOctets)
		}
	}
	name := FQDN(trimmed + ".")
	if name.WireOctets() > MaxNameOctets {
		return "", fmt.Errorf("name %q has %d octets in wire form, at most %d are allowed", s, name.WireOctets(),
			MaxNameOctets)
	}
	return name, nil
}

// String returns the name as it is written in a zone file.
func (n FQDN) String() string { return string(n) }

// WireOctets returns the length of the name in wire form. An escape counts as the octet that it stands for. The DNS
// library packs names that are too long without complaint, so every name that we make is measured here (N6).
func (n FQDN) WireOctets() int {
	s := string(n)
	if s == "." || s == "" {
		return 1
	}
	octets := 1 // the first label's length octet; each dot stands for the next
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			if i+2 < len(s) && isDigit(s[i]) && isDigit(s[i+1]) && isDigit(s[i+2]) {
				i += 2
			}
		}
		octets++
	}
	return octets
}

// In reports whether n is suffix or below it. The zero value is in nothing and contains nothing.
func (n FQDN) In(suffix FQDN) bool {
	if n == "" || suffix == "" {
		return false
	}
	if suffix == "." || n == suffix {
		return true
	}
	above, ok := strings.CutSuffix(string(n), "."+string(suffix))
	if !ok {
		return false
	}
	escapes := len(above) - len(strings.TrimRight(above, `\`))
	return escapes%2 == 0 // an escaped dot ends no label
}

// Parent returns the name without its first label: "." for a name of one label, "" for "." and for the zero value.
func (n FQDN) Parent() FQDN {
	if n == "." {
		return ""
	}
	for i := 0; i < len(n); i++ {
		switch {
		case n[i] == '\\': // an escaped dot ends no label
			i++
		case n[i] == '.' && i+1 == len(n):
			return "."
		case n[i] == '.':
			return n[i+1:]
		}
	}
	return ""
}

// Label is one DNS-1123 label: at most 63 lower-case letters, digits and inner hyphens. The zero value is no label.
type Label string

// ParseLabel returns s, lower-cased, as a Label (N4).
func ParseLabel(s string) (Label, error) {
	l := lower(s)
	if err := checkLabel(l); err != nil {
		return "", err
	}
	return Label(l), nil
}

func checkLabel(l string) error {
	if l == "" || len(l) > maxLabelOctets {
		return fmt.Errorf("label %q has %d characters, 1 to %d are allowed", l, len(l), maxLabelOctets)
	}
	for i := 0; i < len(l); i++ {
		c := l[i]
		inner := i > 0 && i < len(l)-1
		if c >= 'a' && c <= 'z' || isDigit(c) || c == '-' && inner {
			continue
		}
		return fmt.Errorf("label %q is not a DNS-1123 label (a-z, 0-9 and inner hyphens)", l)
	}
	return nil
}

// lower lower-cases ASCII letters only, as DNS does (RFC 4343): a letter such as the Kelvin sign must not turn into a
// "k".
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// join returns the name made of the label and the suffix.
func join(label string, suffix FQDN) FQDN { return FQDN(label + "." + string(suffix)) }

// CanonicalName returns a name in presentation form, as servers and libraries return it, lower-cased and with the
// trailing dot. It checks nothing.
func CanonicalName(s string) FQDN { return FQDN(dns.CanonicalName(s)) }

// OwnerName returns the name of the service's records at the level with that domain: S.N.F.svc.<level>.
func (f Federation) OwnerName(svc ServiceName, level FQDN) FQDN {
	return join(svc.Name, join(svc.Namespace, f.Suffix(level)))
}

// ParseOwner parses the owner name of a service's records: the inverse of OwnerName. ok is false unless name has the
// shape of N2 or N3 under this federation; only such names are ever written or deleted (O2).
//
// level is the level's domain: the federation's Domain for global, else one or two labels below it. The two labels of a
// nested topology zone are accepted under Flat too: what was written before a change of the naming has to be found and
// removed (P4).
func (f Federation) ParseOwner(name FQDN) (svc ServiceName, level FQDN, ok bool) {
	service, rest, ok1 := strings.Cut(string(name), ".")
	namespace, suffix, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || checkLabel(service) != nil || checkLabel(namespace) != nil {
		return ServiceName{}, "", false
	}
	level, ok = f.ParseSuffix(FQDN(suffix))
	if !ok {
		return ServiceName{}, "", false
	}
	return ServiceName{Namespace: namespace, Name: service}, level, true
}

// ParseSuffix is the inverse of Suffix: it returns the level's domain in "F.svc.<level>". ok is false if suffix does
// not have that shape under this federation.
func (f Federation) ParseSuffix(suffix FQDN) (level FQDN, ok bool) {
	s, ok := strings.CutPrefix(string(suffix), string(f.Name)+".svc.")
	if !ok {
		return "", false
	}
	level = FQDN(s)
	if level == f.Domain {
		return level, true
	}
	above, ok := strings.CutSuffix(s, "."+string(f.Domain))
	if !ok {
		return "", false
	}
	labels := strings.Split(above, ".")
	if len(labels) > 2 {
		return "", false
	}
	for _, l := range labels {
		if checkLabel(l) != nil {
			return "", false
		}
	}
	return level, true
}
