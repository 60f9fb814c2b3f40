package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/needs"
)

// load asks one question after the other from one socket, until it is told to
// end: each gets one reply, the one that is wanted.
func load(server, name, want string, end *atomic.Bool) (asked int, err error) {
	return asking(server, name, end, func(got string) bool { return got == lines(want) })
}

// asking is load with any number of good replies.
func asking(server, name string, end *atomic.Bool, good func(text string) bool) (asked int, err error) {
	conn, err := net.Dial("udp", server)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	co := &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize}
	for ; !end.Load(); asked++ {
		m := new(dns.Msg)
		m.SetQuestion(name, dns.TypeA)
		m.Id = uint16(asked) // #nosec: it goes round
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if err := co.WriteMsg(m); err != nil {
			return asked, err
		}
		reply, err := co.ReadMsg()
		switch {
		case err != nil:
			return asked, fmt.Errorf("question %d of %s is not answered: %w", asked, name, err)
		case reply.Id != m.Id:
			return asked, fmt.Errorf("question %d of %s is answered twice", reply.Id, name)
		case !good(text(reply)):
			return asked, fmt.Errorf("question %d of %s is answered\n%s", asked, name, text(reply))
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := co.ReadMsg(); !errors.Is(err, os.ErrDeadlineExceeded) {
		return asked, fmt.Errorf("after the last question of %s: %w", name, err)
	}
	return asked, nil
}

func TestNeighboursReload(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	auth.setDelay(5 * time.Millisecond) // chases are under way when it reloads
	labels := strings.Replace(corefile(api, auth, ""), "        topology region1 zone1\n", "", 1)
	p := run(t, labels, "NODE_NAME=node1")
	p.client(t).eventually(federated("dead"), dns.TypeA, deadText, 10*time.Second)
	t.Run("Q11 under load no question is unanswered, and none answered twice or otherwise", func(t *testing.T) {
		var end atomic.Bool
		var wg sync.WaitGroup
		server := p.udp()
		for name, want := range map[string]string{
			federated("healthy"):            localText,
			federated("dead"):               deadText,
			federated("external"):           externalText,
			"healthy.ns.svc.cluster.local.": "NOERROR aa rd\nhealthy.ns.svc.cluster.local. 5 A 10.0.0.1",
		} {
			wg.Go(func() {
				asked, err := load(server, name, want, &end)
				if err != nil {
					t.Error(err)
				}
				if asked < 50 {
					t.Errorf("%s: only %d questions", name, asked)
				}
			})
		}
		for i := range 6 {
			if err := p.reload(labels + fmt.Sprintf("# %d\n", i)); err != "" {
				t.Error(err)
			}
		}
		end.Store(true)
		wg.Wait()
	})
	t.Run("Q7a with a slow answer about the node the place is not forgotten", func(t *testing.T) {
		api.setNodeDelay(time.Second)
		if err := p.reload(labels + "# slow\n"); err != "" {
			t.Fatal(err)
		}
		api.setNodeDelay(0)
		check(t, p.client(t).ask(federated("dead"), dns.TypeA), deadText)
	})
	t.Run("Q1 a bad Corefile is refused, and the old one served on", func(t *testing.T) {
		for bad, says := range map[string]string{
			strings.Replace(labels, "fed example.com", "fed svc.cluster.local",
				1): `lies in a zone of the kubernetes plugin`,
			strings.Replace(labels, "fed example.com", "svc example.com", 1):          `"svc"`,
			strings.Replace(labels, "fed example.com", "fed example.com\nnope", 1):    `unknown option "nope"`,
			strings.Replace(labels, "        ttl 5", "        ttl 5\nnoendpoints", 1): `noendpoints`,
		} {
			if err := p.reload(bad); !strings.Contains(err, says) || !strings.Contains(err, "plugin/federation") {
				t.Errorf("error %q, want it to say %s", err, says)
			}
			c := p.client(t)
			check(t, c.ask(federated("healthy"), dns.TypeA), localText)
			check(t, c.ask(federated("dead"), dns.TypeA), deadText)
		}
	})
	t.Run("Q1 a changed Corefile counts at once", func(t *testing.T) {
		auth.add(t, "dead.ns.new.svc.zone1.example.net. 60 IN A 203.0.113.3")
		if err := p.reload(strings.Replace(labels, "fed example.com", "new example.net", 1)); err != "" {
			t.Fatal(err)
		}
		c := p.client(t)
		check(t, c.ask("healthy.ns.new.svc.cluster.local.", dns.TypeA), strings.ReplaceAll(localText, ".fed.", ".new."))
		check(t, c.ask(federated("healthy"), dns.TypeA), "NXDOMAIN aa rd\n; cluster.local. 5 SOA 5")
		check(t, c.ask("dead.ns.new.svc.cluster.local.", dns.TypeA), `NOERROR aa rd ra
			dead.ns.new.svc.cluster.local. 5 CNAME dead.ns.new.svc.zone1.example.net.
			dead.ns.new.svc.zone1.example.net. 5 A 203.0.113.3`)
	})
}

// TestNeighboursStart: the API server gives no lists while CoreDNS starts.
func TestNeighboursStart(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	api.hold(true)
	t.Cleanup(func() { api.hold(false) })
	p := run(t, corefile(api, auth, "ready 127.0.0.1:0"))
	c := p.client(t)
	t.Run("Q9 until the sync nobody is sent abroad", func(t *testing.T) {
		for _, name := range []string{"healthy", "dead", "gone"} {
			check(t, c.ask(federated(name), dns.TypeA), "SERVFAIL rd")
			check(t, c.ask(federated(name), dns.TypeA, withEDNS(1232)),
				"SERVFAIL rd\nopt 1232 ede 14 the cluster's Services are not known yet")
		}
		if n := auth.questions("dead.ns.fed.svc.zone1.example.com.", dns.TypeA); n != 0 {
			t.Errorf("the upstream was asked %d times", n)
		}
	})
	t.Run("Q9 afterwards everything is as it should be", func(t *testing.T) {
		api.hold(false)
		c.eventually(federated("healthy"), dns.TypeA, localText, 20*time.Second)
		check(t, c.ask(federated("dead"), dns.TypeA), deadText)
	})
}

// TestNeighboursSlow: the server of the records takes longer than a chase may.
func TestNeighboursSlow(t *testing.T) {
	needs.Long(t, "each question takes as long as a chase may")
	t.Parallel()
	p, _, auth := world(t, "")
	auth.setDelay(4 * time.Second)
	t.Run("Q8a SERVFAIL after 3 s, and nothing when the late reply comes", func(t *testing.T) {
		c := p.client(t)
		start := time.Now()
		check(t, c.ask(federated("dead"), dns.TypeA, withEDNS(1232)),
			"SERVFAIL rd\nopt 1232 ede 22 the lookup of the federation's records took too long")
		if took := time.Since(start); took < 2900*time.Millisecond || took > 4500*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		check(t, c.ask(federated("healthy"), dns.TypeA), localText)
		time.Sleep(time.Until(start.Add(5 * time.Second))) // then every late reply is there
	})
}
