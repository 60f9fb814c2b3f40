package federation_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
)

func port(name, protocol string, n uint16) federation.Port {
	return federation.Port{Name: name, Protocol: protocol, Port: n}
}

func TestPorts(t *testing.T) {
	http, https := port("http", "tcp", 80), port("https", "tcp", 443)
	for _, tc := range []struct {
		rule       string
		give, want []federation.Port
	}{
		{"M9 ports are in the order of their names", []federation.Port{https, http}, []federation.Port{http, https}},
		{"M9 one name may have two protocols", []federation.Port{port("dns", "udp", 53), port("dns", "tcp", 53)},
			[]federation.Port{port("dns", "tcp", 53), port("dns", "udp", 53)}},
		{"M9 a port without a name has no SRV name", []federation.Port{port("", "tcp", 80), http},
			[]federation.Port{http}},
		{"H3e what no Service has is left out", []federation.Port{port("a/b", "tcp", 1), port("a", "icmp", 1),
			port("a", "tcp", 0), port("a\n", "tcp", 1), http}, []federation.Port{http}},
		{"H3e of two with one name and protocol, one counts", []federation.Port{port("http", "tcp", 81), http},
			[]federation.Port{http}},
		{"M9 there may be none", nil, nil},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got := federation.MakePorts(tc.give)
			if diff := cmp.Diff(tc.want, got.List()); diff != "" || !got.Known() {
				t.Errorf("known: %t; -want +got:\n%s", got.Known(), diff)
			}
		})
	}
	t.Run("M9 equal ports are one in memory, in whatever order", func(t *testing.T) {
		a := federation.MakePorts([]federation.Port{http, https})
		b := federation.MakePorts([]federation.Port{https, http})
		if a != b || !a.Equal(b) || a.Equal(federation.MakePorts(nil)) || (federation.Ports{}).Known() {
			t.Error("they are not")
		}
	})
}

func TestCommonPorts(t *testing.T) {
	http, https, dns := port("http", "tcp", 80), port("https", "tcp", 443), port("dns", "udp", 53)
	with := func(member string, ports ...federation.Port) federation.Shard {
		return federation.Shard{Member: member, Ports: federation.MakePorts(ports)}
	}
	for _, tc := range []struct {
		rule   string
		shards []federation.Shard
		common []federation.Port
		differ []string
	}{
		{"M9 alike", []federation.Shard{with("a", http, dns), with("b", dns, http)}, []federation.Port{dns, http}, nil},
		{"M9 a port with two numbers", []federation.Shard{with("a", http, https),
			with("b", port("http", "tcp", 8080), https), with("c", http, https)},
			[]federation.Port{https}, []string{"http (tcp) is 80 in a and 1 more, 8080 in b"}},
		{"M9 a port that a shard has not", []federation.Shard{with("a", https), with("b", http, https)},
			[]federation.Port{https}, []string{"http (tcp) is missing in a, 80 in b"}},
		{"M9 a port with two protocols", []federation.Shard{with("a", dns), with("b", port("dns", "tcp", 53))}, nil,
			[]string{"dns (tcp) is missing in a, 53 in b", "dns (udp) is 53 in a, missing in b"}},
		{"M9 a shard whose ports are not known", []federation.Shard{{Member: "a"}, with("b", http)},
			[]federation.Port{http}, nil},
		{"M9 none whose ports are known", []federation.Shard{{Member: "a"}}, nil, nil},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			common, differ := federation.CommonPorts(tc.shards)
			if diff := cmp.Diff(tc.common, common.List()) + cmp.Diff(tc.differ, differ); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	t.Run("M9 a port is common or differs, in any order of the shards", rapid.MakeCheck(func(t *rapid.T) {
		var shards []federation.Shard
		all := map[string]bool{}
		for i := range rapid.IntRange(1, 4).Draw(t, "shards") {
			var ports []federation.Port
			for _, name := range []string{"x", "y", "z"} {
				if n := rapid.Uint16Range(0, 2).Draw(t, name); n > 0 {
					ports, all[name] = append(ports, port(name, "tcp", n)), true
				}
			}
			shards = append(shards, with(fmt.Sprintf("m%d", i), ports...))
		}
		common, differ := federation.CommonPorts(shards)
		if len(common.List())+len(differ) != len(all) {
			t.Fatalf("%v and %v of %v", common.List(), differ, all)
		}
		slices.Reverse(shards)
		if again, _ := federation.CommonPorts(shards); again != common {
			t.Fatalf("%v, backwards %v", common.List(), again.List())
		}
	}))
}
