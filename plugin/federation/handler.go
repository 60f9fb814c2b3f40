package federation

import (
	"context"
	"sync"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
)

// ServeDNS implements plugin.Handler. It stays small, and calls one thing after
// the other rather than one in the other: what it holds on the stack is paid
// for by every query of every plugin below, and what is called from here by a
// new goroutine's stack that has to grow.
func (f *Federation) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if a := f.candidate(r); a != nil {
		if a.isOurs() {
			a.look()
			err := a.expand(ctx, w)
			a.free()
			return dns.RcodeSuccess, err // written by us, whatever the rcode
		}
		a.free()
	}
	return plugin.NextOrFailure(f.Name(), f.Next, ctx, w, r)
}

// candidate begins to answer what matches finds; nil if the question is none
// of ours: then it allocates nothing.
//
//go:noinline
func (f *Federation) candidate(r *dns.Msg) *answerer {
	var m match
	if !f.matches(r, &m) {
		return nil
	}
	a := answerers.Get().(*answerer)
	a.f, a.r, a.m = f, r, m
	return a
}

// answerers are those that have answered: nothing keeps one any longer then.
var answerers = sync.Pool{New: func() any { return new(answerer) }}

func (a *answerer) free() {
	*a = answerer{}
	answerers.Put(a)
}

// answerer answers one question.
type answerer struct {
	f        *Federation
	ctx      context.Context
	w        dns.ResponseWriter
	r        *dns.Msg
	m        match
	unsynced bool
	shard    shard
	result   result
	err      error
}

// isOurs reports whether the candidate is ours after all (Q4). Before the
// kubernetes plugin has synced that is not known, but for names that are no
// Service's, which are left alone then.
//
//go:noinline
func (a *answerer) isOurs() bool {
	empty := a.m.shape == shapeBare || a.m.shape == shapeNamespace
	if !a.f.isSynced() {
		a.unsynced = true
		return !empty
	}
	if empty {
		return a.f.emptyName(&a.m)
	}
	return a.f.expands(&a.m)
}

// expand answers the question, exactly once (Q11).
//
//go:noinline
func (a *answerer) expand(ctx context.Context, w dns.ResponseWriter) error {
	a.ctx, a.w = ctx, w
	switch {
	case a.m.unusual && a.refused():
	case a.unsynced:
		a.servfail(dns.ExtendedErrorCodeNotReady, "the cluster's Services are not known yet")
	case a.m.shape == shapeBare || a.m.shape == shapeNamespace || a.m.unusual && !a.shard.healthy:
		a.noData()
	case !a.shard.healthy:
		a.remote()
	case !a.local(true):
		// The Service has vanished meanwhile: it is decided once more (Q6).
		if a.look(); a.shard.healthy {
			a.local(false)
		} else {
			a.remote()
		}
	}
	a.count()
	return a.err
}

// refused answers what is not asked of a name's records: a name that exists is
// never passed on to the kubernetes plugin, which knows nothing of it and denies
// it, as some caches take that for an answer to all questions for the name (Q3).
// It reports false, with nothing written, for meta types other than those of a
// zone transfer: no name has records of these.
func (a *answerer) refused() bool {
	rcode := dns.RcodeRefused
	switch q := &a.r.Question[0]; {
	case a.r.Opcode != dns.OpcodeQuery:
		rcode = dns.RcodeNotImplemented
	case len(a.r.Question) > 1:
		rcode = dns.RcodeFormatError // RFC 9619
	case q.Qclass == dns.ClassINET && q.Qtype != dns.TypeAXFR && q.Qtype != dns.TypeIXFR:
		return false
	}
	a.refuse(rcode)
	return true
}

// refuse answers with an rcode alone.
func (a *answerer) refuse(rcode int) {
	a.write(new(dns.Msg).SetRcode(a.r, rcode), resultRefused)
}

func (a *answerer) state() request.Request {
	return request.Request{W: a.w, Req: a.r, Zone: a.m.zone}
}

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
	limitTTLs(m.Ns, a.f.ttl)
	a.write(m, resultNoData)
}

// limitTTLs lowers the TTLs of records that are ours to change, and for how long
// a SOA record lets a denial be kept (Q15).
func limitTTLs(rrs []dns.RR, most uint32) {
	for _, rr := range rrs {
		h := rr.Header()
		if h.Rrtype == dns.TypeOPT {
			continue // what stands there is no TTL
		}
		h.Ttl = min(h.Ttl, most)
		if soa, ok := rr.(*dns.SOA); ok {
			soa.Minttl = min(soa.Minttl, most)
		}
	}
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
