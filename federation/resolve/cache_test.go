package resolve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation"
)

// The answers of a script.
var (
	missing = Answer{Denial: NXDomain}
	failing = Answer{Err: errors.New("server 192.0.2.53:53: no answer in time")}
)

// found returns answers with these addresses; a type without any is NODATA.
func found(ttl time.Duration, list ...string) (a, aaaa Answer) {
	for _, addr := range addrs(list...) {
		if addr.Is4() {
			a.Addresses, a.TTL = append(a.Addresses, addr), ttl
		} else {
			aaaa.Addresses, aaaa.TTL = append(aaaa.Addresses, addr), ttl
		}
	}
	for _, answer := range []*Answer{&a, &aaaa} {
		if len(answer.Addresses) == 0 {
			answer.Denial = NoData
		}
	}
	return a, aaaa
}

// script is a Resolver with answers that change. Names that begin with "slow" hang.
type script struct {
	mu      sync.Mutex
	a, aaaa Answer
	asked   map[federation.FQDN][]time.Time
	busy    int
	most    int // lookups at once
}

func (s *script) Lookup(ctx context.Context, host federation.FQDN) (a, aaaa Answer) {
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

func (s *script) set(a, aaaa Answer) {
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

// cacheBench is a Cache on a script, in the time of a synctest bubble.
type cacheBench struct {
	*testing.T
	*script
	cache   *Cache[string]
	changes map[string]int // by user
}

// user is the user of the names in the tests.
const user = "nginx"

// after lets time pass, and returns what is known about the host name then.
func (b *cacheBench) after(d time.Duration) Host {
	b.cache.Get(host, user)
	time.Sleep(d)
	synctest.Wait()
	return b.cache.Get(host, user)
}

func runCache(t *testing.T, rule string, f func(*cacheBench)) {
	t.Run(rule, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			b := &cacheBench{T: t, script: &script{}, changes: map[string]int{}}
			var mu sync.Mutex
			b.cache = NewCache(b.script, func(u string) {
				mu.Lock()
				defer mu.Unlock()
				b.changes[u]++
			})
			b.set(found(time.Minute, "192.0.2.1"))
			var running sync.WaitGroup
			running.Go(func() { b.cache.Run(ctx) })
			f(b)
			cancel()
			running.Wait()
		})
	})
}

func TestHostsAnswers(t *testing.T) {
	runCache(t, "H4 the union of 5 minutes", func(b *cacheBench) {
		b.after(time.Second)
		b.set(found(time.Minute, "192.0.2.2"))
		equal(b.T, "after a refresh", b.after(2*time.Minute).Addresses, addrs("192.0.2.1", "192.0.2.2"))
		equal(b.T, "after 5 minutes", b.after(3*time.Minute+20*time.Second).Addresses, addrs("192.0.2.2"))
	})
	runCache(t, "H4 an address leaves the union when its time is over, not a TTL later", func(b *cacheBench) {
		b.set(found(200*time.Second, "192.0.2.1"))
		b.after(time.Second)
		b.set(found(290*time.Second, "192.0.2.2"))
		equal(b.T, "within 5 min", b.after(225*time.Second).Addresses, addrs("192.0.2.1", "192.0.2.2"))
		equal(b.T, "after 5 min", b.after(80*time.Second).Addresses, addrs("192.0.2.2"))
	})
	runCache(t, "H4 A and AAAA", func(b *cacheBench) {
		b.set(found(time.Minute, "192.0.2.1", "2001:db8::1"))
		equal(b.T, "addresses", b.after(time.Second).Addresses, addrs("192.0.2.1", "2001:db8::1"))
	})
	runCache(t, "H4 one type that fails keeps what it had", func(b *cacheBench) {
		b.set(found(time.Minute, "192.0.2.1", "2001:db8::1"))
		b.after(time.Second)
		a, _ := found(time.Minute, "192.0.2.2")
		b.set(a, failing)
		r := b.after(9 * time.Minute)
		equal(b.T, "after 9 min", r.Addresses, addrs("192.0.2.2", "2001:db8::1"))
		equal(b.T, "reported", strings.Contains(r.Failure, "no answer in time"), true)
		equal(b.T, "after 11 min", b.after(2*time.Minute).Addresses, addrs("192.0.2.2"))
	})
	runCache(t, "H4 a type that fails from the start hinders not the other", func(b *cacheBench) {
		a, _ := found(time.Minute, "192.0.2.1")
		b.set(a, failing)
		r := b.after(time.Second)
		equal(b.T, "addresses", r.Addresses, addrs("192.0.2.1"))
		equal(b.T, "unresolved", r.Unresolved, false)
	})
	runCache(t, "H4 another failure keeps the last answer for 10 min", func(b *cacheBench) {
		b.after(time.Second)
		b.set(failing, failing)
		equal(b.T, "after 9 min", b.after(9*time.Minute).Addresses, addrs("192.0.2.1"))
		before := b.changes[user]
		r := b.after(75 * time.Second) // 10 min after the last answer, which was within the first minute, and a lookup
		equal(b.T, "after 10 min", len(r.Addresses), 0)
		equal(b.T, "nonexistent", r.Nonexistent, false)
		equal(b.T, "unresolved", r.Unresolved, false)
		equal(b.T, "changes", b.changes[user], before+1)
	})
	runCache(t, "H4 a failure does not wear the union down", func(b *cacheBench) {
		b.after(time.Second)
		b.set(found(time.Minute, "192.0.2.2"))
		b.after(2 * time.Minute)
		b.set(failing, failing)
		equal(b.T, "after 8 min", b.after(6*time.Minute).Addresses, addrs("192.0.2.1", "192.0.2.2"))
	})
	runCache(t, "H4 at most 64 addresses of a type are kept, the latest", func(b *cacheBench) {
		for i := range 4 {
			var list []string
			for j := range 30 {
				list = append(list, fmt.Sprintf("192.0.2.%d", 30*i+j))
			}
			b.set(found(5*time.Second, list...))
			b.after(6 * time.Second)
		}
		r := b.after(0)
		equal(b.T, "addresses", len(r.Addresses), 64)
		equal(b.T, "the latest", slices.Contains(r.Addresses, addrs("192.0.2.119")[0]), true)
	})
}

func TestHostsEvidence(t *testing.T) {
	runCache(t, "H4 NXDOMAIN once is no evidence", func(b *cacheBench) {
		b.after(time.Second)
		b.set(missing, missing)
		equal(b.T, "first", b.after(80*time.Second).Addresses, addrs("192.0.2.1"))
		b.set(found(time.Minute, "192.0.2.1"))
		b.after(time.Minute)
		b.set(missing, missing)
		r := b.after(80 * time.Second)
		equal(b.T, "again", r.Addresses, addrs("192.0.2.1"))
		equal(b.T, "nonexistent", r.Nonexistent, false)
	})
	runCache(t, "H4 NXDOMAIN twice, 60 s apart", func(b *cacheBench) {
		b.after(time.Second)
		b.set(missing, missing)
		r := b.after(3 * time.Minute)
		equal(b.T, "addresses", len(r.Addresses), 0)
		equal(b.T, "nonexistent", r.Nonexistent, true)
		b.set(failing, failing)
		equal(b.T, "evidence stands", b.after(5*time.Minute).Nonexistent, true)
		b.set(found(time.Minute, "192.0.2.3"))
		r = b.after(2 * time.Minute)
		equal(b.T, "addresses", r.Addresses, addrs("192.0.2.3"))
		equal(b.T, "nonexistent", r.Nonexistent, false)
	})
	runCache(t, "H4 the second NXDOMAIN is not the first one out of a cache", func(b *cacheBench) {
		b.set(Answer{Denial: NXDomain, TTL: 3 * time.Minute}, missing)
		equal(b.T, "before its TTL", b.after(175*time.Second).Nonexistent, false)
		equal(b.T, "after it", b.after(30*time.Second).Nonexistent, true)
	})
	runCache(t, "H4 no address of either type is no NXDOMAIN: the last answer is kept for 10 min", func(b *cacheBench) {
		b.after(time.Second)
		b.set(Answer{Denial: NoData}, Answer{Denial: NoData})
		r := b.after(9 * time.Minute)
		equal(b.T, "nonexistent", r.Nonexistent, false)
		equal(b.T, "addresses", r.Addresses, addrs("192.0.2.1"))
		r = b.after(2 * time.Minute)
		equal(b.T, "addresses", len(r.Addresses), 0)
		equal(b.T, "failure", r.Failure, "it has no address")
	})
	runCache(t, "H4 NXDOMAIN of one type and a failure of the other is no evidence", func(b *cacheBench) {
		b.after(time.Second)
		b.set(missing, failing)
		r := b.after(5 * time.Minute)
		equal(b.T, "nonexistent", r.Nonexistent, false)
		equal(b.T, "addresses", r.Addresses, addrs("192.0.2.1"))
	})
	runCache(t, "H4 never resolved since the start is unknown for 10 min", func(b *cacheBench) {
		b.set(failing, failing)
		equal(b.T, "after 9 min", b.after(9*time.Minute).Unresolved, true)
		equal(b.T, "changes", b.changes[user], 1)
		equal(b.T, "after 10 min", b.after(65*time.Second).Unresolved, false)
		equal(b.T, "changes", b.changes[user], 2)
	})
	runCache(t, "H4 H5 never resolved is unknown until there is evidence", func(b *cacheBench) {
		b.set(failing, failing)
		equal(b.T, "unresolved", b.after(time.Minute).Unresolved, true)
		b.set(missing, missing)
		equal(b.T, "after one NXDOMAIN", b.after(65*time.Second).Unresolved, true)
		r := b.after(3 * time.Minute)
		equal(b.T, "unresolved", r.Unresolved, false)
		equal(b.T, "nonexistent", r.Nonexistent, true)
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
		runCache(t, c.rule, func(b *cacheBench) {
			b.set(found(c.ttl, "192.0.2.1"))
			b.after(10 * c.most)
			for _, gap := range b.gaps(host) {
				if gap < c.least || gap > c.most {
					b.Errorf("looked up again after %s, want %s to %s", gap, c.least, c.most)
				}
			}
			equal(b.T, "changes", b.changes[user], 1)
		})
	}
	runCache(t, "H4 a failure is tried again soon, and then less often", func(b *cacheBench) {
		b.set(failing, failing)
		b.after(10 * time.Minute)
		gaps := b.gaps(host)
		for i, want := range []time.Duration{5, 10, 20, 40, 60, 60} {
			if want *= time.Second; gaps[i] < want || gaps[i] > want*11/10+1 {
				b.Errorf("try %d came after %s, want %s", i+2, gaps[i], want)
			}
		}
	})
	name := func(kind string, i int) federation.FQDN {
		return federation.FQDN(fmt.Sprintf("%s%d.example.net.", kind, i))
	}
	runCache(t, "H4 names that hang hold up no other", func(b *cacheBench) {
		for i := range 200 {
			b.cache.Get(name("slow", i), user)
		}
		b.after(2 * time.Minute) // all have hung once
		asked := len(b.gaps(host))
		b.after(10 * time.Minute)
		if n := len(b.gaps(host)) - asked; n < 8 {
			b.Errorf("the other name was looked up %d times in 10 minutes, with a TTL of 1", n)
		}
		equal(b.T, "addresses", b.after(0).Addresses, addrs("192.0.2.1"))
		for i := range 200 {
			if n := len(b.gaps(name("slow", i))); n < 5 {
				b.Errorf("%s was looked up %d times in 12 minutes", name("slow", i), n+1)
			}
		}
	})
	runCache(t, "H4 a thousand names are not looked up at once", func(b *cacheBench) {
		for i := range 1000 {
			b.cache.Get(name("slow", i), user)
		}
		b.after(10 * time.Minute)
		if b.most > maxLookups+maxFailingLookups {
			b.Errorf("%d lookups at once", b.most)
		}
		synctest.Wait()
		for i := range 1000 {
			b.cache.Get(name("quick", i), user)
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
	runCache(t, "H4 a name without users is not looked up", func(b *cacheBench) {
		b.after(time.Second)
		b.cache.Get("slow.example.net.", user)
		synctest.Wait()
		b.cache.Retain(user) // one is being looked up, one is not
		synctest.Wait()
		equal(b.T, "lookups", b.busy, 0)
		asked := len(b.asked[host])
		time.Sleep(time.Hour)
		equal(b.T, "asked", len(b.asked[host]), asked)
		equal(b.T, "names", len(b.cache.entries)+len(b.cache.healthy.queue)+len(b.cache.failing.queue), 0)
		equal(b.T, "settled", b.cache.Settled(), true)
	})
}
