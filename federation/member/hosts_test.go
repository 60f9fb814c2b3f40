package member

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/resolve"
)

// slow is a resolver that takes its time.
type slow struct {
	time.Duration
	Resolver
}

func (s slow) Lookup(ctx context.Context, host federation.FQDN) (a, aaaa resolve.Answer) {
	select {
	case <-ctx.Done():
		return failing, failing
	case <-time.After(s.Duration):
		return s.Resolver.Lookup(ctx, host)
	}
}

// script is a resolver with answers that change. Names that begin with "slow"
// hang.
type script struct {
	mu      sync.Mutex
	a, aaaa resolve.Answer
	asked   map[federation.FQDN][]time.Time
	busy    int
	most    int // lookups at once
}

func (s *script) Lookup(ctx context.Context, host federation.FQDN) (a, aaaa resolve.Answer) {
	s.mu.Lock()
	if s.asked == nil {
		s.asked = map[federation.FQDN][]time.Time{}
	}
	s.asked[host] = append(s.asked[host], time.Now())
	s.busy++
	s.most = max(s.most, s.busy)
	a, aaaa = s.a, s.aaaa
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.busy--
		s.mu.Unlock()
	}()
	if strings.HasPrefix(string(host), "slow") {
		<-ctx.Done()
		return failing, failing
	}
	return a, aaaa
}

func (s *script) set(a, aaaa resolve.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.a, s.aaaa = a, aaaa
}

// gaps are the times between the lookups of a name.
func (s *script) gaps(host federation.FQDN) (out []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, at := range s.asked[host][1:] {
		out = append(out, at.Sub(s.asked[host][i]))
	}
	return out
}

// hostsBench is a hosts on a script, in the time of a synctest bubble.
type hostsBench struct {
	*testing.T
	*script
	hosts *hosts
	told  map[ShardKey]int // how often
}

const lb = federation.FQDN("lb.example.net.")

// after lets time pass, and returns what is known of the name then.
func (b *hostsBench) after(d time.Duration) resolved {
	b.hosts.ask(lb, nginxKey)
	time.Sleep(d)
	synctest.Wait()
	return b.hosts.ask(lb, nginxKey)
}

func runHosts(t *testing.T, rule string, f func(*hostsBench)) {
	t.Run(rule, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			b := &hostsBench{T: t, script: &script{}, told: map[ShardKey]int{}}
			var mu sync.Mutex
			b.hosts = newHosts(ctx, b.script, func(u ShardKey) {
				mu.Lock()
				defer mu.Unlock()
				b.told[u]++
			})
			b.set(found(time.Minute, "192.0.2.1"))
			f(b)
			cancel()
			b.hosts.wg.Wait()
		})
	})
}

func TestHostsAnswers(t *testing.T) {
	runHosts(t, "H4 the union of 5 minutes", func(b *hostsBench) {
		b.after(time.Second)
		b.set(found(time.Minute, "192.0.2.2"))
		equal(b.T, "after a refresh", b.after(2*time.Minute).addrs, addrs("192.0.2.1", "192.0.2.2"))
		equal(b.T, "after 5 minutes", b.after(3*time.Minute+20*time.Second).addrs, addrs("192.0.2.2"))
	})
	runHosts(t, "H4 an address leaves the union when its time is over, not a TTL later", func(b *hostsBench) {
		b.set(found(200*time.Second, "192.0.2.1"))
		b.after(time.Second)
		b.set(found(290*time.Second, "192.0.2.2"))
		equal(b.T, "within 5 min", b.after(225*time.Second).addrs, addrs("192.0.2.1", "192.0.2.2"))
		equal(b.T, "after 5 min", b.after(80*time.Second).addrs, addrs("192.0.2.2"))
	})
	runHosts(t, "H4 A and AAAA", func(b *hostsBench) {
		b.set(found(time.Minute, "192.0.2.1", "2001:db8::1"))
		equal(b.T, "addresses", b.after(time.Second).addrs, addrs("192.0.2.1", "2001:db8::1"))
	})
	runHosts(t, "H4 one type that fails keeps what it had", func(b *hostsBench) {
		b.set(found(time.Minute, "192.0.2.1", "2001:db8::1"))
		b.after(time.Second)
		a, _ := found(time.Minute, "192.0.2.2")
		b.set(a, failing)
		r := b.after(9 * time.Minute)
		equal(b.T, "after 9 min", r.addrs, addrs("192.0.2.2", "2001:db8::1"))
		equal(b.T, "told", strings.Contains(r.why, "no answer in time"), true)
		equal(b.T, "after 11 min", b.after(2*time.Minute).addrs, addrs("192.0.2.2"))
	})
	runHosts(t, "H4 a type that fails from the start hinders not the other", func(b *hostsBench) {
		a, _ := found(time.Minute, "192.0.2.1")
		b.set(a, failing)
		r := b.after(time.Second)
		equal(b.T, "addresses", r.addrs, addrs("192.0.2.1"))
		equal(b.T, "unheard", r.unheard, false)
	})
	runHosts(t, "H4 another failure keeps the last answer for 10 min", func(b *hostsBench) {
		b.after(time.Second)
		b.set(failing, failing)
		equal(b.T, "after 9 min", b.after(9*time.Minute).addrs, addrs("192.0.2.1"))
		told := b.told[nginxKey]
		r := b.after(75 * time.Second) // 10 min after the last answer, which was within the first minute, and a lookup
		equal(b.T, "after 10 min", len(r.addrs), 0)
		equal(b.T, "gone", r.gone, false)
		equal(b.T, "unheard", r.unheard, false)
		equal(b.T, "told again", b.told[nginxKey], told+1)
	})
	runHosts(t, "H4 a failure does not wear the union down", func(b *hostsBench) {
		b.after(time.Second)
		b.set(found(time.Minute, "192.0.2.2"))
		b.after(2 * time.Minute)
		b.set(failing, failing)
		equal(b.T, "after 8 min", b.after(6*time.Minute).addrs, addrs("192.0.2.1", "192.0.2.2"))
	})
	runHosts(t, "H4 at most 64 addresses of a type are kept, the latest", func(b *hostsBench) {
		for i := range 4 {
			var list []string
			for j := range 30 {
				list = append(list, fmt.Sprintf("192.0.2.%d", 30*i+j))
			}
			b.set(found(5*time.Second, list...))
			b.after(6 * time.Second)
		}
		r := b.after(0)
		equal(b.T, "addresses", len(r.addrs), 64)
		equal(b.T, "the latest", slices.Contains(r.addrs, addrs("192.0.2.119")[0]), true)
	})
}

func TestHostsEvidence(t *testing.T) {
	runHosts(t, "H4 NXDOMAIN once is no evidence", func(b *hostsBench) {
		b.after(time.Second)
		b.set(missing, missing)
		equal(b.T, "first", b.after(80*time.Second).addrs, addrs("192.0.2.1"))
		b.set(found(time.Minute, "192.0.2.1"))
		b.after(time.Minute)
		b.set(missing, missing)
		r := b.after(80 * time.Second)
		equal(b.T, "again", r.addrs, addrs("192.0.2.1"))
		equal(b.T, "gone", r.gone, false)
	})
	runHosts(t, "H4 NXDOMAIN twice, 60 s apart", func(b *hostsBench) {
		b.after(time.Second)
		b.set(missing, missing)
		r := b.after(3 * time.Minute)
		equal(b.T, "addresses", len(r.addrs), 0)
		equal(b.T, "gone", r.gone, true)
		b.set(failing, failing)
		equal(b.T, "evidence stands", b.after(5*time.Minute).gone, true)
		b.set(found(time.Minute, "192.0.2.3"))
		r = b.after(2 * time.Minute)
		equal(b.T, "addresses", r.addrs, addrs("192.0.2.3"))
		equal(b.T, "gone", r.gone, false)
	})
	runHosts(t, "H4 the second NXDOMAIN is not the first one out of a cache", func(b *hostsBench) {
		b.set(resolve.Answer{Denial: resolve.NXDomain, TTL: 3 * time.Minute}, missing)
		equal(b.T, "before its TTL", b.after(175*time.Second).gone, false)
		equal(b.T, "after it", b.after(30*time.Second).gone, true)
	})
	runHosts(t, "H4 no address of either type is no NXDOMAIN: the last answer is kept for 10 min", func(b *hostsBench) {
		b.after(time.Second)
		b.set(resolve.Answer{Denial: resolve.NoData}, resolve.Answer{Denial: resolve.NoData})
		r := b.after(9 * time.Minute)
		equal(b.T, "gone", r.gone, false)
		equal(b.T, "addresses", r.addrs, addrs("192.0.2.1"))
		r = b.after(2 * time.Minute)
		equal(b.T, "addresses", len(r.addrs), 0)
		equal(b.T, "why", r.why, "it has no address")
	})
	runHosts(t, "H4 NXDOMAIN of one type and a failure of the other is no evidence", func(b *hostsBench) {
		b.after(time.Second)
		b.set(missing, failing)
		r := b.after(5 * time.Minute)
		equal(b.T, "gone", r.gone, false)
		equal(b.T, "addresses", r.addrs, addrs("192.0.2.1"))
	})
	runHosts(t, "H4 never resolved since the start is unknown for 10 min", func(b *hostsBench) {
		b.set(failing, failing)
		equal(b.T, "after 9 min", b.after(9*time.Minute).unheard, true)
		equal(b.T, "told once", b.told[nginxKey], 1)
		equal(b.T, "after 10 min", b.after(65*time.Second).unheard, false)
		equal(b.T, "told again", b.told[nginxKey], 2)
	})
	runHosts(t, "H4 H5 never resolved is unknown until there is evidence", func(b *hostsBench) {
		b.set(failing, failing)
		equal(b.T, "unheard", b.after(time.Minute).unheard, true)
		b.set(missing, missing)
		equal(b.T, "after one NXDOMAIN", b.after(65*time.Second).unheard, true)
		r := b.after(3 * time.Minute)
		equal(b.T, "unheard", r.unheard, false)
		equal(b.T, "gone", r.gone, true)
	})
}

func TestHostsSchedule(t *testing.T) {
	for _, c := range []struct {
		rule        string
		ttl         time.Duration
		least, most time.Duration
	}{
		{"H4 refreshed by its TTL", 40 * time.Second, 40 * time.Second, 44 * time.Second},
		{"H4 refreshed not sooner than after 5 s", 0, 5 * time.Second, 6 * time.Second},
		{"H4 refreshed at the latest after 5 min", time.Hour, 5 * time.Minute, 330 * time.Second},
	} {
		runHosts(t, c.rule, func(b *hostsBench) {
			b.set(found(c.ttl, "192.0.2.1"))
			b.after(10 * c.most)
			for _, gap := range b.gaps(lb) {
				if gap < c.least || gap > c.most {
					b.Errorf("looked up again after %s, want %s to %s", gap, c.least, c.most)
				}
			}
			equal(b.T, "told once", b.told[nginxKey], 1)
		})
	}
	runHosts(t, "H4 a failure is tried again soon, and then less often", func(b *hostsBench) {
		b.set(failing, failing)
		b.after(10 * time.Minute)
		gaps := b.gaps(lb)
		for i, want := range []time.Duration{5, 10, 20, 40, 60, 60} {
			if want *= time.Second; gaps[i] < want || gaps[i] > want*11/10+1 {
				b.Errorf("try %d came after %s, want %s", i+2, gaps[i], want)
			}
		}
	})
	name := func(kind string, i int) federation.FQDN {
		return federation.FQDN(fmt.Sprintf("%s%d.example.net.", kind, i))
	}
	runHosts(t, "H4 names that hang hold up no other", func(b *hostsBench) {
		for i := range 200 {
			b.hosts.ask(name("slow", i), nginxKey)
		}
		b.after(2 * time.Minute) // all have hung once
		asked := len(b.gaps(lb))
		b.after(10 * time.Minute)
		if n := len(b.gaps(lb)) - asked; n < 8 {
			b.Errorf("the other name was looked up %d times in 10 minutes, with a TTL of 1", n)
		}
		equal(b.T, "addresses", b.after(0).addrs, addrs("192.0.2.1"))
		for i := range 200 {
			if n := len(b.gaps(name("slow", i))); n < 5 {
				b.Errorf("%s was looked up %d times in 12 minutes", name("slow", i), n+1)
			}
		}
	})
	runHosts(t, "H4 a thousand names are not looked up at once", func(b *hostsBench) {
		for i := range 1000 {
			b.hosts.ask(name("slow", i), nginxKey)
		}
		b.after(10 * time.Minute)
		if b.most > maxLookups+maxFailingLookups {
			b.Errorf("%d lookups at once", b.most)
		}
		synctest.Wait()
		for i := range 1000 {
			b.hosts.ask(name("quick", i), nginxKey)
		}
		b.after(30 * time.Minute)
		seconds := map[int64]bool{}
		for i := range 1000 {
			times := b.asked[name("quick", i)]
			seconds[times[len(times)-1].Unix()] = true
		}
		if len(seconds) < 30 {
			b.Errorf("the last lookups of 1000 names with a TTL of 60 s fell into %d seconds", len(seconds))
		}
	})
	runHosts(t, "H4 a name that nobody uses any more is not looked up", func(b *hostsBench) {
		b.after(time.Second)
		b.hosts.ask("slow.example.net.", nginxKey)
		synctest.Wait()
		b.hosts.keep(nginxKey, nil) // one is being looked up, one is not
		synctest.Wait()
		equal(b.T, "busy", b.busy, 0)
		asked := len(b.asked[lb])
		time.Sleep(time.Hour)
		equal(b.T, "asked", len(b.asked[lb]), asked)
		equal(b.T, "names", len(b.hosts.names)+len(b.hosts.sound.queue)+len(b.hosts.failing.queue), 0)
		equal(b.T, "settled", b.hosts.settled(), true)
	})
}
