package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
)

func TestAnswerPorts(t *testing.T) {
	f := federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}
	levels := federation.NewLevels(f, []federation.Member{{Name: "a"}, {Name: "b"}}, federation.PublishOptions{})
	web := federation.ServiceName{Namespace: "shop", Name: "web"}
	ports := func(n uint16) federation.Ports {
		return federation.MakePorts([]federation.Port{{Name: "http", Protocol: "tcp", Port: n}})
	}
	answer := func(before *Answer, shards ...federation.Shard) *Answer {
		o := Outcome{Verdict: Verdict{Shards: shards, Keep: true}}
		return o.Answer(levels, web, before, nil, true)
	}
	before := answer(nil, federation.Shard{Member: "a", Ports: ports(80)})
	for _, tc := range []struct {
		rule   string
		shards []federation.Shard
		want   federation.Ports
	}{
		{"M9 the ports of the shards count, not those before", []federation.Shard{{Member: "a", Ports: ports(81)}},
			ports(81)},
		{"M9 a Service without ports has none", []federation.Shard{{Member: "a", Ports: federation.MakePorts(nil)}},
			federation.MakePorts(nil)},
		{"M9 while no shard's are known, those before stay", []federation.Shard{{Member: "a"}}, ports(80)},
		{"M9 so they do for as long as a deleted Service's addresses", nil, ports(80)},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if got := answer(before, tc.shards...).Ports; got != tc.want {
				t.Errorf("%v, want %v", got.List(), tc.want.List())
			}
		})
	}
	t.Run("M9 what differs is a problem of the service", func(t *testing.T) {
		shards := []federation.Shard{{Member: "a", Ports: ports(80)}, {Member: "b", Ports: ports(81)}}
		want := []federation.Problem{{Service: web, Reason: federation.ReasonServicePorts,
			Detail: "ports in which the shards differ are left out of SRV: http (tcp) is 80 in a, 81 in b"}}
		if diff := cmp.Diff(want, PortsProblems(web, shards)); diff != "" {
			t.Error(diff)
		}
		if got := PortsProblems(web, shards[:1]); got != nil {
			t.Errorf("one shard: %v", got)
		}
	})
	t.Run("M9 a problem names only so many ports", func(t *testing.T) {
		var list []federation.Port
		for _, name := range strings.Split("abcdefgh", "") {
			list = append(list, federation.Port{Name: name, Protocol: "tcp", Port: 1})
		}
		got := PortsProblems(web, []federation.Shard{{Member: "a", Ports: federation.MakePorts(list)},
			{Member: "b", Ports: federation.MakePorts(nil)}})
		if len(got) != 1 || !strings.HasSuffix(got[0].Detail, "e (tcp) is 1 in a, missing in b; and 3 more") {
			t.Errorf("%v", got)
		}
	})
}
