package syncer

import (
	"maps"
	"slices"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/policy"
)

// beginning is what the records said when this run began. It speaks for the
// members that have not been listed yet (X1b), and is dropped when all have.
type beginning struct {
	shadow *claim.Records
	// accounted tells for each value in the records if a listed member has, or
	// has had, it on one of its Services. It is never taken back: an address that
	// a member has given up since is nobody else's.
	accounted map[string]bool
}

func newBeginning(s *claim.Records) *beginning {
	b := &beginning{shadow: claim.NewRecords(s.Federation), accounted: map[string]bool{}}
	for svc, names := range s.Services {
		b.shadow.Services[svc] = maps.Clone(names)
		for _, sets := range names {
			for _, set := range sets {
				for _, d := range set.Data {
					b.accounted[d] = false
				}
			}
		}
	}
	return b
}

// account notes what a listed member has on a Service.
func (b *beginning) account(known []string) {
	if b == nil {
		return
	}
	for _, d := range known {
		if _, ok := b.accounted[d]; ok {
			b.accounted[d] = true
		}
	}
}

// at returns what the records of a service had at the levels.
func (b *beginning) at(svc federation.ServiceName, places []federation.Level) (sets []federation.RRset) {
	if b == nil {
		return nil
	}
	for _, lv := range places {
		sets = append(sets, b.shadow.At(lv.OwnerName(svc))...)
	}
	return sets
}

// records are what they had where a member may have something of a service.
func (b *beginning) records(m string, svc federation.ServiceName, members map[string]*memberState) policy.Records {
	ms := members[m]
	r := policy.Records{
		At:        b.at(svc, ms.places),
		Accounted: func(d string) bool { return b.accounted[d] },
		Elsewhere: func(d string) bool { return b.elsewhere(m, svc, members, d) },
	}
	for _, lv := range ms.above {
		r.Above = append(r.Above, b.at(svc, []federation.Level{lv}))
	}
	return r
}

// elsewhere reports whether the service had the address or host name at a
// place of another member than m.
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
