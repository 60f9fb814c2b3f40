package plugincases

import (
	_ "embed"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/ports"
)

//go:embed upstream.txt
var upstreamText string

// Upstream answers for everything beyond the cluster, as a resolver does: with the chain as far as it goes. Some of its
// names do something else.
type Upstream struct {
	rrs  []dns.RR
	does map[string]string // by name
}

// NewUpstream reads upstream.txt, and adds a name big with Many addresses.
func NewUpstream() (*Upstream, error) {
	u := &Upstream{does: map[string]string{}}
	for line := range strings.Lines(upstreamText) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if name, what, ok := strings.Cut(line, " does "); ok {
			u.does[name] = what
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			return nil, fmt.Errorf("upstream.txt: %w", err)
		}
		u.rrs = append(u.rrs, rr)
	}
	for i := range Many {
		u.rrs = append(u.rrs, &dns.A{
			Hdr: dns.RR_Header{Name: "big.ns.myfed.svc.zone1.example.com.", Rrtype: dns.TypeA, Class: dns.ClassINET,
				Ttl: 180},
			A: net.IPv4(198, 51, 100, byte(i+1)).To4(),
		})
	}
	return u, nil
}

// maxLinks is how many links of a chain are in one answer.
const maxLinks = 20

// Answer returns the reply to a question, nil if there is to be none.
func (u *Upstream) Answer(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(4096, opt.Do())
	}
	at, typ := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	does := u.does[at]
	switch does {
	case "nothing":
		return nil
	case "SERVFAIL", "REFUSED":
		m.Rcode = dns.StringToRcode[does]
		return m
	case "truncate":
		m.Truncated = true
	}
	m.AuthenticatedData = true
	data, exists := false, false
	seen := map[string]bool{}
	for links := 0; links < maxLinks && !seen[at]; links++ {
		seen[at] = true
		var next string
		if next, data, exists = u.add(m, at, typ); next == "" {
			break
		}
		if does == "one link" {
			return m
		}
		at = strings.ToLower(next)
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	if !data {
		m.Ns = []dns.RR{soa}
	}
	return m
}

// add adds the records of the name that the type asks for; next is where a CNAME leads.
func (u *Upstream) add(m *dns.Msg, name string, typ uint16) (next string, data, exists bool) {
	for _, rr := range u.rrs {
		h := rr.Header()
		if strings.HasSuffix(h.Name, "."+name) {
			exists = true // an empty non-terminal
		}
		if !strings.EqualFold(h.Name, name) {
			continue
		}
		exists = true
		cname, ok := rr.(*dns.CNAME)
		if h.Rrtype != typ && typ != dns.TypeANY && !ok {
			continue
		}
		rr = dns.Copy(rr)
		if len(m.Answer) == 0 {
			rr.Header().Name = m.Question[0].Name
		}
		m.Answer = append(m.Answer, rr)
		if ok && typ != dns.TypeCNAME {
			next = cname.Target
		} else {
			data = true
		}
	}
	return next, data, exists
}

// The minimum is low, as a federation's zone has it.
var soa = &dns.SOA{
	Hdr: dns.RR_Header{Name: "example.com.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 300},
	Ns:  "ns.example.com.", Mbox: "hostmaster.example.com.", Serial: 1, Refresh: 7200, Retry: 1800, Expire: 86400,
	Minttl: 5,
}

// ServeDNS implements dns.Handler.
func (u *Upstream) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := u.Answer(q)
	if m == nil {
		return
	}
	size := dns.MinMsgSize
	if opt := q.IsEdns0(); opt != nil {
		size = max(size, int(opt.UDPSize()))
	}
	if w.LocalAddr().Network() == "tcp" {
		size, m.Truncated = dns.MaxMsgSize, false
	}
	cut := m.Truncated
	m.Truncate(size)
	m.Truncated = m.Truncated || cut
	_ = w.WriteMsg(m) // who asked may have gone
}

// Serve answers at an address, by UDP and TCP, until it is stopped.
func (u *Upstream) Serve(addr string) (stop func(), err error) {
	udp, tcp, err := ports.Listen(addr)
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	servers := []*dns.Server{{PacketConn: udp, Handler: u}, {Listener: tcp, Handler: u}}
	for _, s := range servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		wg.Go(func() { _ = s.ActivateAndServe() }) // ends with Shutdown
		<-started
	}
	return func() {
		for _, s := range servers {
			_ = s.Shutdown() // it was started
		}
		wg.Wait()
	}, nil
}
