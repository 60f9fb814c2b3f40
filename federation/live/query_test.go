package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/test/ports"
)

// serveZone serves records over UDP and TCP, by the given change of each reply, and returns the address.
func serveZone(t *testing.T, change func(*dns.Msg), records ...string) string {
	t.Helper()
	var rrs []dns.RR
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		m.Authoritative = true
		for _, rr := range rrs {
			if h := rr.Header(); h.Name == r.Question[0].Name &&
				(h.Rrtype == r.Question[0].Qtype || h.Rrtype == dns.TypeCNAME) {
				m.Answer = append(m.Answer, rr)
			}
		}
		if change != nil {
			change(m)
		}
		_ = w.WriteMsg(m)
	})
	pc, l, err := ports.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: handler}, {PacketConn: pc, Handler: handler}} {
		started, done := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { defer close(done); _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown(); <-done })
	}
	return l.Addr().String()
}

func TestCompare(t *testing.T) {
	want := []explain.Expectation{
		{Name: "web.shop.fed.svc.example.com.", Type: "A", Data: []string{"192.0.2.1", "192.0.2.2"}},
		{Name: "web.shop.fed.svc.example.com.", Type: "AAAA", Data: []string{"2001:db8::1"}},
		{Name: "web.shop.fed.svc.example.com.", Type: "CNAME"},
		{Name: "web.shop.fed.svc.a.example.com.", Type: "A"},
		{Name: "web.shop.fed.svc.a.example.com.", Type: "CNAME", Data: []string{"web.shop.fed.svc.example.com."}},
		{Name: "web.shop.fed.svc.b.example.com.", Type: "A"},
	}
	zone := []string{"web.shop.fed.svc.example.com. 180 A 192.0.2.2", "web.shop.fed.svc.example.com. 180 A 192.0.2.1",
		"web.shop.fed.svc.example.com. 180 AAAA 2001:db8::1",
		"web.shop.fed.svc.a.example.com. 180 CNAME web.shop.fed.svc.example.com."}
	t.Run("V5 a server that has the records, in any order, is the same", func(t *testing.T) {
		server := serveZone(t, nil, zone...)
		c := Compare(t.Context(), server, want)
		if len(c.Differences) > 0 || !c.Authoritative || c.Asked != len(want) {
			t.Errorf("%+v", c)
		}
	})
	t.Run("V5 what differs is shown, and what is left over", func(t *testing.T) {
		server := serveZone(t, func(m *dns.Msg) { m.Authoritative = false },
			append(zone[1:], "web.shop.fed.svc.b.example.com. 180 A 192.0.2.9")...)
		c := Compare(t.Context(), server, want)
		if diff := cmp.Diff([]explain.Difference{
			{Name: want[0].Name, Type: "A", Want: want[0].Data, Got: []string{"192.0.2.1"}},
			{Name: want[5].Name, Type: "A", Got: []string{"192.0.2.9"}},
		}, c.Differences); diff != "" || c.Authoritative {
			t.Errorf("authoritative %t %s", c.Authoritative, diff)
		}
	})
	t.Run("V5 a truncated reply is asked again over TCP", func(t *testing.T) {
		server := serveZone(t, func(m *dns.Msg) { m.Truncated = len(m.Answer) > 1 }, zone...)
		if c := Compare(t.Context(), server, want); len(c.Differences) > 0 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("V5 a server that refuses says nothing of the records", func(t *testing.T) {
		server := serveZone(t, func(m *dns.Msg) { m.Rcode = dns.RcodeRefused })
		c := Compare(t.Context(), server, want[:1])
		if len(c.Differences) != 1 || c.Differences[0].Error != "the server answers REFUSED" {
			t.Errorf("%+v", c)
		}
	})
}
