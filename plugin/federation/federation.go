// Package federation is the CoreDNS plugin that expands federated names: the
// name of a Service with the name of a federation behind it is answered with
// the local shard while that is healthy, and else with a CNAME to the record
// of the closest level, followed in the same answer.
//
// The rules cited as Q3, Q7a and so on are those of docs/rules.md.
package federation

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes"
	"github.com/coredns/coredns/plugin/kubernetes/object"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"

	core "github.com/federation-dns/federation/federation"
)

const pluginName = "federation"

var log = clog.NewWithPlugin(pluginName)

// Federation expands the names of federations. It is made by setup; its
// configuration is not changed afterwards.
type Federation struct {
	Next plugin.Handler

	config config
	zones  []zone
	feds   []*fed
	// No record of an answer has a TTL above ttl (Q15), and those made from the
	// local shard have localTTL.
	ttl, localTTL uint32

	indexes indexes
	k8s     *kubernetes.Kubernetes // of the same server block
	// fallsThrough: its answers may be another plugin's; else it makes the
	// message and the records of each anew, so that they are ours to change.
	fallsThrough bool

	synced  atomic.Bool
	place   atomic.Pointer[core.Topology]
	decided atomic.Bool // the first attempt to learn the topology has ended
	chaser  *chaser
	sources []source // in the order in which they are asked

	stop func()
}

// indexes are those of the kubernetes plugin's that are read: local health
// without an API call or a watch of our own (Q10).
type indexes interface {
	SvcIndex(key string) []*object.Service
	EpIndex(key string) []*object.Endpoints
	GetNamespaceByName(name string) (*object.Namespace, error)
	HasSynced() bool
}

// zone is one of the kubernetes plugin's forward zones.
type zone struct {
	name   string // "cluster.local."
	suffix string // ".svc.cluster.local."
}

// fed is one federation.
type fed struct {
	core.Federation
	topLevel core.TopLevel // "" unless its name is that of a top-level domain, too (Q4b)
	// levels are the suffixes of the records, from the closest level to global;
	// they change with the topology.
	levels   atomic.Pointer[[]string]
	counters atomic.Pointer[counters]
	// noNamespace says that no namespace has the federation's name, for a
	// moment: looking for what is not there costs more than all else in an answer
	// from the indexes.
	noNamespace atomic.Bool
}

// Name implements plugin.Handler.
func (f *Federation) Name() string { return pluginName }

// Ready implements ready.Readiness: the kubernetes plugin has synced, and the
// first attempt to learn the topology has ended (Q9).
func (f *Federation) Ready() bool { return f.isSynced() && f.decided.Load() }

func (f *Federation) isSynced() bool {
	if f.synced.Load() {
		return true
	}
	if f.indexes == nil || !f.indexes.HasSynced() {
		return false
	}
	f.synced.Store(true)
	return true
}

// ServeDNS implements plugin.Handler. This is the whole way of a question: each step is a call of its own, one after the
// other. A new goroutine's stack has to grow with what is called from here, and every plugin below pays for the frame of
// this function.
func (f *Federation) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	a := f.candidate(r)        // Q3
	if a == nil || !a.ours() { // Q4
		a.free()
		return plugin.NextOrFailure(f.Name(), f.Next, ctx, w, r)
	}
	a.ctx, a.w = ctx, w
	a.findShard() // Q5
	var reply *dns.Msg
	switch refusal := a.refusal(); {
	case refusal != dns.RcodeSuccess: // Q3
		reply = a.refuse(refusal)
	case !a.synced: // Q9
		reply = a.servfail(dns.ExtendedErrorCodeNotReady, "the cluster's Services are not known yet")
	case a.m.empty() || a.m.unusual && !a.shard.healthy: // Q4c, Q3
		reply = a.noData()
	case a.shard.healthy:
		reply = a.local() // Q6
	default:
		reply = a.remote() // Q7, Q8
	}
	err := a.write(reply) // Q11
	a.count()             // Q13
	a.free()
	return dns.RcodeSuccess, err // written by us, whatever the rcode
}

// candidate returns an answerer for a question that matches, or nil. It does not allocate when there is no match.
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

// free gives the answerer back; nil is allowed.
func (a *answerer) free() {
	if a != nil {
		*a = answerer{}
		answerers.Put(a)
	}
}

// answerer answers one question. Its methods build replies, and ServeDNS writes one of them.
type answerer struct {
	f      *Federation
	ctx    context.Context
	w      dns.ResponseWriter
	r      *dns.Msg
	m      match
	synced bool // the kubernetes plugin is
	shard  shard
	result result // of the reply built last
	err    error  // to return besides
}

// refusal is the rcode for a question that is not about a name's records, or RcodeSuccess. A name that exists is never
// passed on to the kubernetes plugin, which does not know it and denies it, as some caches take that for an answer to
// all questions for the name (Q3). Meta types other than those of a zone transfer are not refused: no name has records
// of them.
func (a *answerer) refusal() int {
	switch q := &a.r.Question[0]; {
	case !a.m.unusual:
	case a.r.Opcode != dns.OpcodeQuery:
		return dns.RcodeNotImplemented
	case len(a.r.Question) > 1:
		return dns.RcodeFormatError // RFC 9619
	case q.Qclass != dns.ClassINET, q.Qtype == dns.TypeAXFR, q.Qtype == dns.TypeIXFR:
		return dns.RcodeRefused
	}
	return dns.RcodeSuccess
}

// refuse builds a reply that is an rcode alone.
func (a *answerer) refuse(rcode int) *dns.Msg {
	a.result = resultRefused
	return new(dns.Msg).SetRcode(a.r, rcode)
}

func (a *answerer) state() request.Request {
	return request.Request{W: a.w, Req: a.r, Zone: a.m.zone}
}

// newReply returns an empty reply to the question.
func (a *answerer) newReply(rcode int) *dns.Msg {
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

// write sends the reply. One that cannot be packed becomes SERVFAIL, so that no question goes unanswered; an error of the
// network is left alone, so that none is answered twice (Q11).
func (a *answerer) write(m *dns.Msg) error {
	if err := a.w.WriteMsg(m); err == nil {
		return a.err
	}
	if _, err := m.Pack(); err != nil {
		a.err = err
		_ = a.w.WriteMsg(a.servfail(dns.ExtendedErrorCodeOther, "the answer cannot be packed"))
	}
	return a.err
}

// noData builds the reply that the name exists and has no such records, with the cluster zone's SOA.
func (a *answerer) noData() *dns.Msg {
	a.result = resultNoData
	m := a.newReply(dns.RcodeSuccess)
	m.Ns, _ = plugin.SOA(a.ctx, a.f.k8s, a.m.zone, a.state(), plugin.Options{}) // made up: it cannot fail
	limitTTLs(m.Ns, a.f.ttl)
	return m
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

// servfail builds a SERVFAIL, with an extended error if the client knows EDNS (Q14). The text is constant: it names no
// Service and no server.
func (a *answerer) servfail(code uint16, text string) *dns.Msg {
	a.result = resultServFail
	m := new(dns.Msg).SetRcode(a.r, dns.RcodeServerFailure)
	if opt := a.r.IsEdns0(); opt != nil {
		m.SetEdns0(opt.UDPSize(), opt.Do())
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: code, ExtraText: text}}
	}
	return m
}
