package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/chaos/stage"
)

// wire sees the updates that a DNS server has answered: each is a
// compare-and-swap under the claim (O3a), of our own names only (O2), and none of
// a syncer that has been taken over from is made (O3c, O4).
type wire struct {
	zone   stage.Zone
	report *report

	mu     sync.Mutex
	leader int // which syncer has written the main claim last
	taken  bool
}

// see is called for one update after the other.
func (w *wire) see(u stage.Update) {
	names := map[string][]dns.RR{}
	for _, rr := range u.Message.Ns {
		name := strings.ToLower(rr.Header().Name)
		names[name] = append(names[name], rr)
	}
	if len(names) == 0 {
		return // only a question whether the claim holds
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	claim := string(w.zone.ClaimName(w.zone.Domain))
	made := u.Rcode == dns.RcodeSuccess
	if names[claim] != nil && made {
		w.leader, w.taken = u.Syncer, true
	}
	if made && w.taken && u.Syncer != w.leader {
		w.wrong("unfenced", claim, fmt.Sprintf("syncer %d has changed %v after syncer %d had taken over", u.Syncer, keys(names), w.leader))
	}
	if !asserts(u.Message, claim, dns.TypeTXT) {
		w.wrong("unasserted", claim, fmt.Sprintf("an update of %v does not assert the main claim", keys(names)))
	}
	switched := 0
	for name, rrs := range names {
		w.judge(u.Message, name)
		if switches(u.Message, name, rrs) {
			switched++
		}
	}
	if made {
		w.report.updated(len(names), switched)
	}
}

// judge looks at the prerequisites of one name.
func (w *wire) judge(m *dns.Msg, name string) {
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeCNAME}
	_, _, ours := w.zone.ParseOwner(federation.FQDN(name))
	switch {
	case strings.HasPrefix(name, "_claim."), strings.HasPrefix(name, "_levels."):
		types = []uint16{dns.TypeTXT}
	case !ours:
		w.wrong("touched", name, "an update changes a name that is not ours")
	}
	for _, typ := range types {
		if !asserts(m, name, typ) {
			w.wrong("uncompared", name, "an update changes it without a prerequisite for its RRset of type "+dns.TypeToString[typ])
		}
	}
}

func (w *wire) wrong(kind, name, why string) {
	w.report.violation(violation{Kind: kind, Name: name, Service: strings.Split(name, ".")[0], Why: why})
}

// asserts reports whether the message has a prerequisite for the RRset.
func asserts(m *dns.Msg, name string, typ uint16) bool {
	return slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		return strings.EqualFold(rr.Header().Name, name) && rr.Header().Rrtype == typ
	})
}

// switches reports whether the update turns addresses into a CNAME or back.
func switches(m *dns.Msg, name string, rrs []dns.RR) bool {
	had := func(typ uint16) bool {
		return slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
			h := rr.Header()
			return strings.EqualFold(h.Name, name) && h.Rrtype == typ && h.Class == dns.ClassINET
		})
	}
	gets := func(typ uint16) bool {
		return slices.ContainsFunc(rrs, func(rr dns.RR) bool { return rr.Header().Rrtype == typ && rr.Header().Class == dns.ClassINET })
	}
	return gets(dns.TypeCNAME) && (had(dns.TypeA) || had(dns.TypeAAAA)) || had(dns.TypeCNAME) && (gets(dns.TypeA) || gets(dns.TypeAAAA))
}

func keys(names map[string][]dns.RR) (out []string) {
	for name := range names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out[:min(len(out), 3)]
}
