package content

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/policy"
)

// draw draws a federation in which all kinds of levels, conflicts and empty places come up; two members may share an
// address (anycast).
func draw(t *rapid.T) told {
	label := rapid.SampledFrom([]federation.Label{"", "a", "b", "c"})
	c := told{federation: federation.Federation{Name: "fed", Domain: "example.com.",
		Naming: rapid.SampledFrom([]federation.Naming{federation.Flat, federation.Nested}).Draw(t, "naming")}}
	c.had = rapid.Bool().Draw(t, "had")
	c.options.ShardLevelsOnly = rapid.Bool().Draw(t, "levels: shards")
	if rapid.Bool().Draw(t, "with fallback") {
		c.options.RegionFallback = rapid.MapOfN(label, rapid.SliceOfN(label, 0, 2), 0, 2).Draw(t, "fallback")
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "members") {
		m := federation.Member{Name: fmt.Sprintf("m%d", i), Region: label.Draw(t, "region"),
			Zones: rapid.SliceOfN(label, 0, 2).Draw(t, "zones")}
		c.members = append(c.members, m)
		s := policy.ShardState{Reach: policy.Reach{Standing: policy.Present, Observed: true}, Shard: federation.Shard{
			Member: m.Name, Healthy: rapid.Bool().Draw(t, "healthy")}}
		for range rapid.IntRange(0, 2).Draw(t, "addresses") {
			last := byte(rapid.IntRange(1, 6).Draw(t, "address"))
			s.Addresses = append(s.Addresses, netip.AddrFrom4([4]byte{203, 0, 113, last}))
		}
		slices.SortFunc(s.Addresses, netip.Addr.Compare)
		s.Addresses = slices.Compact(s.Addresses)
		if len(s.Addresses) == 0 && rapid.Bool().Draw(t, "host") {
			s.Host = federation.FQDN(m.Name + ".example.net.")
		}
		if rapid.Bool().Draw(t, "known ports") {
			s.Ports = federation.MakePorts(rapid.SliceOfN(rapid.Custom(drawPort), 0, 3).Draw(t, "ports"))
		}
		c.shards = append(c.shards, s)
	}
	return c
}

func drawPort(t *rapid.T) federation.Port {
	return federation.Port{
		Name:     rapid.SampledFrom([]string{"http", "dns"}).Draw(t, "name"),
		Protocol: rapid.SampledFrom([]string{"tcp", "udp"}).Draw(t, "protocol"),
		Port:     rapid.SampledFrom([]uint16{53, 80}).Draw(t, "port"),
	}
}

// chased is where a chase ends.
type chased struct {
	exists bool   // the first name does
	names  string // the levels passed
	end    string // addresses, a host name, or nothing
}

// chase follows a level's name through the RRsets, as a resolver does.
func chase(f federation.Federation, sets []federation.RRset, level federation.FQDN) (c chased) {
	for range 4 {
		c.names += string(level) + " "
		up := federation.FQDN("")
		var data []string
		for _, s := range sets {
			if s.Name != f.OwnerName(web, level) {
				continue
			}
			c.exists = true
			if _, target, ok := f.ParseOwner(federation.FQDN(s.Data[0])); ok && s.Type == federation.TypeCNAME {
				up = target
				continue
			}
			data = append(data, s.Data...)
		}
		if up == "" {
			c.end = strings.Join(data, " ")
			return c
		}
		level = up
	}
	return c
}

// chaseTold does the same through what a member is told; ok is false if that lacks a level.
func chaseTold(s mirror.Service, level federation.FQDN) (c chased, members map[string][]string, ok bool) {
	members = map[string][]string{}
	for range 4 {
		i := slices.IndexFunc(s.Levels, func(lv mirror.Level) bool { return lv.Level == level })
		if i < 0 {
			return c, members, false
		}
		lv := s.Levels[i]
		c.names += string(level) + " "
		c.exists = c.exists || !isNone(&lv)
		if lv.Up != "" {
			level = lv.Up
			continue
		}
		var data []string
		for _, a := range lv.Addresses {
			data = append(data, a.Address.String())
			members[a.Address.String()] = a.Members
		}
		if lv.Host != "" {
			data = append(data, string(lv.Host))
			members[string(lv.Host)] = lv.Members
		}
		c.end = strings.Join(data, " ")
		return c, members, true
	}
	return c, members, true
}

func TestTold(t *testing.T) {
	t.Run("M1 what a member is told is a chase of the verdict's RRsets", rapid.MakeCheck(func(t *rapid.T) {
		c := draw(t)
		answer, _ := c.answer()
		for _, m := range c.members {
			member := NewMember(c.federation, m)
			s, _, ok := member.Tell(web, answer, nil)
			if ok != (len(answer.RRsets) > 0) {
				t.Fatalf("told: %t, of %d RRsets", ok, len(answer.RRsets))
			}
			for _, start := range member.Starts() {
				if ok {
					checkStart(t, c, m.Name, start, s, answer)
				}
			}
		}
	}))
}

func TestToldPorts(t *testing.T) {
	t.Run("M9 a port is told if and only if each shard with known ports has it", rapid.MakeCheck(func(t *rapid.T) {
		c := draw(t)
		answer, _ := c.answer()
		for _, m := range c.members {
			s, _, ok := NewMember(c.federation, m).Tell(web, answer, nil)
			if !ok {
				continue
			}
			for _, port := range []mirror.Port{{Name: "http", Protocol: "tcp", Port: 53},
				{Name: "http", Protocol: "tcp", Port: 80}, {Name: "dns", Protocol: "udp", Port: 53}} {
				known, has := 0, 0
				for _, shard := range c.shards {
					if shard.Ports.Known() {
						known++
						if slices.Contains(shard.Ports.List(), federation.Port(port)) {
							has++
						}
					}
				}
				if told, want := slices.Contains(s.Ports, port), known > 0 && has == known; told != want {
					t.Fatalf("%+v is told: %t; %d of %d shards have it", port, told, has, known)
				}
			}
		}
	}))
}

// checkStart goes through the levels of a start, as the plugin does, until one has something of another member (Q8d).
func checkStart(t *rapid.T, c told, member string, start mirror.Start, s mirror.Service, answer *policy.Answer) {
	path := c.federation.Path(federation.Topology{Region: start.Region, Zone: start.Zone})
	for _, level := range path {
		want := chase(c.federation, answer.RRsets, level)
		have, members, ok := chaseTold(s, level)
		if !ok {
			t.Fatalf("%s from %v: level %q is missing in %+v", member, start, level, s)
		}
		if have != want {
			t.Fatalf("%s from %v at %q: told %+v, the verdict says %+v", member, start, level, have, want)
		}
		others := have.end == ""
		for data, of := range members {
			want := holders(c, data)
			if !slices.Equal(of, want) {
				t.Fatalf("%s belongs to %v, not to %v", data, want, of)
			}
			others = others || !slices.Equal(of, []string{member})
		}
		if have.exists && others {
			return
		}
	}
}

// holders are the members with the address or host name.
func holders(c told, data string) (members []string) {
	for _, s := range c.shards {
		if string(s.Host) == data ||
			slices.ContainsFunc(s.Addresses, func(a netip.Addr) bool { return a.String() == data }) {
			members = append(members, s.Member)
		}
	}
	return members
}
