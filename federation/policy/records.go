package policy

import (
	"net/netip"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// PlacesOf are those of a member's levels at which an address in the records
// may be the member's: its topology zones, or its region if it has none of its
// own. Global alone does not count, nor does a level that is in conflict or
// foreign, as there are no addresses of ours (X1b).
func PlacesOf(of []federation.Level) []federation.Level {
	var zones, regions []federation.Level
	for _, lv := range of {
		switch {
		case lv.Conflict || lv.Foreign:
		case lv.Kind == federation.KindTopologyZone:
			zones = append(zones, lv)
		case lv.Kind == federation.KindRegion:
			regions = append(regions, lv)
		}
	}
	if len(zones) > 0 {
		return zones
	}
	return regions
}

// Recorded is the shard of a member that has not been listed yet, as the RRsets
// at its places show it (PlacesOf): healthy, with the addresses and the host
// name for which accounted is not true. ok is false if there are none (X1b).
func Recorded(f federation.Federation, member string, sets []federation.RRset, accounted func(data string) bool) (shard federation.Shard, ok bool) {
	shard = federation.Shard{Member: member, Healthy: true}
	for _, set := range sets {
		for _, d := range set.Data {
			if accounted(d) {
				continue
			}
			if a, err := netip.ParseAddr(d); err == nil {
				shard.Addresses = append(shard.Addresses, a)
			} else if set.Type == federation.TypeCNAME && !isOurs(f, federation.FQDN(d)) {
				shard.Host = federation.FQDN(d)
			} else {
				continue
			}
			if shard.TTL == 0 || set.TTL < shard.TTL {
				shard.TTL = set.TTL
			}
		}
	}
	slices.SortFunc(shard.Addresses, netip.Addr.Compare)
	shard.Addresses = slices.Compact(shard.Addresses)
	return shard, len(shard.Addresses) > 0 || shard.Host != ""
}

// isOurs reports whether a CNAME's target is a name of the federation: then it
// leads to a level up, else to a load balancer.
func isOurs(f federation.Federation, target federation.FQDN) bool {
	_, _, ok := f.ParseOwner(target)
	return ok
}
