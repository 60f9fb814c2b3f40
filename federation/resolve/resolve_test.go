package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
)

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// fails checks that the answer is an error with these words.
func fails(t *testing.T, a Answer, words ...string) {
	t.Helper()
	if a.Err == nil || len(a.Addresses) > 0 || a.Denial != "" {
		t.Fatalf("the answer is %+v, want an error", a)
	}
	for _, w := range append(words, string(host)) {
		if !strings.Contains(a.Err.Error(), w) {
			t.Errorf("error %q does not say %q", a.Err, w)
		}
	}
	if strings.Contains(a.Err.Error(), "\n") {
		t.Errorf("error %q has more than one line", a.Err)
	}
}

const soa = "example.net. 900 IN SOA ns.example.net. root.example.net. 1 2 3 4 120"

func TestLookup(t *testing.T) {
	t.Run("H4 A and AAAA", func(t *testing.T) {
		s := serve(t, records(t, dns.RcodeSuccess, "lb.example.net. 30 IN A 192.0.2.2",
			"lb.example.net. 20 IN A 192.0.2.1", "lb.example.net. 20 IN A 192.0.2.1",
			"LB.example.NET. 60 IN AAAA 2001:db8::1"))
		a, aaaa := lookup(t, client(s))
		equal(t, "A", a, Answer{Addresses: addrs("192.0.2.1", "192.0.2.2"), TTL: 20 * time.Second})
		equal(t, "AAAA", aaaa, Answer{Addresses: addrs("2001:db8::1"), TTL: time.Minute})
		if n := s.times("udp A"); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
	t.Run("H4 rotating answers come as they are", func(t *testing.T) {
		s := serve(t, nil)
		c := client(s)
		for _, ip := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.1"} {
			s.set(records(t, dns.RcodeSuccess, "lb.example.net. 0 IN A "+ip, soa))
			a, _ := lookup(t, c)
			equal(t, "A", a, Answer{Addresses: addrs(ip)})
		}
	})
	t.Run("H4 a dead name: NXDOMAIN", func(t *testing.T) {
		a, aaaa := lookup(t, client(serve(t, records(t, dns.RcodeNameError, soa))))
		equal(t, "A", a, Answer{Denial: NXDomain, TTL: 2 * time.Minute})
		equal(t, "AAAA", aaaa, Answer{Denial: NXDomain, TTL: 2 * time.Minute})
	})
	t.Run("H4 one type only: NODATA of the other", func(t *testing.T) {
		a, aaaa := lookup(t, client(serve(t, records(t, dns.RcodeSuccess, "lb.example.net. 30 IN A 192.0.2.2", soa))))
		equal(t, "A", a, Answer{Addresses: addrs("192.0.2.2"), TTL: 30 * time.Second})
		equal(t, "AAAA", aaaa, Answer{Denial: NoData, TTL: 2 * time.Minute})
	})
	t.Run("H4 one type fails: the other is returned", func(t *testing.T) {
		ok := records(t, dns.RcodeSuccess, "lb.example.net. 30 IN A 192.0.2.2")
		a, aaaa := lookup(t, client(serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
			if q.Question[0].Qtype == dns.TypeA {
				ok(w, q)
				return
			}
			_ = w.WriteMsg(reply(q, dns.RcodeServerFailure, nil))
		})))
		equal(t, "A", a, Answer{Addresses: addrs("192.0.2.2"), TTL: 30 * time.Second})
		fails(t, aaaa, "SERVFAIL", "AAAA")
	})
	t.Run("H4 by TCP if truncated", func(t *testing.T) {
		var list []string
		for i := range 100 {
			list = append(list, fmt.Sprintf("lb.example.net. 30 IN AAAA 2001:db8::%x", i+1))
		}
		all := parse(t, list...)
		s := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
			m := reply(q, dns.RcodeSuccess, all)
			if w.LocalAddr().Network() == "udp" {
				if o := q.IsEdns0(); o == nil || o.UDPSize() != 1232 {
					t.Errorf("EDNS is %v, want 1232", o)
				}
				m.Truncate(1232)
			}
			_ = w.WriteMsg(m)
		})
		_, aaaa := lookup(t, client(s))
		if len(aaaa.Addresses) != 100 {
			t.Errorf("%d addresses, want 100: %v", len(aaaa.Addresses), aaaa.Err)
		}
	})
	t.Run("H4 truncated over TCP is a failure", func(t *testing.T) {
		some := parse(t, "lb.example.net. 30 IN A 192.0.2.2")
		a, _ := lookup(t, client(serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
			m := reply(q, dns.RcodeSuccess, some)
			m.Truncated = true
			_ = w.WriteMsg(m)
		})))
		fails(t, a, "truncated")
	})
	t.Run("H4 without EDNS if the server knows none", func(t *testing.T) {
		ok := records(t, dns.RcodeSuccess, "lb.example.net. 30 IN A 192.0.2.2")
		a, _ := lookup(t, client(serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
			if q.IsEdns0() == nil {
				ok(w, q)
				return
			}
			_ = w.WriteMsg(&dns.Msg{MsgHdr: dns.MsgHdr{Id: q.Id, Response: true, Rcode: dns.RcodeFormatError}})
		})))
		equal(t, "A", a, Answer{Addresses: addrs("192.0.2.2"), TTL: 30 * time.Second})
	})
	t.Run("H4 replies to something else are ignored", func(t *testing.T) {
		right, wrong := parse(t, "lb.example.net. 30 IN A 192.0.2.2"), parse(t, "lb.example.net. 30 IN A 203.0.113.66")
		a, _ := lookup(t, client(serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
			for _, change := range []func(*dns.Msg){
				func(m *dns.Msg) { m.Id++ },
				func(m *dns.Msg) { m.Response = false },
				func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify },
				func(m *dns.Msg) { m.Question[0].Name = "other.example.net." },
				func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX },
				func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
				func(m *dns.Msg) { m.Question = nil },
			} {
				m := reply(q, dns.RcodeSuccess, wrong)
				change(m)
				_ = w.WriteMsg(m)
			}
			_, _ = w.Write([]byte("short"))
			_ = w.WriteMsg(reply(q, dns.RcodeSuccess, right))
		})))
		equal(t, "A", a, Answer{Addresses: addrs("192.0.2.2"), TTL: 30 * time.Second})
	})
}

func TestServers(t *testing.T) {
	good := func(t *testing.T) *server {
		return serve(t, records(t, dns.RcodeSuccess, "lb.example.net. 30 IN A 192.0.2.2", soa))
	}
	silent := func(dns.ResponseWriter, *dns.Msg) {}
	want := Answer{Addresses: addrs("192.0.2.2"), TTL: 30 * time.Second}
	for _, rcode := range []int{
		dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNotImplemented, dns.RcodeFormatError, dns.RcodeNotAuth,
	} {
		t.Run("H4 "+dns.RcodeToString[rcode]+", then the next server", func(t *testing.T) {
			bad := serve(t, records(t, rcode))
			a, _ := lookup(t, client(bad, good(t)))
			equal(t, "A", a, want)
			a, _ = lookup(t, client(bad))
			fails(t, a, dns.RcodeToString[rcode], bad.addr.String())
		})
	}
	t.Run("H4 a server that does not answer, then the next, which is asked first from then on", func(t *testing.T) {
		bad := serve(t, silent)
		c := client(bad, good(t))
		a, _ := lookup(t, c)
		equal(t, "A", a, want)
		before := bad.times("udp A")
		a, _ = lookup(t, c)
		equal(t, "A", a, want)
		if n := bad.times("udp A"); n != before {
			t.Errorf("the silent server was asked again, %d times", n-before)
		}
	})
	t.Run("H4 a malformed reply, then the next server", func(t *testing.T) {
		bad := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
			b, _ := reply(q, dns.RcodeSuccess, nil).Pack()
			b[7] = 9 // nine answers, all missing
			_, _ = w.Write(b)
		})
		a, _ := lookup(t, client(bad, good(t)))
		equal(t, "A", a, want)
		a, _ = lookup(t, client(bad))
		fails(t, a, "malformed")
	})
	t.Run("H4 a lost datagram is sent again", func(t *testing.T) {
		s := good(t)
		ok := s.handle
		s.set(func(w dns.ResponseWriter, q *dns.Msg) {
			if s.times("udp A") > 1 {
				ok(w, q)
			}
		})
		a, _ := lookup(t, client(s))
		equal(t, "A", a, want)
	})
	t.Run("H4 a slow server ends with the whole time-out", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begin := time.Now()
		a, aaaa := New(Config{Servers: []netip.AddrPort{serve(t, silent).addr}}).Lookup(ctx, host)
		fails(t, a, "no answer in time")
		fails(t, aaaa, "no answer in time")
		if d := time.Since(begin); d > DefaultTryTimeout {
			t.Errorf("it took %s", d)
		}
	})
	t.Run("H4 cancelled at once", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := serve(t, func(dns.ResponseWriter, *dns.Msg) { cancel() })
		c := New(Config{Servers: []netip.AddrPort{s.addr}, TryTimeout: time.Hour})
		a, _ := c.Lookup(ctx, host)
		fails(t, a)
	})
	t.Run("H4 a server that restarts", func(t *testing.T) {
		s := good(t)
		c := client(s)
		s.stop()
		a, _ := lookup(t, c)
		fails(t, a, "connection refused")
		s.listen(s.addr.String())
		a, _ = lookup(t, c)
		equal(t, "A", a, want)
	})
	t.Run("H4 the same failure has the same words", func(t *testing.T) {
		c := client(serve(t, silent), serve(t, records(t, dns.RcodeServerFailure)))
		first, _ := lookup(t, c)
		ordered := strings.Contains(first.Err.Error(), "no answer in time; ")
		c.servers.demoted = nil
		second, _ := lookup(t, c)
		if !ordered || first.Err.Error() != second.Err.Error() {
			t.Errorf("%q, then %q", first.Err, second.Err)
		}
		if !errors.Is(first.Err, errSilent) {
			t.Errorf("%v does not wrap its cause", first.Err)
		}
	})
}

func TestRead(t *testing.T) {
	chain := func(n int) (list []string) {
		name := string(host)
		for i := range n {
			next := fmt.Sprintf("n%d.example.net.", i)
			list = append(list, fmt.Sprintf("%s %d IN CNAME %s", name, 100-i, next))
			name = next
		}
		return append(list, name+" 200 IN A 192.0.2.1")
	}
	fqdns := func(list ...string) (out []federation.FQDN) {
		for _, n := range list {
			out = append(out, federation.FQDN(n))
		}
		return out
	}
	for _, c := range []struct {
		rule    string
		rcode   int
		records []string
		want    Answer
		err     string
	}{
		{rule: "H4 a CNAME chain, with its least TTL", records: []string{"b.example.org. 50 IN A 192.0.2.1",
			"lb.example.net. 300 IN CNAME A.example.org.", "a.example.org. 40 IN CNAME b.example.org."},
			want: Answer{Addresses: addrs("192.0.2.1"), TTL: 40 * time.Second,
				Aliases: fqdns("a.example.org.", "b.example.org.")}},
		{rule: "H4 eight CNAME records", records: chain(8),
			want: Answer{Addresses: addrs("192.0.2.1"), TTL: 93 * time.Second,
				Aliases: fqdns("n0.example.net.", "n1.example.net.", "n2.example.net.", "n3.example.net.",
					"n4.example.net.", "n5.example.net.", "n6.example.net.", "n7.example.net.")}},
		{rule: "H4 nine CNAME records", records: chain(9), err: "more than 8"},
		{rule: "H4 a CNAME loop", records: []string{"lb.example.net. 30 IN CNAME a.example.net.",
			"a.example.net. 30 IN CNAME lb.example.net."}, err: "back to"},
		{rule: "H4 a CNAME to itself", records: []string{"lb.example.net. 30 IN CNAME lb.example.net."},
			err: "back to"},
		{rule: "H4 two CNAME records", records: []string{"lb.example.net. 30 IN CNAME a.example.net.",
			"lb.example.net. 30 IN CNAME b.example.net."}, err: "two CNAME"},
		{rule: "H4 a chain that ends nowhere", records: []string{"lb.example.net. 30 IN CNAME a.example.net."},
			err: "nothing is said"},
		{rule: "H4 addresses of other names and classes do not count",
			records: []string{"other.example.net. 5 IN A 192.0.2.66", "lb.example.net. 5 CH A 192.0.2.67",
				"lb.example.net. 30 IN A 192.0.2.1"},
			want: Answer{Addresses: addrs("192.0.2.1"), TTL: 30 * time.Second}},
		{rule: "H4 only addresses of other names", records: []string{"other.example.net. 5 IN A 192.0.2.66", soa},
			want: Answer{Denial: NoData, TTL: 2 * time.Minute}},
		{rule: "H4 a TTL above the maximum is 0", records: []string{"lb.example.net. 4000000000 IN A 192.0.2.1"},
			want: Answer{Addresses: addrs("192.0.2.1")}},
		{rule: "H4 an alias of a name that does not exist", rcode: dns.RcodeNameError,
			records: []string{"lb.example.net. 30 IN CNAME a.example.net.", soa},
			want:    Answer{Denial: NXDomain, TTL: 30 * time.Second, Aliases: fqdns("a.example.net.")}},
		{rule: "H4 NODATA behind an alias", records: []string{"lb.example.net. 300 IN CNAME a.example.net.", soa},
			want: Answer{Denial: NoData, TTL: 2 * time.Minute, Aliases: fqdns("a.example.net.")}},
		{rule: "H4 the negative TTL is the least of the SOA record's two", rcode: dns.RcodeNameError,
			records: []string{"net. 60 IN SOA a. b. 1 2 3 4 900"}, want: Answer{Denial: NXDomain, TTL: time.Minute}},
		{rule: "H4 a denial without an SOA record", rcode: dns.RcodeNameError, want: Answer{Denial: NXDomain}},
		{rule: "H4 NODATA without an SOA record", want: Answer{Denial: NoData}},
		{rule: "H4 the SOA record of another zone has no effect on the TTL", rcode: dns.RcodeNameError,
			records: []string{"example.org. 60 IN SOA a. b. 1 2 3 4 900"}, want: Answer{Denial: NXDomain}},
		{rule: "H4 a referral is no answer", records: []string{"example.net. 60 IN NS a.example.net."},
			err: "not a recursive server"},
		{rule: "H4 NXDOMAIN with addresses is no answer", rcode: dns.RcodeNameError,
			records: []string{"lb.example.net. 30 IN A 192.0.2.1"}, err: "NXDOMAIN with addresses"},
		{rule: "H4 an unknown rcode", rcode: 3841, err: "rcode 3841"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			q := new(dns.Msg).SetQuestion("LB.example.net.", dns.TypeA)
			m := reply(q, c.rcode, parse(t, c.records...))
			got, err := read(q.Question[0], m)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error is %v, want one that says %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "answer", got, c.want)
		})
	}
}
