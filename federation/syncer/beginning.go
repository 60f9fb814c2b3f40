package syncer

import (
	"maps"
	"slices"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/policy"
)

// beginning is what the records said when this run began. It speaks for the members that have not been listed yet
// (X1b), and is dropped when all have been.
type beginning struct {
	records *claim.Records
	// holders are, for each address or host name in a service's records, the listed members that have, or have had, it
	// on that service. None is ever taken out: an address that a member has given up since is nobody else's.
	holders map[federation.ServiceName]map[string][]string
}

func newBeginning(s *claim.Records) *beginning {
	b := &beginning{records: claim.NewRecords(s.Federation), holders: map[federation.ServiceName]map[string][]string{}}
	for svc, names := range s.Services {
		b.records.Services[svc] = maps.Clone(names)
		b.holders[svc] = map[string][]string{}
		for _, sets := range names {
			for _, set := range sets {
				for _, d := range set.Data {
					b.holders[svc][d] = nil
				}
			}
		}
	}
	return b
}

// account notes what a listed member has on a service.
func (b *beginning) account(member string, svc federation.ServiceName, known []string) {
	if b == nil {
		return
	}
	for _, d := range known {
		if had, ok := b.holders[svc][d]; ok && !slices.Contains(had, member) {
			b.holders[svc][d] = append(had, member)
		}
	}
}

// accounted reports whether a listed member at the level has, or has had, the address or host name on the service.
func (b *beginning) accounted(svc federation.ServiceName, lv federation.Level, data string) bool {
	return slices.ContainsFunc(b.holders[svc][data], func(m string) bool { return slices.Contains(lv.Members, m) })
}

// at returns what the records of a service had at the levels.
func (b *beginning) at(svc federation.ServiceName, places []federation.Level) (sets []federation.RRset) {
	if b == nil {
		return nil
	}
	for _, lv := range places {
		sets = append(sets, b.records.ByName(lv.OwnerName(svc))...)
	}
	return sets
}

// of returns what they had where a member may have something of a service.
func (b *beginning) of(m string, svc federation.ServiceName, members map[string]*memberState) policy.Records {
	ms := members[m]
	r := policy.Records{
		At: b.at(svc, ms.places),
		Accounted: func(name federation.FQDN, d string) bool {
			at := func(lv federation.Level) bool { return lv.OwnerName(svc) == name && b.accounted(svc, lv, d) }
			return slices.ContainsFunc(ms.places, at) || slices.ContainsFunc(ms.above, at)
		},
		Elsewhere: func(d string) bool { return b.elsewhere(m, svc, members, d) },
	}
	for _, lv := range ms.above {
		r.Above = append(r.Above, b.at(svc, []federation.Level{lv}))
	}
	return r
}

// elsewhere reports whether the service had the address or host name at a place of another member than m.
func (b *beginning) elsewhere(m string, svc federation.ServiceName, members map[string]*memberState, data string) bool {
	for name, ms := range members {
		if name == m {
			continue
		}
		for _, set := range b.at(svc, ms.places) {
			if slices.Contains(set.Data, data) {
				return true
			}
		}
	}
	return false
}
