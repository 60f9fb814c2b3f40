package federation

import (
	"testing"

	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
)

// TestTTL: no record of an answer to a federated name lives longer than ttl.
func TestTTL(t *testing.T) {
	names := []struct {
		name  string
		qtype uint16
	}{
		{"healthy.ns", dns.TypeA}, {"healthy.ns", dns.TypeAAAA}, {"healthy.ns", dns.TypeTXT},
		{"headless.ns", dns.TypeA}, {"headless.ns", dns.TypeAAAA},
		{"_http._tcp.healthy.ns", dns.TypeSRV}, {"_http._tcp.headless.ns", dns.TypeSRV}, {"one.headless.ns", dns.TypeA},
		{"no.headless.ns", dns.TypeA},
		{"external.ns", dns.TypeA}, {"healthy.ns", dns.TypeMAILB}, {"ns", dns.TypeA},
		{"dead.ns", dns.TypeA}, {"dead.ns", dns.TypeCNAME}, {"dead.ns", dns.TypeMX}, {"gone.ns", dns.TypeA},
		{"nowhere.ns", dns.TypeA}, {"four.ns", dns.TypeAAAA},
	}
	for _, tc := range []struct{ rule, kubernetes, line string }{
		{"Q15 five seconds though kubernetes has 30", " {\n ttl 30\n}", ""},
		{"Q15 five seconds though kubernetes has 3600", " {\n ttl 3600\n}", ""},
		{"Q15 what kubernetes has, if it is less", " {\n ttl 2\n}", ""},
		{"Q15 nothing, if kubernetes has 0", " {\n ttl 0\n}", ""},
		{"Q15 what the Corefile says", " {\n ttl 30\n}", "ttl 3"},
		{"Q15 what the Corefile says, if it is more", " {\n ttl 30\n}", "ttl 17"},
		{"Q15 nothing, if the Corefile says so", " {\n ttl 30\n}", "ttl 0"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			up := newRecords(t, append([]string{"www.example.net. 600 IN A 192.0.2.80"}, published...)...)
			far := changedFor{up, func(m *dns.Msg, _ request.Request) {
				for i, rr := range m.Ns {
					if _, ok := rr.(*dns.SOA); ok {
						m.Ns[i] = test.SOA("example.com. 900 IN SOA ns.example.com. host.example.com. 1 7200 1800 " +
							"86400 600")
					}
				}
				if len(m.Ns) > 0 {
					m.Ns = append(m.Ns, test.NS("example.com. 900 IN NS ns.example.com."))
				}
			}}
			f := newPlugin(t, newCluster(), far, usualKubernetes+tc.kubernetes,
				"federation {\n myfed example.com\n topology region1 zone1\n "+tc.line+"\n}")
			want := map[string]uint32{"ttl 3": 3, "ttl 17": 17, " {\n ttl 2\n}": 2, " {\n ttl 0\n}": 0, "ttl 0": 0}
			most, ok := want[tc.line]
			if !ok {
				if most, ok = want[tc.kubernetes]; !ok {
					most = 5
				}
			}
			reached := false
			for _, q := range names {
				for range 2 { // the second time from what is kept
					m := ask(t, f, q.name+".myfed.svc.cluster.local.", q.qtype)
					for _, rrs := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
						for _, rr := range rrs {
							h := rr.Header()
							reached = reached || h.Ttl == most
							if soa, ok := rr.(*dns.SOA); h.Ttl > most || ok && soa.Minttl > most {
								t.Errorf("%s %s: more than %d: %s", q.name, dns.TypeToString[q.qtype], most, rr)
							}
						}
					}
				}
			}
			if !reached {
				t.Errorf("no TTL is %d", most)
			}
			if m := ask(t, f, "healthy.ns.svc.cluster.local.",
				dns.TypeA); m.Answer[0].Header().Ttl != f.k8s.MinTTL(request.Request{}) {
				t.Errorf("a plain name's TTL is changed: %s", m.Answer[0])
			}
		})
	}
	t.Run("Q15 records that others have, too, are copied first", func(t *testing.T) {
		up := newRecords(t, append([]string{"www.example.net. 600 IN A 192.0.2.80"}, published...)...)
		f := newPlugin(t, newCluster(), up, usualKubernetes+" {\n ttl 30\n}", usualFederation)
		for _, q := range names {
			ask(t, f, q.name+".myfed.svc.cluster.local.", q.qtype)
		}
		for _, rr := range up.rrs {
			if rr.Header().Ttl != 180 && rr.Header().Ttl != 600 {
				t.Errorf("it is %s", rr)
			}
		}
		if soa.Hdr.Ttl != 300 || soa.Minttl != 5 {
			t.Errorf("it is %s", soa)
		}
	})
	t.Run("Q15 what stands in an OPT record is no TTL", func(t *testing.T) {
		opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT, Ttl: 0x8000}}
		if limitTTLs([]dns.RR{opt}, 5); !opt.Do() {
			t.Errorf("it is %s", opt)
		}
	})
}
