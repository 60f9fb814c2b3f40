package rfc2136

import (
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

const testZone = federation.FQDN("example.com.")

var testKey = TSIG{Name: "syncer.", Algorithm: dns.HmacSHA256, Secret: "c3luY2VyIHRlc3Qga2V5LCBub3QgYSBzZWNyZXQhISE="}

// fake is a name server that does what a test tells it.
type fake struct {
	addr string

	mu    sync.Mutex
	msgs  []*dns.Msg
	conns map[string]bool
}

// startFake runs the handler as a name server until the test ends.
func startFake(t *testing.T, handle func(*fakeReply)) *fake {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{addr: listener.Addr().String(), conns: map[string]bool{}}
	started := make(chan struct{})
	server := &dns.Server{
		Listener:          listener,
		TsigSecret:        map[string]string{testKey.Name: testKey.Secret},
		MsgAcceptFunc:     func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept },
		NotifyStartedFunc: func() { close(started) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
			if w.TsigStatus() != nil {
				t.Errorf("request: %v", w.TsigStatus())
			}
			f.mu.Lock()
			f.msgs = append(f.msgs, m)
			f.conns[w.RemoteAddr().String()] = true
			f.mu.Unlock()
			handle(&fakeReply{ResponseWriter: w, request: m})
		}),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Errorf("fake server: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("fake server: %v", err)
		}
	})
	return f
}

// provider returns a provider that talks to the fake, and takes for granted that it compares.
func (f *fake) provider(t *testing.T, change func(*Config)) *Provider {
	t.Helper()
	config := Config{Server: f.addr, Zone: testZone, TSIG: testKey, Timeout: 5 * time.Second}
	if change != nil {
		change(&config)
	}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	p.compares.Store(true)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// requests returns what the fake has received.
func (f *fake) requests() []*dns.Msg {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*dns.Msg(nil), f.msgs...)
}

type fakeReply struct {
	dns.ResponseWriter
	request *dns.Msg
}

// send answers with the rcode and records, signed.
func (r *fakeReply) send(rcode int, answer ...dns.RR) {
	m := r.message(rcode, answer...)
	m.SetTsig(testKey.Name, testKey.Algorithm, tsigFudge, time.Now().Unix())
	_ = r.WriteMsg(m) // the test fails at the other end
}

func (r *fakeReply) message(rcode int, answer ...dns.RR) *dns.Msg {
	m := new(dns.Msg).SetRcode(r.request, rcode)
	m.Authoritative = true
	m.Answer = answer
	return m
}

// hangUp closes the connection.
func (r *fakeReply) hangUp() { _ = r.Close() }

func (r *fakeReply) isUpdate() bool { return r.request.Opcode == dns.OpcodeUpdate }

// updates reports whether the request would change something.
func (r *fakeReply) updates() bool { return r.isUpdate() && len(r.request.Ns) > 0 }

// asksForCNAME reports whether the request changes nothing and demands a CNAME.
func (r *fakeReply) asksForCNAME() bool {
	return r.isUpdate() && !r.updates() && slices.ContainsFunc(r.request.Answer, func(rr dns.RR) bool {
		return rr.Header().Rrtype == dns.TypeCNAME && rr.Header().Class == dns.ClassINET
	})
}

func rr(t testing.TB, text string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

func fqdn(label string) federation.FQDN {
	return federation.FQDN(label + ".ns.fed.svc." + string(testZone))
}

func rrset(label, typ string, data ...string) federation.RRset {
	return federation.RRset{Name: fqdn(label), Type: typ, TTL: 180, Data: data}
}

// creation is a change that makes the RRset.
func creation(label, typ string, data ...string) plan.Change {
	return plan.Change{Name: fqdn(label), To: []federation.RRset{rrset(label, typ, data...)}}
}

// toCNAME is a switch from one address.
func toCNAME(label string) plan.Change {
	return plan.Change{
		Name: fqdn(label),
		From: []federation.RRset{rrset(label, "A", "192.0.2.1")},
		To:   []federation.RRset{rrset(label, "CNAME", "nginx.example.org.")},
	}
}
