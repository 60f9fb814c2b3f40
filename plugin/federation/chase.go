package federation

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/metrics"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
)

// The bounds of a chase (Q8).
const (
	chaseTimeout  = 3 * time.Second // for all levels together, and for one lookup
	maxLinks      = 8
	maxLookups    = 1000
	negativeTTL   = 5 * time.Second
	negativeSize  = 4096
	chaseUDPSize  = 1232
	maxReentrance = 4
)

// failure is a chase that has to end in SERVFAIL: an extended error (RFC 8914).
type failure struct {
	code uint16
	text string
}

// chaser follows CNAMEs through the upstream, so that the answer carries the
// addresses: stub resolvers do not ask on.
type chaser struct {
	*lookups
	negative *negatives
	now      func() time.Time
}

func newChaser(u lookuper) *chaser {
	return &chaser{lookups: newLookups(u), negative: newNegatives(negativeSize), now: time.Now}
}

// reentrance counts how often a lookup of ours has come back to us.
type reentrance struct{}

func reentrances(ctx context.Context) int {
	n, _ := ctx.Value(reentrance{}).(int)
	return n
}

func reentering(ctx context.Context) context.Context {
	return context.WithValue(ctx, reentrance{}, reentrances(ctx)+1)
}

// chase is one question's following, over all levels.
type chase struct {
	c      *chaser
	ctx    context.Context
	cancel context.CancelFunc
	state  request.Request
	key    lookupKey // of all its lookups, but for the name
	start  time.Time
	asked  bool
}

// begin starts the clock for one question; end stops it.
func (c *chaser) begin(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) *chase {
	req := new(dns.Msg)
	req.SetQuestion(r.Question[0].Name, r.Question[0].Qtype)
	req.CheckingDisabled = r.CheckingDisabled
	do := false
	if opt := r.IsEdns0(); opt != nil {
		do = opt.Do()
	}
	req.SetEdns0(chaseUDPSize, do)
	ch := &chase{c: c, state: request.Request{W: w, Req: req}, start: c.now()}
	ch.key = lookupKey{
		server: ctx.Value(dnsserver.Key{}), qtype: r.Question[0].Qtype, do: do, cd: r.CheckingDisabled,
		tcp: ch.state.Proto() == "tcp", ip6: ch.state.Family() == 2, depth: reentrances(ctx),
	}
	if metadata.ValueFuncs(ctx) != nil {
		// A lookup may go on after the question was answered: not on a map that
		// others read then.
		ctx = metadata.ContextWithMetadata(ctx)
	}
	ch.ctx, ch.cancel = context.WithTimeout(reentering(ctx), chaseTimeout)
	return ch
}

func (ch *chase) end() {
	ch.cancel()
	if ch.asked {
		chaseDuration.WithLabelValues(metrics.WithServer(ch.ctx)).Observe(ch.c.now().Sub(ch.start).Seconds())
	}
}

func (ch *chase) qtype() uint16 { return ch.key.qtype }

// follow resolves the target and the chain from there.
func (ch *chase) follow(target string) (*found, *failure) {
	if ch.key.depth >= maxReentrance {
		return nil, &failure{dns.ExtendedErrorCodeOther, "the records of the federation lead back here"}
	}
	key := ch.key
	key.name = target
	if f := ch.c.negative.get(key, ch.c.now()); f != nil {
		return f, nil
	}
	f, failed := ch.links(target)
	if failed != nil {
		return nil, failed
	}
	if ttl, ok := negativeFor(f, ch.qtype()); ok && !ch.c.alone {
		f.kept = true
		ch.c.negative.add(key, f, ch.c.now().Add(ttl))
	}
	return f, nil
}

// negativeFor is how long an answer without data may be kept: by its SOA (RFC
// 2308, section 5), at most negativeTTL.
func negativeFor(f *found, qtype uint16) (time.Duration, bool) {
	if f.truncated || f.unclear || f.hasData(qtype) {
		return 0, false
	}
	for _, rr := range f.ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return min(negativeTTL, time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second), true
		}
	}
	return 0, false
}

// links asks for the name, and on from where a reply ends in a CNAME.
func (ch *chase) links(name string) (*found, *failure) {
	out := &found{}
	seen := map[string]bool{}
	for links := 0; ; {
		reply, failed := ch.lookup(name)
		if failed != nil {
			return nil, failed
		}
		end, failed := ch.takeReply(out, reply, name, seen, &links)
		if failed != nil {
			return nil, failed
		}
		if end == "" {
			return out, nil
		}
		name = end
	}
}

// takeReply adds what a reply says of the name, and returns the name to ask
// for next, "" if the chain has ended.
func (ch *chase) takeReply(out *found, reply *dns.Msg, name string, seen map[string]bool, links *int) (string, *failure) {
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return "", &failure{dns.ExtendedErrorCodeNoReachableAuthority, "the servers of the federation's records gave no answer"}
	}
	at, data := lower(name), false
	for {
		if seen[at] {
			return "", &failure{dns.ExtendedErrorCodeOther, "the records of the federation lead in a circle"}
		}
		seen[at] = true
		var next string
		next, data = ch.take(out, reply, at)
		if next == "" {
			break
		}
		if *links++; *links > maxLinks {
			return "", &failure{dns.ExtendedErrorCodeOther, "the chain of the federation's records is too long"}
		}
		at = next
	}
	out.rcode, out.ns = reply.Rcode, nil
	out.truncated = out.truncated || reply.Truncated
	out.recursion = reply.RecursionAvailable
	if data {
		return "", nil
	}
	out.ns = copies(reply.Ns)
	switch {
	case reply.Rcode == dns.RcodeNameError || reply.Truncated || hasNoData(reply, at):
		return "", nil
	case at == lower(name):
		out.unclear = true
		return "", nil
	}
	delete(seen, at) // it is asked for now
	return at, nil
}

// take adds the reply's records of the name; next is where a CNAME leads.
func (ch *chase) take(out *found, reply *dns.Msg, name string) (next string, data bool) {
	for _, rr := range reply.Answer {
		h := rr.Header()
		if !equalFold(h.Name, name) {
			continue
		}
		out.answer = append(out.answer, dns.Copy(rr))
		if cname, ok := rr.(*dns.CNAME); ok && ch.qtype() != dns.TypeCNAME {
			next = lower(cname.Target)
		} else if h.Rrtype == ch.qtype() || ch.qtype() == dns.TypeANY && h.Rrtype != dns.TypeRRSIG {
			data = true
		}
	}
	return next, data
}

// hasNoData reports whether a reply without data for the name says that there
// are none: by the SOA record of a zone that the name lies in, or by saying
// nothing at all (RFC 2308, section 2.2). NS records alone are a referral, and
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

// lookup asks the upstream, or waits for the reply to somebody else's equal
// question. The reply is not ours to change.
func (ch *chase) lookup(name string) (*dns.Msg, *failure) {
	ch.asked = true
	key := ch.key
	key.name = lower(name)
	at := ch.c.start(key, ch.state.IP(), func() (*dns.Msg, error) {
		// It may outlive this question, as others wait for it, too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ch.ctx), chaseTimeout)
		defer cancel()
		state := request.Request{W: ch.state.W, Req: ch.state.Req.Copy()}
		state.Req.Id = dns.Id()
		return ch.c.upstream.Lookup(ctx, state, name, key.qtype)
	})
	if at == nil {
		return nil, &failure{dns.ExtendedErrorCodeOther, "too many lookups at once"}
	}
	select {
	case <-at.done:
		switch {
		case at.err == nil && at.msg != nil:
			return at.msg, nil
		case !errors.Is(at.err, context.DeadlineExceeded):
			return nil, &failure{dns.ExtendedErrorCodeNetworkError, "the federation's records could not be looked up"}
		}
	case <-ch.ctx.Done():
	}
	return nil, &failure{dns.ExtendedErrorCodeNoReachableAuthority, "the lookup of the federation's records took too long"}
}

// inZone reports whether the name lies in one of the zones, all lower case.
func inZone(name string, zones []string) bool {
	for _, z := range zones {
		if name == z || strings.HasSuffix(name, "."+z) || z == "." {
			return true
		}
	}
	return false
}
