package plugincases

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Text is a reply in one line: the rcode, "tc" and "ad" if these bits are set,
// the answers as "OWNER TYPE DATA", "soa ZONE" for the SOA record of a reply
// without data, other records beside the answer with a "+", and "ede CODE" for
// an extended error. Records of one RRset are sorted; TTLs are left out.
func Text(m *dns.Msg) string {
	head := dns.RcodeToString[m.Rcode]
	if m.Truncated {
		head += " tc"
	}
	if m.AuthenticatedData {
		head += " ad"
	}
	parts := []string{head}
	for _, rr := range m.Answer {
		parts = append(parts, record(rr))
	}
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			parts = append(parts, "soa "+strings.ToLower(rr.Header().Name))
		} else {
			parts = append(parts, "+ "+record(rr))
		}
	}
	for _, rr := range m.Extra {
		opt, ok := rr.(*dns.OPT)
		if !ok {
			parts = append(parts, "+ "+record(rr))
			continue
		}
		for _, o := range opt.Option {
			if ede, ok := o.(*dns.EDNS0_EDE); ok {
				parts = append(parts, fmt.Sprintf("ede %d", ede.InfoCode))
			}
		}
	}
	return strings.Join(sortRuns(parts), "; ")
}

func record(rr dns.RR) string {
	h := rr.Header()
	return h.Name + " " + dns.TypeToString[h.Rrtype] + " " + strings.TrimPrefix(rr.String(), h.String())
}

// sortRuns sorts each run of records of one RRset, as their order is nobody's
// to say.
func sortRuns(parts []string) []string {
	rrset := func(part string) string {
		f := strings.Fields(part)
		return strings.Join(f[:min(len(f), 2)], " ")
	}
	for start := 0; start < len(parts); {
		end := start + 1
		for end < len(parts) && rrset(parts[end]) == rrset(parts[start]) {
			end++
		}
		slices.Sort(parts[start:end])
		start = end
	}
	return parts
}

// WellFormed reports what is wrong with any reply to the question, whatever it
// says: an other question, an answer that does not begin with the asked name,
// records that stand there twice, or a CNAME beside other records (Q11).
func WellFormed(q, reply *dns.Msg) error {
	if reply.Id != q.Id || !reply.Response || reply.Opcode != q.Opcode {
		return fmt.Errorf("the header is %v", reply.MsgHdr)
	}
	if len(reply.Question) != 1 || reply.Question[0] != q.Question[0] {
		return fmt.Errorf("the question is %v, want %v", reply.Question, q.Question)
	}
	if len(reply.Answer) > 0 && reply.Answer[0].Header().Name != q.Question[0].Name {
		return fmt.Errorf("the first owner is %q, want %q", reply.Answer[0].Header().Name, q.Question[0].Name)
	}
	seen := map[string]bool{}
	types := map[string]uint16{}
	for _, rr := range reply.Answer {
		if text := record(rr); seen[text] {
			return fmt.Errorf("%q stands there twice", text)
		} else {
			seen[text] = true
		}
		name, typ := strings.ToLower(rr.Header().Name), rr.Header().Rrtype
		if other, ok := types[name]; ok && (typ == dns.TypeCNAME || other == dns.TypeCNAME) {
			return fmt.Errorf("%q has a CNAME and a record more", name)
		}
		types[name] = typ
	}
	if reply.Rcode == dns.RcodeServerFailure && len(reply.Answer) > 0 {
		return fmt.Errorf("SERVFAIL with %d answers", len(reply.Answer))
	}
	return nil
}
