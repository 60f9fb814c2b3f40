package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// nodeLocal is what NodeLocal DNS runs, without its bind lines: a cache for the
// cluster zone, and TCP to the cluster's DNS.
func nodeLocal(upstream, success string) string {
	return fmt.Sprintf(`cluster.local:0 {
    bind 127.0.0.1
    errors
    cache {
        success %s
        denial 9984 5
    }
    forward . %s {
        force_tcp
    }
}
`, success, upstream)
}

func TestNeighboursNodeLocal(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	for _, name := range []string{"turning", "quick"} {
		api.service(name, "10.0.0.8")
		api.ready(name, "172.16.0.8")
		auth.add(t, turningLines(name))
	}
	behind := run(t, corefile(api, auth, "cache 30"))
	auth.add(t, manyLines("many.ns.fed.svc.zone1.example.com.", 90))
	_, upstream, _ := strings.Cut(behind.Servers[0], " ")
	front := run(t, nodeLocal(upstream, "9984 30")+forwardBlock(".", auth))
	low := run(t, nodeLocal(upstream, "9984 30 1"))
	c := front.client(t)
	usualReplies(t, c, func(s string) string {
		return ttls(strings.TrimSuffix(s, " ede 0 the federation's records form a loop"), "5")
	})
	t.Run("Q8b everything comes by TCP, and what does not fit is TC", func(t *testing.T) {
		if m := c.askTCP(federated("many"), dns.TypeA); m.Truncated || len(m.Answer) != 91 {
			t.Errorf("over TCP: TC %v, %d records, want 91", m.Truncated, len(m.Answer))
		}
		if m := c.ask(federated("many"), dns.TypeA); !m.Truncated || packedLen(t, m) > 512 {
			t.Errorf("over UDP: TC %v, %d octets", m.Truncated, packedLen(t, m))
		}
	})
	for _, tc := range []struct {
		rule  string
		name  string
		front *process
		most  time.Duration
	}{
		{"Q5 a local answer stands for twice its TTL at most", "turning", front, 12 * time.Second},
		{"Q5 with a low minimum TTL in front, for a second more than its TTL", "quick", low, 8 * time.Second},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			old := "NOERROR aa rd\n" + federated(tc.name) + " 5 A 10.0.0.8"
			c := tc.front.client(t)
			if m := behind.client(t).ask(federated(tc.name), dns.TypeA); !kept(m, old) {
				t.Fatal(text(m))
			}
			api.ready(tc.name)
			time.Sleep(3500 * time.Millisecond) // the cache behind has little to live when the one in front asks it
			if m := c.ask(federated(tc.name), dns.TypeA); !kept(m, old) {
				t.Fatal(text(m))
			}
			until(t, c, federated(tc.name), old, turnedText(tc.name), tc.most-3*time.Second)
		})
	}
}
