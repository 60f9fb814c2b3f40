package federation

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
)

// far is a slow upstream.
type far struct {
	*records
	takes time.Duration
}

func (u far) Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error) {
	select {
	case <-time.After(u.takes):
	case <-ctx.Done():
		u.asked.Add(1)
		return nil, ctx.Err()
	}
	return u.records.Lookup(ctx, state, name, typ)
}

// askFrom asks from an address, and returns the reply.
func askFrom(ctx context.Context, f *Federation, addr, name string, change ...func(*dns.Msg)) *dns.Msg {
	r := new(dns.Msg).SetQuestion(name+".myfed.svc.cluster.local.", dns.TypeA)
	for _, c := range change {
		c(r)
	}
	w := &keepingWriter{ResponseWriter: &test.ResponseWriter{RemoteIP: addr}}
	if _, err := f.ServeDNS(ctx, w, r); err != nil {
		panic(err)
	}
	return w.msg
}

// inUse returns the slots in use, those of a client, and the lookups that run.
func inUse(f *Federation, client string) (slots, held, running int) {
	f.chaser.mu.Lock()
	defer f.chaser.mu.Unlock()
	return f.chaser.slots, f.chaser.slotsByClient[client], len(f.chaser.running)
}

func address(i int) string { return fmt.Sprintf("10.1.%d.%d", i/250, i%250+1) }

func TestManyAtOnce(t *testing.T) {
	t.Run("Q8a 1,500 clients that ask for one dead name within 50 ms share one lookup", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := far{newRecords(t, published...), 300 * time.Millisecond}
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			var wg sync.WaitGroup
			var failed atomic.Int64
			for i := range 1500 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * 50 * time.Millisecond / 1500) // the clock of synctest
					if m := askFrom(t.Context(), f, address(i), "dead.ns"); m.Rcode != dns.RcodeSuccess ||
						len(m.Answer) != 4 {
						failed.Add(1)
					}
				})
			}
			wg.Wait()
			if failed.Load() != 0 || up.asked.Load() != 1 {
				t.Errorf("%d of 1,500 failed, after %d lookups, want 0 and 1", failed.Load(), up.asked.Load())
			}
		})
	})
	t.Run("Q8a one client's 1,200 names do not shut out others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := far{newRecords(t, published...), time.Minute}
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			for i := range 1200 {
				go askFrom(t.Context(), f, "10.1.0.1", fmt.Sprintf("random-%d.ns", i))
			}
			synctest.Wait()
			if slots, _, _ := inUse(f, ""); slots != 500 {
				t.Errorf("it has %d slots, want half of them", slots)
			}
			for i := range 300 {
				go askFrom(t.Context(), f, "10.1.0.2", fmt.Sprintf("other-%d.ns", i))
			}
			synctest.Wait()
			if _, held, _ := inUse(f, "10.1.0.2"); held != 250 {
				t.Errorf("the second has %d slots, want half of what was left", held)
			}
			for i := range 100 {
				go askFrom(t.Context(), f, address(1000+i), fmt.Sprintf("third-%d.ns", i))
			}
			synctest.Wait()
			if slots, _, _ := inUse(f, ""); slots != 850 {
				t.Errorf("%d slots are used, want 850: a hundred others with one name each", slots)
			}
			time.Sleep(2 * chaseTimeout) // all end
		})
	})
	t.Run("Q8a the end of who asked first does not end it for the others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := far{newRecords(t, published...), 300 * time.Millisecond}
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			ctx, cancel := context.WithCancel(t.Context())
			first := make(chan *dns.Msg)
			go func() { first <- askFrom(ctx, f, "10.1.0.1", "dead.ns") }()
			synctest.Wait()
			second := make(chan *dns.Msg)
			go func() { second <- askFrom(t.Context(), f, "10.1.0.2", "dead.ns") }()
			synctest.Wait()
			cancel()
			if m := <-first; m.Rcode != dns.RcodeServerFailure {
				t.Errorf("the first: %s", short(m))
			}
			if m := <-second; m.Rcode != dns.RcodeSuccess || up.asked.Load() != 1 {
				t.Errorf("the second: %s after %d lookups", short(m), up.asked.Load())
			}
		})
	})
	t.Run("Q8a questions that differ are not shared", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := far{newRecords(t, published...), 300 * time.Millisecond}
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			server := func() context.Context {
				return context.WithValue(t.Context(), dnsserver.Key{},
					&dnsserver.Server{})
			}
			for _, ask := range []func() *dns.Msg{
				func() *dns.Msg { return askFrom(t.Context(), f, "10.1.0.1", "dead.ns") },
				func() *dns.Msg { return askFrom(t.Context(), f, "10.1.0.1", "gone.ns") },
				func() *dns.Msg {
					return askFrom(t.Context(), f, "10.1.0.1", "dead.ns",
						func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA })
				},
				func() *dns.Msg {
					return askFrom(t.Context(), f, "10.1.0.1", "dead.ns", func(m *dns.Msg) { m.SetEdns0(1232, true) })
				},
				func() *dns.Msg {
					return askFrom(t.Context(), f, "10.1.0.1", "dead.ns",
						func(m *dns.Msg) { m.CheckingDisabled = true })
				},
				func() *dns.Msg { return askFrom(t.Context(), f, "fd00::1", "dead.ns") },
				func() *dns.Msg { return askFrom(deeper(t.Context()), f, "10.1.0.1", "dead.ns") },
				func() *dns.Msg { return askFrom(server(), f, "10.1.0.1", "dead.ns") },
				func() *dns.Msg { return askFrom(server(), f, "10.1.0.1", "dead.ns") },
			} {
				for range 2 {
					go ask()
				}
			}
			go func() {
				r := new(dns.Msg).SetQuestion("dead.ns.myfed.svc.cluster.local.", dns.TypeA)
				_, _ = f.ServeDNS(t.Context(), &test.ResponseWriter{TCP: true}, r)
			}()
			synctest.Wait()
			if _, _, n := inUse(f, ""); n != 7+4+1 { // the servers are made for each question
				t.Errorf("%d lookups, want 12", n)
			}
			time.Sleep(2 * chaseTimeout) // all end
		})
	})
	t.Run("Q8a a lookup that comes back here does not wait for itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPlugin(t, newCluster(), newRecords(t), usualKubernetes, usualFederation)
			start := time.Now()
			f.chaser.upstream = around{f}
			if m := askFrom(t.Context(), f, "10.1.0.1", "dead.ns"); m.Rcode != dns.RcodeServerFailure ||
				time.Since(start) > 0 {
				t.Errorf("%s after %s", short(m), time.Since(start))
			}
		})
	})
}

// around is an upstream that asks the plugin for the federated name.
type around struct{ f *Federation }

func (u around) Lookup(ctx context.Context, _ request.Request, _ string, _ uint16) (*dns.Msg, error) {
	return askFrom(ctx, u.f, "10.1.0.1", "dead.ns"), nil
}

// TestKept: what is kept of an answer is given to nobody to whom it might not have been given.
func TestKept(t *testing.T) {
	const name = "bogus.ns"
	// A validating upstream: NXDOMAIN, but only if checking is disabled.
	newOne := func(t *testing.T) (*Federation, *records) {
		up := newRecords(t)
		return newPlugin(t, newCluster(), changedFor{up, func(m *dns.Msg, state request.Request) {
			if !state.Req.CheckingDisabled {
				m.Rcode, m.Ns = dns.RcodeServerFailure, nil
			}
		}}, usualKubernetes, usualFederation), up
	}
	cd := func(m *dns.Msg) { m.CheckingDisabled = true }
	t.Run("Q8c a denial that was not validated is not given to a client that wants it validated", func(t *testing.T) {
		f, _ := newOne(t)
		if m := askFrom(t.Context(), f, "10.1.0.1", name, cd); m.Rcode != dns.RcodeNameError {
			t.Fatalf("with CD: %s", short(m))
		}
		if m := askFrom(t.Context(), f, "10.1.0.1", name); m.Rcode != dns.RcodeServerFailure {
			t.Errorf("without: %s", short(m))
		}
	})
	t.Run("Q8c where answers may depend on who asks, none is kept or shared", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := newRecords(t)
			// Who is not 10.1.0.1 has the record.
			f := newPlugin(t, newCluster(), changedFor{up, func(m *dns.Msg, state request.Request) {
				time.Sleep(time.Millisecond)
				if state.IP() != "10.1.0.1" {
					m.Rcode, m.Ns = dns.RcodeSuccess, nil
					m.Answer = []dns.RR{test.A(m.Question[0].Name + " 5 IN A 203.0.113.5")}
				}
			}}, usualKubernetes, usualFederation)
			f.chaser.perClient = true
			var wg sync.WaitGroup
			for range 2 { // side by side, and one after the other
				for addr, want := range map[string]int{"10.1.0.1": dns.RcodeNameError, "10.1.0.2": dns.RcodeSuccess} {
					wg.Go(func() {
						if m := askFrom(t.Context(), f, addr, name); m.Rcode != want {
							t.Errorf("%s: %s", addr, short(m))
						}
					})
				}
				wg.Wait()
			}
			if f.chaser.slots != 0 || len(f.chaser.slotsByClient) != 0 || len(f.chaser.negative.kept) != 0 {
				t.Errorf("%d slots, %v; %d kept", f.chaser.slots, f.chaser.slotsByClient, len(f.chaser.negative.kept))
			}
		})
	})
	t.Run("Q8c what one server's blocks deny, another's may have", func(t *testing.T) {
		f, up := newOne(t)
		for range 2 {
			ctx := context.WithValue(t.Context(), dnsserver.Key{}, &dnsserver.Server{})
			before := up.asked.Load()
			if askFrom(ctx, f, "10.1.0.1", name, cd); up.asked.Load() == before {
				t.Error("answered from what another server's blocks have said")
			}
		}
	})
}

// changedFor is an upstream whose replies are changed for the client.
type changedFor struct {
	*records
	change func(*dns.Msg, request.Request)
}

func (c changedFor) Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error) {
	m, err := c.records.Lookup(ctx, state, name, typ)
	c.change(m, state)
	return m, err
}

// TestUnclear: replies that neither answer nor deny.
func TestUnclear(t *testing.T) {
	const name, zone, region, global = "dead.ns", "dead.ns.myfed.svc.zone1.example.com.",
		"dead.ns.myfed.svc.region1.example.com.", "dead.ns.myfed.svc.example.com."
	referral := func(m *dns.Msg) {
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, nil, []dns.RR{test.NS("zone1.example.com. 60 IN NS " +
			"ns.zone1.example.com.")}
		m.Extra = []dns.RR{test.A("ns.zone1.example.com. 60 IN A 192.0.2.1")}
	}
	upward := func(m *dns.Msg) {
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, nil, []dns.RR{test.NS(". 60 IN NS a.root-servers.net.")}
	}
	others := func(m *dns.Msg) {
		m.Rcode, m.Ns, m.Answer = dns.RcodeSuccess, nil, []dns.RR{test.A("other.example.com. 60 IN A 192.0.2.9")}
	}
	otherType := func(m *dns.Msg) {
		m.Rcode, m.Ns, m.Answer = dns.RcodeSuccess, nil, []dns.RR{test.TXT(zone + ` 60 IN TXT "x"`)}
	}
	foreignSOA := func(m *dns.Msg) {
		m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, nil, []dns.RR{test.SOA("example.org. 300 IN SOA ns.example.org. " +
			"host.example.org. 1 7200 1800 86400 5")}
	}
	at := func(names map[string]func(*dns.Msg)) func(*dns.Msg, request.Request) {
		return func(m *dns.Msg, _ request.Request) {
			if change := names[m.Question[0].Name]; change != nil {
				change(m)
			}
		}
	}
	asked := func(t *testing.T, lines []string, names map[string]func(*dns.Msg)) *dns.Msg {
		f := newPlugin(t, newCluster(), changedFor{newRecords(t, lines...), at(names)}, usualKubernetes,
			usualFederation)
		m := askFrom(t.Context(), f, "10.1.0.1", name, func(m *dns.Msg) { m.SetEdns0(1232, false) })
		for key, kept := range f.chaser.negative.kept {
			if kept.chain.unclear {
				t.Errorf("Q8c: kept, though it is no denial: %v", key)
			}
		}
		return m
	}
	for kind, change := range map[string]func(*dns.Msg){
		"a referral": referral, "a referral to the root": upward, "records of other owners": others,
		"records of other types": otherType, "another zone's SOA": foreignSOA,
	} {
		t.Run("Q8b "+kind+" leads to the next level", func(t *testing.T) {
			m := asked(t, []string{region + " 60 IN A 203.0.113.7"}, map[string]func(*dns.Msg){zone: change})
			want := "NOERROR; dead.ns.myfed.svc.cluster.local. CNAME " + region + "; " + region + " A 203.0.113.7"
			if got := short(m); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
		t.Run("Q8b "+kind+" at the end of a chain, too", func(t *testing.T) {
			m := asked(t, []string{zone + " 60 IN CNAME lb.example.net.", global + " 60 IN A 203.0.113.7"},
				map[string]func(*dns.Msg){"lb.example.net.": change,
					zone: func(m *dns.Msg) { m.Answer, m.Ns = m.Answer[:1], nil; m.Rcode = dns.RcodeSuccess }})
			want := "NOERROR; dead.ns.myfed.svc.cluster.local. CNAME " + global + "; " + global + " A 203.0.113.7"
			if got := short(m); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
		t.Run("Q8b "+kind+" and no level that exists is SERVFAIL", func(t *testing.T) {
			for _, where := range []string{zone, region, global} {
				m := asked(t, nil, map[string]func(*dns.Msg){where: change})
				if m.Rcode != dns.RcodeServerFailure || len(m.Answer)+len(m.Ns) > 0 {
					t.Errorf("%s: %s", where, short(m))
				}
				if opt := m.IsEdns0(); opt == nil || len(opt.Option) != 1 {
					t.Errorf("Q14: no extended error: %v", opt)
				}
			}
		})
	}
	for kind, ns := range map[string][]dns.RR{
		"nothing at all": nil, "a SOA beside NS": {soa, test.NS("example.com. 60 IN NS ns.example.com.")},
	} {
		t.Run("Q8b "+kind+" is NODATA", func(t *testing.T) {
			m := asked(t, []string{region + " 60 IN A 203.0.113.7"}, map[string]func(*dns.Msg){
				zone: func(m *dns.Msg) { m.Rcode, m.Answer, m.Ns = dns.RcodeSuccess, nil, ns },
			})
			if m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 || len(m.Ns) != len(ns) {
				t.Errorf("got %s", m)
			}
		})
	}
}
