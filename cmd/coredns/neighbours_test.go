package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// The plugin among its neighbours: a whole CoreDNS, a kubernetes plugin that
// watches an API server, a server of the federation's domain; real questions,
// whole replies, and never a second one.

func federated(name string) string { return name + ".ns.fed.svc.cluster.local." }

// What the usual world answers, without further plugins.
const (
	localText = `NOERROR aa rd
		healthy.ns.fed.svc.cluster.local. 5 A 10.0.0.1`
	noDataText = `NOERROR aa rd
		; cluster.local. 5 SOA 5`
	portText = `NOERROR aa rd
		_http._tcp.headless.ns.fed.svc.cluster.local. 5 SRV 0 50 8080 one.headless.ns.svc.cluster.local.
		_http._tcp.headless.ns.fed.svc.cluster.local. 5 SRV 0 50 8080 two.headless.ns.svc.cluster.local.
		+ one.headless.ns.svc.cluster.local. 5 A 172.16.0.3
		+ two.headless.ns.svc.cluster.local. 5 A 172.16.0.4`
	externalText = `NOERROR aa rd
		external.ns.fed.svc.cluster.local. 5 CNAME www.example.com.
		www.example.com. 5 A 192.0.2.80`
	deadText = `NOERROR aa rd ra
		dead.ns.fed.svc.cluster.local. 5 CNAME dead.ns.fed.svc.zone1.example.com.
		dead.ns.fed.svc.zone1.example.com. 5 CNAME dead.ns.fed.svc.region1.example.com.
		dead.ns.fed.svc.region1.example.com. 5 CNAME dead.ns.fed.svc.example.com.
		dead.ns.fed.svc.example.com. 5 A 203.0.113.1`
	deadNoDataText = `NOERROR aa rd ra
		nodata.ns.fed.svc.cluster.local. 5 CNAME nodata.ns.fed.svc.zone1.example.com.
		nodata.ns.fed.svc.zone1.example.com. 5 CNAME nodata.ns.fed.svc.region1.example.com.
		; example.com. 5 SOA 5`
	goneText = `NXDOMAIN aa rd ra
		gone.ns.fed.svc.cluster.local. 5 CNAME gone.ns.fed.svc.zone1.example.com.
		gone.ns.fed.svc.zone1.example.com. 5 CNAME gone.ns.fed.svc.region1.example.com.
		gone.ns.fed.svc.region1.example.com. 5 CNAME gone.ns.fed.svc.example.com.
		; example.com. 5 SOA 5`
	circleText = `SERVFAIL rd`
	circleEDNS = circleText + `
		opt 1232 ede 0 the federation's records form a loop`
)

// ttls gives all records of a reply's text the same TTL, as the cache plugin
// does.
func ttls(s, ttl string) string {
	var out []string
	for l := range strings.SplitSeq(lines(s), "\n") {
		fields := strings.Fields(l)
		for i := range min(len(fields), 3) {
			if _, err := fmt.Sscanf(fields[i], "%d", new(int)); err == nil && fields[0] != "opt" {
				fields[i] = ttl
				break
			}
		}
		out = append(out, strings.Join(fields, " "))
	}
	return strings.Join(out, "\n")
}

func TestNeighboursNone(t *testing.T) {
	t.Parallel()
	p, _, auth := world(t, "")
	c := p.client(t)
	usualReplies(t, c, nil)
	t.Run("Q3 the question's case is echoed", func(t *testing.T) {
		check(t, c.ask("hEALTHY.ns.Fed.svc.CLUSTER.local.", dns.TypeA),
			strings.Replace(localText, "healthy.ns.fed.svc.cluster.local.", "hEALTHY.ns.Fed.svc.CLUSTER.local.", 1))
		check(t, c.ask("dEAD.ns.Fed.svc.CLUSTER.local.", dns.TypeA),
			strings.Replace(deadText, "dead.ns.fed.svc.cluster.local.", "dEAD.ns.Fed.svc.CLUSTER.local.", 1))
		// The zone of the targets is echoed too, as for the plain name.
		check(t, c.ask("_HTTP._tcp.headless.ns.Fed.svc.CLUSTER.local.", dns.TypeSRV),
			strings.NewReplacer("_http", "_HTTP", "fed", "Fed", "cluster", "CLUSTER").Replace(portText))
	})
	t.Run("Q3 a name that is not ours is left to the kubernetes plugin", func(t *testing.T) {
		check(t, c.ask("healthy.ns.svc.cluster.local.", dns.TypeA),
			"NOERROR aa rd\nhealthy.ns.svc.cluster.local. 5 A 10.0.0.1")
		check(t, c.ask("a.b.c.d.e.fed.svc.cluster.local.", dns.TypeA), "NXDOMAIN aa rd\n; cluster.local. 5 SOA 5")
	})
	t.Run("Q8b AD is cleared and the upstream's OPT dropped", func(t *testing.T) {
		check(t, c.ask("dead.ns.fed.svc.example.com.", dns.TypeA, withAD),
			"NOERROR rd ra ad\ndead.ns.fed.svc.example.com. 180 A 203.0.113.1")
		check(t, c.ask(federated("dead"), dns.TypeA, withAD), deadText)
		check(t, c.ask(federated("dead"), dns.TypeA, withDO), deadText+"\nopt 1232 do")
		check(t, c.ask(federated("dead"), dns.TypeA, withEDNS(4096)), deadText+"\nopt 4096")
	})
	t.Run("Q8b TC, and everything over TCP", func(t *testing.T) {
		auth.add(t, manyLines("many.ns.fed.svc.zone1.example.com.", 90))
		for _, size := range []uint16{0, 512, 1232, 4096} { // the chase offers 1232
			hows := []how{withEDNS(size)}
			if size == 0 {
				hows = nil
			}
			m := c.ask(federated("many"), dns.TypeA, hows...)
			if packed := packedLen(t, m); !m.Truncated || packed > max(512, int(size)) {
				t.Errorf("EDNS %d: TC %v in %d octets", size, m.Truncated, packed)
			}
		}
		if m := c.askTCP(federated("many"), dns.TypeA); m.Truncated || len(m.Answer) != 91 {
			t.Errorf("over TCP: TC %v, %d records, want 91", m.Truncated, len(m.Answer))
		}
	})
}

// usualReplies asks for every kind of reply over UDP and TCP. Of each text,
// the change is what the neighbour makes of it; "" if that is not always the
// same.
func usualReplies(t *testing.T, c *client, change func(string) string) {
	t.Helper()
	if change == nil {
		change = func(s string) string { return s }
	}
	for _, tc := range []struct {
		rule  string
		name  string
		qtype uint16
		want  string
	}{
		{"Q6 local", federated("healthy"), dns.TypeA, localText},
		{"Q6 local NODATA", federated("healthy"), dns.TypeAAAA, noDataText},
		{"Q6 local SRV with its additional section", "_http._tcp." + federated("headless"), dns.TypeSRV, portText},
		{"Q6 ExternalName", federated("external"), dns.TypeA, externalText},
		{"Q8b dead: the whole chain in order", federated("dead"), dns.TypeA, deadText},
		{"Q8b dead: the CNAME alone for type CNAME", federated("dead"), dns.TypeCNAME,
			"NOERROR aa rd\ndead.ns.fed.svc.cluster.local. 5 CNAME dead.ns.fed.svc.zone1.example.com."},
		{"Q8b dead: NODATA with the last name's SOA", federated("nodata"), dns.TypeA, deadNoDataText},
		{"Q8b dead: NXDOMAIN with the last name's SOA", federated("gone"), dns.TypeA, goneText},
		{"Q8b a chain that cannot be followed", federated("circle"), dns.TypeA, circleText},
	} {
		want := change(tc.want)
		if want == "" {
			continue
		}
		t.Run(tc.rule, func(t *testing.T) {
			check(t, c.ask(tc.name, tc.qtype), want)
			check(t, c.askTCP(tc.name, tc.qtype), want)
		})
	}
	t.Run("Q14 an extended error for who sends OPT", func(t *testing.T) {
		check(t, c.ask(federated("circle"), dns.TypeA, withEDNS(1232)), change(circleEDNS))
	})
}

// manyLines are n A records of a name.
func manyLines(name string, n int) string {
	var b strings.Builder
	addr := netip.MustParseAddr("198.51.100.1")
	for range n {
		fmt.Fprintf(&b, "%s 180 IN A %s\n", name, addr)
		addr = addr.Next()
	}
	return b.String()
}

func packedLen(t *testing.T, m *dns.Msg) int {
	t.Helper()
	m.Compress = true
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return len(wire)
}
