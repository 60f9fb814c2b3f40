package resolve

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const host = federation.FQDN("lb.example.net.")

// server is a DNS server on a port of the loopback, by UDP and TCP.
type server struct {
	*testing.T
	addr netip.AddrPort

	mu     sync.Mutex
	handle func(w dns.ResponseWriter, q *dns.Msg)
	asked  map[string]int // by network and type
	stop   func()
}

// serve starts a server that answers with handle.
func serve(t *testing.T, handle func(w dns.ResponseWriter, q *dns.Msg)) *server {
	t.Helper()
	s := &server{T: t, handle: handle, asked: map[string]int{}}
	s.listen("127.0.0.1:0")
	t.Cleanup(func() { s.stop() })
	return s
}

// listen listens on an address whose port UDP chooses.
func (s *server) listen(addr string) {
	s.Helper()
	pc, l, err := ports.Listen(addr)
	if err != nil {
		s.Fatal(err)
	}
	s.addr = netip.MustParseAddrPort(pc.LocalAddr().String())
	var wg sync.WaitGroup
	var stops []func()
	for _, d := range []*dns.Server{{PacketConn: pc}, {Listener: l}} {
		ready := make(chan struct{})
		d.NotifyStartedFunc = func() { close(ready) }
		d.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			s.mu.Lock()
			s.asked[w.LocalAddr().Network()+" "+dns.TypeToString[q.Question[0].Qtype]]++
			handle := s.handle
			s.mu.Unlock()
			handle(w, q)
		})
		wg.Go(func() { _ = d.ActivateAndServe() })
		<-ready
		stops = append(stops, func() { _ = d.Shutdown() })
	}
	s.stop = func() {
		for _, stop := range stops {
			stop()
		}
		wg.Wait()
	}
}

func (s *server) set(handle func(w dns.ResponseWriter, q *dns.Msg)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handle = handle
}

func (s *server) times(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[what]
}

// client is a client of these servers.
func client(servers ...*server) *Client {
	c := Config{TryTimeout: 300 * time.Millisecond}
	for _, s := range servers {
		c.Servers = append(c.Servers, s.addr)
	}
	return New(c)
}

func lookup(t *testing.T, c *Client) (a, aaaa Answer) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return c.Lookup(ctx, host)
}

// records answers with those of these records that are of the type asked for, or no address at all; the SOA record
// stands in the authority section.
func records(t *testing.T, rcode int, list ...string) func(w dns.ResponseWriter, q *dns.Msg) {
	rrs := parse(t, list...)
	return func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(reply(q, rcode, rrs)) }
}

func parse(t testing.TB, list ...string) (rrs []dns.RR) {
	t.Helper()
	for _, text := range list {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

func reply(q *dns.Msg, rcode int, rrs []dns.RR) *dns.Msg {
	m := new(dns.Msg).SetRcode(q, rcode)
	m.RecursionAvailable = true
	for _, rr := range rrs {
		switch typ := rr.Header().Rrtype; typ {
		case dns.TypeSOA, dns.TypeNS:
			m.Ns = append(m.Ns, rr)
		case dns.TypeA, dns.TypeAAAA:
			if typ == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		default:
			m.Answer = append(m.Answer, rr)
		}
	}
	return m
}
