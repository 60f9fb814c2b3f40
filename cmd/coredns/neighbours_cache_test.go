package main

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// turningLines are where name.ns.fed leads once it is not healthy.
func turningLines(name string) string {
	return strings.ReplaceAll("X.ns.fed.svc.zone1.example.com. 180 IN CNAME X.ns.fed.svc.region1.example.com.\n"+
		"X.ns.fed.svc.region1.example.com. 180 IN A 203.0.113.9", "X", name)
}

// turnedText is what it is answered then.
func turnedText(name string) string {
	return strings.ReplaceAll(`NOERROR aa rd ra
		X.ns.fed.svc.cluster.local. 5 CNAME X.ns.fed.svc.zone1.example.com.
		X.ns.fed.svc.zone1.example.com. 5 CNAME X.ns.fed.svc.region1.example.com.
		X.ns.fed.svc.region1.example.com. 5 A 203.0.113.9`, "X", name)
}

// kept is a reply as the cache plugin gives it: RA as it was, AA too, all TTLs
// the same, at most the lowest one.
func kept(m *dns.Msg, want string) bool {
	for ttl := range 6 {
		if text(m) == ttls(want, string(rune('0'+ttl))) {
			return true
		}
	}
	return false
}

// until asks until the whole reply is the new one, and fails on one that is
// neither the old one nor the new one. It returns how long that took.
func until(t *testing.T, c *client, name, old, changed string, within time.Duration) time.Duration {
	t.Helper()
	for start := time.Now(); ; {
		m := c.ask(name, dns.TypeA)
		took := time.Since(start)
		switch {
		case kept(m, changed):
			return took
		case !kept(m, old):
			t.Fatalf("after %s neither the old nor the new reply:\n%s", took, text(m))
		case took > within:
			t.Fatalf("after %s still:\n%s", took, text(m))
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

func TestNeighboursCache(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	api.service("turning", "10.0.0.8")
	api.ready("turning", "172.16.0.8")
	c := run(t, corefile(api, auth, "cache 30")).client(t)
	usualReplies(t, c, func(s string) string {
		// The cache drops all options.
		return ttls(strings.TrimSuffix(s, " ede 0 the federation's records form a loop"), "5")
	})
	t.Run("Q8b a chain is kept no longer than its CNAME", func(t *testing.T) {
		auth.add(t, turningLines("kept"))
		start, before := time.Now(), auth.questions("kept.ns.fed.svc.zone1.example.com.", dns.TypeA)
		for range 20 {
			if m := c.ask(federated("kept"), dns.TypeA); !kept(m, turnedText("kept")) {
				t.Fatal(text(m))
			}
		}
		if n := auth.questions("kept.ns.fed.svc.zone1.example.com.", dns.TypeA) - before; n != 1 &&
			time.Since(start) < 4*time.Second {
			t.Errorf("20 questions were %d for the upstream", n)
		}
	})
	t.Run("Q5 a local answer stands for its TTL at most", func(t *testing.T) {
		auth.add(t, turningLines("turning"))
		old := "NOERROR aa rd\nturning.ns.fed.svc.cluster.local. 5 A 10.0.0.8"
		check(t, c.ask(federated("turning"), dns.TypeA), old)
		api.ready("turning")
		if took := until(t, c, federated("turning"), old, turnedText("turning"), 8*time.Second); took < time.Second {
			t.Errorf("the answer was not kept: it changed after %s", took)
		}
	})
}

func TestNeighboursCacheNegative(t *testing.T) {
	t.Parallel()
	p, _, auth := world(t, "cache 30")
	c := p.client(t)
	const level = "late.ns.fed.svc.zone1.example.com."
	t.Run("Q8c NXDOMAIN behind a CNAME, which the cache does not keep, is kept by us", func(t *testing.T) {
		start := time.Now()
		auth.add(t, "late.ns.fed.svc.zone1.example.com. 180 IN CNAME late.ns.fed.svc.region1.example.com.")
		missing := `NXDOMAIN aa rd ra
			late.ns.fed.svc.cluster.local. 5 CNAME late.ns.fed.svc.zone1.example.com.
			late.ns.fed.svc.zone1.example.com. 5 CNAME late.ns.fed.svc.region1.example.com.
			; example.com. 5 SOA 5`
		for range 30 {
			if m := c.ask(federated("late"), dns.TypeA); !kept(m, missing) {
				t.Fatal(text(m))
			}
		}
		if n := auth.questions(level, dns.TypeA); n != 1 && time.Since(start) < 4*time.Second {
			t.Errorf("30 questions were %d for the upstream, want 1", n)
		}
		auth.add(t, "late.ns.fed.svc.region1.example.com. 180 IN A 203.0.113.9")
		until(t, c, federated("late"), missing, turnedText("late"), 11*time.Second)
		if took := time.Since(start); took < 4*time.Second {
			t.Errorf("it was not kept: the record was seen after %s", took)
		}
	})
	t.Run("Q11 many ask for what is kept, and none changes it for another", func(t *testing.T) {
		var wg sync.WaitGroup
		for name, want := range map[string]string{"gone": goneText, "nodata": deadNoDataText} {
			for i := range 4 {
				var hows []how
				if i%2 == 1 {
					hows = []how{withDO}
				}
				wg.Go(func() {
					for range 60 {
						m, err := c.try("udp", c.udp, federated(name), dns.TypeA, hows)
						if err != nil {
							t.Error(err)
							return
						}
						if m.Extra = nil; !kept(m, want) {
							t.Error(text(m))
							return
						}
					}
				})
			}
		}
		wg.Wait()
	})
}

func TestNeighboursCacheStale(t *testing.T) {
	t.Parallel()
	for _, verify := range []string{"immediate", "verify"} {
		t.Run("Q11 serve_stale "+verify, func(t *testing.T) {
			t.Parallel()
			api, auth := newKubeAPI(t).usual(), newAuthority(t)
			auth.add(t, turningLines("healthy"))
			conf := corefile(api, auth,
				"cache 30 cluster.local {\n        success 9984 30 1\n        servfail 0\n"+
					"        serve_stale 1h "+verify+"\n    }")
			c := run(t, strings.ReplaceAll(conf, "ttl 5", "ttl 1")).client(t)
			old, changed, dead := ttls(localText, "1"), ttls(turnedText("healthy"), "1"), ttls(deadText, "1")
			check(t, c.ask(federated("healthy"), dns.TypeA), old)
			check(t, c.ask(federated("dead"), dns.TypeA), dead)
			api.ready("healthy")
			auth.setFail(true)
			time.Sleep(1100 * time.Millisecond) // the TTL has to pass unasked
			stale := dns.TypeA
			check(t, c.ask(federated("dead"), stale), ttls(dead, "0"))
			// The SERVFAIL of a chase is no reason to drop the stale answer.
			check(t, c.ask(federated("dead"), stale), ttls(dead, "0"))
			auth.setFail(false)
			replies := []string{}
			for range 100 {
				replies = append(replies, text(c.ask(federated("healthy"), dns.TypeA)))
				if replies[len(replies)-1] == changed {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			replies = slices.Compact(replies)
			want := []string{ttls(old, "0"), changed} // once more what was, while the new is fetched
			if verify == "verify" {
				want = want[1:]
			}
			if !slices.Equal(replies, want) {
				t.Errorf("replies %q, want %q", replies, want)
			}
		})
	}
}

func TestNeighboursCachePrefetch(t *testing.T) {
	t.Parallel()
	p, api, auth := world(t, "cache 30 {\n        prefetch 1 1m 60%\n    }")
	auth.add(t, turningLines("healthy"))
	c := p.client(t)
	t.Run("Q11 an answer is fetched anew before its TTL ends, whatever case it was asked in", func(t *testing.T) {
		check(t, c.ask("hEALTHY.ns.fed.svc.cluster.local.", dns.TypeA),
			strings.Replace(localText, "healthy", "hEALTHY", 1))
		api.ready("healthy")
		start := time.Now()
		for {
			m := c.ask("heAlthy.ns.fed.svc.cluster.local.", dns.TypeA)
			for _, rr := range m.Answer { // the cache gives owners as they were asked for by whom it fetched them for
				rr.Header().Name = strings.ToLower(rr.Header().Name)
			}
			switch took := time.Since(start); {
			case kept(m, turnedText("healthy")):
				if took > 4*time.Second {
					t.Errorf("it was not fetched before the TTL ended, but after %s", took)
				}
				return
			case !kept(m, localText):
				t.Fatal(text(m))
			case took > 8*time.Second:
				t.Fatalf("after %s still:\n%s", took, text(m))
			}
			time.Sleep(20 * time.Millisecond) // between two looks
		}
	})
}
