package federation_test

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
)

// drawCase draws a federation small enough that all kinds of levels, conflicts and empty places come up. Labels come
// from one set for regions and topology zones, so that they collide.
func drawCase(t *rapid.T) publishCase {
	label := rapid.SampledFrom([]federation.Label{"", "a", "b", "c", "d"})
	c := publishCase{
		federation: federation.Federation{Name: "myfederation", Domain: "example.com.",
			Naming: rapid.SampledFrom([]federation.Naming{federation.Flat, federation.Nested}).Draw(t, "naming")},
		service: federation.ServiceName{Namespace: "mynamespace", Name: "nginx"},
		had:     rapid.Bool().Draw(t, "had"),
		options: federation.PublishOptions{
			MaxAddresses:    rapid.IntRange(0, 4).Draw(t, "max"),
			ShardLevelsOnly: rapid.Bool().Draw(t, "levels: shards"),
			Foreign:         map[federation.FQDN]bool{},
		},
	}
	if rapid.Bool().Draw(t, "with fallback") {
		c.options.RegionFallback = rapid.MapOfN(label, rapid.SliceOfN(label, 0, 3), 0, 3).Draw(t, "fallback")
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "members") {
		c.members = append(c.members, federation.Member{
			Name: fmt.Sprintf("member-%d", i), Region: label.Draw(t, "region"),
			Zones: rapid.SliceOfN(label, 0, 3).Draw(t, "zones"),
		})
		if rapid.IntRange(0, 4).Draw(t, "has shard") > 0 {
			c.shards = append(c.shards, drawShard(t, c.members[i].Name, i))
		}
	}
	for _, lv := range federation.NewLevels(c.federation, c.members, federation.PublishOptions{}).All() {
		if lv.Kind != federation.KindGlobal && rapid.IntRange(0, 5).Draw(t, "foreign") == 0 {
			c.options.Foreign[lv.Name] = true
		}
	}
	return c
}

// drawShard draws a shard with addresses that no other member has.
func drawShard(t *rapid.T, member string, i int) federation.Shard {
	s := federation.Shard{Member: member, Healthy: rapid.Bool().Draw(t, "healthy"),
		TTL: uint32(rapid.IntRange(0, 400).Draw(t, "ttl"))}
	for j := range rapid.IntRange(0, 5).Draw(t, "IPv4") {
		s.Addresses = append(s.Addresses, netip.AddrFrom4([4]byte{203, 0, 113, byte(16*i + j)}))
	}
	for j := range rapid.IntRange(0, 5).Draw(t, "IPv6") {
		s.Addresses = append(s.Addresses, netip.MustParseAddr(fmt.Sprintf("2001:db8::%x:%x", i+1, j+1)))
	}
	if rapid.IntRange(0, 3).Draw(t, "host") == 0 {
		s.Host = federation.FQDN(member + ".example.net.")
		s.Resolved = len(s.Addresses) > 0
	}
	return s
}

func (c publishCase) levels() *federation.Levels {
	return federation.NewLevels(c.federation, c.members, c.options)
}

func (c publishCase) anyHealthy() bool {
	return slices.ContainsFunc(c.shards, func(s federation.Shard) bool {
		return s.Healthy && (len(s.Addresses) > 0 || s.Host != "")
	})
}

func atName(sets []federation.RRset, name federation.FQDN) (at []federation.RRset) {
	for _, s := range sets {
		if s.Name == name {
			at = append(at, s)
		}
	}
	return at
}

func TestRRsetsProperties(t *testing.T) {
	t.Run("P7 the order of members and shards does not matter", rapid.MakeCheck(func(t *rapid.T) {
		c := drawCase(t)
		want, wantProblems := c.levels().RRsets(c.service, c.shards, c.had)
		c.members = rapid.Permutation(c.members).Draw(t, "members")
		for i := range c.members {
			c.members[i].Zones = rapid.Permutation(c.members[i].Zones).Draw(t, "zones")
		}
		c.shards = rapid.Permutation(c.shards).Draw(t, "shards")
		got, gotProblems := c.levels().RRsets(c.service, c.shards, c.had)
		if diff := cmp.Diff(want, got) + cmp.Diff(wantProblems, gotProblems); diff != "" {
			t.Fatal(diff)
		}
	}))
	t.Run("P2a every chain goes up and ends at a healthy shard", rapid.MakeCheck(func(t *rapid.T) {
		c := drawCase(t)
		levels := c.levels()
		sets, _ := levels.RRsets(c.service, c.shards, c.had)
		for _, s := range sets {
			checkChain(t, c, levels, sets, s.Name)
		}
	}))
	t.Run("P8 no member has two before each one has one", rapid.MakeCheck(func(t *rapid.T) {
		c := drawCase(t)
		levels := c.levels()
		sets, _ := levels.RRsets(c.service, c.shards, c.had)
		for _, s := range sets {
			checkFair(t, c, levels, s)
		}
	}))
	t.Run("RRsets are of the form that RRset has", rapid.MakeCheck(func(t *rapid.T) {
		c := drawCase(t)
		levels := c.levels()
		sets, _ := levels.RRsets(c.service, c.shards, c.had)
		if !slices.IsSortedFunc(sets, federation.CompareRRsets) {
			t.Fatalf("not sorted: %v", sets)
		}
		for i, s := range sets {
			if svc, _, ok := c.federation.ParseOwner(s.Name); !ok || svc != c.service {
				t.Fatalf("O2 %q is not of our shape", s.Name)
			}
			if len(s.Data) == 0 || s.TTL == 0 {
				t.Fatalf("RRset %+v", s)
			}
			if i > 0 && sets[i-1].Name == s.Name && (sets[i-1].Type >= s.Type || s.Type == federation.TypeCNAME) {
				t.Fatalf("%s beside %s", sets[i-1], s)
			}
		}
	}))
	t.Run("S1 the explained RRsets are the RRsets, and their members give the data", rapid.MakeCheck(func(t *rapid.T) {
		c := drawCase(t)
		levels := c.levels()
		sets, _ := levels.RRsets(c.service, c.shards, c.had)
		explained := levels.Explain(c.service, c.shards, c.had)
		if len(explained) != len(sets) {
			t.Fatalf("%d RRsets are explained of %d", len(explained), len(sets))
		}
		for i, x := range explained {
			if !x.Equal(sets[i]) {
				t.Fatalf("explained is %s, published %s", x, sets[i])
			}
			checkReason(t, c, x)
		}
	}))
	t.Run("P2c written are the levels of members with a shard", rapid.MakeCheck(func(t *rapid.T) {
		c := drawCase(t)
		c.options.ShardLevelsOnly = true
		if len(c.options.RegionFallback) > 0 || len(c.shards) == 0 || !c.anyHealthy() {
			return
		}
		got, _ := c.levels().RRsets(c.service, c.shards, c.had)
		c.options.ShardLevelsOnly = false
		want, _ := c.levels().RRsets(c.service, c.shards, c.had)
		want = slices.DeleteFunc(want, func(s federation.RRset) bool { return !standsAt(c, s.Name) })
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	}))
}

// checkReason compares the reason and the members of an RRset with its data: no two shards have the same.
func checkReason(t *rapid.T, c publishCase, x federation.Explained) {
	var members []string
	for _, s := range c.shards {
		if slices.ContainsFunc(x.Data, func(d string) bool {
			return d == string(s.Host) ||
				slices.ContainsFunc(s.Addresses, func(a netip.Addr) bool { return a.String() == d })
		}) {
			members = append(members, s.Member)
		}
	}
	slices.Sort(members)
	if diff := cmp.Diff(members, x.Members, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("members of %s: %s", x, diff)
	}
	up := x.Reason == federation.ReasonNoHealthyShard || x.Reason == federation.ReasonLabelConflict
	if up != (len(members) == 0) {
		t.Fatalf("%s has reason %s and members %v", x, x.Reason, members)
	}
}

// standsAt reports whether a member with a shard stands at the level of name.
func standsAt(c publishCase, name federation.FQDN) bool {
	for _, lv := range c.levels().All() {
		if lv.OwnerName(c.service) == name {
			return lv.Kind == federation.KindGlobal || slices.ContainsFunc(c.shards, func(s federation.Shard) bool {
				return slices.Contains(lv.Members, s.Member)
			})
		}
	}
	return false
}

// checkChain follows the CNAMEs from name: each leads to a higher kind of level or to a host name outside, the last to
// addresses if any shard is healthy.
func checkChain(t *rapid.T, c publishCase, levels *federation.Levels, sets []federation.RRset, name federation.FQDN) {
	kinds := []federation.LevelKind{federation.KindTopologyZone, federation.KindRegion, federation.KindGlobal}
	last := -1
	for {
		at := slices.IndexFunc(levels.All(), func(lv federation.Level) bool { return lv.OwnerName(c.service) == name })
		if at < 0 {
			t.Fatalf("%q is no level's name", name)
		}
		lv := levels.All()[at]
		if rank := slices.Index(kinds, lv.Kind); rank <= last {
			t.Fatalf("the chain goes sideways to %q", name)
		} else {
			last = rank
		}
		if lv.Foreign {
			t.Fatalf("O1c %q is on a foreign level", name)
		}
		here := atName(sets, name)
		if len(here) == 0 {
			if c.anyHealthy() || lv.Kind != federation.KindGlobal {
				t.Fatalf("the chain ends at %q, which has nothing", name)
			}
			return // P3b
		}
		if here[0].Type != federation.TypeCNAME || strings.HasSuffix(here[0].Data[0], ".example.net.") {
			return
		}
		if lv.Conflict && here[0].Data[0] != string(c.federation.OwnerName(c.service, c.federation.Domain)) {
			t.Fatalf("N5 %q does not lead to global", name)
		}
		name = federation.FQDN(here[0].Data[0])
	}
}

// checkFair checks the number of addresses and how they are shared out. What stands at the level of a fallback is
// checked by the other region's members.
func checkFair(t *rapid.T, c publishCase, levels *federation.Levels, set federation.RRset) {
	if set.Type == federation.TypeCNAME {
		return
	}
	most := c.options.MaxAddresses
	if most == 0 {
		most = federation.DefaultMaxAddresses
	}
	if len(set.Data) > most {
		t.Fatalf("%d addresses, at most %d are allowed", len(set.Data), most)
	}
	at := slices.IndexFunc(levels.All(), func(lv federation.Level) bool { return lv.OwnerName(c.service) == set.Name })
	fewest, highest := 1<<30, 0
	for _, s := range c.shards {
		has, offers := 0, 0
		for _, a := range s.Addresses {
			if a.Is4() == (set.Type == federation.TypeA) {
				offers++
			}
			if slices.Contains(set.Data, a.String()) {
				has++
			}
		}
		if !s.Healthy || !slices.Contains(levels.All()[at].Members, s.Member) {
			continue
		}
		highest = max(highest, has)
		if has < offers {
			fewest = min(fewest, has)
		}
	}
	if fewest < highest-1 {
		t.Fatalf("a member has %d addresses while one with more to offer has %d: %v", highest, fewest, set.Data)
	}
}

func TestSharedAddress(t *testing.T) {
	t.Run("P8 a member whose address another one has too is not passed over twice", func(t *testing.T) {
		f := federation.Federation{Name: "myfederation", Domain: "example.com.", Naming: federation.Flat}
		anycast, own := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("198.51.100.1")
		members := []federation.Member{{Name: "one"}, {Name: "two"}, {Name: "three"}}
		shards := []federation.Shard{
			{Member: "one", Healthy: true, Addresses: []netip.Addr{anycast}},
			{Member: "two", Healthy: true, Addresses: []netip.Addr{anycast}},
			{Member: "three", Healthy: true, Addresses: []netip.Addr{own, netip.MustParseAddr("198.51.100.2")}},
		}
		levels := federation.NewLevels(f, members, federation.PublishOptions{MaxAddresses: 2})
		sets, _ := levels.RRsets(federation.ServiceName{Namespace: "a", Name: "b"}, shards, true)
		if len(sets) != 1 || len(sets[0].Data) != 2 || !slices.Contains(sets[0].Data, anycast.String()) {
			t.Fatalf("got %v", sets)
		}
	})
}
