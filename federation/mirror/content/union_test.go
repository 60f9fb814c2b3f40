package content

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
)

var fed = federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}

// saidBy is the mirror of a member with service web, which may be served for that long.
func saidBy(member string, stale time.Duration, levels ...mirror.Level) *mirror.Contents {
	return &mirror.Contents{
		Heartbeat: &mirror.Heartbeat{Member: member, StaleUntil: now.Add(stale)},
		Services: []mirror.Service{{Namespace: web.Namespace, Name: web.Name, Levels: levels,
			Ports: []mirror.Port{{Name: "http", Protocol: "tcp", Port: 80}}}},
	}
}

func level(name federation.FQDN, addresses ...string) mirror.Level {
	lv := mirror.Level{Level: name, TTL: 180}
	for _, text := range addresses {
		address, members, _ := strings.Cut(text, " ")
		lv.Addresses = append(lv.Addresses, mirror.Address{Address: netip.MustParseAddr(address),
			Members: strings.Split(members, ",")})
	}
	return lv
}

// united puts a union into lines: the RRsets, the shards and the ports.
func united(mirrors ...*mirror.Contents) (lines []string) {
	a := Union(fed, mirror.Servable(now, mirrors))[web]
	if a == nil {
		return nil
	}
	for _, set := range a.RRsets {
		name := strings.TrimPrefix(string(set.Name), "web.shop.fed.svc.")
		lines = append(lines, fmt.Sprintf("%s %d %s %s", name, set.TTL, set.Type, strings.Join(set.Data, " ")))
	}
	for _, s := range a.Shards {
		lines = append(lines, fmt.Sprintf("%s %t %v %s ttl %d", s.Member, s.Healthy, s.Addresses, s.Host, s.TTL))
	}
	for _, p := range a.Ports.List() {
		lines = append(lines, fmt.Sprintf("port %s %d", p.Name, p.Port))
	}
	return lines
}

func TestUnion(t *testing.T) {
	const d, eu = "example.com.", "eu.example.com."
	up := mirror.Level{Level: eu, TTL: 180, Up: d}
	host := mirror.Level{Level: eu, TTL: 60, Host: "lb.example.net.", Members: []string{"b"}}
	for _, tc := range []struct {
		rule    string
		mirrors []*mirror.Contents
		want    []string
	}{
		{"M1 the union has all names, and whose the addresses are", []*mirror.Contents{
			saidBy("a", time.Hour, up, level(d, "203.0.113.2 b")),
			saidBy("b", time.Hour, level("us.example.com.", "203.0.113.2 b"))},
			[]string{"eu.example.com. 180 CNAME web.shop.fed.svc.example.com.", "example.com. 180 A 203.0.113.2",
				"us.example.com. 180 A 203.0.113.2", "b true [203.0.113.2]  ttl 180", "port http 80"}},
		{"M1 of the same time, all addresses of a name", []*mirror.Contents{
			saidBy("a", time.Hour, level(d, "203.0.113.20 b")), saidBy("b", time.Hour-time.Minute,
				level(d, "203.0.113.9 a,c", "203.0.113.20 b"))},
			[]string{"example.com. 180 A 203.0.113.9 203.0.113.20", "a true [203.0.113.9]  ttl 180",
				"b true [203.0.113.20]  ttl 180", "c true [203.0.113.9]  ttl 180", "port http 80"}},
		{"M1 an older one adds no address to a name, but names", []*mirror.Contents{
			saidBy("b", time.Hour-10*time.Minute, level(eu, "203.0.113.1 a"), level(d, "203.0.113.1 a")),
			saidBy("a", time.Hour, level(d, "203.0.113.2 b"))},
			[]string{"eu.example.com. 180 A 203.0.113.1", "example.com. 180 A 203.0.113.2",
				"a true [203.0.113.1]  ttl 180", "b true [203.0.113.2]  ttl 180", "port http 80"}},
		{"M1 one that may not be served any more says nothing", []*mirror.Contents{
			saidBy("a", 0, level(d, "203.0.113.2 b"))}, nil},
		{"M1 a host name, IPv6, and a name that does not exist", []*mirror.Contents{
			saidBy("a", time.Hour, host, level(d, "2001:db8::1 b"), level("us.example.com."))},
			[]string{"eu.example.com. 60 CNAME lb.example.net.", "example.com. 180 AAAA 2001:db8::1",
				"b true [2001:db8::1] lb.example.net. ttl 180", "port http 80"}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, united(tc.mirrors...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	t.Run("M1 the union of what members are told has all that is told", rapid.MakeCheck(func(t *rapid.T) {
		c := draw(t)
		answer, _ := c.answer()
		var mirrors []*mirror.Contents
		told := map[federation.FQDN]bool{}
		for _, m := range c.members {
			s, _, ok := NewMember(c.federation, m).Tell(web, answer, nil)
			if !ok {
				continue
			}
			for _, lv := range s.Levels {
				told[c.federation.OwnerName(web, lv.Level)] = true
			}
			mirrors = append(mirrors, &mirror.Contents{Services: []mirror.Service{s},
				Heartbeat: &mirror.Heartbeat{Member: m.Name, StaleUntil: now.Add(time.Hour)}})
		}
		var want []federation.RRset
		for _, set := range answer.RRsets {
			if told[set.Name] {
				set.TTL = 0
				want = append(want, set)
			}
		}
		var got []federation.RRset
		if u := Union(c.federation, mirror.Servable(now, mirrors))[web]; u != nil {
			for _, set := range u.RRsets {
				set.TTL = 0 // A and AAAA of a level have the smaller one in a mirror
				got = append(got, set)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
		before := united(mirrors...)
		slices.Reverse(mirrors)
		if diff := cmp.Diff(before, united(mirrors...)); diff != "" {
			t.Fatalf("in another order:\n%s", diff)
		}
	}))
}
