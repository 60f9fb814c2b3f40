package federation

import (
	"cmp"
	"net/netip"
	"slices"
)

// address is an address with its text and its hash, both made once for all levels.
type address struct {
	netip.Addr
	text string
	hash uint64 // 0 until it is needed
}

func compareAddresses(a, b address) int { return a.Compare(b.Addr) }

// split separates the shard's addresses by type.
func (s *memberShard) split() {
	all := make([]address, 0, len(s.Addresses))
	for _, a := range s.Addresses {
		if a.IsValid() {
			all = append(all, address{Addr: a, text: a.String()})
		}
	}
	slices.SortFunc(all, compareAddresses) // IPv4 comes first
	all = slices.CompactFunc(all, func(a, b address) bool { return a.Addr == b.Addr })
	n := slices.IndexFunc(all, func(a address) bool { return !a.Is4() })
	if n < 0 {
		n = len(all)
	}
	s.v4, s.v6 = all[:n:n], all[n:]
}

func (s *memberShard) ofType(typ string) []address {
	if typ == TypeA {
		return s.v4
	}
	return s.v6
}

// addressScratch is memory that the selection of addresses reuses within one publication.
type addressScratch struct {
	addrs, chosen []address
	members       []*memberShard
}

// addAddresses adds the RRset of one type from the healthy shards of a level, if they have any address of it: unique,
// sorted, at most MaxAddresses (P1, P8).
func (p *publication) addAddresses(name FQDN, typ string) {
	addrs := p.scratch.addrs[:0]
	for _, s := range p.healthy {
		addrs = append(addrs, s.ofType(typ)...)
	}
	p.scratch.addrs = addrs
	if len(p.healthy) > 1 {
		slices.SortFunc(addrs, compareAddresses)
		addrs = slices.CompactFunc(addrs, func(a, b address) bool { return a.Addr == b.Addr })
	}
	if len(addrs) == 0 {
		return
	}
	if most := p.levels.opt.MaxAddresses; len(addrs) > most {
		addrs = p.choose(typ, most)
	}
	gives := func(s *memberShard) bool {
		return slices.ContainsFunc(s.ofType(typ), func(a address) bool { return contains(addrs, a) })
	}
	set := RRset{Name: name, Type: typ, TTL: p.ttl, Data: make([]string, len(addrs))}
	for i, a := range addrs {
		set.Data[i] = a.text
	}
	if slices.ContainsFunc(p.healthy, func(s *memberShard) bool { return s.Resolved && gives(s) }) {
		set.TTL = min(set.TTL, ResolvedTTL)
	}
	p.addSet(set, gives)
}

func contains(addrs []address, a address) bool {
	return slices.ContainsFunc(addrs, func(b address) bool { return a.Addr == b.Addr })
}

// choose returns the addresses of one type to publish when there are too many, sorted: in each round one of each
// member, in the order of hashes (P8). A member that already has its share, because another member has the same
// address, is skipped.
func (p *publication) choose(typ string, most int) []address {
	members, longest := p.inOrder(typ)
	chosen := p.scratch.chosen[:0]
	for round := 0; round < longest && len(chosen) < most; round++ {
		for _, s := range members {
			has, next := share(s.ofType(typ), chosen)
			if has > round || next == nil {
				continue
			}
			if chosen = append(chosen, *next); len(chosen) == most {
				break
			}
		}
	}
	p.scratch.chosen = chosen
	slices.SortFunc(chosen, compareAddresses)
	return chosen
}

// share returns how many of a member's addresses have been chosen, and which of the others is next; nil if there is
// none.
func share(addrs, chosen []address) (has int, next *address) {
	for i := range addrs {
		switch a := &addrs[i]; {
		case contains(chosen, *a):
			has++
		case next == nil, cmp.Or(cmp.Compare(a.hash, next.hash), a.Compare(next.Addr)) < 0:
			next = a
		}
	}
	return has, next
}

// inOrder returns the healthy shards of a level that have addresses of the type, in the order of hashes, and the
// highest number of addresses that one of them has.
func (p *publication) inOrder(typ string) (members []*memberShard, longest int) {
	members = p.scratch.members[:0]
	for _, s := range p.healthy {
		addrs := s.ofType(typ)
		if len(addrs) == 0 {
			continue
		}
		for i := range addrs {
			if addrs[i].hash == 0 {
				addrs[i].hash = hashAddr(p.seed(), addrs[i].Addr)
			}
		}
		p.hashMember(s)
		longest = max(longest, len(addrs))
		members = append(members, s)
	}
	p.scratch.members = members
	slices.SortFunc(members, compareMembers)
	return members, longest
}

func (p *publication) hashMember(s *memberShard) {
	if s.hash == 0 {
		s.hash = hashString(p.seed(), s.Member)
	}
}

func compareMembers(a, b *memberShard) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.Member, b.Member))
}

// seed makes the hash differ between services, so that it is not always the same member that is left out.
func (p *publication) seed() uint64 {
	const offset = 14695981039346656037
	return fnv(fnv(fnv(offset, p.svc.Namespace), "/"), p.svc.Name)
}

// The hash is FNV-1a with the finalizer of MurmurHash3, as FNV alone leaves names that differ in their last character
// next to each other. It is the same on all machines and in all versions: records must not move on an upgrade.

func hashString(seed uint64, s string) uint64 { return mix(fnv(fnv(seed, "/"), s)) }

func hashAddr(seed uint64, a netip.Addr) uint64 {
	b := a.As16()
	return mix(fnv(fnv(seed, "/"), b[:]))
}

func fnv[T string | []byte](h uint64, s T) uint64 {
	const prime = 1099511628211
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}

func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
