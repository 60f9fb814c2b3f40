package main

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// searched is the name as a pod of namespace ns searches for it first.
func searched(name string) string { return name + ".ns.fed.ns.svc.cluster.local." }

// TestNeighboursAutopath: the pod with our address searches for names.
func TestNeighboursAutopath(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	api.pod("client", "127.0.0.1")
	conf := strings.Replace(corefile(api, auth, "autopath @kubernetes"), "ttl 5", "ttl 5\n        pods verified", 1)
	c := run(t, conf).client(t)
	// under is the reply with the record that leads from the asked name to it.
	under := func(name, s string) string {
		head, rest, _ := strings.Cut(lines(s), "\n")
		return head + "\n" + searched(name) + " 5 CNAME " + federated(name) + "\n" + rest
	}
	for _, tc := range []struct {
		rule  string
		name  string
		qtype uint16
		want  string
	}{
		{"Q2 healthy, at the first question", searched("healthy"), dns.TypeA, under("healthy", localText)},
		{"Q2 NODATA ends the search", searched("healthy"), dns.TypeAAAA, noDataText},
		{"Q8b dead, at the first question: the chain in order", searched("dead"), dns.TypeA, under("dead", deadText)},
		{"Q8b dead, NODATA", searched("nodata"), dns.TypeA, under("nodata", deadNoDataText)},
		{"Q11 our SERVFAIL does not become NXDOMAIN", searched("circle"), dns.TypeA, circleText},
		{"Q8b NXDOMAIN lets the search go on", searched("gone"), dns.TypeA, "NXDOMAIN aa rd\n; cluster.local. 5 SOA 5"},
		{"Q3 a name outside", "www.example.com.ns.svc.cluster.local.", dns.TypeA, `NOERROR rd ra ad
			www.example.com.ns.svc.cluster.local. 180 CNAME www.example.com.
			www.example.com. 180 A 192.0.2.80`},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			check(t, c.ask(tc.name, tc.qtype), tc.want)
			check(t, c.askTCP(tc.name, tc.qtype), tc.want)
		})
	}
	t.Run("Q3 the question's case is echoed", func(t *testing.T) {
		m := c.ask("HEALTHY.ns.fed.ns.svc.cluster.local.", dns.TypeA)
		if len(m.Answer) != 2 || m.Answer[0].Header().Name != "HEALTHY.ns.fed.ns.svc.cluster.local." {
			t.Errorf("answer %v", m.Answer)
		}
	})
	t.Run("Q6 the full name is as without autopath",
		func(t *testing.T) { check(t, c.ask(federated("dead"), dns.TypeA), deadText) })
}

func TestNeighboursRewrite(t *testing.T) {
	t.Parallel()
	p, _, auth := world(t, `rewrite name suffix .clusters.example.org. .svc.cluster.local. answer auto
    rewrite name suffix .old.svc.cluster.local. .fed.svc.cluster.local. answer auto
    rewrite name suffix .moved.example.org. .example.net. answer auto`)
	auth.add(t, "moved.ns.fed.svc.zone1.example.com. 180 IN CNAME x.moved.example.org.\n"+
		"x.example.net. 180 IN A 203.0.113.7")
	c := p.client(t)
	t.Run("Q6 asked by another zone: every owner is the asked name", func(t *testing.T) {
		check(t, c.ask("healthy.ns.fed.clusters.example.org.", dns.TypeA),
			"NOERROR aa rd\nhealthy.ns.fed.clusters.example.org. 5 A 10.0.0.1")
	})
	t.Run("Q8b asked by another zone: only the first owner is", func(t *testing.T) {
		check(t, c.ask("dead.ns.fed.clusters.example.org.", dns.TypeA),
			strings.Replace(deadText, "dead.ns.fed.svc.cluster.local.", "dead.ns.fed.clusters.example.org.", 1))
	})
	t.Run("Q11 SRV by a federation's former name", func(t *testing.T) {
		check(t, c.ask("_http._tcp.headless.ns.old.svc.cluster.local.", dns.TypeSRV),
			strings.ReplaceAll(portText, ".fed.svc.", ".old.svc."))
	})
	t.Run("Q8a a link of the chain is rewritten on its way", func(t *testing.T) {
		check(t, c.ask(federated("moved"), dns.TypeA), `NOERROR aa rd ra
			moved.ns.fed.svc.cluster.local. 5 CNAME moved.ns.fed.svc.zone1.example.com.
			moved.ns.fed.svc.zone1.example.com. 5 CNAME x.moved.example.org.
			x.moved.example.org. 5 A 203.0.113.7`)
	})
	t.Run("Q8b SERVFAIL", func(t *testing.T) {
		check(t, c.ask("circle.ns.fed.clusters.example.org.", dns.TypeA, withEDNS(1232)), circleEDNS)
	})
}
