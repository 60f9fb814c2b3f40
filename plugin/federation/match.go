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

// match is a question that may be ours (Q3).
type match struct {
	fed   *fed
	shape shape
	// unusual questions are not for a name's records: by their opcode, their
	// class, their type, or as there are several in one message.
	unusual bool
	zone    string // the zone as it stands in the question
	// Where the federation's label begins and ends in the question's name, with
	// a dot before it.
	labelAt, labelEnd int
	// The rest is lower case. prefix is "" or ends with a dot; key is "S.N", as
	// the kubernetes plugin's indexes have it.
	prefix    string
	key       string
	namespace string
}

// empty reports whether the name is that of no Service: an empty non-terminal.
func (m *match) empty() bool { return m.shape == shapeBare || m.shape == shapeNamespace }

// matches reports whether the question's name is one of Q3's, without
// allocating for those that are not. The message is not changed.
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
			if fed := f.byLabel(left[dot+1:]); fed != nil {
				return m.split(fed, r, len(left), len(z.name))
			}
			return false
		}
	}
	return false
}

// metaType reports types that ask for something else than a name's records:
// those that RFC 6895, section 3.1 sets apart. ANY is the one that is answered.
func metaType(t uint16) bool {
	return t == dns.TypeNone || t == dns.TypeOPT || t >= 128 && t < dns.TypeANY
}

func (f *Federation) byLabel(label string) *fed {
	for _, fed := range f.feds {
		if equalFold(label, string(fed.Name)) {
			return fed
		}
	}
	return nil
}

// split takes the labels left of the federation's apart. Left is how much of the
// question's name stands before the suffix; it ends with the federation's label.
//
//go:noinline
func (m *match) split(fed *fed, r *dns.Msg, left, zoneLen int) bool {
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
	m.prefix, m.key = rest[:d.lastButOne+1], rest[d.lastButOne+1:]
	m.namespace = rest[d.last+1:]
	m.labelAt, m.labelEnd = dot, left
	return isLabel(rest[d.lastButOne+1:d.last]) && isLabel(m.namespace) && m.prefixed()
}

// prefixed reports whether the prefix is one of the shape: that of an endpoint
// has no underscore, and that of a port begins both its labels with one.
func (m *match) prefixed() bool {
	if m.shape == shapeService {
		return true
	}
	underscores := strings.Count(m.prefix, "_")
	if m.shape == shapeEndpoint {
		return underscores == 0
	}
	return underscores == 2 && m.prefix[0] == '_' && m.prefix[strings.IndexByte(m.prefix, '.')+1] == '_'
}

// dots are those of a name: how many, and where the last two are, or -1.
type dots struct{ count, last, lastButOne int }

// hostname returns s in lower case, and its dots; false if it has an octet that
// no name of Kubernetes has: a wildcard's, an escape, a slash.
func hostname(s string, d *dots) (string, bool) {
	d.last, d.lastButOne = -1, -1
	upper := false
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '.':
			d.count++
			d.last, d.lastButOne = i, d.last
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

// isLabel reports whether what hostname returned is the name of a Service or a
// namespace: a DNS-1123 label. Nobody can have any other, here or elsewhere, so
// that it is not looked up (Q8a).
func isLabel(s string) bool {
	return s != "" && s[0] != '-' && s[len(s)-1] != '-' && strings.IndexByte(s, '_') < 0
}

// hasSuffixFold reports whether s ends with suffix, which is lower case, in
// any ASCII case.
func hasSuffixFold(s, suffix string) bool {
	return len(s) > len(suffix) && equalFold(s[len(s)-len(suffix):], suffix)
}

// equalFold compares with a lower-case string in any ASCII case: names have no
// other (RFC 4343). It goes from the end, where names differ soonest.
func equalFold(s, lowered string) bool {
	if len(s) != len(lowered) {
		return false
	}
	if s == lowered { // as almost always
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

// inZone reports whether the name lies in one of the zones, all lower case.
func inZone(name string, zones []string) bool {
	for _, z := range zones {
		if name == z || strings.HasSuffix(name, "."+z) || z == "." {
			return true
		}
	}
	return false
}

// lower returns s in ASCII lower case, itself if it is.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return dns.CanonicalName(s)[:len(s)]
		}
	}
	return s
}
