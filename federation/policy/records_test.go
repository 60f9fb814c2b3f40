package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
)

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
		{"X1b an unaccounted address", sets(set("A", "192.0.2.1", "192.0.2.9"), set("AAAA", "2001:db8::1")), nil,
			"192.0.2.1 2001:db8::1"},
		{"X1b an accounted one is not its", sets(set("A", "192.0.2.9")), nil, ""},
		{"X1b what stands above alone does not count", nil, [][]federation.RRset{sets(set("A", "192.0.2.1"))}, ""},
		{"H4 X1b the host name of a load balancer", host, nil, "lb.example.net."},
		{"H4 X1b its addresses stand above, where nobody else has them", host,
			[][]federation.RRset{sets(set("A", "192.0.2.1", "192.0.2.8", "192.0.2.9")), sets(set("A", "192.0.2.2"))},
			"192.0.2.1 lb.example.net."},
		{"H4 X1b and further up, if nothing stands there", host,
			[][]federation.RRset{host, sets(set("A", "192.0.2.2"), set("AAAA", "2001:db8::2"))},
			"192.0.2.2 2001:db8::2 lb.example.net."},
		{"P2a a CNAME to a level up is nobody's", sets(set("CNAME", "web.shop.fed.svc.example.com.")), nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ok := Recorded(f, "b", Records{
				At: c.sets, Above: c.above,
				Accounted: func(_ federation.FQDN, d string) bool { return d == "192.0.2.9" },
				Elsewhere: func(d string) bool { return d == "192.0.2.8" },
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
		never := func(federation.FQDN, string) bool { return false }
		short := set("A", "192.0.2.1")
		short.TTL = federation.ResolvedTTL
		s, _ := Recorded(f, "b", Records{At: sets(short), Accounted: never, Elsewhere: nobody})
		if s.TTL != 0 || !s.Resolved {
			t.Errorf("TTL %d, resolved %t", s.TTL, s.Resolved)
		}
		s, _ = Recorded(f, "b",
			Records{At: host, Above: [][]federation.RRset{sets(short)}, Accounted: never, Elsewhere: nobody})
		if s.TTL != 180 || !s.Resolved {
			t.Errorf("TTL %d, resolved %t", s.TTL, s.Resolved)
		}
	})
	t.Run("X1b an address is accounted for at the level of the record that has it", func(t *testing.T) {
		one, two := set("A", "192.0.2.1"), set("A", "192.0.2.1", "192.0.2.2")
		two.Name = "web.shop.fed.svc.west-2.example.com."
		s, _ := Recorded(f, "b", Records{
			At:        sets(one, two),
			Accounted: func(name federation.FQDN, _ string) bool { return name == one.Name },
		})
		if len(s.Addresses) != 2 {
			t.Errorf("addresses %v", s.Addresses)
		}
		s, _ = Recorded(f, "b", Records{
			At: sets(one, two), Accounted: func(name federation.FQDN, _ string) bool { return name == two.Name },
		})
		if len(s.Addresses) != 1 {
			t.Errorf("addresses %v", s.Addresses)
		}
	})
	t.Run("X1b places: topology zones, or the region if there is none", func(t *testing.T) {
		l := federation.NewLevels(f, []federation.Member{
			{Name: "a", Region: "west", Zones: []federation.Label{"west-1", "west-2"}}, {Name: "b", Region: "west"},
			{Name: "c"},
		}, federation.PublishOptions{Foreign: map[federation.FQDN]bool{"west-2.example.com.": true}})
		var got []string
		for _, m := range []string{"a", "b", "c"} {
			at, above := PlacesOf(l.MemberLevels(m))
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
