package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
)

var config = Config{
	UnreachableAfter: 45 * time.Second, StartupTimeout: time.Minute, EmptyGrace: 30 * time.Second,
	HeldMax: 24 * time.Hour, PanicThreshold: 50, PanicHold: 5 * time.Minute,
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// life plays what happens to members: a line each, "TIME WHAT". WHAT is one of
//
//	begin NAMES     the records are known, and that an earlier run knew these
//	list NAME       a complete list
//	leave NAME, add NAME   it is taken from the configuration, or put there
//	up NAME, down NAME   from now on its probes are (not) answered, every 5 s
//	provider up|down
//
// and "is NAME=STANDING ... [panic]" says how they stand then: starting,
// present, unreachable, gone, or panic for lost in a panic.
func life(t *testing.T, members, text string) *Members {
	t.Helper()
	m := NewMembers(config)
	up := map[string]bool{}
	for _, name := range strings.Fields(members) {
		m.Add(epoch, name, 0)
		up[name] = true
	}
	provider := true
	at := epoch
	step := func(now time.Time) {
		for ; at.Before(now); at = at.Add(time.Second) {
			if at.Sub(epoch)%(5*time.Second) == 0 {
				for name, ok := range up {
					m.Probe(at, name, ok)
				}
			}
			m.Step(at, provider)
		}
		m.Step(now, provider)
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		d, err := time.ParseDuration(f[0])
		if err != nil {
			t.Fatal(err)
		}
		step(epoch.Add(d))
		switch f[1] {
		case "begin":
			m.Begin(at, f[2:])
		case "list":
			m.List(f[2])
		case "leave":
			m.Leave(at, f[2])
		case "add":
			m.Add(at, f[2], 0)
		case "up", "down":
			for _, name := range f[2:] {
				up[name] = f[1] == "up"
			}
		case "provider":
			provider = f[2] == "up"
		case "is":
			if got, want := standings(m, members), strings.Join(f[2:], " "); got != want {
				t.Fatalf("at %s: %s, want %s", f[0], got, want)
			}
		default:
			t.Fatalf("unknown: %s", line)
		}
		m.Step(at, provider)
	}
	return m
}

func standings(m *Members, names string) string {
	var out []string
	for _, name := range strings.Fields(names) {
		st := m.Get(name)
		word := st.String()
		if st.Panic {
			word = "panic"
		}
		out = append(out, name+"="+word)
	}
	return strings.Join(out, " ")
}

func TestMembers(t *testing.T) {
	for _, c := range []struct{ name, members, life string }{
		{"X4d one that left is lost at once, until it is added again and listed", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			9s   leave a
			9s   is a=gone b=present c=present
			10m  list a
			11m  is a=gone b=present c=present
			11m  add a
			11m  is a=unreachable b=present c=present
			12m  list a
			12m  is a=present b=present c=present`},
		{"X4d X3a one that left does not count", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			60s  leave a
			61s  down b
			2m   is a=gone b=unreachable c=present`},
		{"X1b nothing is judged before the records are known", "a b", `
			0s   down a b
			10m  is a=starting b=starting
			10m  begin a b
			10m  is a=panic b=panic`},
		{"X1b not listed after startupTimeout counts as unreachable", "a b c", `
			0s   begin a b c
			1s   list a
			1s   list b
			59s  is a=present b=present c=starting
			60s  is a=present b=present c=unreachable
			70s  list c
			71s  is a=present b=present c=present`},
		{"X1b not reachable from the start: after unreachableAfter", "a b c", `
			0s   down a
			0s   begin a b c
			1s   list b
			1s   list c
			44s  is a=starting b=present c=present
			45s  is a=unreachable b=present c=present`},
		{"X2a three failed probes and the time", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			104s is a=present b=present c=present
			105s is a=unreachable b=present c=present`},
		{"X2a a short cut is none", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			100s up a
			10m  is a=present b=present c=present`},
		{"X2b back after a fresh list and a contact", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			110s list a
			115s is a=unreachable b=present c=present
			120s up a
			126s is a=present b=present c=present`},
		{"X2b a contact alone is not enough", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			120s up a
			10m  is a=unreachable b=present c=present
			10m  list a
			10m  is a=present b=present c=present`},
		{"X3a two members: one lost is no panic", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a
			2m   is a=unreachable b=present`},
		{"X3a two members: two lost at once", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a b
			2m   is a=panic b=panic`},
		{"X3a two members: the second lost long after the first", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a
			30m  down b
			35m  is a=unreachable b=unreachable`},
		{"X3a two members: two lost an hour apart", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a
			70m  down b
			75m  is a=unreachable b=panic`},
		{"X3a three members: two lost at once", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a b
			2m   is a=panic b=panic c=present`},
		{"X3a three members: two lost one after the other, within the window", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a
			115s is a=unreachable b=present c=present
			120s down b
			170s is a=panic b=panic c=present`},
		{"X3a four members: two lost are no majority", "a b c d", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			1s   list d
			61s  down a b
			2m   is a=unreachable b=unreachable c=present d=present`},
		{"X3a a member whose last probe failed counts as lost too", "a b c d", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			1s   list d
			61s  down a
			66s  down b
			71s  down c
			106s is a=panic b=present c=present d=present
			3m   is a=panic b=panic c=panic d=present`},
		{"X3a one that never joined does not count", "a b c", `
			0s   down c
			0s   begin a b
			1s   list a
			1s   list b
			61s  down a
			2m   is a=unreachable b=present c=unreachable`},
		{"X3a at start: all of the list of levels are away", "a b c", `
			0s   down a b c
			0s   begin a b c
			1m   is a=panic b=panic c=panic`},
		{"X3b a member lost before the window stays under X2", "a b c d", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			1s   list d
			61s  down a
			20m  down b c d
			22m  is a=unreachable b=panic c=panic d=panic`},
		{"X3c ends when they return", "a b", `
			0s   begin
			1s   list a
			1s   list b
			61s  down a b
			2h   is a=panic b=panic
			2h   up a b
			2h1m list a
			2h1m list b
			2h2m is a=present b=present`},
		{"X3c ends after panicHold if a member and the provider answer", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a b
			6m   is a=panic b=panic c=present
			7m   is a=unreachable b=unreachable c=present`},
		{"X3c holds while the provider does not answer", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a b
			2m   provider down
			1h   is a=panic b=panic c=present
			1h   provider up
			2h   is a=unreachable b=unreachable c=present`},
		{"X3c holds without limit while no member is reachable", "a b c", `
			0s   begin
			1s   list a
			1s   list b
			1s   list c
			61s  down a b c
			100h is a=panic b=panic c=panic`},
	} {
		t.Run(c.name, func(t *testing.T) { life(t, c.members, c.life) })
	}
}

func TestHeldMaxAfterPanic(t *testing.T) {
	m := life(t, "a b", `
		0s   begin
		1s   list a
		1s   list b
		61s  down a b
		30h  is a=panic b=panic
		30h  up b
		31h  is a=unreachable b=unreachable`)
	s := Service{Shards: []ShardState{shard("a", true, m.Get("a"))}, AllMembers: m.Summary(), Had: true}
	if got := counts(Decide(epoch.Add(32*time.Hour), config, s)); got != "a" {
		t.Errorf("X2c heldMax does not run while X3 holds: counts %s", got)
	}
	if got := counts(Decide(epoch.Add(55*time.Hour), config, s)); got != "keep" {
		t.Errorf("X2c heldMax runs after it: counts %s", got)
	}
}

func TestContact(t *testing.T) {
	c := Contact{Since: epoch}
	for i, want := range []bool{false, false, true} {
		c.Probe(epoch.Add(time.Duration(i)*time.Minute), false)
		if got := c.Lost(epoch.Add(time.Hour), 45*time.Second); got != want {
			t.Errorf("X2a after %d failed probes: lost %t", i+1, got)
		}
	}
	c.Probe(epoch.Add(time.Hour), true)
	if c.Lost(epoch.Add(48*time.Hour), time.Second) || !c.Answers() {
		t.Errorf("X2a one good probe is a contact: %+v", c)
	}
}

func TestNext(t *testing.T) {
	m := NewMembers(config)
	m.Add(epoch, "a", 0)
	if !m.Next(epoch).IsZero() {
		t.Error("nothing is judged before Begin")
	}
	m.Begin(epoch, []string{"a"})
	if got := m.Next(epoch); got != epoch.Add(time.Minute) {
		t.Errorf("X1b the next is startupTimeout, not %s", got)
	}
	for range 3 {
		m.Probe(epoch, "a", false)
	}
	if got := m.Next(epoch); got != epoch.Add(45*time.Second) {
		t.Errorf("X2a the next is unreachableAfter, not %s", got)
	}
	now := epoch.Add(45 * time.Second)
	m.Step(now, true)
	if got := m.Next(now); got != now.Add(5*time.Minute) {
		t.Errorf("X3c the next is panicHold, not %s", got)
	}
	if got := m.Next(now.Add(time.Hour)); !got.IsZero() {
		t.Errorf("X3c no time ends a panic without a contact, not %s", got)
	}
}

// shard is a shard of a member in a state: healthy or not, with an address.
func shard(member string, healthy bool, st Member) ShardState {
	return ShardState{Shard: federation.Shard{
		Member: member, Healthy: healthy, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
	}, Member: st}
}

// unresolved is a healthy shard of a of whose host name nothing is known.
func unresolved(st Member) ShardState {
	s := shard("a", true, st)
	s.Unresolved = epoch
	return s
}

var (
	starting = Member{Standing: Starting, Since: epoch}
	present  = Member{Standing: Present, Since: epoch, Observed: true}
	lost     = Member{Standing: Lost, Since: epoch, HeldSince: epoch, Observed: true}
	panicked = Member{Standing: Lost, Since: epoch, HeldSince: epoch, Panic: true, Observed: true}
)

func TestDecide(t *testing.T) {
	all := Summary{Present: true, Observed: true}
	cutOff := Summary{Panic: true, Observed: true}
	for _, c := range []struct {
		name   string
		s      Service
		after  time.Duration
		counts string // the members whose shard counts as healthy, or keep, gone, none
		held   string
	}{
		{"H5 healthy shards of present members", Service{Shards: []ShardState{shard("a", true, present), shard("b", false, present)}, AllMembers: all}, 0, "a", ""},
		{"H5 an unknown shard is remembered as what it was", Service{Shards: []ShardState{shard("a", true, lost), shard("b", false, lost)}, AllMembers: all, Had: true}, 0, "a", "a MemberUnreachable"},
		{"X1b a recorded shard counts, and is held", Service{Shards: []ShardState{shard("a", true, starting), shard("b", true, present)}, AllMembers: all}, 0, "a b", "a MemberStarting"},
		{"H4 a shard of whose host name nothing is known is what it was, and is held", Service{Shards: []ShardState{unresolved(present), shard("b", true, present)}, AllMembers: all}, 0, "a b", "a LastAnswerKept"},
		{"H4 in a lost member it is the member's", Service{Shards: []ShardState{unresolved(lost), shard("b", true, present)}, AllMembers: all}, 0, "b", ""},
		{"X2c a lost one does not count beside a healthy one", Service{Shards: []ShardState{shard("a", true, lost), shard("b", true, present)}, AllMembers: all}, 0, "b", ""},
		{"X2c without one it is held", Service{Shards: []ShardState{shard("a", true, lost), shard("b", false, present)}, AllMembers: all, Had: true}, 0, "a", "a MemberUnreachable"},
		{"X2c all lost ones that were healthy", Service{Shards: []ShardState{shard("a", true, lost), shard("b", true, lost), shard("c", false, lost)}, AllMembers: all, Had: true}, time.Hour, "a b", "a MemberUnreachable b MemberUnreachable"},
		{"X2c until heldMax, then emptyGrace", Service{Shards: []ShardState{shard("a", true, lost)}, AllMembers: all, Had: true}, 24 * time.Hour, "keep", "EmptyGrace"},
		{"X3b in a panic it is what it was", Service{Shards: []ShardState{shard("a", true, panicked), shard("b", true, present)}, AllMembers: all}, 48 * time.Hour, "a b", "a SyncerCutOff"},
		{"X3b a service that was empty is not withdrawn in a panic", Service{Shards: []ShardState{shard("a", false, panicked)}, AllMembers: cutOff, Had: true, EmptySince: epoch}, time.Hour, "keep", "SyncerCutOff"},
		{"X3b nor one without shards while no member is present", Service{AllMembers: cutOff, Had: true, EmptySince: epoch}, time.Hour, "keep", "SyncerCutOff"},
		{"X3b but one that a present member alone has", Service{Shards: []ShardState{shard("b", false, present)}, AllMembers: Summary{Panic: true, Present: true, Observed: true}, Had: true, EmptySince: epoch}, time.Hour, "none", ""},
		{"P3a empty: kept for emptyGrace", Service{Shards: []ShardState{shard("a", false, present)}, AllMembers: all, Had: true}, 0, "keep", "EmptyGrace"},
		{"P3a then withdrawn", Service{Shards: []ShardState{shard("a", false, present)}, AllMembers: all, Had: true, EmptySince: epoch}, 30 * time.Second, "none", ""},
		{"P3a deleted: waits too", Service{AllMembers: all, Had: true}, 0, "keep", "EmptyGrace"},
		{"P4 then it is gone", Service{AllMembers: all, Had: true, EmptySince: epoch}, 30 * time.Second, "gone", ""},
		{"P4 not while a member was never listed", Service{AllMembers: Summary{Present: true}, Had: true, EmptySince: epoch}, time.Hour, "none", ""},
		{"X1b nothing is withdrawn while a member starts", Service{AllMembers: Summary{Starting: true, Present: true}, Had: true, EmptySince: epoch}, time.Hour, "keep", "MemberStarting"},
		{"P3c never healthy: nothing to keep", Service{Shards: []ShardState{shard("a", false, present)}, AllMembers: all}, 0, "none", ""},
		{"P3c nobody has it: gone", Service{AllMembers: all}, 0, "gone", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Decide(epoch.Add(c.after), config, c.s)
			if got := counts(v); got != c.counts {
				t.Errorf("counts: %s, want %s", got, c.counts)
			}
			var held []string
			for _, h := range v.Held {
				held = append(held, strings.TrimSpace(fmt.Sprintf("%s %s", h.Member, h.Reason)))
			}
			if got := strings.Join(held, " "); got != c.held {
				t.Errorf("held: %s, want %s", got, c.held)
			}
		})
	}
}

func counts(v Verdict) string {
	switch {
	case v.Keep:
		return "keep"
	case v.Gone:
		return "gone"
	}
	var names []string
	for _, s := range v.Shards {
		if s.Healthy {
			names = append(names, s.Member)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

func TestRecorded(t *testing.T) {
	f := federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}
	set := func(typ string, data ...string) federation.RRset {
		return federation.RRset{Name: "web.shop.fed.svc.west.example.com.", Type: typ, TTL: 180, Data: data}
	}
	sets := func(of ...federation.RRset) []federation.RRset { return of }
	host := sets(set("CNAME", "lb.example.net."))
	for _, c := range []struct {
		name  string
		sets  []federation.RRset
		above [][]federation.RRset
		want  string
	}{
		{"X1b an unaccounted address", sets(set("A", "192.0.2.1", "192.0.2.9"), set("AAAA", "2001:db8::1")), nil, "192.0.2.1 2001:db8::1"},
		{"X1b an accounted one is not its", sets(set("A", "192.0.2.9")), nil, ""},
		{"X1b what stands above alone does not count", nil, [][]federation.RRset{sets(set("A", "192.0.2.1"))}, ""},
		{"H4 X1b the host name of a load balancer", host, nil, "lb.example.net."},
		{"H4 X1b its addresses stand above, where nobody else has them", host,
			[][]federation.RRset{sets(set("A", "192.0.2.1", "192.0.2.8", "192.0.2.9")), sets(set("A", "192.0.2.2"))}, "192.0.2.1 lb.example.net."},
		{"H4 X1b and further up, if nothing stands there", host,
			[][]federation.RRset{host, sets(set("A", "192.0.2.2"), set("AAAA", "2001:db8::2"))}, "192.0.2.2 2001:db8::2 lb.example.net."},
		{"P2a a CNAME to a level up is nobody's", sets(set("CNAME", "web.shop.fed.svc.example.com.")), nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ok := Recorded(f, "b", Records{
				At: c.sets, Above: c.above,
				Accounted: func(d string) bool { return d == "192.0.2.9" }, Elsewhere: func(d string) bool { return d == "192.0.2.8" },
			})
			var got []string
			for _, a := range s.Addresses {
				got = append(got, a.String())
			}
			if s.Host != "" {
				got = append(got, string(s.Host))
			}
			if strings.Join(got, " ") != c.want || ok != (c.want != "") {
				t.Errorf("got %v %t, want %q", got, ok, c.want)
			}
		})
	}
	t.Run("H4 P5 a TTL of a resolved address is not the service's wish", func(t *testing.T) {
		nobody := func(string) bool { return false }
		short := set("A", "192.0.2.1")
		short.TTL = federation.ResolvedTTL
		s, _ := Recorded(f, "b", Records{At: sets(short), Accounted: nobody, Elsewhere: nobody})
		if s.TTL != 0 || !s.Resolved {
			t.Errorf("TTL %d, resolved %t", s.TTL, s.Resolved)
		}
		s, _ = Recorded(f, "b", Records{At: host, Above: [][]federation.RRset{sets(short)}, Accounted: nobody, Elsewhere: nobody})
		if s.TTL != 180 || !s.Resolved {
			t.Errorf("TTL %d, resolved %t", s.TTL, s.Resolved)
		}
	})
	t.Run("X1b places: topology zones, or the region if there is none", func(t *testing.T) {
		l := federation.NewLevels(f, []federation.Member{
			{Name: "a", Region: "west", Zones: []federation.Label{"west-1", "west-2"}}, {Name: "b", Region: "west"}, {Name: "c"},
		}, federation.Options{Foreign: map[federation.FQDN]bool{"west-2.example.com.": true}})
		var got []string
		for _, m := range []string{"a", "b", "c"} {
			at, above := PlacesOf(l.Of(m))
			for _, lv := range at {
				got = append(got, m+" at "+string(lv.Name))
			}
			for _, lv := range above {
				got = append(got, m+" above "+string(lv.Name))
			}
		}
		want := []string{
			"a at west-1.example.com.", "a above west.example.com.", "a above example.com.",
			"b at west.example.com.", "b above example.com.", "c above example.com.",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

func TestPace(t *testing.T) {
	var p Pace
	at := epoch
	if !p.NotBefore(at, false).IsZero() {
		t.Error("X5c the first change goes at once")
	}
	p.Changed(at)
	if got := p.NotBefore(at, false); got != at.Add(time.Second) {
		t.Errorf("X5c then one a second: %s", got)
	}
	if !p.NotBefore(at, true).IsZero() {
		t.Error("X5c withdrawals are not damped")
	}
	for range 9 {
		at = at.Add(time.Second)
		p.Changed(at)
	}
	if got := p.NotBefore(at, false); got != at.Add(10*time.Second) {
		t.Errorf("X5c ten changes in a minute: additions every 10 s, not %s", got.Sub(at))
	}
	if p.Quiet(at) || !p.Quiet(at.Add(2*time.Minute)) {
		t.Error("a name is quiet a minute after its last change")
	}
	if got := slices.Max([]int{len(p.changes), cap(p.changes)}); got > 2*dampedAfter {
		t.Errorf("%d times are kept", got)
	}
}
