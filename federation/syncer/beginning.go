package syncer

import (
	"maps"

	"github.com/federation-dns/federation/federation"
)

// beginning is what the records said when this run began. It speaks for the
// members that have not been listed yet (X1b), and is dropped when all have.
type beginning struct {
	shadow *shadow
	// accounted tells for each value in the records if a listed member has, or
	// has had, it on one of its Services. It is never taken back: an address that
	// a member has given up since is nobody else's.
	accounted map[string]bool
}

func newBeginning(s *shadow) *beginning {
	b := &beginning{shadow: newShadow(s.federation), accounted: map[string]bool{}}
	for svc, names := range s.services {
		b.shadow.services[svc] = maps.Clone(names)
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
		sets = append(sets, b.shadow.at(lv.OwnerName(svc))...)
	}
	return sets
}
