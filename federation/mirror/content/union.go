package content

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/policy"
)

// Union returns what mirrors say together, of each service: what was last answered, as a start needs it that finds no
// records (M1). Every name that one of them has is in it, as the first mirror has it; of mirrors of the same time, all
// addresses are. The shards are those of the members that have something, all healthy. The mirrors are in the order of
// mirror.Servable.
func Union(f federation.Federation, mirrors []*mirror.Contents) map[federation.ServiceName]*policy.Answer {
	services := map[federation.ServiceName]*union{}
	for _, m := range mirrors {
		for i := range m.Services {
			s := &m.Services[i]
			name := s.ServiceName()
			u := services[name]
			if u == nil {
				u = &union{levels: map[federation.FQDN]*unionLevel{}, ports: s.Ports}
				services[name] = u
			}
			for _, lv := range s.Levels {
				u.add(lv, m)
			}
		}
	}
	answers := make(map[federation.ServiceName]*policy.Answer, len(services))
	for name, u := range services {
		if a := u.answer(f, name); len(a.RRsets) > 0 {
			answers[name] = a
		}
	}
	return answers
}

// union is what mirrors say of one service.
type union struct {
	levels map[federation.FQDN]*unionLevel
	ports  []mirror.Port // of the mirror that was renewed last
}

type unionLevel struct {
	mirror.Level
	from *mirror.Contents
}

func (u *union) add(lv mirror.Level, from *mirror.Contents) {
	has := u.levels[lv.Level]
	switch {
	case has == nil || isNone(&has.Level):
		lv.Addresses = slices.Clone(lv.Addresses)
		u.levels[lv.Level] = &unionLevel{lv, from}
	case len(has.Addresses) > 0 && !has.from.Outdates(from):
		for _, a := range lv.Addresses {
			i := slices.IndexFunc(has.Addresses, func(b mirror.Address) bool { return a.Address == b.Address })
			if i < 0 {
				has.Addresses = append(has.Addresses, a)
			}
		}
	}
}

func isNone(lv *mirror.Level) bool { return len(lv.Addresses) == 0 && lv.Host == "" && lv.Up == "" }

// answer returns the RRsets and the shards.
func (u *union) answer(f federation.Federation, svc federation.ServiceName) *policy.Answer {
	a := &policy.Answer{}
	shards := map[string]*federation.Shard{}
	for _, lv := range u.levels {
		owner := f.OwnerName(svc, lv.Level.Level)
		byType := map[string][]string{}
		slices.SortFunc(lv.Addresses, func(a, b mirror.Address) int { return a.Address.Compare(b.Address) })
		for _, address := range lv.Addresses {
			typ := federation.TypeAAAA
			if address.Address.Is4() {
				typ = federation.TypeA
			}
			byType[typ] = append(byType[typ], address.Address.String())
			for _, m := range address.Members {
				shard := shardOf(shards, m, lv.TTL)
				shard.Addresses = append(shard.Addresses, address.Address)
			}
		}
		switch {
		case lv.Host != "":
			byType[federation.TypeCNAME] = []string{string(lv.Host)}
			for _, m := range lv.Members {
				shardOf(shards, m, lv.TTL).Host = lv.Host
			}
		case lv.Up != "":
			byType[federation.TypeCNAME] = []string{string(f.OwnerName(svc, lv.Up))}
		}
		for typ, data := range byType {
			a.RRsets = append(a.RRsets, federation.RRset{Name: owner, Type: typ, TTL: lv.TTL, Data: data})
		}
	}
	slices.SortFunc(a.RRsets, federation.CompareRRsets)
	for _, s := range shards {
		slices.SortFunc(s.Addresses, netip.Addr.Compare)
		s.Addresses = slices.Compact(s.Addresses)
		a.Shards = append(a.Shards, *s)
	}
	slices.SortFunc(a.Shards, func(a, b federation.Shard) int { return cmp.Compare(a.Member, b.Member) })
	if len(u.ports) > 0 {
		ports := make([]federation.Port, len(u.ports))
		for i, p := range u.ports {
			ports[i] = federation.Port(p)
		}
		a.Ports = federation.MakePorts(ports)
	}
	return a
}

// shardOf returns a member's shard, with something at a level of that TTL.
func shardOf(shards map[string]*federation.Shard, member string, ttl uint32) *federation.Shard {
	s := shards[member]
	if s == nil {
		s = &federation.Shard{Member: member, Healthy: true}
		shards[member] = s
	}
	if ttl == federation.ResolvedTTL {
		s.Resolved = true
	} else if s.TTL == 0 || ttl < s.TTL {
		s.TTL = ttl
	}
	return s
}
