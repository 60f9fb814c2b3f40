package rfc2136test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

func testOneMessage(t *testing.T, s *suite) {
	a, c := addresses("nginx", "192.0.2.1", "2001:db8::1"), alias("nginx", "nginx.example.org.")
	s.must(change(nil, a))
	for _, sw := range []struct {
		name     string
		from, to []federation.RRset
		requests int // the read-back is one
	}{
		{"A and AAAA to CNAME", a, c, 2},
		{"CNAME to A and AAAA", c, a, 1},
	} {
		s.proxy.set(nil)
		serial := s.server.Serial(t)
		s.must(change(sw.from, sw.to))
		requests, _ := s.proxy.counts()
		if updates := len(s.proxy.updates()); updates != 1 || requests != sw.requests {
			t.Errorf("%s: %d requests, of which %d are updates, want %d and 1", sw.name, requests, updates, sw.requests)
		}
		if got := s.server.Serial(t) - serial; got != 1 {
			t.Errorf("%s: the zone changed %d times, want once", sw.name, got)
		}
	}
}

// testIgnoredUnderLoad holds more than the contract asks for: the message puts the old RRsets back itself.
func testIgnoredUnderLoad(t *testing.T, s *suite) {
	old := addresses("nginx", "192.0.2.1", "2001:db8::1")
	s.must(change(nil, old))
	s.server.put(t, federation.RRset{Name: old[0].Name, Type: "TXT", TTL: 60, Data: []string{`"foreign"`}})
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- watch(s.server.UDP, old[0].Name, stop) }()
	for range 100 {
		if err := s.apply(change(old, alias("nginx", "nginx.example.org."))); !errors.Is(err, provider.ErrRefused) {
			t.Errorf("error is %v", err)
			break
		}
	}
	close(stop)
	if err := <-ended; err != nil && !s.server.Strict {
		t.Error(err)
	}
	got, err := s.p.Get(s.ctx(), old[0].Name)
	if err != nil || provider.Find(got, "A") == nil || provider.Find(got, "AAAA") == nil {
		t.Errorf("the name has %v, %v: the old RRsets are not back", got, err)
	}
}

// testDelegated switches a name below a zone cut: the server takes the update, and shows it to nobody.
func testDelegated(t *testing.T, s *suite) {
	below := "nginx.ns.fed.svc.sub." + Zone
	old := []federation.RRset{{Name: below, Type: "A", TTL: 180, Data: []string{"192.0.2.1"}}}
	next := []federation.RRset{{Name: below, Type: "CNAME", TTL: 180, Data: []string{"nginx.example.org."}}}
	other := change(nil, addresses("other", "192.0.2.1", "2001:db8::1"))
	if err := s.apply(change(nil, old)); err != nil && !errors.Is(err, provider.ErrRefused) {
		t.Fatal(err)
	}
	errs := s.p.Apply(s.ctx(), nil, []plan.Change{change(old, next), other})
	if kind := provider.KindOf(errs[0]); !errors.Is(kind, provider.ErrRefused) &&
		!errors.Is(kind, provider.ErrConflict) || errs[1] != nil {
		t.Errorf("errors are %v", errs)
	}
	if _, err := s.p.Get(s.ctx(), below); !errors.Is(provider.KindOf(err), provider.ErrRefused) {
		t.Errorf("Get: %v", err)
	}
	s.has(other, other.To)
}

func testServes(t *testing.T, s *suite) {
	ns := func(name federation.FQDN) {
		s.server.put(t, federation.RRset{Name: name, Type: "NS", TTL: 60, Data: []string{"ns.example.org."}})
	}
	for _, tt := range []struct {
		name, level string
		prepare     func(suffix federation.FQDN)
		want        provider.Served
	}{
		{"nothing", "us", func(federation.FQDN) {}, provider.Served{}},
		{"a delegated level", "sub", func(federation.FQDN) {}, provider.Served{Delegated: "sub." + Zone}},
		{"a delegated suffix", "eu", ns, provider.Served{Delegated: "fed.svc.eu." + Zone}},
		{"a wildcard", "af", func(suffix federation.FQDN) {
			s.server.put(t, federation.RRset{Name: "*." + suffix, Type: "AAAA", TTL: 60,
				Data: []string{"2001:db8::25"}})
		}, provider.Served{Wildcard: "AAAA"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			suffix := federation.FQDN("fed.svc." + tt.level + "." + string(Zone))
			claim := federation.RRset{Name: "_claim." + suffix, Type: "TXT", TTL: 60, Data: []string{`"owner=test"`}}
			s.server.put(t, claim)
			tt.prepare(suffix)
			got, err := s.p.Serves(s.ctx(), suffix)
			if got != tt.want || err != nil {
				t.Errorf("Serves returns %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// watch asks for the name's addresses until stop; an empty answer is an error.
func watch(server string, name federation.FQDN, stop <-chan struct{}) error {
	conn, err := dns.Dial("udp", server)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := &dns.Client{Timeout: 5 * time.Second}
	for n := 1; ; n++ {
		reply, _, err := client.ExchangeWithConn(new(dns.Msg).SetQuestion(string(name), dns.TypeA), conn)
		if err != nil {
			return err
		}
		if len(reply.Answer) != 1 {
			return fmt.Errorf("answer %d is %v", n, reply.Answer)
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

// testReadBackLost loses every reply after that to the update: whether the CNAME was ignored is then unknown, which is
// not a success.
func testReadBackLost(t *testing.T, s *suite) {
	a, c := addresses("nginx", "192.0.2.1", "2001:db8::1"), alias("nginx", "nginx.example.org.")
	s.must(change(nil, a))
	s.proxy.set(func(n int, _ *dns.Msg) fate {
		if n > 1 {
			return loseReply
		}
		return pass
	})
	s.isOpen(s.apply(change(a, c)))
	s.proxy.set(nil)
	s.has(change(a, c), c)
}
