package main

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// What public reports of cluster DNS describe, tried on a whole CoreDNS.

func TestNeighboursUnusual(t *testing.T) {
	t.Parallel()
	p, _, _ := world(t, "cache 30")
	c := p.client(t)
	class := func(class uint16) how { return func(m *dns.Msg) { m.Question[0].Qclass = class } }
	for _, name := range []string{"healthy", "dead"} {
		want := map[string]string{"healthy": localText, "dead": deadText}[name]
		t.Run("Q3 no odd question for "+name+" changes what the next one gets", func(t *testing.T) {
			for _, class := range []how{class(dns.ClassCHAOS), class(dns.ClassHESIOD), class(dns.ClassANY)} {
				check(t, c.ask(federated(name), dns.TypeA, class), "REFUSED rd")
				if m := c.ask(federated(name), dns.TypeA); !kept(m, want) {
					t.Fatal(text(m))
				}
			}
			check(t, c.ask(federated(name), dns.TypeA, func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), "NOTIMP")
			for _, qtype := range []uint16{128, dns.TypeTKEY, dns.TypeMAILB, dns.TypeMAILA} {
				check(t, c.ask(federated(name), qtype), "NOERROR aa rd\n; cluster.local. 5 SOA 5")
			}
			check(t, c.askTCP(federated(name), dns.TypeAXFR), "REFUSED rd")
			if m := c.ask(federated(name), dns.TypeA); !kept(m, want) {
				t.Fatal(text(m))
			}
		})
	}
}

func TestNeighboursAlike(t *testing.T) {
	t.Parallel()
	const alone = "lookups of other clusters' records are not shared"
	for plugins, want := range map[string]string{
		"": "", "cache 30\n    loadbalance\n    rewrite name a.example.org b.example.org": "",
		"acl {\n        filter net 192.0.2.0/24\n    }":                 "plugin acl in server block",
		"template ANY AAAA example.org {\n        rcode NOERROR\n    }": "plugin template in server block",
	} {
		t.Run("Q8c with "+strings.SplitN(plugins+" ", " ", 2)[0], func(t *testing.T) {
			p, _, _ := world(t, plugins)
			check(t, p.client(t).ask(federated("healthy"), dns.TypeA), localText)
			if says := p.says.String(); strings.Contains(says, alone) != (want != "") || !strings.Contains(says, want) {
				t.Errorf("it logged %s", says)
			}
		})
	}
}

// TestNeighboursHerd: every pod asks for the same dead Service at the moment of
// a failover, and the server of its records is far away.
func TestNeighboursHerd(t *testing.T) {
	t.Parallel()
	p, _, auth := world(t, "")
	auth.setDelay(300 * time.Millisecond)
	t.Run("Q8a 1,500 questions within 50 ms are one lookup, and none is SERVFAIL", func(t *testing.T) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		replies, before := map[string]int{}, auth.questions("dead.ns.fed.svc.zone1.example.com.", dns.TypeA)
		for i := range 1500 {
			wg.Go(func() {
				conn, err := net.Dial("udp", p.udp())
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				time.Sleep(time.Duration(i) * 50 * time.Millisecond / 1500) // as they come in
				m := new(dns.Msg).SetQuestion(federated("dead"), dns.TypeA)
				_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
				co := &dns.Conn{Conn: conn}
				what := "lost" // datagrams of such a burst may be
				if co.WriteMsg(m) == nil {
					if reply, err := co.ReadMsg(); err == nil {
						what = fmt.Sprint(dns.RcodeToString[reply.Rcode], len(reply.Answer))
					}
				}
				mu.Lock()
				defer mu.Unlock()
				replies[what]++
			})
		}
		wg.Wait()
		if good := replies["NOERROR4"]; good < 100 || good+replies["lost"] != 1500 {
			t.Errorf("replies: %v", replies)
		}
		// A burst takes longer than one lookup on a busy machine.
		if n := auth.questions("dead.ns.fed.svc.zone1.example.com.", dns.TypeA) - before; n > 20 {
			t.Errorf("%d questions for the upstream", n)
		}
	})
}

// TestNeighboursCacheTail: what the cache plugin makes of the records that a
// chain leads to, which it sees as questions of their own.
func TestNeighboursCacheTail(t *testing.T) {
	t.Parallel()
	const kubeadm = "cache 9 {\n        disable success cluster.local\n        disable denial cluster.local\n    }"
	for _, tc := range []struct {
		rule, plugins, block string
		least, most          time.Duration
	}{
		{"Q8b without it a changed record is seen at once", "", "", 0, 2 * time.Second},
		{"Q8b it keeps a record for its own limit, whatever TTL we say", "cache 9", "",
			6 * time.Second, 16 * time.Second},
		{"Q8b so it does as kubeadm writes it", kubeadm, "", 6 * time.Second, 11 * time.Second},
		{"Q8b a block for the domain with a lower limit makes it less", kubeadm,
			"example.com:0 {\n bind 127.0.0.1\n cache 5\n forward . %s\n}\n", 3 * time.Second, 7 * time.Second},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			api, auth := newKubeAPI(t).usual(), newAuthority(t)
			auth.add(t, "tail.ns.fed.svc.zone1.example.com. 180 IN A 203.0.113.8")
			conf := corefile(api, auth, tc.plugins)
			if tc.block != "" {
				conf += fmt.Sprintf(tc.block, auth.addr)
			}
			c := run(t, conf).client(t)
			answer := func() (addr string, ttl uint32) {
				m := c.ask(federated("tail"), dns.TypeA)
				if len(m.Answer) != 2 {
					t.Fatal(text(m))
				}
				return m.Answer[1].(*dns.A).A.String(), m.Answer[1].Header().Ttl
			}
			if addr, _ := answer(); addr != "203.0.113.8" {
				t.Fatal(addr)
			}
			auth.replace(t, "tail.ns.fed.svc.zone1.example.com. 180 IN A 203.0.113.9")
			start := time.Now()
			for {
				addr, ttl := answer()
				took := time.Since(start)
				if ttl > 5 {
					t.Errorf("Q15: a TTL of %d", ttl)
				}
				if addr == "203.0.113.9" {
					if took < tc.least || took > tc.most {
						t.Errorf("seen after %s, want %s to %s", took, tc.least, tc.most)
					}
					return
				}
				if took > tc.most {
					t.Fatalf("not seen after %s", took)
				}
				time.Sleep(50 * time.Millisecond) // between two looks
			}
		})
	}
}

// TestNeighboursFailedReload: the Corefile is right, and the new instance does
// not come up.
func TestNeighboursFailedReload(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	api.namespace("fed") // a collision
	conf := corefile(api, auth, "prometheus 127.0.0.1:0")
	p := run(t, conf)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	gauge := func() string {
		for l := range strings.Lines(get(t, "http://"+p.Metrics+"/metrics")) {
			if v, ok := strings.CutPrefix(l, "coredns_federation_namespace_collisions "); ok {
				return strings.TrimSpace(v)
			}
		}
		return ""
	}
	t.Run("Q4a the gauge counts what runs, after reloads that have failed too", func(t *testing.T) {
		poll(t, "the collision", func() bool { return gauge() == "1" })
		_, port, _ := net.SplitHostPort(taken.Addr().String())
		for range 3 {
			if err := p.reload(conf + "example.org:" + port +
				" {\n bind 127.0.0.1\n whoami\n}\n"); !strings.Contains(err, "in use") {
				t.Fatalf("error %q", err)
			}
		}
		time.Sleep(300 * time.Millisecond) // the first look of one that is left over would come by now
		if got := gauge(); got != "1" {
			t.Errorf("%s collisions, want 1", got)
		}
		check(t, p.client(t).ask("healthy.ns.fed.svc.cluster.local.", dns.TypeA), localText)
	})
}

// TestNeighboursNodeLocalServfail: how long the cache in front keeps SERVFAIL.
func TestNeighboursNodeLocalServfail(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rule, option string
		least, most  time.Duration
	}{
		{"Q9 for 5 s", "9984 30", 4 * time.Second, 8 * time.Second},
		{"Q9 for 1 s if it is told so", "9984 30\n        servfail 1s", 500 * time.Millisecond, 3 * time.Second},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			behind, _, auth := world(t, "")
			_, upstream, _ := strings.Cut(behind.Servers[0], " ")
			c := run(t, nodeLocal(upstream, tc.option)).client(t)
			auth.setFail(true)
			check(t, c.ask(federated("dead"), dns.TypeA), "SERVFAIL rd")
			auth.setFail(false)
			start := time.Now()
			poll(t, "the answer", func() bool { return c.ask(federated("dead"), dns.TypeA).Rcode == dns.RcodeSuccess })
			if took := time.Since(start); took < tc.least || took > tc.most {
				t.Errorf("after %s", took)
			}
		})
	}
}
