package federation

import (
	"context"
	"errors"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"

	core "github.com/federation-dns/federation/federation"
)

// The bounds of a chase (Q8).
const (
	chaseTimeout = 3 * time.Second // for all levels together, and for one lookup
	maxLinks     = core.MaxLinks
	maxLookups   = 1000
	maxDepth     = 4 // of our lookups that come back here
	negativeTTL  = 5 * time.Second
	maxNegatives = 4096
	chaseUDPSize = 1232
)

// chaser is the source that follows CNAMEs through the upstream, so that the answer carries the addresses: stub
// resolvers do not follow them (Q8).
type chaser struct {
	*lookups
	negative *negatives
}

func newChaser(u lookuper) *chaser {
	return &chaser{lookups: newLookups(u), negative: newNegatives()}
}

// depthKey is the context key of lookupDepth.
type depthKey struct{}

// lookupDepth is how many of our lookups this question is nested in.
func lookupDepth(ctx context.Context) int {
	n, _ := ctx.Value(depthKey{}).(int)
	return n
}

// deeper is the context for a lookup.
func deeper(ctx context.Context) context.Context {
	return context.WithValue(ctx, depthKey{}, lookupDepth(ctx)+1)
}

// resolve implements source. It never leaves a question to the next source.
func (c *chaser) resolve(ctx context.Context, q *remoteQuestion) (levelAnswer, error) {
	return c.run(ctx, q, q.closestLevel)
}

// run lets build make an answer to q, with a function that follows a name through the upstream.
func (c *chaser) run(
	ctx context.Context, q *remoteQuestion,
	build func(follow func(name string) (*chain, error)) (levelAnswer, error),
) (levelAnswer, error) {
	start := time.Now()
	ch := c.newChase(ctx, q)
	if metadata.ValueFuncs(ctx) != nil {
		// A lookup may go on after the question has been answered, when others read its metadata.
		ctx = metadata.ContextWithMetadata(ctx)
	}
	ctx, cancel := context.WithTimeout(deeper(ctx), chaseTimeout)
	defer cancel()
	level, err := build(func(name string) (*chain, error) { return ch.follow(ctx, name) })
	if ch.asked {
		chaseDuration.WithLabelValues(metrics.WithServer(ctx)).Observe(time.Since(start).Seconds())
	}
	if err == nil && level.shared { // plugins above may change what they are given (Q11)
		level.chain = level.copy()
	}
	return level, err
}

// chase is what all lookups of one question have in common.
type chase struct {
	c     *chaser
	state request.Request
	key   lookupKey // without the name
	asked bool      // there was a lookup
}

func (c *chaser) newChase(ctx context.Context, q *remoteQuestion) *chase {
	qtype := q.r.Question[0].Qtype
	req := new(dns.Msg).SetQuestion(q.r.Question[0].Name, qtype)
	req.CheckingDisabled = q.r.CheckingDisabled
	do := false
	if opt := q.r.IsEdns0(); opt != nil {
		do = opt.Do()
	}
	req.SetEdns0(chaseUDPSize, do)
	ch := &chase{c: c, state: request.Request{W: q.w, Req: req}}
	ch.key = lookupKey{
		server: ctx.Value(dnsserver.Key{}), qtype: qtype, do: do, cd: q.r.CheckingDisabled,
		tcp: ch.state.Proto() == "tcp", ip6: ch.state.Family() == 2, depth: lookupDepth(ctx),
	}
	return ch
}

// follow returns the chain from the name on.
func (ch *chase) follow(ctx context.Context, name string) (*chain, error) {
	if ch.key.depth >= maxDepth {
		return nil, &sourceError{dns.ExtendedErrorCodeOther, "the federation's records loop back here"}
	}
	key := ch.key
	key.name = name
	if kept := ch.c.negative.get(key, time.Now()); kept != nil {
		return kept, nil
	}
	followed, err := ch.walk(ctx, name)
	if err != nil {
		return nil, err
	}
	if ttl, ok := negativeFor(followed, key.qtype); ok && !ch.c.perClient {
		followed.shared = true
		ch.c.negative.add(key, followed, time.Now().Add(ttl))
	}
	return followed, nil
}

// negativeFor is how long a chain without data may be kept: by its SOA (RFC 2308, section 5), at most negativeTTL.
func negativeFor(c *chain, qtype uint16) (time.Duration, bool) {
	if c.truncated || c.unclear || c.hasData(qtype) {
		return 0, false
	}
	for _, rr := range c.ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(negativeTTL, time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second), true
		}
	}
	return 0, false
}

// walk looks up the name, and then each name at which a reply ends in a CNAME.
func (ch *chase) walk(ctx context.Context, name string) (*chain, error) {
	w := &walk{qtype: ch.key.qtype, seen: map[string]bool{}}
	for name != "" {
		reply, err := ch.lookup(ctx, name)
		if err != nil {
			return nil, err
		}
		if name, err = w.add(reply, name); err != nil {
			return nil, err
		}
	}
	return &w.chain, nil
}

// walk is a chain that grows by replies.
type walk struct {
	chain chain
	qtype uint16
	seen  map[string]bool // names, in lower case
	links int
}

// add adds what a reply says of the name, and returns the name to look up next, or "" at the end of the chain.
func (w *walk) add(reply *dns.Msg, name string) (next string, err error) {
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return "", &sourceError{dns.ExtendedErrorCodeNoReachableAuthority,
			"the servers of the federation's records gave no answer"}
	}
	owner, data := lower(name), false
	for {
		if w.seen[owner] {
			return "", &sourceError{dns.ExtendedErrorCodeOther, "the federation's records form a loop"}
		}
		w.seen[owner] = true
		var target string
		target, data = w.addRecords(reply, owner)
		if target == "" {
			break
		}
		if w.links++; w.links > maxLinks {
			return "", &sourceError{dns.ExtendedErrorCodeOther, "the chain of the federation's records is too long"}
		}
		owner = target
	}
	c := &w.chain
	c.rcode, c.ns = reply.Rcode, nil
	c.truncated = c.truncated || reply.Truncated
	c.recursion = reply.RecursionAvailable
	if data {
		return "", nil
	}
	c.ns = copies(reply.Ns)
	switch {
	case reply.Rcode == dns.RcodeNameError || reply.Truncated || hasNoData(reply, owner):
		return "", nil
	case owner == lower(name):
		c.unclear = true
		return "", nil
	}
	delete(w.seen, owner) // it is looked up now
	return owner, nil
}

// addRecords adds the reply's records of the owner, and returns the target if there is a CNAME among them.
func (w *walk) addRecords(reply *dns.Msg, owner string) (target string, data bool) {
	for _, rr := range reply.Answer {
		h := rr.Header()
		if !equalFold(h.Name, owner) {
			continue
		}
		w.chain.answer = append(w.chain.answer, dns.Copy(rr))
		if cname, ok := rr.(*dns.CNAME); ok && w.qtype != dns.TypeCNAME {
			target = lower(cname.Target)
		} else if h.Rrtype == w.qtype || w.qtype == dns.TypeANY && h.Rrtype != dns.TypeRRSIG {
			data = true
		}
	}
	return target, data
}

// hasNoData reports whether a reply without data for the name denies that there are any: by the SOA record of a zone
// that the name lies in, or by saying nothing at all (RFC 2308, section 2.2). NS records alone are a referral, and
// records of other names are no answer.
func hasNoData(reply *dns.Msg, name string) bool {
	for _, rr := range reply.Ns {
		if h := rr.Header(); h.Rrtype == dns.TypeSOA {
			return dns.IsSubDomain(h.Name, name)
		}
	}
	nothing := len(reply.Answer) == 0
	for _, rr := range reply.Ns {
		nothing = nothing && rr.Header().Rrtype != dns.TypeNS
	}
	return nothing
}

// lookup asks the upstream, or waits for the reply to an equal question that is in flight. The reply is not ours to
// change.
func (ch *chase) lookup(ctx context.Context, name string) (*dns.Msg, error) {
	ch.asked = true
	key := ch.key
	key.name = lower(name)
	lk := ch.c.start(key, ch.state.IP(), func() (*dns.Msg, error) {
		// It may outlive this question, as others may wait for it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), chaseTimeout)
		defer cancel()
		state := request.Request{W: ch.state.W, Req: ch.state.Req.Copy()}
		state.Req.Id = dns.Id()
		return ch.c.upstream.Lookup(ctx, state, name, key.qtype)
	})
	if lk == nil {
		return nil, &sourceError{dns.ExtendedErrorCodeOther, "too many lookups at once"}
	}
	select {
	case <-lk.done:
		switch {
		case lk.err == nil && lk.msg != nil:
			return lk.msg, nil
		case !errors.Is(lk.err, context.DeadlineExceeded):
			return nil, &sourceError{dns.ExtendedErrorCodeNetworkError,
				"the federation's records could not be looked up"}
		}
	case <-ctx.Done():
	}
	return nil, &sourceError{dns.ExtendedErrorCodeNoReachableAuthority,
		"the lookup of the federation's records took too long"}
}
