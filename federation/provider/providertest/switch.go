package providertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// load says how often a name is switched under load at least, and how many queries are answered meanwhile.
func (g *target) load() (switches int, queries int64) {
	if g.Slow {
		return 10, 20
	}
	return 200, 5000
}

func testSwitch(_ *testing.T, g *target) {
	n := g.name("nginx.ns.fed.svc.us-central1")
	addresses := sets(set(n, "A", 180, "192.0.2.1", "192.0.2.2"), set(n, "AAAA", 180, "2001:db8::1"))
	four := addresses[:1]
	alias := sets(set(n, "CNAME", 180, string(g.name("nginx.ns.fed.svc"))))
	other := sets(set(n, "CNAME", 180, "lb.example.org."))
	all := [][]federation.RRset{alias, addresses, alias, four, other, alias, nil, other, addresses}
	var now []federation.RRset
	for _, next := range all {
		g.must(now, next)
		g.has(n, next...)
		now = next
	}
}

// testSwitchLoad asks for A and AAAA without a break while the name is switched: each answer holds either just the
// addresses or just the CNAME. A provider without a server to query is read instead.
func testSwitchLoad(t *testing.T, g *target) {
	n, global := g.name("nginx.ns.fed.svc.us-central1"), g.name("nginx.ns.fed.svc")
	g.must(nil, sets(set(global, "A", 180, "198.51.100.1"), set(global, "AAAA", 180, "2001:db8:1::1")))
	states := [][]federation.RRset{
		sets(set(n, "A", 180, "192.0.2.1", "192.0.2.2"), set(n, "AAAA", 180, "2001:db8::1")),
		sets(set(n, "CNAME", 180, string(global))),
	}
	g.must(nil, states[0])
	w := &watchers{server: g.DNS, name: n, states: states}
	if g.DNS != "" {
		w.start(dns.TypeA, dns.TypeAAAA)
	} else {
		w.read(g.ctx(), g.Provider)
	}
	w.asking.Wait()
	made := 0
	switches, queries := g.load()
	for ; made < switches || w.queries.Load() < queries && w.right(); made++ {
		if err := g.apply(nil, change(states[made%2], states[(made+1)%2])); err != nil {
			t.Errorf("switch %d: %v", made, err)
			break
		}
	}
	w.end(t)
	t.Logf("%d switches, %d queries", made, w.queries.Load())
	g.has(n, states[made%2]...)
}

// watchers query a name without a break.
type watchers struct {
	server string
	name   federation.FQDN
	states [][]federation.RRset

	wg      sync.WaitGroup
	asking  sync.WaitGroup // until each has had an answer, or has given up
	stop    atomic.Bool
	queries atomic.Int64
	mu      sync.Mutex
	wrong   []string
}

// run runs one watcher, which calls answered for each answer.
func (w *watchers) run(watch func(answered func())) {
	w.asking.Add(1)
	first := sync.OnceFunc(w.asking.Done)
	w.wg.Go(func() {
		defer first()
		watch(func() { w.queries.Add(1); first() })
	})
}

func (w *watchers) start(types ...uint16) {
	for _, qtype := range types {
		w.run(func(answered func()) {
			client := &dns.Client{Timeout: 5 * time.Second}
			conn, err := client.Dial(w.server)
			if err != nil {
				w.report("dial: %v", err)
				return
			}
			defer conn.Close()
			for !w.stop.Load() {
				q := new(dns.Msg).SetQuestion(string(w.name), qtype)
				reply, _, err := client.ExchangeWithConn(q, conn)
				if err != nil {
					w.report("query: %v", err)
					return
				}
				answered()
				w.check(qtype, reply)
			}
		})
	}
}

// read is start for a provider that is asked itself.
func (w *watchers) read(ctx context.Context, p provider.Provider) {
	w.run(func(answered func()) {
		for !w.stop.Load() {
			got, err := p.Get(ctx, w.name)
			if err != nil {
				w.report("Get: %v", err)
				return
			}
			answered()
			if !slices.ContainsFunc(w.states, func(state []federation.RRset) bool {
				return federation.EqualRRsets(got,
					state)
			}) {
				w.report("Get returns %v", got)
			}
		}
	})
}

func (w *watchers) check(qtype uint16, reply *dns.Msg) {
	var at []dns.RR
	for _, rr := range reply.Answer {
		if federation.CanonicalName(rr.Header().Name) == w.name {
			at = append(at, rr)
		}
	}
	got := provider.RRsets(at)
	right := slices.ContainsFunc(w.states, func(state []federation.RRset) bool {
		want := provider.Find(state, dns.TypeToString[qtype])
		if want == nil {
			want = provider.Find(state, federation.TypeCNAME)
		}
		return federation.EqualRRsets(got, sets(*want))
	})
	if !right {
		w.report("%s answer with %s: %v", dns.TypeToString[qtype], dns.RcodeToString[reply.Rcode], reply.Answer)
	}
}

func (w *watchers) report(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

func (w *watchers) end(t *testing.T) {
	t.Helper()
	w.stop.Store(true)
	w.wg.Wait()
	if len(w.wrong) > 0 {
		t.Errorf("%d of %d answers were empty or mixed, the first: %s", len(w.wrong), w.queries.Load(), w.wrong[0])
	}
}

// right reports whether all went well so far.
func (w *watchers) right() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.wrong) == 0
}

func testIgnoredCNAME(t *testing.T, g *target) {
	for _, foreign := range []federation.RRset{
		{Type: "TXT", TTL: 60, Data: []string{`"foreign"`}},
		{Type: "MX", TTL: 60, Data: []string{"10 mail.example.org."}},
	} {
		t.Run("old RRsets stay beside "+foreign.Type, func(t *testing.T) {
			g := &target{g.Target, t}
			n := g.name("old-%s.ns.fed.svc", strings.ToLower(foreign.Type))
			old := sets(set(n, "A", 180, "192.0.2.1"), set(n, "AAAA", 180, "2001:db8::1"))
			foreign.Name = n
			g.must(nil, old)
			g.Put(foreign)
			bystander := sets(set(g.name("other-%s.ns.fed.svc", strings.ToLower(foreign.Type)), "A", 180, "192.0.2.7"))
			errs := g.Provider.Apply(g.ctx(), nil, []plan.Change{
				change(old, sets(set(n, "CNAME", 180, "nginx.example.org."))),
				change(nil, bystander),
			})
			g.fails(errs[0], provider.ErrRefused)
			if errs[1] != nil {
				t.Errorf("the other change of the batch: %v", errs[1])
			}
			g.has(bystander[0].Name, bystander...)
			g.has(n, withOurs(old, foreign)...)
		})
		t.Run("new beside "+foreign.Type, func(t *testing.T) {
			g := &target{g.Target, t}
			n := g.name("new-%s.ns.fed.svc", strings.ToLower(foreign.Type))
			foreign.Name = n
			g.Put(foreign)
			g.fails(g.apply(nil, change(nil, sets(set(n, "CNAME", 180, "nginx.example.org.")))), provider.ErrRefused)
			g.has(n, withOurs(nil, foreign)...)
		})
	}
}

// withOurs adds the foreign RRset if Get shows its type.
func withOurs(s []federation.RRset, foreign federation.RRset) []federation.RRset {
	if slices.Contains(provider.Types, foreign.Type) {
		return append(slices.Clone(s), foreign)
	}
	return s
}
