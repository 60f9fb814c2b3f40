package federation

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	core "github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/plugin/federation/mirror"
)

// remote answers for a shard that is not healthy: a CNAME to the record of the closest level that this node has,
// followed in the same answer (Q7, Q8).
func (a *answerer) remote() *dns.Msg {
	levels := a.m.fed.levels.Load()
	if a.f.config.noChase || a.r.Question[0].Qtype == dns.TypeCNAME {
		// Without a zone, nobody else could resolve the CNAME (M7).
		if found := a.m.inMirror(levels.of); !found.NoProvider && !denies(&found, &a.m) {
			return a.bareCNAME(levels.suffixes[0])
		}
	}
	return a.followed(levels)
}

// cnameReply is a reply with a CNAME alone, in one piece of memory.
type cnameReply struct {
	msg      dns.Msg
	question [1]dns.Question
	answer   [1]dns.RR
	cname    dns.CNAME
}

// bareCNAME builds a reply that is the CNAME to the level, and nothing else.
func (a *answerer) bareCNAME(suffix string) *dns.Msg {
	name, err := a.m.recordName(suffix)
	if err != nil {
		return a.failed(err)
	}
	a.result = resultCNAME
	r := &cnameReply{}
	a.begin(&r.msg, &r.question, dns.RcodeSuccess)
	a.fillCNAME(&r.cname, name)
	r.answer[0] = &r.cname
	r.msg.Answer = r.answer[:]
	return &r.msg
}

func (a *answerer) fillCNAME(cname *dns.CNAME, target string) {
	cname.Hdr = dns.RR_Header{Name: a.r.Question[0].Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: a.f.ttl}
	cname.Target = target
}

// followed builds a reply with the CNAME and the chain that follows from it.
func (a *answerer) followed(levels *levels) *dns.Msg {
	qtype := a.r.Question[0].Qtype
	a.question = remoteQuestion{
		w: a.w, r: a.r, match: &a.m, levels: levels.suffixes, place: levels.of, own: ownAddresses(a.shard, qtype),
	}
	level, err := a.f.askSources(a.ctx, &a.question)
	if err != nil {
		return a.failed(err)
	}
	m := a.newReply(level.rcode)
	m.Answer, m.Ns, m.Extra = level.answer, level.ns, level.extra
	if level.name != "" {
		m.Answer = level.behind()
		cname := &dns.CNAME{}
		a.fillCNAME(cname, level.name)
		m.Answer[0] = cname
	}
	data := level.hasData(qtype)
	if level.inCluster && !data {
		m.Ns = a.soa()
	}
	limitTTLs(m.Answer, a.f.ttl)
	limitTTLs(m.Ns, a.f.ttl)
	limitTTLs(m.Extra, a.f.ttl)
	m.Truncated = level.truncated
	m.RecursionAvailable = level.recursion
	switch {
	case level.origin == fromLastMirror:
		a.result = resultStale
		code := dns.ExtendedErrorCodeStaleAnswer
		if m.Rcode == dns.RcodeNameError {
			code = dns.ExtendedErrorCodeStaleNXDOMAINAnswer
		}
		a.explain(m, code, "the federation's records could not be read anew")
	case m.Rcode == dns.RcodeNameError:
		a.result = resultNXDomain
	case !data:
		a.result = resultNoData
	case level.origin == fromMirror:
		a.result = resultMirror
	default:
		a.result = resultCNAME
	}
	return m
}

// failed builds the SERVFAIL for an error of a source.
func (a *answerer) failed(err error) *dns.Msg {
	failure := &sourceError{code: dns.ExtendedErrorCodeOther, text: "the federation's records are not available"}
	errors.As(err, &failure)
	return a.servfail(failure.code, failure.text)
}

// source resolves questions for services without a healthy shard here. The plugin asks its sources in turn, until one
// has an answer.
type source interface {
	// resolve answers q by way of the closest level that exists (closestLevel). A denial is an answer: NXDOMAIN, or
	// NOERROR without data.
	//
	// It returns errNotKnown if it does not know what all of q's levels say: no answer is made of two sources. Any
	// other error is a failure of a source that should have known, usually a *sourceError. If no source has an answer,
	// the first failure becomes SERVFAIL; so does a finalError at once.
	//
	// The records of the answer belong to the caller. q is valid until resolve returns; only its writer may still be
	// asked for addresses after that, by a lookup that goes on. resolve is called concurrently, and returns when ctx
	// ends.
	resolve(ctx context.Context, q *remoteQuestion) (levelAnswer, error)
}

// errNotKnown is the error of a source that leaves a question to the next one.
var errNotKnown = errors.New("nothing known")

// sourceError is the failure of a source that should have had the answer: it becomes SERVFAIL with an extended error
// (RFC 8914). The text is constant (Q14).
type sourceError struct {
	code uint16
	text string
}

func (e *sourceError) Error() string { return e.text }

// finalError is a failure after which no other source is asked: none can know better.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// askSources returns the first answer that a source has, or the first failure of one, or errNotKnown.
func (f *Federation) askSources(ctx context.Context, q *remoteQuestion) (levelAnswer, error) {
	first := errNotKnown
	for _, s := range f.sources {
		level, err := s.resolve(ctx, q)
		if err == nil {
			return level, nil
		}
		if errors.Is(first, errNotKnown) {
			first = err
		}
		if errors.As(err, &finalError{}) {
			return levelAnswer{}, err
		}
	}
	return levelAnswer{}, first
}

// remoteQuestion is a question for a service whose local shard is not healthy.
type remoteQuestion struct {
	w      dns.ResponseWriter // the client
	r      *dns.Msg
	match  *match
	levels []string      // the suffixes of the records, from the closest level to global
	place  core.Topology // that they are of
	own    []netip.Addr  // of the local Service, which is not healthy (Q8d)
}

// recordName is the name of the record at the level with the suffix. One longer than a name can be is an error (N6).
func (m *match) recordName(suffix string) (string, error) {
	name := m.prefix + m.key + "." + suffix
	if core.FQDN(name).WireOctets() > core.MaxNameOctets {
		return "", &sourceError{dns.ExtendedErrorCodeOther, "the name of the record would be too long"}
	}
	return name, nil
}

// levelAnswer is the answer by way of a level: a CNAME to its record, and the chain from there.
type levelAnswer struct {
	name   string // of the level's record; "": the chain stands under the asked name, without a CNAME
	origin origin
	*chain
}

// origin says where an answer is from.
type origin uint8

const (
	fromUpstream origin = iota
	fromMirror
	fromLastMirror // the mirror was not fresh
)

// chain is what follows from a name: its CNAMEs, what they end in, and the rcode of the last name.
type chain struct {
	rcode     int
	answer    []dns.RR
	lead      []dns.RR // if not nil: answer, with room for one record before it
	ns        []dns.RR
	extra     []dns.RR
	truncated bool
	recursion bool
	shared    bool // the records have other readers
	unclear   bool // the last name is neither answered nor denied
	own       bool // it leads to nothing but our own Service
	inCluster bool // a denial is the cluster zone's
}

// mirrorChain is a chain with memory for the usual one, a few links and a few IPv4 addresses, in one piece.
type mirrorChain struct {
	chain
	rrs     [5]dns.RR
	cnames  [2]dns.CNAME
	a       [2]dns.A
	ip      [2][4]byte
	linked  int // of cnames
	written int // of a
}

func newMirrorChain() *mirrorChain {
	c := &mirrorChain{}
	c.inCluster = true
	c.lead = c.rrs[:1]
	c.answer = c.rrs[1:1]
	return c
}

func (c *mirrorChain) add(rr dns.RR) {
	c.lead = append(c.lead, rr)
	c.answer = c.lead[1:]
}

// addCNAME adds a link to the chain.
func (c *mirrorChain) addCNAME(owner, target string, ttl uint32) {
	var cname *dns.CNAME
	if c.linked < len(c.cnames) {
		cname = &c.cnames[c.linked]
		c.linked++
	} else {
		cname = &dns.CNAME{}
	}
	cname.Hdr = dns.RR_Header{Name: owner, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: ttl}
	cname.Target = target
	c.add(cname)
}

// addAddresses adds the level's addresses that a question for the type asks for.
func (c *mirrorChain) addAddresses(lv *mirror.Level, owner string, qtype uint16) {
	for _, addr := range lv.Addresses {
		hdr := dns.RR_Header{Name: owner, Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: lv.TTL}
		if addr.Is4() {
			hdr.Rrtype = dns.TypeA
		}
		switch {
		case qtype != hdr.Rrtype && qtype != dns.TypeANY:
		case addr.Is4() && c.written < len(c.a):
			c.add(fillA(&c.a[c.written], hdr, addr.Addr, c.ip[c.written][:]))
			c.written++
		case addr.Is4():
			c.add(fillA(&dns.A{}, hdr, addr.Addr, make([]byte, 4)))
		default:
			r := &struct {
				dns.AAAA
				ip [16]byte
			}{}
			c.add(fillAAAA(&r.AAAA, hdr, addr.Addr, r.ip[:]))
		}
	}
}

// closestLevel goes up the levels, following each: the first one whose own name exists is the answer, or else the first
// one asked (Q7b). A level about which nothing is learned is skipped, but then there is no answer by default (Q8b).
// Addresses of our own Service, which is not healthy, are left out. A level that has only those is skipped for the
// next; if global has only those either, the first level's answer is given as received (Q8d).
func (q *remoteQuestion) closestLevel(follow func(name string) (*chain, error)) (levelAnswer, error) {
	var first, onlyOwn levelAnswer
	unclear := false
	for _, suffix := range q.levels {
		name, err := q.match.recordName(suffix)
		if err != nil {
			return levelAnswer{}, err
		}
		followed, err := follow(name)
		if err != nil {
			return levelAnswer{}, err
		}
		if followed.unclear {
			unclear = true
			continue
		}
		level := levelAnswer{name: name, chain: followed}
		if first.chain == nil {
			first = level
		}
		if onlyOwn.chain == nil && followed.rcode == dns.RcodeNameError && len(followed.answer) == 0 {
			continue // the level's own name does not exist
		}
		others, dropped := followed.without(q.own)
		switch {
		case !dropped && !followed.own:
			return level, nil
		case others.hasAddresses() && !followed.own:
			return levelAnswer{name: name, chain: others}, nil
		case onlyOwn.chain == nil:
			onlyOwn = level
		}
	}
	switch {
	case unclear:
		return levelAnswer{}, &sourceError{dns.ExtendedErrorCodeInvalidData,
			"the servers of the federation's records neither answer nor deny"}
	case onlyOwn.chain != nil:
		return onlyOwn, nil
	}
	return first, nil
}

// ownAddresses are the addresses of the local Service's load balancer (Q8d). The index has host names among them, and
// addresses in any form that an API server accepts, such as 2001:DB8:0::1.
func ownAddresses(s shard, qtype uint16) []netip.Addr {
	if s.service == nil || qtype != dns.TypeA && qtype != dns.TypeAAAA && qtype != dns.TypeANY {
		return nil
	}
	var own []netip.Addr
	for _, text := range s.service.ExternalIPs {
		if addr, err := netip.ParseAddr(text); err == nil {
			own = append(own, addr.Unmap())
		}
	}
	return own
}

// copy returns the chain with records of its own.
func (c *chain) copy() *chain {
	out := *c
	out.answer, out.ns, out.shared = copies(c.answer), copies(c.ns), false
	return &out
}

// behind returns the answer behind one more record, which is nil yet.
func (c *chain) behind() []dns.RR {
	if len(c.lead) == len(c.answer)+1 {
		return c.lead
	}
	return append([]dns.RR{nil}, c.answer...)
}

func copies(rrs []dns.RR) []dns.RR {
	out := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		out[i] = dns.Copy(rr)
	}
	return out
}

// without returns the chain without the addresses, and whether it had any of them.
func (c *chain) without(addrs []netip.Addr) (*chain, bool) {
	if len(addrs) == 0 {
		return c, false
	}
	others := *c
	others.lead = nil
	others.answer = slices.DeleteFunc(slices.Clone(c.answer), func(rr dns.RR) bool {
		return slices.Contains(addrs, addressOf(rr))
	})
	return &others, len(others.answer) < len(c.answer)
}

func (c *chain) hasAddresses() bool {
	return slices.ContainsFunc(c.answer, func(rr dns.RR) bool { return addressOf(rr).IsValid() })
}

// hasData reports whether the chain has more than CNAMEs on the way.
func (c *chain) hasData(qtype uint16) bool {
	return slices.ContainsFunc(c.answer, func(rr dns.RR) bool {
		t := rr.Header().Rrtype
		return t == qtype || qtype == dns.TypeANY && t != dns.TypeCNAME
	})
}

// addressOf is the address of an A or AAAA record, or else the zero Addr.
func addressOf(rr dns.RR) netip.Addr {
	var addr netip.Addr
	switch rr := rr.(type) {
	case *dns.A:
		addr, _ = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		addr, _ = netip.AddrFromSlice(rr.AAAA)
	}
	return addr.Unmap()
}
