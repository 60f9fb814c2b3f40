package federation

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
)

// RRsets is the publishing rule: the RRsets of one service from its shards as
// they count now (P1, P2, P3b, P3c, P5, P8), sorted by CompareRRsets, and what
// could not be written.
//
// At most one shard of each member may be given, in any order; shards of
// unknown members are ignored. had says that the service has had a healthy
// shard before: one that never had has no records at all (P3c), one that had
// and has none now keeps the CNAMEs of its levels while the global name has no
// records (P3b). With a healthy shard had does not matter.
func (l *Levels) RRsets(svc ServiceName, shards []Shard, had bool) ([]RRset, []Problem) {
	p := publication{levels: l, svc: svc, ttl: l.opt.TTL, byMember: make([]*Shard, len(l.memberName))}
	healthy := p.take(shards)
	if !healthy && !had {
		return nil, nil
	}
	p.sets = make([][]RRset, len(l.all))
	for i := range l.all {
		p.own(i)
	}
	out := make([]RRset, 0, len(l.all)+4)
	for i := range l.all {
		out = append(out, p.at(i)...)
	}
	slices.SortFunc(out, CompareRRsets)
	return out, p.problems
}

// publication is one run of the rule for one service.
type publication struct {
	levels   *Levels
	svc      ServiceName
	ttl      uint32
	byMember []*Shard // by member index
	sets     [][]RRset
	problems []Problem
}

// take sorts the shards in by member, finds the TTL (P5: the smallest wish
// counts), and reports whether any shard is healthy.
func (p *publication) take(shards []Shard) bool {
	healthy := false
	var wish uint32
	for i := range shards {
		at, ok := p.levels.memberIdx[shards[i].Member]
		if !ok {
			continue
		}
		p.byMember[at] = &shards[i]
		healthy = healthy || shards[i].Healthy
		if t := shards[i].TTL; t != 0 && (wish == 0 || t < wish) {
			wish = t
		}
	}
	p.ttl = cmp.Or(wish, p.ttl)
	return healthy
}

// own computes the RRsets that a level has of its own healthy shards (P1).
func (p *publication) own(i int) {
	lv := &p.levels.all[i]
	if lv.Conflict {
		return
	}
	var healthy []*Shard
	for _, m := range lv.members {
		if s := p.byMember[m]; s != nil && s.Healthy {
			healthy = append(healthy, s)
		}
	}
	if len(healthy) == 0 {
		return
	}
	name := lv.OwnerName(p.svc)
	if len(healthy) == 1 && healthy[0].Host != "" {
		p.sets[i] = []RRset{{Name: name, Type: TypeCNAME, TTL: p.ttl, Data: []string{string(healthy[0].Host)}}}
		return
	}
	for _, typ := range []string{TypeA, TypeAAAA} {
		if set, ok := p.addresses(name, typ, healthy); ok {
			p.sets[i] = append(p.sets[i], set)
		}
	}
}

// at returns what stands at a level: its own RRsets, those of a fallback
// region (P2b), or a CNAME up (P2a); nothing if the level is not written.
func (p *publication) at(i int) []RRset {
	lv := &p.levels.all[i]
	if lv.Foreign {
		return nil
	}
	if !lv.fits(p.svc) {
		p.problems = append(p.problems, Problem{Service: p.svc, Reason: ReasonNameTooLong, Detail: fmt.Sprintf(
			"name %q has more than %d octets in wire form", lv.OwnerName(p.svc), MaxNameOctets)})
		return nil
	}
	if !p.written(i) {
		return nil
	}
	if p.sets[i] != nil {
		return p.sets[i]
	}
	name := lv.OwnerName(p.svc)
	for _, from := range lv.fallback {
		if p.sets[from] != nil {
			copied := slices.Clone(p.sets[from])
			for j := range copied {
				copied[j].Name = name
			}
			return copied
		}
	}
	for up := lv.up; up >= 0; up = p.levels.all[up].up {
		if p.written(up) {
			target := p.levels.all[up].OwnerName(p.svc)
			return []RRset{{Name: name, Type: TypeCNAME, TTL: p.ttl, Data: []string{string(target)}}}
		}
	}
	return nil
}

// written reports whether the level has a name for this service: not foreign,
// not too long, and with ShardLevelsOnly only where a member has a shard or a
// fallback is set (P2c).
func (p *publication) written(i int) bool {
	lv := &p.levels.all[i]
	if lv.Foreign || !lv.fits(p.svc) {
		return false
	}
	if !p.levels.opt.ShardLevelsOnly || lv.Kind == KindGlobal || lv.hasFallback {
		return true
	}
	return slices.ContainsFunc(lv.members, func(m int) bool { return p.byMember[m] != nil })
}

// addresses makes the RRset of one type from healthy shards: unique, sorted,
// at most MaxAddresses, of which no member has two before each has one (P8).
func (p *publication) addresses(name FQDN, typ string, healthy []*Shard) (RRset, bool) {
	lists := make([][]netip.Addr, len(healthy))
	total := 0
	for i, s := range healthy {
		for _, a := range s.Addresses {
			if a.Is4() == (typ == TypeA) {
				lists[i] = append(lists[i], a)
			}
		}
		total += len(lists[i])
	}
	if total == 0 {
		return RRset{}, false
	}
	chosen := make([]netip.Addr, 0, min(total, p.levels.opt.MaxAddresses))
	resolved := false
	for _, pick := range p.order(healthy, lists, total) {
		if len(chosen) == p.levels.opt.MaxAddresses {
			break
		}
		if !slices.Contains(chosen, pick.addr) {
			chosen = append(chosen, pick.addr)
			resolved = resolved || pick.resolved
		}
	}
	slices.SortFunc(chosen, netip.Addr.Compare)
	set := RRset{Name: name, Type: typ, TTL: p.ttl, Data: make([]string, len(chosen))}
	for i, a := range chosen {
		set.Data[i] = a.String()
	}
	if resolved {
		set.TTL = min(set.TTL, ResolvedTTL)
	}
	return set, true
}

type pick struct {
	addr     netip.Addr
	resolved bool
}

// order lists the addresses in the order in which they are chosen: round by
// round, one of each member, members and addresses by a stable hash. Where all
// fit the order does not matter and no hash is taken.
func (p *publication) order(healthy []*Shard, lists [][]netip.Addr, total int) []pick {
	picks := make([]pick, 0, total)
	index := make([]int, len(healthy))
	for i := range index {
		index[i] = i
	}
	if total > p.levels.opt.MaxAddresses {
		slices.SortFunc(index, func(a, b int) int {
			return cmp.Or(cmp.Compare(p.hash(healthy[a].Member), p.hash(healthy[b].Member)),
				cmp.Compare(healthy[a].Member, healthy[b].Member))
		})
		for _, list := range lists {
			slices.SortFunc(list, func(a, b netip.Addr) int {
				return cmp.Or(cmp.Compare(p.hash(a.String()), p.hash(b.String())), a.Compare(b))
			})
		}
	}
	for round := 0; len(picks) < total; round++ {
		for _, i := range index {
			if round < len(lists[i]) {
				picks = append(picks, pick{lists[i][round], healthy[i].Resolved})
			}
		}
	}
	return picks
}

// hash is stable over runs and versions, and differs from service to service
// so that no member is always the one left out.
func (p *publication) hash(s string) uint64 {
	h := fnv.New64a()
	for _, part := range []string{p.svc.Namespace, "/", p.svc.Name, "/", s} {
		_, _ = h.Write([]byte(part)) // a hash never fails
	}
	return h.Sum64()
}
