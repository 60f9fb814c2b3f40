package content

import (
	"net/netip"
	"slices"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
)

// read returns what the verdict has at a level.
func (t *telling) read(name federation.FQDN) mirror.Level {
	lv := mirror.Level{Level: name}
	for _, set := range at(t.answer.RRsets, t.federation.OwnerName(t.svc, name)) {
		if lv.TTL == 0 || set.TTL < lv.TTL {
			lv.TTL = set.TTL
		}
		if set.Type != federation.TypeCNAME {
			lv.Addresses = append(lv.Addresses, t.addresses(set)...)
			continue
		}
		target := federation.FQDN(set.Data[0])
		if _, up, ok := t.federation.ParseOwner(target); ok {
			lv.Up = up
		} else {
			lv.Host, lv.Members = target, t.having(func(s *federation.Shard) bool { return s.Host == target })
		}
	}
	return lv
}

// addresses returns the addresses of an RRset, each with the members that it belongs to.
func (t *telling) addresses(set federation.RRset) []mirror.Address {
	list := make([]mirror.Address, 0, len(set.Data))
	for _, d := range set.Data {
		a, err := netip.ParseAddr(d)
		if err != nil {
			continue // the rule makes none that is not an address
		}
		list = append(list, mirror.Address{Address: a, Members: t.having(func(s *federation.Shard) bool {
			_, has := slices.BinarySearchFunc(s.Addresses, a, netip.Addr.Compare)
			return has
		})})
	}
	return list
}

// having returns the members with a shard, healthy or not, for which has is true.
func (t *telling) having(has func(*federation.Shard) bool) (members []string) {
	for i := range t.answer.Shards {
		if has(&t.answer.Shards[i]) {
			members = append(members, t.answer.Shards[i].Member)
		}
	}
	slices.Sort(members)
	return members
}

// sameAt reports whether the zone has at a level what the verdict has there.
func (t *telling) sameAt(name federation.FQDN, records []federation.RRset) bool {
	owner := t.federation.OwnerName(t.svc, name)
	return slices.EqualFunc(at(t.answer.RRsets, owner), at(records, owner), federation.RRset.Equal)
}
