package policy

import (
	"net/netip"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// PlacesOf are those of a member's levels at which an address in the records
// may be the member's: its topology zones, or its region if it has none of its
// own. Global alone does not count, nor does a level that is in conflict or
// foreign, as there are no addresses of ours (X1b). above are its further
// levels, on the way up.
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

// Records are what the records show where a member may have something (X1b).
type Records struct {
	// At are the RRsets of a service at the member's places (PlacesOf).
	At []federation.RRset
	// Above are those at each of its further levels, on the way up.
	Above [][]federation.RRset
	// Accounted reports whether what a record of that owner name has is a listed member's: one that is at the level of
	// the name, and has, or has had, the address or host name on this service.
	Accounted func(name federation.FQDN, data string) bool
	// Elsewhere reports whether it stands at a place of another member.
	Elsewhere func(data string) bool
}

// Recorded is the shard of a member that has not been listed yet, as the
// records show it: healthy, with the addresses and the host name at its places
// that are not accounted for. One that shows a host name alone has the addresses
// at the closest level above that nobody else has: they stand nowhere else
// (H4). ok is false if there is nothing (X1b).
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

// above are the addresses at the closest level above at which there are any
// that nobody else has.
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

// recordedAddress is the address of a record; none if it is no address.
func recordedAddress(data string) []netip.Addr {
	if a, err := netip.ParseAddr(data); err == nil {
		return []netip.Addr{a}
	}
	return nil
}

// isOurs reports whether a CNAME's target is a name of the federation: then it
// leads to a level up, else to a load balancer.
func isOurs(f federation.Federation, target federation.FQDN) bool {
	_, _, ok := f.ParseOwner(target)
	return ok
}
