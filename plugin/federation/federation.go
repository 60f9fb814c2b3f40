// Package federation is the CoreDNS plugin that expands federated names. The name of a Service followed by the name of
// a federation is answered with the local shard while that is healthy, and otherwise with a CNAME to the record of the
// closest level, followed in the same answer.
//
// A question goes through ServeDNS from top to bottom: match.go and collision.go decide whether it is ours, local.go
// and remote.go build the reply. mirror.go follows records in what the syncer has left in this cluster, and chase.go
// follows them through the upstream. Off the query path, topology.go learns where the node is, and package mirror
// reads.
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
	"github.com/federation-dns/federation/plugin/federation/mirror"
)

const pluginName = "federation"

var log = clog.NewWithPlugin(pluginName)

// Federation expands the names of federations. Setup makes it, and its configuration does not change after that.
type Federation struct {
	Next plugin.Handler

	config config
	zones  []zone
	feds   []*fedState
	// No record of an answer has a TTL above ttl (Q15); those made from the local shard have localTTL.
	ttl, localTTL uint32

	k8s     *kubernetes.Kubernetes // of the same server block
	indexes indexes                // of k8s
	// fallsThrough is set if k8s may pass a question on. If not, it makes the message and the records of each answer
	// anew, and they are ours to change.
	fallsThrough bool
	synced       atomic.Bool // k8s has

	topology      atomic.Pointer[core.Topology] // of this node
	topologyTried atomic.Bool                   // the first attempt to learn it has ended

	chaser  *chaser
	sources []source // in the order in which they are asked

	stop func()
}

// indexes are the indexes of the kubernetes plugin that are read: local health costs no API call and no watch of our
// own (Q10).
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

// fedState is a federation of the Corefile, with what changes while it is served.
type fedState struct {
	core.Federation
	topLevel    core.TopLevel  // "" unless its name is also that of a top-level domain (Q4b)
	mirror      *mirror.Mirror // nil: none is read
	levels      atomic.Pointer[levels]
	counters    atomic.Pointer[counters]
	noNamespace atomic.Bool // no namespace has the federation's name (collides)
}

// levels are the suffixes of the records, from the closest level to global, with the topology that they follow from.
type levels struct {
	suffixes []string
	of       core.Topology
}

// Name implements plugin.Handler.
func (f *Federation) Name() string { return pluginName }

// Ready implements ready.Readiness: the kubernetes plugin has synced, and the first attempt to learn the topology has
// ended (Q9).
func (f *Federation) Ready() bool { return f.isSynced() && f.topologyTried.Load() }

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

// ServeDNS implements plugin.Handler. It is the whole way of a question: one step after the other, and none inside
// another. Every plugin below pays for the frame of this function, and a new goroutine's stack has to grow if the calls
// from here go too deep.
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
func (f *Federation) candidate(r *dns.Msg) *answerer {
	var m match
	if !f.matches(r, &m) {
		return nil
	}
	a := answerers.Get().(*answerer)
	a.f, a.r, a.m = f, r, m
	return a
}

// answerers are free for reuse: nothing refers to an answerer once ServeDNS has returned. Without the pool a question
// costs one more allocation, and a hit 592 bytes instead of 368.
var answerers = sync.Pool{New: func() any { return new(answerer) }}

// free returns the answerer to the pool. It may be nil.
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
	synced bool // the kubernetes plugin has
	shard  shard
	result result // of the reply that was built last
	// question is of sources, and valid while they are asked.
	question remoteQuestion
	err      error // to return from ServeDNS, though a reply is written
}

// refusal is the rcode for a question that does not ask for a name's records, or else RcodeSuccess. Such a question is
// not passed on: the kubernetes plugin would deny a name that exists, and some caches take that for an answer to all
// questions for the name (Q3). Meta types other than those of a zone transfer are not refused: they are NODATA.
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

// begin makes m, which must be empty, a reply to the question. It copies the question.
func (a *answerer) begin(m *dns.Msg, question *[1]dns.Question, rcode int) {
	m.MsgHdr = dns.MsgHdr{
		Id: a.r.Id, Response: true, Opcode: a.r.Opcode, Authoritative: true, Rcode: rcode,
		RecursionDesired: a.r.RecursionDesired, CheckingDisabled: a.r.CheckingDisabled,
	}
	question[0] = a.r.Question[0]
	m.Question = question[:]
}

// write sends the reply. One that cannot be packed becomes SERVFAIL, so that no question goes unanswered; an error of
// the network is left alone, so that none is answered twice (Q11).
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
	m.Ns = a.soa()
	return m
}

// soa is the authority section of a denial: the cluster zone's SOA.
func (a *answerer) soa() []dns.RR {
	soa, _ := plugin.SOA(a.ctx, a.f.k8s, a.m.zone, a.state(), plugin.Options{}) // made up: it cannot fail
	limitTTLs(soa, a.f.ttl)
	return soa
}

// limitTTLs lowers the TTLs of the records to limit, and the time for which a SOA record allows a denial to be cached
// (Q15). It changes the records.
func limitTTLs(rrs []dns.RR, limit uint32) {
	for _, rr := range rrs {
		h := rr.Header()
		if h.Rrtype == dns.TypeOPT {
			continue // its TTL field holds flags
		}
		h.Ttl = min(h.Ttl, limit)
		if soa, ok := rr.(*dns.SOA); ok {
			soa.Minttl = min(soa.Minttl, limit)
		}
	}
}

// servfail builds a SERVFAIL, with an extended error if the client knows EDNS (Q14). The text is constant: it names no
// Service and no server.
func (a *answerer) servfail(code uint16, text string) *dns.Msg {
	a.result = resultServFail
	m := new(dns.Msg).SetRcode(a.r, dns.RcodeServerFailure)
	a.explain(m, code, text)
	return m
}

// explain adds an extended error to a reply, if the client knows EDNS.
func (a *answerer) explain(m *dns.Msg, code uint16, text string) {
	if opt := a.r.IsEdns0(); opt != nil {
		m.SetEdns0(opt.UDPSize(), opt.Do())
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: code, ExtraText: text}}
	}
}
