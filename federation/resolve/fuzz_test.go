package resolve

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// reach returns the name and all targets of CNAME records that start from it: the only names that an answer may be
// about.
func reach(m *dns.Msg, name string) map[string]bool {
	names := map[string]bool{strings.ToLower(name): true}
	for range m.Answer {
		for _, rr := range m.Answer {
			if c, ok := rr.(*dns.CNAME); ok && names[strings.ToLower(c.Hdr.Name)] {
				names[strings.ToLower(c.Target)] = true
			}
		}
	}
	return names
}

// FuzzReply checks that any reply results in exactly one of an error, a denial and addresses; that the addresses have
// the requested type and belong to the name or a target of its aliases; and that they are not valid for longer than the
// records.
func FuzzReply(f *testing.F) {
	for _, list := range [][]string{
		{"lb.example.net. 30 IN A 192.0.2.2", "lb.example.net. 20 IN AAAA 2001:db8::1"},
		{"lb.example.net. 30 IN CNAME a.example.org.", "a.example.org. 10 IN A 192.0.2.1"},
		{"lb.example.net. 30 IN CNAME lb.example.net."},
		{"lb.example.net. 30 IN CNAME a.example.org.", soa},
		{"example.net. 60 IN NS a.example.net."},
	} {
		for _, rcode := range []int{dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeServerFailure} {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				q := new(dns.Msg).SetQuestion(string(host), qtype)
				q.Id = 1
				b, err := reply(q, rcode, parse(f, list...)).Pack()
				if err != nil {
					f.Fatal(err)
				}
				f.Add(b, qtype == dns.TypeA)
			}
		}
	}
	f.Fuzz(func(t *testing.T, packet []byte, v4 bool) {
		qtype := dns.TypeAAAA
		if v4 {
			qtype = dns.TypeA
		}
		request := new(dns.Msg).SetQuestion(string(host), qtype)
		request.Id = 1
		m, err := replyTo(request, packet)
		if m == nil || err != nil || m.Truncated {
			return
		}
		a, err := read(request.Question[0], m)
		if err != nil {
			if a.Denial != "" || len(a.Addresses) > 0 {
				t.Fatalf("%v, and %+v", err, a)
			}
			return
		}
		if (a.Denial != "") == (len(a.Addresses) > 0) || a.TTL < 0 || len(a.Aliases) > maxAliases {
			t.Fatalf("%+v", a)
		}
		names := reach(m, string(host))
		for _, alias := range a.Aliases {
			if !names[string(alias)] {
				t.Fatalf("%s is no alias in %s", alias, m)
			}
		}
		end := strings.ToLower(string(host))
		if n := len(a.Aliases); n > 0 {
			end = string(a.Aliases[n-1])
		}
		for _, addr := range a.Addresses {
			if !slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
				h := rr.Header()
				var has netip.Addr
				switch rr := rr.(type) {
				case *dns.A:
					has, _ = netip.AddrFromSlice(rr.A.To4())
				case *dns.AAAA:
					has, _ = netip.AddrFromSlice(rr.AAAA)
				}
				ttl := int64(h.Ttl)
				if ttl > maxTTL {
					ttl = 0
				}
				return has == addr && h.Rrtype == qtype && h.Class == dns.ClassINET &&
					strings.ToLower(h.Name) == end && a.TTL <= seconds(uint32(ttl))
			}) {
				t.Fatalf("%s is not what %q has in %s", addr, end, m)
			}
		}
	})
}
