package federation

import (
	"strings"

	"github.com/miekg/dns"
)

// shape is the form of a name left of the federation's label.
type shape uint8

const (
	shapeNone      shape = iota
	shapeBare            // F.svc.Z
	shapeNamespace       // N.F.svc.Z
	shapeService         // S.N.F.svc.Z
	shapeEndpoint        // endpoint.S.N.F.svc.Z
	shapePort            // _port._proto.S.N.F.svc.Z
)

// match is a question whose name has the form of one of ours (Q3).
type match struct {
	fed   *fedState
	shape shape
	// unusual is set if the question is not for a name's records: by its opcode, class or type, or as one of several.
	unusual bool
	zone    string // as the question spells it
	// The federation's label in the question's name, with the dot before it.
	labelStart, labelEnd int
	// In lower case:
	prefix    string // of an endpoint or a port, with the final dot; or ""
	key       string // "S.N", as in the kubernetes plugin's indexes
	namespace string
}

// empty reports whether the name is shorter than a Service's: an empty non-terminal.
func (m *match) empty() bool { return m.shape == shapeBare || m.shape == shapeNamespace }

// matches reports whether the question's name has a form of Q3, and fills m if so. It does not change the message, and
// does not allocate for a name of another form.
func (f *Federation) matches(r *dns.Msg, m *match) bool {
	if len(r.Question) == 0 {
		return false
	}
	q := &r.Question[0]
	for i := range f.zones {
		z := &f.zones[i]
		if hasSuffixFold(q.Name, z.suffix) {
			left := q.Name[:len(q.Name)-len(z.suffix)]
			dot := strings.LastIndexByte(left, '.')
			if fed := f.fedByLabel(left[dot+1:]); fed != nil {
				return m.split(fed, r, len(left), len(z.name))
			}
			return false
		}
	}
	return false
}

// metaType reports whether the type asks for anything but a name's records (RFC 6895, section 3.1). ANY, which is
// answered, does not count.
func metaType(t uint16) bool {
	return t == dns.TypeNone || t == dns.TypeOPT || t >= 128 && t < dns.TypeANY
}

func (f *Federation) fedByLabel(label string) *fedState {
	for _, fed := range f.feds {
		if equalFold(label, string(fed.Name)) {
			return fed
		}
	}
	return nil
}

// split parses the labels to the left of the federation's. left is the length of the question's name without the suffix
// ".svc.Z"; the federation's label ends there.
func (m *match) split(fed *fedState, r *dns.Msg, left, zoneLen int) bool {
	q := &r.Question[0]
	m.fed = fed
	m.unusual = r.Opcode != dns.OpcodeQuery || len(r.Question) > 1 || q.Qclass != dns.ClassINET || metaType(q.Qtype)
	m.zone = q.Name[len(q.Name)-zoneLen:]
	dot := strings.LastIndexByte(q.Name[:left], '.')
	if dot < 0 {
		m.shape = shapeBare
		return true
	}
	var d dots
	rest, ok := hostname(q.Name[:dot], &d)
	if !ok {
		return false
	}
	switch d.count + 1 {
	case 1:
		m.shape = shapeNamespace
		m.namespace = rest
		return isLabel(rest)
	case 2:
		m.shape = shapeService
	case 3:
		m.shape = shapeEndpoint
	case 4:
		m.shape = shapePort
	default:
		return false
	}
	m.prefix, m.key = rest[:d.secondLast+1], rest[d.secondLast+1:]
	m.namespace = rest[d.last+1:]
	m.labelStart, m.labelEnd = dot, left
	return isLabel(rest[d.secondLast+1:d.last]) && isLabel(m.namespace) && m.validPrefix()
}

// validPrefix reports whether the prefix fits the shape: an endpoint's has no underscore, and a port's has one at the
// start of each label and no other.
func (m *match) validPrefix() bool {
	if m.shape == shapeService {
		return true
	}
	underscores := strings.Count(m.prefix, "_")
	if m.shape == shapeEndpoint {
		return underscores == 0
	}
	return underscores == 2 && m.prefix[0] == '_' && m.prefix[strings.IndexByte(m.prefix, '.')+1] == '_'
}

// dots is the number of dots in a name, and the positions of the last two, or -1.
type dots struct{ count, last, secondLast int }

// hostname returns s in lower case, and fills d. It returns false if s has an octet that no name of Kubernetes has,
// such as an asterisk, a backslash or a slash.
func hostname(s string, d *dots) (string, bool) {
	d.last, d.secondLast = -1, -1
	upper := false
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.':
			d.count++
			d.last, d.secondLast = i, d.last
		case 'A' <= c && c <= 'Z':
			upper = true
		default:
			return "", false
		}
	}
	if upper {
		s = dns.CanonicalName(s)[:len(s)]
	}
	return s, true
}

// isLabel reports whether s, a part of what hostname returned, can be the name of a Service or a namespace: a DNS-1123
// label. No cluster can have any other, so it is not looked up (Q8a).
func isLabel(s string) bool {
	return s != "" && s[0] != '-' && s[len(s)-1] != '-' && strings.IndexByte(s, '_') < 0
}

// hasSuffixFold reports whether s is longer than suffix and ends with it in any ASCII case. suffix is lower case.
func hasSuffixFold(s, suffix string) bool {
	return len(s) > len(suffix) && equalFold(s[len(s)-len(suffix):], suffix)
}

// equalFold reports whether s is lowered in any ASCII case, the only one that names have (RFC 4343). It compares from
// the end, where names differ first.
func equalFold(s, lowered string) bool {
	if len(s) != len(lowered) {
		return false
	}
	if s == lowered { // the usual case
		return true
	}
	for i := len(s) - 1; i >= 0; i-- {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lowered[i] {
			return false
		}
	}
	return true
}

// inZone reports whether the name lies in one of the zones. All are lower case.
func inZone(name string, zones []string) bool {
	for _, z := range zones {
		if name == z || strings.HasSuffix(name, "."+z) || z == "." {
			return true
		}
	}
	return false
}

// lower returns s in ASCII lower case, without a copy if it is already.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return dns.CanonicalName(s)[:len(s)]
		}
	}
	return s
}
