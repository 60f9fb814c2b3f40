package policy

import (
	"net/netip"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// PlacesOf returns those of a member's levels at which an address in the records may be the member's: its topology
// zones, or its region if it has no zones. Global alone does not count, nor does a level that is in conflict or
// foreign, as it has no addresses of ours (X1b). above is the rest of its levels, in order towards global.
func PlacesOf(of []federation.Level) (at, above []federation.Level) {
	var zones, regions, global []federation.Level
	for _, lv := range of {
		switch {
		case lv.Conflict || lv.Foreign:
		case lv.Kind == federation.KindGlobal:
			global = append(global, lv)
		case lv.Kind == federation.KindTopologyZone:
			zones = append(zones, lv)
		case lv.Kind == federation.KindRegion:
			regions = append(regions, lv)
		}
	}
	if len(zones) > 0 {
		return zones, append(regions, global...)
	}
	return regions, global
}

// Records is what is published where a member may have something (X1b).
type Records struct {
	// At are the RRsets of a service at the member's places (PlacesOf).
	At []federation.RRset
	// Above are those at each of its other levels, in order towards global.
	Above [][]federation.RRset
	// Accounted reports whether data at that owner name belongs to a listed member: one at the level of the name that
	// has, or had, the address or host name on this service.
	Accounted func(name federation.FQDN, data string) bool
	// Elsewhere reports whether data is published at a place of another member.
	Elsewhere func(data string) bool
}

// Recorded returns the shard of a member that has not been listed yet as the records show it: healthy, with the
// addresses and the host name at its places that are not accounted for. If there is only a host name, its addresses are
// those at the closest level above that belong to nobody else, because they are published nowhere else (H4). ok is
// false if the records show nothing of the member (X1b).
func Recorded(f federation.Federation, member string, r Records) (shard federation.Shard, ok bool) {
	shard = federation.Shard{Member: member, Healthy: true}
	for _, set := range r.At {
		for _, d := range set.Data {
			switch {
			case r.Accounted(set.Name, d):
				continue
			case set.Type != federation.TypeCNAME:
				shard.Addresses = append(shard.Addresses, recordedAddress(d)...)
				shard.Resolved = shard.Resolved || set.TTL == federation.ResolvedTTL
			case !isOurs(f, federation.FQDN(d)):
				shard.Host = federation.FQDN(d)
			default:
				continue
			}
			if set.TTL != federation.ResolvedTTL && (shard.TTL == 0 || set.TTL < shard.TTL) {
				shard.TTL = set.TTL
			}
		}
	}
	if shard.Host != "" && len(shard.Addresses) == 0 {
		shard.Addresses, shard.Resolved = r.above(), true
	}
	slices.SortFunc(shard.Addresses, netip.Addr.Compare)
	shard.Addresses = slices.Compact(shard.Addresses)
	return shard, len(shard.Addresses) > 0 || shard.Host != ""
}

// above returns the addresses at the closest level above that has any which belong to nobody else.
func (r Records) above() (addrs []netip.Addr) {
	for _, sets := range r.Above {
		for _, set := range sets {
			for _, d := range set.Data {
				if set.Type != federation.TypeCNAME && !r.Accounted(set.Name, d) && !r.Elsewhere(d) {
					addrs = append(addrs, recordedAddress(d)...)
				}
			}
		}
		if len(addrs) > 0 {
			break
		}
	}
	return addrs
}

// recordedAddress returns the address in data, or nothing if it is not one.
func recordedAddress(data string) []netip.Addr {
	if a, err := netip.ParseAddr(data); err == nil {
		return []netip.Addr{a}
	}
	return nil
}

// isOurs reports whether a CNAME's target is a name of the federation, which is a level up; any other is a load
// balancer.
func isOurs(f federation.Federation, target federation.FQDN) bool {
	_, _, ok := f.ParseOwner(target)
	return ok
}
