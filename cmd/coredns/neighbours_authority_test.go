package main

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/ports"
)

// authority is the server of the federations' domains, over UDP and TCP; a
// chain that leaves them ends there, and there is nothing else in the world. It
// says AD and adds an OPT record with an NSID, as a validating resolver may.
type authority struct {
	addr string

	mu    sync.Mutex
	zones []string // each with a SOA
	rrs   []dns.RR
	asked map[string]int // "NAME TYPE"
	fail  bool           // everything is SERVFAIL
	delay time.Duration
}

// zoneLines are the records of dead.ns.fed and what else the tests ask for.
const zoneLines = `
dead.ns.fed.svc.zone1.example.com. 180 IN CNAME dead.ns.fed.svc.region1.example.com.
dead.ns.fed.svc.region1.example.com. 180 IN CNAME dead.ns.fed.svc.example.com.
dead.ns.fed.svc.example.com. 180 IN A 203.0.113.1
nodata.ns.fed.svc.zone1.example.com. 180 IN CNAME nodata.ns.fed.svc.region1.example.com.
nodata.ns.fed.svc.region1.example.com. 180 IN TXT nothing
gone.ns.fed.svc.zone1.example.com. 180 IN CNAME gone.ns.fed.svc.region1.example.com.
gone.ns.fed.svc.region1.example.com. 180 IN CNAME gone.ns.fed.svc.example.com.
circle.ns.fed.svc.zone1.example.com. 180 IN CNAME circle.ns.fed.svc.zone1.example.com.
www.example.com. 180 IN A 192.0.2.80
`

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{zones: []string{"example.com.", "example.net."}, asked: map[string]int{}}
	a.add(t, zoneLines)
	udp, tcp, err := ports.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a.addr = tcp.Addr().String()
	for _, s := range []*dns.Server{{Listener: tcp, Handler: a}, {PacketConn: udp, Handler: a}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		ended := make(chan error, 1)
		go func() { ended <- s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			_ = s.Shutdown()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	return a
}

// add adds records, one a line.
func (a *authority) add(t *testing.T, lines string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for l := range strings.Lines(strings.TrimSpace(lines)) {
		rr, err := dns.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		a.rrs = append(a.rrs, rr)
	}
}

// replace puts these records, one a line, in place of all that their owners have.
func (a *authority) replace(t *testing.T, lines string) {
	t.Helper()
	for l := range strings.Lines(strings.TrimSpace(lines)) {
		owner := strings.Fields(l)[0]
		a.mu.Lock()
		a.rrs = slices.DeleteFunc(a.rrs, func(rr dns.RR) bool { return rr.Header().Name == owner })
		a.mu.Unlock()
	}
	a.add(t, lines)
}

func (a *authority) setFail(fail bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail = fail
}

func (a *authority) setDelay(delay time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delay = delay
}

// questions is how often a name was asked for.
func (a *authority) questions(name string, qtype uint16) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[name+" "+dns.TypeToString[qtype]]
}

// ServeDNS implements dns.Handler.
func (a *authority) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	q := r.Question[0]
	name := strings.ToLower(q.Name)
	a.mu.Lock()
	a.asked[name+" "+dns.TypeToString[q.Qtype]]++
	m := a.answer(r, name, q.Qtype)
	delay := a.delay
	a.mu.Unlock()
	time.Sleep(delay) // a far server
	size := dns.MinMsgSize
	if opt := r.IsEdns0(); opt != nil {
		size = int(opt.UDPSize())
		m.SetEdns0(4096, opt.Do())
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_NSID{Code: dns.EDNS0NSID, Nsid: "6e73"}}
	}
	if w.LocalAddr().Network() == "udp" {
		m.Truncate(size)
	}
	_ = w.WriteMsg(m)
}

func (a *authority) answer(r *dns.Msg, name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(r)
	if a.fail {
		m.Rcode = dns.RcodeServerFailure
		return m
	}
	m.AuthenticatedData, m.RecursionAvailable = true, true
	exists, data := false, false
	for range 5 {
		next := ""
		exists = false
		for _, rr := range a.rrs {
			owner := rr.Header().Name
			exists = exists || owner == name || strings.HasSuffix(owner, "."+name)
			if owner != name {
				continue
			}
			if c, ok := rr.(*dns.CNAME); ok && qtype != dns.TypeCNAME {
				m.Answer, next = append(m.Answer, rr), c.Target
			} else if rr.Header().Rrtype == qtype {
				m.Answer, data = append(m.Answer, rr), true
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	for _, zone := range append(a.zones, ".") {
		if data || !dns.IsSubDomain(zone, name) || zone == "." && len(m.Answer) > 0 {
			continue
		}
		if !exists {
			m.Rcode = dns.RcodeNameError
		}
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: zone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60},
			Ns: "ns.example.com.", Mbox: "host.example.com.", Serial: 1,
			Refresh: 7200, Retry: 1800, Expire: 86400, Minttl: 30}}
		break
	}
	return m
}
