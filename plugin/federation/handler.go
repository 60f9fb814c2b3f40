package federation

import (
	"context"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
)

// The results that are counted (Q13).
const (
	resultLocal    = "local"
	resultCNAME    = "cname"
	resultNoData   = "nodata"
	resultNXDomain = "nxdomain"
	resultServFail = "servfail"
)

// ServeDNS implements plugin.Handler. It stays small: what it holds on the
// stack is paid for by every query of every plugin below.
func (f *Federation) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if m := f.candidate(r); m != nil {
		if handled, err := f.expand(ctx, w, r, m); handled {
			return dns.RcodeSuccess, err // written by us, whatever the rcode
		}
	}
	return plugin.NextOrFailure(f.Name(), f.Next, ctx, w, r)
}

// candidate returns what matches finds, nil if the question is none of ours:
// then it allocates nothing.
//
//go:noinline
func (f *Federation) candidate(r *dns.Msg) *match {
	var m match
	if !f.matches(r, &m) {
		return nil
	}
	found := m
	return &found
}

// expand answers the question if it is ours after all (Q4); otherwise nothing
// was written. Once it is handled it has been answered, exactly once (Q11).
//
//go:noinline
func (f *Federation) expand(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, m *match) (handled bool, err error) {
	a := &answerer{f: f, ctx: ctx, w: w, r: r, m: m}
	if m.shape == shapeBare || m.shape == shapeNamespace {
		if !f.isSynced() || !f.emptyName(m) {
			return false, nil
		}
		a.noData()
	} else {
		if !f.isSynced() {
			a.servfail(dns.ExtendedErrorCodeNotReady, "the cluster's Services are not known yet")
			a.count()
			return true, nil
		}
		if !f.expands(m) {
			return false, nil
		}
		a.answer()
	}
	a.count()
	return true, a.err
}

// emptyName reports whether F.svc.Z or N.F.svc.Z is an empty non-terminal of
// ours rather than a name of the kubernetes plugin's (Q4c).
func (f *Federation) emptyName(m *match) bool {
	if f.namespaceExists(string(m.fed.Name)) {
		return false
	}
	return m.shape == shapeBare || f.namespaceExists(m.namespace)
}

// expands decides on a name that may also be one of an ordinary namespace
// called like the federation (Q4a), or of the Internet, search-expanded (Q4b).
func (f *Federation) expands(m *match) bool {
	if f.namespaceExists(string(m.fed.Name)) {
		if m.shape == shapeEndpoint {
			return len(f.indexes.SvcIndex(m.key)) > 0
		}
		if len(f.indexes.SvcIndex(m.namespace+"."+string(m.fed.Name))) > 0 {
			return false
		}
		return f.namespaceExists(m.namespace)
	}
	return !m.fed.topLevel || f.namespaceExists(m.namespace)
}

// answerer answers one question.
type answerer struct {
	f      *Federation
	ctx    context.Context
	w      dns.ResponseWriter
	r      *dns.Msg
	m      *match
	result string
	err    error
}

func (a *answerer) state() request.Request {
	return request.Request{W: a.w, Req: a.r, Zone: a.m.zone}
}

// answer decides on health once, for all types, and answers by it (Q5-Q7). A
// Service that vanishes meanwhile is decided on once more (Q6).
func (a *answerer) answer() {
	for again := true; ; again = false {
		shard := a.f.shard(a.m)
		if !shard.healthy {
			a.remote(shard)
			return
		}
		if a.local(shard, again) {
			return
		}
	}
}

func (a *answerer) count() {
	requestCount.WithLabelValues(metrics.WithServer(a.ctx), string(a.m.fed.Name), a.result).Inc()
	setResult(a.ctx, string(a.m.fed.Name), a.result)
}
