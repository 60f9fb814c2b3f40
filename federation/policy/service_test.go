package policy

import (
	"net/netip"
	"strings"

	"github.com/federation-dns/federation/federation"
)

// shard is a shard of a member in a state: healthy or not, with an address.
func shard(member string, healthy bool, st Reach) ShardState {
	return ShardState{Shard: federation.Shard{
		Member: member, Healthy: healthy, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
	}, Reach: st}
}

var (
	starting = Reach{Standing: Starting, Since: epoch}
	present  = Reach{Standing: Present, Since: epoch, Observed: true}
	lost     = Reach{Standing: Lost, Since: epoch, HeldSince: epoch, Observed: true}
	panicked = Reach{Standing: Lost, Since: epoch, HeldSince: epoch, Panic: true, Observed: true}
)

func counts(v Verdict) string {
	switch {
	case v.Keep:
		return "keep"
	case v.Unfederated:
		return "unfederated"
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
