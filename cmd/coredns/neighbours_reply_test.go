package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Neighbours that change replies.

func TestNeighboursLoadbalance(t *testing.T) {
	t.Parallel()
	p, _, auth := world(t, "loadbalance round_robin")
	c := p.client(t)
	usualReplies(t, c, func(s string) string {
		if s == portText { // it mixes the additional section too
			return ""
		}
		return s
	})
	auth.add(t, manyLines("several.ns.fed.svc.zone1.example.com.", 4))
	t.Run("Q8b the addresses change places, the chain does not", func(t *testing.T) {
		orders := map[string]bool{}
		for range 60 {
			m := c.ask(federated("several"), dns.TypeA)
			all := strings.Split(text(m), "\n")
			if len(all) != 6 ||
				all[1] != "several.ns.fed.svc.cluster.local. 5 CNAME several.ns.fed.svc.zone1.example.com." {
				t.Fatal(text(m))
			}
			addrs := all[2:]
			orders[strings.Join(addrs, " ")] = true
			slices.Sort(addrs)
			if len(slices.Compact(addrs)) != 4 {
				t.Fatal(text(m))
			}
		}
		if len(orders) < 2 {
			t.Error("always in the same order")
		}
	})
}

func TestNeighboursHeader(t *testing.T) {
	t.Parallel()
	p, _, _ := world(t, "header {\n        response set ra\n        response clear aa\n    }")
	c := p.client(t)
	usualReplies(t, c, func(s string) string {
		head, rest, more := strings.Cut(lines(s), "\n")
		words := slices.DeleteFunc(strings.Fields(head), func(w string) bool { return w == "aa" || w == "ra" })
		head = strings.Join(append(words, "ra"), " ")
		if more {
			return head + "\n" + rest
		}
		return head
	})
}

func TestNeighboursMinimal(t *testing.T) {
	t.Parallel()
	p, _, _ := world(t, "minimal")
	usualReplies(t, p.client(t), func(s string) string {
		switch s {
		case portText:
			s, _, _ = strings.Cut(s, "+")
		case deadNoDataText: // it takes a CNAME for data, as for any name
			s, _, _ = strings.Cut(s, ";")
		}
		return s
	})
}

func TestNeighboursDNS64(t *testing.T) {
	t.Parallel()
	p, _, _ := world(t, "dns64 {\n        prefix 64:ff9b::/96\n        allow_ipv4\n    }")
	c := p.client(t)
	t.Run("Q6 an IPv6 address is made of the local one", func(t *testing.T) {
		check(t, c.ask(federated("healthy"), dns.TypeAAAA),
			"NOERROR rd\nhealthy.ns.fed.svc.cluster.local. 5 AAAA 64:ff9b::a00:1")
		check(t, c.ask(federated("healthy"), dns.TypeA), localText)
	})
	t.Run("Q8b and of the one at the end of a chain", func(t *testing.T) {
		check(t, c.ask(federated("dead"), dns.TypeAAAA), `NOERROR aa rd
			dead.ns.fed.svc.cluster.local. 5 CNAME dead.ns.fed.svc.zone1.example.com.
			dead.ns.fed.svc.zone1.example.com. 5 CNAME dead.ns.fed.svc.region1.example.com.
			dead.ns.fed.svc.region1.example.com. 5 CNAME dead.ns.fed.svc.example.com.
			dead.ns.fed.svc.example.com. 5 AAAA 64:ff9b::cb00:7101`)
		check(t, c.ask(federated("dead"), dns.TypeA), deadText)
		check(t, c.ask(federated("circle"), dns.TypeAAAA), circleText)
	})
}

// zoneKey makes a key of cluster.local in files that the dnssec plugin reads.
func zoneKey(t *testing.T) (*dns.DNSKEY, string) {
	t.Helper()
	key := &dns.DNSKEY{Hdr: dns.RR_Header{Name: "cluster.local.",
		Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
		Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
	private, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(t.TempDir(), fmt.Sprintf("Kcluster.local.+%03d+%05d", key.Algorithm, key.KeyTag()))
	for name, data := range map[string]string{".key": key.String() + "\n", ".private": key.PrivateKeyString(private)} {
		if err := os.WriteFile(base+name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key, base
}

// verify checks each signature of the records.
func verify(t *testing.T, key *dns.DNSKEY, rrs []dns.RR) {
	t.Helper()
	for _, rr := range rrs {
		sig, ok := rr.(*dns.RRSIG)
		if !ok {
			continue
		}
		set := slices.DeleteFunc(slices.Clone(rrs), func(rr dns.RR) bool {
			return rr.Header().Name != sig.Hdr.Name || rr.Header().Rrtype != sig.TypeCovered
		})
		if err := sig.Verify(key, set); err != nil || !sig.ValidityPeriod(time.Now()) {
			t.Errorf("signature of %s %s: %v", sig.Hdr.Name, dns.TypeToString[sig.TypeCovered], err)
		}
	}
}

// signedCNAME is a kept reply of a chain with the signature of our CNAME.
func signedCNAME(s, name string) string {
	answer, rest, negative := strings.Cut(ttls(s, "5"), "\n;")
	answer += "\n" + federated(name) + " 5 RRSIG CNAME cluster.local."
	if negative {
		answer += "\n;" + rest
	}
	return answer + "\nopt 1232 do"
}

// extraRank puts signatures behind what they sign, and OPT last.
func extraRank(rr dns.RR) int {
	switch rr.Header().Rrtype {
	case dns.TypeRRSIG:
		return 1
	case dns.TypeOPT:
		return 2
	}
	return 0
}

func TestNeighboursDnssec(t *testing.T) {
	t.Parallel()
	key, file := zoneKey(t)
	p, _, _ := world(t, "cache 30\n    dnssec cluster.local {\n        key file "+file+"\n    }")
	c := p.client(t)
	for _, tc := range []struct {
		rule  string
		name  string
		qtype uint16
		want  string
	}{
		{"Q2 a local answer is signed", federated("healthy"), dns.TypeA, `NOERROR aa rd
			healthy.ns.fed.svc.cluster.local. 5 A 10.0.0.1
			healthy.ns.fed.svc.cluster.local. 5 RRSIG A cluster.local.
			opt 1232 do`},
		{"Q2 its absence is proved", federated("healthy"), dns.TypeAAAA, `NOERROR aa rd
			; cluster.local. 5 SOA 5
			; cluster.local. 5 RRSIG SOA cluster.local.
			; healthy.ns.fed.svc.cluster.local. 5 RRSIG NSEC cluster.local.
			; healthy.ns.fed.svc.cluster.local. 5 NSEC \000.healthy.ns.fed.svc.cluster.local.
			opt 1232 do`},
		{"Q2 SRV under the asked owner", "_http._tcp." + federated("headless"), dns.TypeSRV, `NOERROR aa rd
			_http._tcp.headless.ns.fed.svc.cluster.local. 5 SRV 0 50 8080 one.headless.ns.svc.cluster.local.
			_http._tcp.headless.ns.fed.svc.cluster.local. 5 SRV 0 50 8080 two.headless.ns.svc.cluster.local.
			_http._tcp.headless.ns.fed.svc.cluster.local. 5 RRSIG SRV cluster.local.
			+ one.headless.ns.svc.cluster.local. 5 A 172.16.0.3
			+ two.headless.ns.svc.cluster.local. 5 A 172.16.0.4
			+ one.headless.ns.svc.cluster.local. 5 RRSIG A cluster.local.
			+ two.headless.ns.svc.cluster.local. 5 RRSIG A cluster.local.
			opt 1232 do`},
		{"Q8b our CNAME is signed, records of another domain are not",
			federated("dead"), dns.TypeA, signedCNAME(deadText, "dead")},
		{"Q8b NODATA of another domain", federated("nodata"), dns.TypeA, signedCNAME(deadNoDataText, "nodata")},
		{"Q8b NXDOMAIN of another domain", federated("gone"), dns.TypeA, signedCNAME(goneText, "gone")},
		{"Q8b SERVFAIL", federated("circle"), dns.TypeA, `SERVFAIL rd
			opt 1232 do`},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			for range 2 { // the second one from the cache
				m := c.ask(tc.name, tc.qtype, withDO)
				slices.SortStableFunc(m.Extra, func(a, b dns.RR) int { // it signs the sets in any order
					return cmp.Or(cmp.Compare(extraRank(a), extraRank(b)),
						cmp.Compare(a.Header().Name, b.Header().Name))
				})
				check(t, m, tc.want)
				for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
					verify(t, key, section)
				}
				for _, rr := range m.Ns {
					if nsec, ok := rr.(*dns.NSEC); ok && slices.Contains(nsec.TypeBitMap, tc.qtype) {
						t.Errorf("it does not deny the type: %v", nsec)
					}
				}
			}
		})
	}
	t.Run("Q8b without DO nothing is signed",
		func(t *testing.T) { check(t, c.ask(federated("dead"), dns.TypeA), ttls(deadText, "5")) })
}
