package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// Mirror is the mirror in the member in which the pod runs.
type Mirror struct {
	// Answers is whether the answer is the mirror's.
	Answers bool `json:"answers"`
	// The rest is how it is, as the syncer sees it.
	admin.MirrorStatus
}

// placeMirror is the place of the step of a service that does not exist in a fresh mirror.
const placeMirror = "mirror"

// mirrorOf returns the member's mirror; nil if it has none.
func mirrorOf(m *admin.MemberStatus) *Mirror {
	if m.Mirror == nil {
		return nil
	}
	return &Mirror{MirrorStatus: *m.Mirror}
}

// useMirror has the walk go through what the member's mirror says (M5): the answer of the rule rather than the zone's
// records. Which addresses are only the member's own is the mirror's word, too.
func (w *walk) useMirror(member string) {
	w.mirror = true
	w.records, w.coming = w.service.Records, nil
	if w.service.Mirror != nil {
		w.records = w.service.Mirror.Records
	}
	w.own, w.ownHost = nil, ""
	others := slices.DeleteFunc(slices.Clone(w.service.Shards), func(s admin.ShardStatus) bool {
		return s.Member == member
	})
	for _, s := range w.service.Shards {
		if s.Member != member {
			continue
		}
		for _, a := range s.Addresses {
			if !slices.ContainsFunc(others, func(o admin.ShardStatus) bool { return slices.Contains(o.Addresses, a) }) {
				w.own = append(w.own, a)
			}
		}
		if !slices.ContainsFunc(others, func(o admin.ShardStatus) bool { return o.Host == s.Host }) {
			w.ownHost = s.Host
		}
	}
}

// byMirror predicts what the mirror answers: the chain from memory, or that there is no such name.
func (w *walk) byMirror(x *Explanation, noProvider bool) {
	missing := ""
	port := w.port()
	switch {
	case len(w.records) == 0:
		missing = "the service is not there: no shard has been healthy"
	case strings.HasPrefix(w.name.Prefix, "_") && port == nil:
		missing = "it has no such port: it has those that all shards have alike"
	case w.name.Prefix != "" && port == nil:
		missing = "only a cluster itself has names of endpoints"
	}
	if missing != "" {
		w.add(Step{Place: placeMirror, Outcome: OutcomeNoRecord, Detail: missing})
		x.A, x.AAAA = Answer{From: FromMirror, Rcode: "NXDOMAIN"}, Answer{From: FromMirror, Rcode: "NXDOMAIN"}
		return
	}
	if port != nil { // an SRV record with the Service's name as its target (M9)
		w.name.Prefix, w.ownHost = "", ""
		x.A = Answer{From: FromMirror, Rcode: w.closestLevel(typeAny).Rcode}
		x.AAAA = x.A
		if x.A.Rcode == "NOERROR" {
			x.SRV = port.Port
		}
		return
	}
	for qtype, answer := range map[string]*Answer{federation.TypeA: &x.A, federation.TypeAAAA: &x.AAAA} {
		*answer = w.closestLevel(qtype)
		if noProvider { // the names of the records lead nowhere (M7)
			answer.CNAMEs = slices.DeleteFunc(answer.CNAMEs, func(target string) bool { return target != answer.Host })
		}
	}
}

// port returns the port that the question is for; nil if it is for none, or the mirror does not have it.
func (w *walk) port() *admin.PortStatus {
	name, protocol, ok := strings.Cut(strings.TrimSuffix(w.name.Prefix, "."), "._")
	i := slices.IndexFunc(w.service.Ports, func(p admin.PortStatus) bool {
		return "_"+p.Name == name && p.Protocol == protocol
	})
	if !ok || i < 0 {
		return nil
	}
	return &w.service.Ports[i]
}

// noteMirror says what follows from the mirror's state for those who ask.
func (w *walk) noteMirror(x *Explanation, m *admin.MemberStatus, noProvider bool) {
	switch {
	case x.Mirror == nil && noProvider:
		w.note(fmt.Sprintf("%s has no mirror yet, and there is no DNS zone to ask", m.Name))
	case x.Mirror == nil:
	case x.Mirror.Answers && w.service.Mirror != nil && !noProvider:
		w.note("the DNS zone has something else for now: pods of members without a fresh mirror, and clients " +
			"outside, get that (kubectl federation records)")
	case x.Mirror.Answers:
	case noProvider:
		w.note(fmt.Sprintf("the mirror of %s is not fresh, and there is no DNS zone to ask: its pods get what the "+
			"mirror said last, until heldMax", m.Name))
	default:
		w.note(fmt.Sprintf("the mirror of %s is not fresh: its pods are told by DNS, or, if that does not answer or "+
			"has not taken the last change, by what the mirror said last", m.Name))
	}
	if x.Mirror != nil && x.Mirror.Answers && x.Mirror.Reason == string(federation.ReasonMirrorTooLarge) {
		w.note("what does not fit into the mirror is asked through DNS; whether this service does is not known here")
	}
}
