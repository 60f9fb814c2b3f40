package federation

import (
	"fmt"
	"slices"
	"testing"

	"github.com/miekg/dns"
)

// TestUnusual holds that a name of ours is answered by us whatever is asked of it: the kubernetes plugin, which knows
// nothing of it, would deny it.
func TestUnusual(t *testing.T) {
	names := []string{
		"healthy.ns", "headless.ns", "external.ns", "dead.ns", "nowhere.ns", "_http._tcp.healthy.ns", "one.headless.ns",
		"ns", "",
	}
	asked := func(name string, change func(*dns.Msg)) *dns.Msg {
		if name != "" {
			name += "."
		}
		r := new(dns.Msg).SetQuestion(name+"myfed.svc.cluster.local.", dns.TypeA)
		change(r)
		return r
	}
	f := newPlugin(t, newCluster(), newRecords(t, published...), usualKubernetes, usualFederation)
	up := f.chaser.upstream.(*records)
	for _, tc := range []struct {
		rule   string
		rcode  int
		change func(*dns.Msg)
	}{
		{"Q3 class CH is refused", dns.RcodeRefused, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }},
		{"Q3 class HS is refused", dns.RcodeRefused, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassHESIOD }},
		{"Q3 class NONE is refused", dns.RcodeRefused, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassNONE }},
		{"Q3 class ANY is refused", dns.RcodeRefused, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }},
		{"Q3 class CH of a meta type is refused", dns.RcodeRefused, func(m *dns.Msg) {
			m.Question[0].Qclass, m.Question[0].Qtype = dns.ClassCHAOS, dns.TypeMAILB
		}},
		{"Q3 AXFR is refused, as the kubernetes plugin does", dns.RcodeRefused,
			func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR }},
		{"Q3 IXFR is refused, as the kubernetes plugin does", dns.RcodeRefused,
			func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeIXFR }},
		{"Q3 opcode NOTIFY is not implemented", dns.RcodeNotImplemented,
			func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }},
		{"Q3 opcode UPDATE is not implemented", dns.RcodeNotImplemented,
			func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }},
		{"Q3 two questions at once are an error of form", dns.RcodeFormatError,
			func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			for _, name := range names {
				r := asked(name, tc.change)
				w := &keepingWriter{}
				if _, err := f.ServeDNS(t.Context(), w, r); err != nil || w.msg == nil {
					t.Fatalf("%q: %v, reply %v", name, err, w.msg)
				}
				if m := w.msg; m.Rcode != tc.rcode || len(m.Answer)+len(m.Ns) > 0 || m.Opcode != r.Opcode ||
					m.Question[0] != r.Question[0] {
					t.Errorf("%q: %s", name, m)
				}
			}
		})
	}
	t.Run("Q3 a meta type has no data, as the kubernetes plugin says of a plain name", func(t *testing.T) {
		for qtype := range uint16(255) { // RFC 6895, section 3.1
			if qtype != 0 && qtype != dns.TypeOPT && qtype < 128 || qtype == dns.TypeAXFR || qtype == dns.TypeIXFR {
				continue
			}
			// which kubernetes looks up
			for _, name := range slices.DeleteFunc(slices.Clone(names),
				func(n string) bool { return n == "external.ns" }) {
				m := exchange(t, f, asked(name, func(m *dns.Msg) { m.Question[0].Qtype = qtype }))
				if got, want := short(m), "NOERROR; soa cluster.local."; got != want {
					t.Errorf("%q type %d: %s", name, qtype, got)
				}
			}
		}
		if n := up.asked.Load(); n > 0 {
			t.Errorf("%d lookups", n)
		}
	})
	t.Run("Q3 whatever is asked of a name that exists, it is never NXDOMAIN", func(t *testing.T) {
		for _, class := range []uint16{dns.ClassINET, 0, 2, dns.ClassCHAOS, dns.ClassHESIOD, dns.ClassNONE,
			dns.ClassANY, 65280} {
			for qtype := range uint16(300) {
				for _, name := range []string{"healthy.ns", "dead.ns"} {
					m := exchange(t, f, asked(name, func(m *dns.Msg) {
						m.Question[0].Qclass,
							m.Question[0].Qtype = class, qtype
					}))
					if m.Rcode == dns.RcodeNameError {
						t.Fatalf("%s class %d type %d: %s", name, class, qtype, short(m))
					}
				}
			}
		}
	})
	t.Run("Q3 names that are not ours are passed on, whatever is asked of them", func(t *testing.T) {
		for _, name := range []string{"healthy.ns.svc.cluster.local.", "www.example.org.",
			"*.ns.myfed.svc.cluster.local."} {
			for _, change := range []func(*dns.Msg){
				func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
				func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify },
				func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR },
			} {
				r := new(dns.Msg).SetQuestion(name, dns.TypeA)
				if change(r); f.candidate(r) != nil {
					t.Errorf("taken for ours: %v", r)
				}
			}
		}
		if f.candidate(new(dns.Msg)) != nil {
			t.Error("no question at all is ours")
		}
	})
	t.Run("Q13 what is refused is counted so", func(t *testing.T) {
		before := counted(t, "coredns_federation_requests_total", "refused")
		exchange(t, f, asked("healthy.ns", func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }))
		if got := counted(t, "coredns_federation_requests_total", "refused") - before; got != 1 {
			t.Errorf("counted %v times", got)
		}
	})
}

// TestNoSuchName: a name that Kubernetes cannot hold is not ours, so that it is not looked up in other clusters either.
func TestNoSuchName(t *testing.T) {
	f := newPlugin(t, newCluster(), newRecords(t), usualKubernetes, usualFederation)
	up := f.chaser.upstream.(*records)
	for _, name := range []string{
		"de/ad.ns", "-dead.ns", "dead-.ns", "de_ad.ns", "_dead.ns", "dead.n_s", "dead.-ns", "dead.ns-", "de!ad.ns",
		"de,ad.ns", "de=ad.ns", `de\032ad.ns`, `d\195\168ad.ns`,
		"_http._tcp._healthy.ns", "_http._tcp.-healthy.ns", "_http.tcp.healthy.ns", "http._tcp.healthy.ns",
		"_ht_tp._tcp.healthy.ns", "__http._tcp.healthy.ns",
		"x._healthy.ns", "x_y.healthy.ns", "x/y.headless.ns", "*.ns", "*.headless.ns", "a.b.c.healthy.ns",
	} {
		t.Run("Q8a "+name, func(t *testing.T) {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypeANY, dns.TypeCNAME} {
				if got, want := short(ask(t, f, name+".myfed.svc.cluster.local.", qtype)),
					"NXDOMAIN; soa cluster.local."; got != want {
					t.Errorf("type %d: %s", qtype, got)
				}
			}
			if n := up.asked.Swap(0); n > 0 {
				t.Errorf("%d lookups", n)
			}
		})
	}
	for _, name := range []string{"_x.dead.ns", "x_y.dead.ns", "_http.tcp.dead.ns", "http._tcp.dead.ns",
		"_ht_tp._tcp.dead.ns"} {
		t.Run("Q3 "+name+" is neither an endpoint nor a port", func(t *testing.T) {
			if got, want := short(ask(t, f, name+".myfed.svc.cluster.local.", dns.TypeSRV)),
				"NXDOMAIN; soa cluster.local."; got != want {
				t.Error(got)
			}
		})
	}
	up.asked.Store(0)
	for _, name := range []string{"0dead.ns", "d--d.ns", "dead.0", "--1.dead.ns", "10-0-0-1.dead.ns",
		"_http-alt._sctp.dead.ns"} {
		t.Run("Q3 "+name+" may be", func(t *testing.T) {
			ask(t, f, name+".myfed.svc.cluster.local.", dns.TypeA)
			if up.asked.Swap(0) == 0 {
				t.Error("not looked up")
			}
		})
	}
	t.Run("Q8a labels of 63 octets may be", func(t *testing.T) {
		long := fmt.Sprintf("%063d", 7)
		ask(t, f, long+"."+long+".myfed.svc.cluster.local.", dns.TypeA)
		if up.asked.Load() == 0 {
			t.Error("not looked up")
		}
	})
}
