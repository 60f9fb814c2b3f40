package e2e

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
	"github.com/federation-dns/federation/test/world/outside"
)

// slowest is how long a lookup may take: less than the 5 s after which a stub
// resolver asks again, so that no question was left unanswered.
const slowest = 4 * time.Second

// slowestLater is the same where the answer is SERVFAIL: musl asks again until
// its 5 s are over.
const slowestLater = 9 * time.Second

// lookup is one lookup of a pod, to be made with each resolver.
type lookup struct {
	state  string // of the World, a heading of the tables
	rule   string
	name   string
	family string // any, ipv4 or ipv6
	// gets says in words what the right answer is; want are its addresses, none
	// if there is no such name.
	gets string
	want []netip.Addr
	// later: the program must be told to try again, not that there is no such
	// name.
	later bool
}

func (l lookup) of(family, gets string, want []netip.Addr) lookup {
	l.family, l.gets, l.want = family, gets, want
	return l
}

// only are the addresses of a family.
func only(family string, addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return a.Is4() != (family == "ipv4") })
}

// testResolvers asks the same questions by each resolver that programs in pods
// have, while the shards of other clusters and of its own are and are not
// healthy, and compares what was seen with docs/resolvers.md.
func testResolvers(t *testing.T, w *scenario.Play) {
	x := &resolving{w: w, stubs: newStubs(t, w)}
	serveForLookups(t, w)
	x.ask(t, healthyLookups(w))
	x.ask(t, sixteenLookups())
	x.askCircle(t)
	confirmed := confirmAll(t, w) // the names of all its Services but one go
	stopServingForLookups(t, w)
	eventually(t, w, func(s *seen) error { return onlyWalkThrough(s.records) })
	confirmed()

	run(t, w, scenario.FallBack())
	x.ask(t, chainLookups("Q7a", "the shard here is not healthy, the region has another", "us-east1", "gce-us-east1"))
	run(t, w, scenario.EndFallBack())
	x.ask(t, chainLookups("Q8b", "the region has none either: a chain of three CNAMEs",
		"asia-east1, europe-west1, us-east1",
		"gce-asia-east1", "gce-europe-west1", "gce-us-east1"))
	run(t, w, scenario.KillOthers())
	x.ask(t, deadLookups())
	run(t, w, scenario.BringBack())
	t.Run("all is as before", func(t *testing.T) {
		eventually(t, w, func(s *seen) error { return onlyWalkThrough(s.records) })
	})
	t.Run("docs/resolvers.md", func(t *testing.T) { x.compareDocs(t) })
	watched(t, w)
}

func healthyLookups(w *scenario.Play) []lookup {
	own := w.Member(scenario.Central).ClusterIPs
	europe := scenario.PublishedBy("gce-europe-west1")
	nginx := lookup{state: "the shard here is healthy", rule: "N1", name: world.Name}
	local4 := lookup{state: "a healthy shard here that has IPv4 only", rule: "Q6", name: "local4." + inFederation}
	remote4 := lookup{state: "no shard here; the only healthy one has IPv4 only", rule: "Q8b",
		name: "remote4." + inFederation}
	unknown := lookup{state: "no such Service anywhere", rule: "P3c", name: "unknown." + inFederation}
	namespace := lookup{state: "no such namespace anywhere", rule: "P3c", name: "nginx.unknown." + world.FederationName}
	full := lookup{state: "the full name, with the trailing dot", rule: "N1", name: world.Name + ".svc.cluster.local."}
	record := lookup{state: "the record of another region", rule: "N2",
		name: world.Name + ".svc.europe-west1." + world.Domain}
	outside := lookup{state: "a name outside that exists", rule: "Q3", name: "ns." + world.Domain}
	nothing := lookup{state: "a name outside that does not", rule: "Q3", name: "www.example.org"}
	return []lookup{
		nginx.of("any", "its ClusterIPs", own),
		nginx.of("ipv4", "its IPv4 ClusterIP", only("ipv4", own)),
		nginx.of("ipv6", "its IPv6 ClusterIP", only("ipv6", own)),
		local4.of("any", "its ClusterIP", local4Addr),
		local4.of("ipv6", "no such address", nil),
		remote4.of("any", "its address", remote4Addr),
		remote4.of("ipv6", "no such address", nil),
		unknown.of("any", "no such name", nil),
		namespace.of("any", "no such name", nil),
		full.of("any", "its ClusterIPs", own),
		record.of("any", "europe-west1 only", europe),
		outside.of("any", "its address", []netip.Addr{netip.MustParseAddr(world.Authority)}),
		nothing.of("any", "no such name", nil),
	}
}

func sixteenLookups() []lookup {
	l := lookup{state: "16 addresses of each family behind three CNAMEs", rule: "P8", name: "sixteen." + inFederation}
	return []lookup{
		l.of("any", "16 IPv4, 16 IPv6", slices.Concat(sixteen4, sixteen6)),
		l.of("ipv4", "16 IPv4", sixteen4),
		l.of("ipv6", "16 IPv6", sixteen6),
	}
}

// askCircle asks for a name whose records lead in a circle.
func (x *resolving) askCircle(t *testing.T) {
	level := func(name string) string {
		return "circle." + inFederation + ".svc." + name + "." + world.Domain + "."
	}
	remove, err := world.Insert(t.Context(),
		level("us-central1-b")+" 60 IN CNAME "+level("us-central1"),
		level("us-central1")+" 60 IN CNAME "+level("us-central1-b"))
	if err != nil {
		t.Fatal(err)
	}
	short := lookup{state: "the records cannot be followed: SERVFAIL", rule: "Q8b",
		name: "circle." + inFederation, later: true}
	full := lookup{state: "the same by the full name", rule: "Q8b", name: short.name + ".svc.cluster.local.",
		later: true}
	x.ask(t, []lookup{short.of("any", "try again later", nil), full.of("any", "try again later", nil)})
	if err := remove(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func chainLookups(rule, state, gets string, clusters ...string) []lookup {
	l := lookup{state: state, rule: rule, name: world.Name}
	addrs := scenario.PublishedBy(clusters...)
	return []lookup{
		l.of("any", gets, addrs),
		l.of("ipv4", gets+": IPv4", only("ipv4", addrs)),
		l.of("ipv6", gets+": IPv6", only("ipv6", addrs)),
	}
}

func deadLookups() []lookup {
	l := lookup{state: "no shard is healthy anywhere", rule: "P3b", name: world.Name}
	return []lookup{l.of("any", "no such name", nil), l.of("ipv4", "no such name", nil)}
}

// resolving is the lookups made so far, and what was seen of each.
type resolving struct {
	w     *scenario.Play
	stubs []*stub

	mu   sync.Mutex
	rows []*resolved
}

// resolved is one lookup made with each resolver.
type resolved struct {
	lookup
	by map[string]outcome // by the resolver's name
}

// outcome is what a program printed, and what passed on the network.
type outcome struct {
	addrs     []netip.Addr
	failure   string // "" if there are addresses
	exchanges []outside.Exchange
}

// ask makes the lookups, each with all resolvers side by side.
func (x *resolving) ask(t *testing.T, lookups []lookup) {
	for _, l := range lookups {
		row := &resolved{lookup: l, by: map[string]outcome{}}
		x.rows = append(x.rows, row)
		t.Run(l.rule+" "+l.state+", "+l.family, func(t *testing.T) {
			for _, s := range x.stubs {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					o := x.lookUp(t, s, l)
					x.mu.Lock()
					defer x.mu.Unlock()
					row.by[s.name] = o
				})
			}
		})
	}
}

// lookUp runs the resolver's program as a pod does, with the tap between, and
// expects the right addresses, or what the documented limits of the resolver
// leave of them; then once more with the pod's own resolv.conf.
func (x *resolving) lookUp(t *testing.T, s *stub, l lookup) outcome {
	t.Helper()
	s.tap.Take()
	o := x.run(t, s.tap.View, s, l)
	o.exchanges = s.tap.Take()
	if s.cutShort && takesWhatIsThere(l, o) {
		t.Logf("%d of %d addresses: all that were in the truncated answer", len(o.addrs), len(l.want))
	} else if diff := diffAddrs(l.want, o.addrs); diff != "" {
		t.Errorf("addresses of %s (-want +got):\n%s\n%q; exchanges: %+v", l.name, diff, o.failure, o.exchanges)
	}
	if l.later {
		x.expectLater(t, s, l, o)
		return o // not again: some resolvers take their time
	}
	if o.failure == s.later {
		t.Errorf("the program is told %q, though all questions have an answer", o.failure)
	}
	direct := x.run(t, scenario.Central, s, l)
	if diff := diffAddrs(direct.addrs, o.addrs); diff != "" || direct.failure != o.failure {
		t.Errorf("%s without the tap, %q, and with it, %q, differ (-without +with):\n%s",
			l.name, direct.failure, o.failure, diff)
	}
	return o
}

// expectLater expects that the program is told to try again. A resolver may
// forget that of all names but the last of the search path.
func (x *resolving) expectLater(t *testing.T, s *stub, l lookup, o outcome) {
	t.Helper()
	want := s.later
	if s.forgets && !strings.HasSuffix(l.name, ".") {
		want = s.never
	}
	if o.failure != want {
		t.Errorf("the program is told %q, want %q", o.failure, want)
	}
}

func (x *resolving) run(t *testing.T, view string, s *stub, l lookup) outcome {
	t.Helper()
	limit := slowest
	if l.later {
		limit = slowestLater
	}
	began := time.Now()
	out, err := x.w.As(t.Context(), view, s.argv(l.family, l.name)...)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > limit {
		t.Errorf("it took %s, more than %s", took, limit)
	}
	return parseOutcome(t, out)
}

// diffAddrs compares addresses in any order.
func diffAddrs(want, got []netip.Addr) string {
	return cmp.Diff(want, got, cmpopts.SortSlices(netip.Addr.Less), cmpopts.EquateEmpty(),
		cmpopts.EquateComparable(netip.Addr{}))
}

// parseOutcome reads what a lookup program prints.
func parseOutcome(t *testing.T, out string) outcome {
	t.Helper()
	var o outcome
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if failure, ok := strings.CutPrefix(line, "error "); ok {
			o.failure = failure
			continue
		}
		a, err := netip.ParseAddr(line)
		if err != nil {
			t.Fatalf("the program says %q", line)
		}
		o.addrs = append(o.addrs, a)
	}
	slices.SortFunc(o.addrs, netip.Addr.Compare)
	o.addrs = slices.Compact(o.addrs)
	if len(o.addrs) == 0 && o.failure == "" {
		o.failure = "no address"
	}
	return o
}
