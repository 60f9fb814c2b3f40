package federation_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/federation-dns/federation/federation"
)

// spread returns members in that many regions of three topology zones each, and a shard of each with one address of
// each type; every tenth is unhealthy.
func spread(members, regions int) ([]federation.Member, []federation.Shard) {
	var ms []federation.Member
	var shards []federation.Shard
	for i := range members {
		region := federation.Label(fmt.Sprintf("region-%d", i%regions))
		m := federation.Member{Name: fmt.Sprintf("member-%d", i), Region: region}
		for _, z := range "abc" {
			m.Zones = append(m.Zones, region+federation.Label("-"+string(z)))
		}
		ms = append(ms, m)
		shards = append(shards, federation.Shard{
			Member: m.Name, Healthy: i%10 != 9,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}),
				netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))},
		})
	}
	return ms, shards
}

func BenchmarkRRsets(b *testing.B) {
	for _, size := range []struct{ members, regions int }{{4, 4}, {100, 20}, {100, 100}} {
		members, shards := spread(size.members, size.regions)
		f := federation.Federation{Name: fed, Domain: "example.com.", Naming: federation.Flat}
		levels := federation.NewLevels(f, members, federation.PublishOptions{})
		svc := federation.ServiceName{Namespace: "mynamespace", Name: "nginx"}
		b.Run(fmt.Sprintf("members=%d/levels=%d", size.members, len(levels.All())), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				levels.RRsets(svc, shards, true)
			}
		})
	}
}

func BenchmarkNewLevels(b *testing.B) {
	members, _ := spread(100, 20)
	f := federation.Federation{Name: fed, Domain: "example.com.", Naming: federation.Flat}
	b.ReportAllocs()
	for b.Loop() {
		federation.NewLevels(f, members, federation.PublishOptions{})
	}
}
