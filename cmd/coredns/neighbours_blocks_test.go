package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// block is a server block with a kubernetes plugin.
func block(zone string, api *kubeAPI, federation string) string {
	return fmt.Sprintf("%s:0 {\n bind 127.0.0.1\n errors\n federation {\n%s\n }\n kubernetes %s {\n endpoint %s\n "+
		"ttl 5\n }\n}\n", zone, federation, zone, api.url)
}

func forwardBlock(zone string, auth *authority) string {
	return fmt.Sprintf("%s:0 {\n bind 127.0.0.1\n errors\n forward . %s\n}\n", zone, auth.addr)
}

func TestNeighboursBlocks(t *testing.T) {
	t.Parallel()
	here, there, auth := newKubeAPI(t).usual(), newKubeAPI(t), newAuthority(t)
	there.service("healthy", "10.1.0.1")
	there.ready("healthy", "172.17.0.1")
	auth.add(t, "dead.ns.fed.svc.zone2.example.com. 180 IN A 203.0.113.2")
	c := run(t, block("cluster.local", here, "fed example.com\n topology region1 zone1")+
		block("other.local", there, "fed example.com\n topology region2 zone2")+
		forwardBlock("example.com", auth)+
		forwardBlock(".", auth)).client(t)
	t.Run("Q8a the chase goes by way of another server block", func(t *testing.T) { usualReplies(t, c, nil) })
	t.Run("Q1 each block has its own Services, zones and place", func(t *testing.T) {
		check(t, c.ask("healthy.ns.fed.svc.other.local.", dns.TypeA),
			"NOERROR aa rd\nhealthy.ns.fed.svc.other.local. 5 A 10.1.0.1")
		check(t, c.ask("dead.ns.fed.svc.other.local.", dns.TypeA), `NOERROR aa rd ra
			dead.ns.fed.svc.other.local. 5 CNAME dead.ns.fed.svc.zone2.example.com.
			dead.ns.fed.svc.zone2.example.com. 5 A 203.0.113.2`)
	})
	t.Run("Q6 DS as for the plain name", func(t *testing.T) {
		check(t, c.ask("healthy.ns.svc.cluster.local.", dns.TypeDS), noDataText)
		check(t, c.ask(federated("healthy"), dns.TypeDS), noDataText)
	})
	t.Run("Q7a DS of a dead one is a CNAME as every type", func(t *testing.T) {
		check(t, c.ask(federated("nodata"), dns.TypeDS), deadNoDataText)
	})
	t.Run("Q8b no block for the records", func(t *testing.T) {
		c := run(t, block("cluster.local", here, "fed example.com\n topology region1 zone1")).client(t)
		check(t, c.ask(federated("healthy"), dns.TypeA), localText)
		check(t, c.ask(federated("dead"), dns.TypeA, withEDNS(1232)),
			"SERVFAIL rd\nopt 1232 ede 22 the servers of the federation's records gave no answer")
	})
}

func TestNeighboursTwoFederations(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	auth.add(t, "dead.ns.other.svc.zone1.example.net. 60 IN A 203.0.113.3")
	conf := corefile(api, auth, "prometheus 127.0.0.1:0")
	p := run(t, strings.Replace(conf, "fed example.com", "fed example.com\n        other example.net", 1))
	c := p.client(t)
	t.Run("Q3 each has its own label", func(t *testing.T) {
		usualReplies(t, c, nil)
		check(t, c.ask("healthy.ns.other.svc.cluster.local.", dns.TypeA),
			strings.ReplaceAll(localText, ".fed.", ".other."))
		check(t, c.ask("healthy.ns.third.svc.cluster.local.", dns.TypeA), "NXDOMAIN aa rd\n; cluster.local. 5 SOA 5")
	})
	t.Run("Q7a each has its own domain", func(t *testing.T) {
		check(t, c.ask("dead.ns.other.svc.cluster.local.", dns.TypeA), `NOERROR aa rd ra
			dead.ns.other.svc.cluster.local. 5 CNAME dead.ns.other.svc.zone1.example.net.
			dead.ns.other.svc.zone1.example.net. 5 A 203.0.113.3`)
	})
	t.Run("Q13 each is counted, and no Service is named", func(t *testing.T) {
		want := []string{
			"coredns_federation_namespace_collisions 0",
			`coredns_federation_requests_total{federation="other",result="cname",server="dns://127.0.0.1:0"} 1`,
			`coredns_federation_requests_total{federation="other",result="local",server="dns://127.0.0.1:0"} 1`,
		}
		var body string
		poll(t, strings.Join(want, "\n"), func() bool { // they are counted after the reply
			body = get(t, "http://"+p.Metrics+"/metrics")
			var got []string
			for l := range strings.Lines(body) {
				l = strings.TrimSpace(l)
				if strings.HasPrefix(l, "coredns_federation_requests_total{") &&
					strings.Contains(l, `federation="other"`) && !strings.HasSuffix(l, "} 0") ||
					strings.HasPrefix(l, "coredns_federation_namespace_collisions") {
					got = append(got, l)
				}
			}
			slices.Sort(got)
			return slices.Equal(got, want)
		})
		if strings.Contains(body, "healthy") {
			t.Error("a metric names a Service")
		}
	})
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
