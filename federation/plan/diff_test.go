package plan_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

// parseSets reads RRsets from lines "NAME TTL TYPE DATA...".
func parseSets(text string) (sets []federation.RRset) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		set := federation.RRset{Name: federation.FQDN(words[0]), Type: words[2], Data: words[3:]}
		if _, err := fmt.Sscan(words[1], &set.TTL); err != nil {
			panic(err)
		}
		sets = append(sets, set)
	}
	return sets
}

// changeText prints each change on a line: "+" new, "-" deleted, "~" changed.
func changeText(changes []plan.Change) string {
	var b strings.Builder
	for _, c := range changes {
		sign := "~"
		switch {
		case len(c.From) == 0:
			sign = "+"
		case len(c.To) == 0:
			sign = "-"
		}
		fmt.Fprintf(&b, "%s %s\n", sign, c.Name)
	}
	return b.String()
}

func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		id            string
		current, want string // RRsets
		changes       string
	}{
		{"nothing to do", "g. 180 A 192.0.2.1", "g. 180 A 192.0.2.1", ""},
		{"an address more", "g. 180 A 192.0.2.1", "g. 180 A 192.0.2.1 192.0.2.2", "~ g.\n"},
		{"P5 another TTL", "g. 180 A 192.0.2.1", "g. 60 A 192.0.2.1", "~ g.\n"},
		{"P6 a type more", "g. 180 A 192.0.2.1", "g. 180 A 192.0.2.1\ng. 180 AAAA 2001:db8::1", "~ g.\n"},
		{"P6 a switch is one change", "r.g. 180 A 192.0.2.1\nr.g. 180 AAAA 2001:db8::1", "r.g. 180 CNAME g.",
			"~ r.g.\n"},
		{"X5b new names from global down", "",
			"z.g. 180 CNAME y.g.\ny.g. 180 CNAME g.\ng. 180 A 192.0.2.1\na.g. 180 A 192.0.2.1\n",
			"+ g.\n+ a.g.\n+ y.g.\n+ z.g.\n"},
		{"X5b new names through one that is live", "y.g. 180 CNAME g.",
			"a.g. 180 CNAME y.g.\ny.g. 180 CNAME g.\ng. 180 A 192.0.2.1", "+ g.\n+ a.g.\n"},
		{"X5b deletions from topology zones up",
			"z.g. 180 CNAME y.g.\ny.g. 180 CNAME g.\ng. 180 A 192.0.2.1\na.y.g. 180 A 192.0.2.1", "",
			"- z.g.\n- y.g.\n- a.y.g.\n- g.\n"},
		{"X5b live names, new names, deletions", "old.g. 180 A 192.0.2.1\ng. 180 A 192.0.2.1",
			"g. 180 A 192.0.2.2\na.g. 180 A 192.0.2.2", "~ g.\n+ a.g.\n- old.g.\n"},
		{"X5b a new name that a live one will lead to comes before it", "a.g. 180 A 192.0.2.1",
			"a.g. 180 CNAME r.g.\nr.g. 180 CNAME g.\ng. 180 A 192.0.2.2\nb.g. 180 CNAME r.g.",
			"+ g.\n+ r.g.\n~ a.g.\n+ b.g.\n"},
		{"X5b live names never lead in a circle", "a.g. 180 A 192.0.2.1\nb.g. 180 CNAME a.g.",
			"a.g. 180 CNAME b.g.\nb.g. 180 A 192.0.2.2", "~ b.g.\n~ a.g.\n"},
		{"P3b the last address goes after the levels that lead to it", "r.g. 180 A 192.0.2.1\ng. 180 A 192.0.2.1",
			"r.g. 180 CNAME g.", "~ r.g.\n- g.\n"},
		{"P3b a recovery costs one change", "r.g. 180 CNAME g.", "r.g. 180 CNAME g.\ng. 180 A 192.0.2.1", "+ g.\n"},
		{"an RRset without data is none", "g. 180 A", "g. 180 AAAA", ""},
	} {
		t.Run(tt.id, func(t *testing.T) {
			got := plan.Diff(parseSets(tt.current), parseSets(tt.want))
			if diff := cmp.Diff(tt.changes, changeText(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("O3a each change has all of its name in From and To", func(t *testing.T) {
		current := parseSets("g. 180 AAAA 2001:db8::1\ng. 180 A 192.0.2.1\nother. 180 A 192.0.2.9")
		desired := parseSets("g. 180 AAAA 2001:db8::2\ng. 180 A 192.0.2.1\nother. 180 A 192.0.2.9")
		want := []plan.Change{{Name: "g.",
			From: parseSets("g. 180 A 192.0.2.1\ng. 180 AAAA 2001:db8::1"),
			To:   parseSets("g. 180 A 192.0.2.1\ng. 180 AAAA 2001:db8::2")}}
		if diff := cmp.Diff(want, plan.Diff(current, desired)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("P4 a member that is gone takes its levels with it", func(t *testing.T) {
		members := []federation.Member{{Name: "one", Region: "east", Zones: []federation.Label{"east-1"}},
			{Name: "two", Region: "west", Zones: []federation.Label{"west-1"}}}
		got := changeText(plan.Diff(publish(members, 2), publish(members[:1], 2)))
		want := "~ a.b.f.svc.example.com.\n- a.b.f.svc.west.example.com.\n- a.b.f.svc.west-1.example.com.\n"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a circle of CNAMEs ends", func(t *testing.T) {
		circle := parseSets("a. 180 CNAME b.\nb. 180 CNAME a.\nc. 180 CNAME c.")
		if got := plan.Diff(nil, circle); len(got) != 3 {
			t.Errorf("got %v", got)
		}
		if got := plan.Diff(circle, parseSets("a. 60 CNAME b.\nb. 180 CNAME a.")); len(got) != 2 {
			t.Errorf("got %v", got)
		}
	})
}

// publish returns the RRsets of a service with healthy shards in the first n members.
func publish(members []federation.Member, n int) []federation.RRset {
	f := federation.Federation{Name: "f", Domain: "example.com.", Naming: federation.Flat}
	var shards []federation.Shard
	for i := range members[:min(n, len(members))] {
		shards = append(shards, federation.Shard{Member: members[i].Name, Healthy: true,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}})
	}
	sets, _ := federation.NewLevels(f, members,
		federation.PublishOptions{}).RRsets(federation.ServiceName{Namespace: "b", Name: "a"}, shards, true)
	return sets
}

func TestApply(t *testing.T) {
	current := parseSets("g. 180 A 192.0.2.1")
	for _, tt := range []struct {
		id     string
		change plan.Change
		want   string
	}{
		{"O3a other data than expected", plan.Change{Name: "g.", From: parseSets("g. 180 A 192.0.2.2")},
			`change of "g.": the name does not have`},
		{"O3a nothing expected", plan.Change{Name: "g.", To: parseSets("g. 180 A 192.0.2.2")},
			`change of "g.": the name does not have`},
		{"O3a another TTL than expected", plan.Change{Name: "g.", From: parseSets("g. 60 A 192.0.2.1")},
			`change of "g.": the name does not have`},
		{"O3a something expected where nothing is", plan.Change{Name: "h.", From: parseSets("h. 180 A 192.0.2.1")},
			`change of "h.": the name does not have`},
		{"an RRset of another name", plan.Change{Name: "h.", To: parseSets("i. 180 A 192.0.2.1")},
			`contains an RRset of "i."`},
	} {
		t.Run(tt.id, func(t *testing.T) {
			got, err := plan.Apply(current, []plan.Change{tt.change})
			if err == nil || !strings.Contains(err.Error(), tt.want) || got != nil {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// drawSets draws RRsets as the publishing rule makes them, for a topology, a federation's options and shards that
// differ from call to call.
func drawSets(t *rapid.T) []federation.RRset {
	label := rapid.SampledFrom([]federation.Label{"", "a", "b", "c", "d"})
	f := federation.Federation{Name: "f", Domain: "example.com.", Naming: federation.Flat}
	if rapid.IntRange(0, 3).Draw(t, "nested") == 0 {
		f.Naming = federation.Nested
	}
	var members []federation.Member
	var shards []federation.Shard
	for i := range rapid.IntRange(0, 5).Draw(t, "members") {
		m := federation.Member{Name: fmt.Sprint(i), Region: label.Draw(t, "region"),
			Zones: rapid.SliceOfN(label, 0, 2).Draw(t, "zones")}
		members = append(members, m)
		shards = append(shards, federation.Shard{Member: m.Name, Healthy: rapid.Bool().Draw(t, "healthy"),
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(rapid.IntRange(0, 3).Draw(t, "address"))}),
				netip.MustParseAddr("2001:db8::1")}[:rapid.IntRange(1, 2).Draw(t, "addresses")]})
	}
	levels := federation.NewLevels(f, members, federation.PublishOptions{
		TTL:             rapid.SampledFrom([]uint32{60, 180}).Draw(t, "ttl"),
		ShardLevelsOnly: rapid.Bool().Draw(t, "levels: shards"),
	})
	var sets []federation.RRset
	for _, svc := range []string{"one", "two"} {
		s, _ := levels.RRsets(federation.ServiceName{Namespace: "ns", Name: svc}, shards, rapid.Bool().Draw(t, "had"))
		sets = append(sets, s...)
	}
	return sets
}

func TestDiffProperties(t *testing.T) {
	t.Run("the plan applied to the current RRsets gives the desired ones", rapid.MakeCheck(func(t *rapid.T) {
		a, b := drawSets(t), drawSets(t)
		got, err := plan.Apply(a, plan.Diff(a, b))
		slices.SortFunc(b, federation.CompareRRsets)
		if diff := cmp.Diff(b, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	}))
	t.Run("the plan of equal RRsets is empty", rapid.MakeCheck(func(t *rapid.T) {
		b := drawSets(t)
		if got := plan.Diff(b, rapid.Permutation(b).Draw(t, "order")); len(got) > 0 {
			t.Fatal(got)
		}
	}))
	t.Run("P7 the order of RRsets does not matter", rapid.MakeCheck(func(t *rapid.T) {
		a, b := drawSets(t), drawSets(t)
		want := plan.Diff(a, b)
		got := plan.Diff(rapid.Permutation(a).Draw(t, "current"), rapid.Permutation(b).Draw(t, "desired"))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}))
	t.Run("O3a each name is changed once, and only if it differs", rapid.MakeCheck(func(t *rapid.T) {
		seen := map[federation.FQDN]bool{}
		for _, c := range plan.Diff(drawSets(t), drawSets(t)) {
			if seen[c.Name] || federation.EqualRRsets(c.From, c.To) {
				t.Fatalf("change %+v", c)
			}
			seen[c.Name] = true
		}
	}))
	t.Run("X5b no change breaks a query path", rapid.MakeCheck(func(t *rapid.T) {
		a, b := drawSets(t), drawSets(t)
		zone := a
		for i, c := range plan.Diff(a, b) {
			var err error
			if zone, err = plan.Apply(zone, []plan.Change{c}); err != nil {
				t.Fatal(err)
			}
			for _, name := range plan.Names(zone) {
				// A path that leads nowhere may do so only if it did before or will afterwards: without a healthy shard
				// global has no records (P3b).
				if !resolves(zone, name) && (resolves(a, name) || !has(a, name)) && resolves(b, name) {
					t.Fatalf("after change %d, of %q, %q leads nowhere", i, c.Name, name)
				}
			}
		}
	}))
}

func has(zone []federation.RRset, name federation.FQDN) bool {
	return slices.ContainsFunc(zone, func(s federation.RRset) bool { return s.Name == name })
}

// resolves reports whether the CNAMEs from name lead to addresses.
func resolves(zone []federation.RRset, name federation.FQDN) bool {
	for range 8 {
		at := slices.IndexFunc(zone, func(s federation.RRset) bool { return s.Name == name })
		switch {
		case at < 0:
			return false
		case zone[at].Type != federation.TypeCNAME:
			return true
		}
		name = federation.FQDN(zone[at].Data[0])
	}
	return false
}

func FuzzDiff(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, []byte{4, 5, 6, 7})
	f.Add([]byte{0x11, 0x22, 0x13}, []byte{0x31, 0x12})
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, b := fuzzSets(x), fuzzSets(y)
		got, err := plan.Apply(a, plan.Diff(a, b))
		slices.SortFunc(b, federation.CompareRRsets)
		if diff := cmp.Diff(b, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Error(err, diff)
		}
		if again := plan.Diff(b, got); len(again) > 0 {
			t.Error(again)
		}
	})
}

// fuzzSets makes RRsets of any shape from bytes, CNAME circles among them: the high half of a byte is the name, the low
// half what stands there.
func fuzzSets(data []byte) (sets []federation.RRset) {
	seen := map[byte]bool{}
	for _, d := range data {
		name, what := federation.FQDN(fmt.Sprintf("%d.example.com.", d>>4)), d&15
		if seen[d>>4] {
			continue
		}
		seen[d>>4] = true
		if what < 12 {
			sets = append(sets, federation.RRset{Name: name, Type: "CNAME", TTL: 180,
				Data: []string{fmt.Sprintf("%d.example.com.", what)}})
			continue
		}
		for _, typ := range []string{"A", "AAAA"}[:1+what%2] {
			sets = append(sets, federation.RRset{Name: name, Type: typ, TTL: uint32(what), Data: []string{"192.0.2.1"}})
		}
	}
	return sets
}

func BenchmarkDiff(b *testing.B) {
	var members []federation.Member
	for i := range 100 {
		region := federation.Label(fmt.Sprintf("region-%d", i%20))
		members = append(members, federation.Member{Name: fmt.Sprint(i), Region: region,
			Zones: []federation.Label{region + "-a", region + "-b", region + "-c"}})
	}
	before, after := publish(members, 100), publish(members, 99)
	b.ReportAllocs()
	for b.Loop() {
		plan.Diff(before, after)
	}
}
