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
	case a.unsynced:
		a.servfail(dns.ExtendedErrorCodeNotReady, "the cluster's Services are not known yet")
	case a.m.shape == shapeBare || a.m.shape == shapeNamespace:
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

// emptyName reports whether F.svc.Z or N.F.svc.Z is an empty non-terminal of
// ours rather than a name of the kubernetes plugin's (Q4c).
func (f *Federation) emptyName(m *match) bool {
	if f.collides(m.fed) {
		return false
	}
	return m.shape == shapeBare || f.namespaceExists(m.namespace)
}

// expands decides on a name that may also be one of an ordinary namespace
// called like the federation (Q4a), or of the Internet, search-expanded (Q4b).
func (f *Federation) expands(m *match) bool {
	if f.collides(m.fed) {
		if m.shape == shapeEndpoint {
			return len(f.indexes.SvcIndex(m.key)) > 0
		}
		if len(f.indexes.SvcIndex(m.namespace+"."+string(m.fed.Name))) > 0 {
			return false
		}
		return f.namespaceExists(m.namespace)
	}
	return m.fed.topLevel == "" || f.namespaceExists(m.namespace)
}

func (a *answerer) state() request.Request {
	return request.Request{W: a.w, Req: a.r, Zone: a.m.zone}
}
