package federation

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	core "github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/plugin/federation/mirror"
)

// staleAfter is how long the upstream may take before the last mirror is served, while that is not fresh (M6).
const staleAfter = 500 * time.Millisecond

// mirrorSource is the source that answers from the mirror that the syncer keeps in this cluster: alone while that is
// fresh (M5), and together with the chaser while it is not (M6).
type mirrorSource struct {
	upstream *chaser
	failures *failures
}

func newMirrorSource(upstream *chaser) *mirrorSource {
	return &mirrorSource{upstream: upstream, failures: newFailures()}
}

// errHost is the error of a chain in memory that goes on upstream, at a load balancer's host name.
var errHost = errors.New("the chain goes on upstream")

// errOnlyMirror is the failure of a federation without a DNS zone (M7).
var errOnlyMirror = &sourceError{dns.ExtendedErrorCodeNoReachableAuthority,
	"the federation has no DNS zone, and its mirror in this cluster does not have the answer"}

// inMirror looks for the question's service in the mirror.
func (m *match) inMirror(place core.Topology) mirror.Found {
	if m.fed.mirror == nil {
		return mirror.Found{}
	}
	name := core.ServiceName{Namespace: m.namespace, Name: m.key[:len(m.key)-len(m.namespace)-1]}
	return m.fed.mirror.Find(time.Now(), m.key, name, place)
}

// denies reports whether a fresh mirror says that the name does not exist. Endpoint names exist nowhere but in the
// cluster of the endpoint, and ports are the mirror's alone.
func denies(found *mirror.Found, m *match) bool {
	return found.Freshness == mirror.Fresh && (found.Service == nil || m.shape != shapeService)
}

// resolve implements source.
func (s *mirrorSource) resolve(ctx context.Context, q *remoteQuestion) (levelAnswer, error) {
	found := q.match.inMirror(q.place)
	var level levelAnswer
	err := errNotKnown
	switch {
	case found.Freshness == mirror.Fresh:
		if level, err = s.answer(ctx, q, &found); err != nil && !errors.Is(err, errNotKnown) {
			err = finalError{err}
		}
	case found.Freshness == mirror.Stale && found.NoProvider:
		level, err = s.last(ctx, q, &found)
	case found.Freshness == mirror.Stale && found.Service != nil:
		level, err = s.stale(ctx, q, &found)
	}
	if found.NoProvider && errors.Is(err, errNotKnown) {
		err = finalError{errOnlyMirror}
	}
	return level, err
}

// noSuchName is the answer that there is no such name in the cluster's zone.
var noSuchName = &chain{rcode: dns.RcodeNameError, inCluster: true}

// answer answers by the mirror's word: the chain, or that there is no such name.
func (s *mirrorSource) answer(ctx context.Context, q *remoteQuestion, found *mirror.Found) (levelAnswer, error) {
	if found.Service == nil || q.match.shape == shapeEndpoint {
		return levelAnswer{origin: fromMirror, chain: noSuchName}, nil
	}
	if found.Service.Upstream {
		return levelAnswer{}, errNotKnown
	}
	w := newMirrorWalk(q, found)
	defer w.free()
	if q.match.shape == shapePort {
		return w.port()
	}
	if found.NoProvider {
		w.owner = q.r.Question[0].Name
	}
	level, err := w.closestLevel(w.followed)
	if errors.Is(err, errHost) {
		level, err = s.upstream.run(ctx, q, func(follow func(name string) (*chain, error)) (levelAnswer, error) {
			w.upstream = follow
			return w.closestLevel(w.followed)
		})
	}
	if err != nil {
		return levelAnswer{}, err
	}
	level.origin = fromMirror
	if w.owner != "" {
		level.name = ""
	}
	return level, nil
}

// last answers by the word of a mirror that is not fresh.
func (s *mirrorSource) last(ctx context.Context, q *remoteQuestion, found *mirror.Found) (levelAnswer, error) {
	level, err := s.answer(ctx, q, found)
	if err == nil {
		level.origin = fromLastMirror
	}
	return level, err
}

// stale answers while the mirror is not fresh, but has the service (M6). If the zone has taken what the mirror says,
// the upstream is asked first; it may have news. If not, the mirror has. A mirror's denial does not count: without it
// there may be an answer.
func (s *mirrorSource) stale(ctx context.Context, q *remoteQuestion, found *mirror.Found) (levelAnswer, error) {
	last := func() (levelAnswer, bool) {
		level, err := s.last(ctx, q, found)
		return level, err == nil && level.rcode == dns.RcodeSuccess
	}
	if !found.Published || q.match.shape == shapePort { // no zone has ports
		if level, ok := last(); ok {
			return level, nil
		}
		return levelAnswer{}, errNotKnown
	}
	key := q.failureKey()
	if s.failures.recent(key, time.Now()) {
		if level, ok := last(); ok {
			return level, nil
		}
	}
	type result struct {
		level levelAnswer
		err   error
	}
	done := make(chan result, 1)
	later := q.detached()
	go func() { // it goes on when the question has been answered, so that the next one finds the upstream's answer
		level, err := s.upstream.resolve(context.WithoutCancel(ctx), later)
		if err == nil {
			s.failures.forget(key)
		}
		done <- result{level, err}
	}()
	timer := time.NewTimer(staleAfter)
	defer timer.Stop()
	var r *result
	select {
	case got := <-done:
		r = &got
	case <-timer.C:
	}
	if r != nil && r.err == nil {
		return r.level, nil
	}
	if level, ok := last(); ok {
		s.failures.add(key, time.Now())
		return level, nil
	}
	if r == nil {
		got := <-done
		r = &got
	}
	return r.level, r.err
}

// failureKey is what a failure of the upstream is remembered for: the name and the type.
func (q *remoteQuestion) failureKey() string {
	return dns.TypeToString[q.r.Question[0].Qtype] + " " + q.match.key + "." + q.levels[0]
}

// detached returns the question in a form that stays valid when it has been answered.
func (q *remoteQuestion) detached() *remoteQuestion {
	m, out := *q.match, *q
	out.match, out.r = &m, q.r.Copy()
	return &out
}

// mirrorWalk follows a service's names in memory.
type mirrorWalk struct {
	remoteQuestion
	service *mirror.Service
	qtype   uint16
	member  string
	// owner is set if the records stand under that name, without the CNAMEs between levels (M7, M9).
	owner string
	// upstream follows a host name of a load balancer; nil: that is errHost. noHosts: the chain ends there.
	upstream func(name string) (*chain, error)
	noHosts  bool

	followed func(name string) (*chain, error) // follow
}

// mirrorWalks are free for reuse.
var mirrorWalks = sync.Pool{New: func() any {
	w := &mirrorWalk{}
	w.followed = w.follow
	return w
}}

// newMirrorWalk returns a walk for the question. The addresses that it leaves out are those that are the member's alone
// by the mirror's word, rather than by the Service's.
func newMirrorWalk(q *remoteQuestion, found *mirror.Found) *mirrorWalk {
	w := mirrorWalks.Get().(*mirrorWalk)
	w.remoteQuestion, w.service, w.qtype, w.member = *q, found.Service, q.r.Question[0].Qtype, found.Member
	w.own = found.Service.Own(found.Member)
	return w
}

func (w *mirrorWalk) free() {
	*w = mirrorWalk{followed: w.followed}
	mirrorWalks.Put(w)
}

// follow returns the chain from a record's name on, or errNotKnown if it leads to a level that the mirror does not
// have.
func (w *mirrorWalk) follow(name string) (*chain, error) {
	c := newMirrorChain()
	suffix := name[len(w.match.key)+1:]
	if w.owner != "" {
		name = w.owner
	}
	for range len(w.service.Levels) {
		lv := w.service.Level(suffix)
		switch {
		case lv == nil:
			return nil, errNotKnown
		case len(lv.Addresses) > 0:
			c.addAddresses(lv, name, w.qtype)
			return &c.chain, nil
		case lv.Host != "":
			return w.toHost(c, lv, name)
		case lv.Up == "":
			c.rcode = dns.RcodeNameError
			return &c.chain, nil
		}
		suffix = lv.Up
		if w.owner == "" {
			up := w.match.key + "." + suffix
			c.addCNAME(name, up, lv.TTL)
			name = up
		}
	}
	return nil, errNotKnown // a circle, which no syncer writes
}

// toHost ends a chain in a load balancer's host name. The level of our own is one with nothing but our own addresses.
func (w *mirrorWalk) toHost(c *mirrorChain, lv *mirror.Level, name string) (*chain, error) {
	switch {
	case w.noHosts:
		return &c.chain, nil
	case w.qtype == dns.TypeCNAME:
		c.addCNAME(name, lv.Host, lv.TTL)
		return &c.chain, nil
	case w.upstream == nil:
		return nil, errHost
	}
	c.addCNAME(name, lv.Host, lv.TTL)
	end, err := w.upstream(lv.Host)
	if err != nil || end.unclear {
		return end, err
	}
	out := *end
	out.shared = false
	out.answer, out.ns = append(c.answer, copies(end.answer)...), copies(end.ns)
	out.own = lv.HostOf != "" && lv.HostOf == w.member
	return &out, nil
}

// port answers for a name of a port (M9): an SRV record with the asked name's rest as its target, and the addresses of
// that.
func (w *mirrorWalk) port() (levelAnswer, error) {
	question := &w.r.Question[0]
	name, protocol, _ := strings.Cut(strings.TrimSuffix(w.match.prefix, "."), ".")
	c := &chain{inCluster: true}
	level := levelAnswer{origin: fromMirror, chain: c}
	port := w.service.Port(name[1:], protocol[1:])
	if port == nil {
		c.rcode = dns.RcodeNameError
		return level, nil
	}
	service := *w.match
	service.prefix = ""
	w.qtype, w.owner, w.noHosts = dns.TypeANY, question.Name[len(w.match.prefix):], true
	w.match = &service
	end, err := w.closestLevel(w.followed)
	if err != nil {
		return levelAnswer{}, err
	}
	c.rcode = end.rcode
	if end.rcode != dns.RcodeSuccess || question.Qtype != dns.TypeSRV && question.Qtype != dns.TypeANY {
		return level, nil
	}
	ttl := uint32(core.ResolvedTTL)
	if len(end.answer) > 0 {
		ttl = end.answer[0].Header().Ttl
	}
	c.answer = []dns.RR{&dns.SRV{
		Hdr:    dns.RR_Header{Name: question.Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: ttl},
		Weight: 100, Port: port.Port, Target: w.owner,
	}}
	c.extra = end.answer
	return level, nil
}
