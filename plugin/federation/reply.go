package federation

import (
	"github.com/coredns/coredns/plugin"

	"github.com/miekg/dns"
)

// reply begins a reply to the question.
func (a *answerer) reply(rcode int) *dns.Msg {
	r := &struct {
		msg      dns.Msg
		question [1]dns.Question
	}{}
	a.begin(&r.msg, &r.question, rcode)
	return &r.msg
}

// begin makes m, which must be empty, a reply to the question, which is copied.
func (a *answerer) begin(m *dns.Msg, question *[1]dns.Question, rcode int) {
	m.MsgHdr = dns.MsgHdr{
		Id: a.r.Id, Response: true, Opcode: a.r.Opcode, Authoritative: true, Rcode: rcode,
		RecursionDesired: a.r.RecursionDesired, CheckingDisabled: a.r.CheckingDisabled,
	}
	question[0] = a.r.Question[0]
	m.Question = question[:]
}

// write sends a reply. One that cannot be packed becomes SERVFAIL, so that no
// question goes unanswered; an error of the network is left alone, so that
// none is answered twice (Q11).
func (a *answerer) write(m *dns.Msg, result result) {
	a.result = result
	if err := a.w.WriteMsg(m); err == nil {
		return
	}
	if _, err := m.Pack(); err != nil {
		a.err = err
		a.servfail(dns.ExtendedErrorCodeOther, "the answer cannot be packed")
	}
}

// noData answers that the name exists and has no such records, with the
// cluster zone's SOA.
func (a *answerer) noData() {
	m := a.reply(dns.RcodeSuccess)
	m.Ns, _ = plugin.SOA(a.ctx, a.f.backend, a.m.zone, a.state(), plugin.Options{}) // makes it up, and does not fail
	a.write(m, resultNoData)
}

// servfail answers SERVFAIL with an extended error, if the client knows
// EDNS (Q14). Text is constant: it names no Service and no server.
func (a *answerer) servfail(code uint16, text string) {
	m := new(dns.Msg)
	m.SetRcode(a.r, dns.RcodeServerFailure)
	if opt := a.r.IsEdns0(); opt != nil {
		m.SetEdns0(opt.UDPSize(), opt.Do())
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: code, ExtraText: text}}
	}
	a.result = resultServFail
	_ = a.w.WriteMsg(m) // there is nothing left to say
}
