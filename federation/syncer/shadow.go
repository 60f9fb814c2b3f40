package syncer

import (
	"slices"

	"github.com/federation-dns/federation/federation"
)

// shadow is what we believe to be at the provider: from the list at start, and
// from every change that was confirmed since. It holds only names of the shape
// of ours (O2) at levels that are ours, by service.
type shadow struct {
	federation federation.Federation
	services   map[federation.ServiceName]map[federation.FQDN][]federation.RRset
}

func newShadow(f federation.Federation) *shadow {
	return &shadow{federation: f, services: map[federation.ServiceName]map[federation.FQDN][]federation.RRset{}}
}

// set says which RRsets a name has now; nil for none. A name that is not of
// our shape, and types that we never write there, are passed over.
func (s *shadow) set(name federation.FQDN, sets []federation.RRset) {
	svc, _, ok := s.federation.ParseOwner(name)
	if !ok {
		return
	}
	sets = ours(sets)
	names := s.services[svc]
	if len(sets) == 0 {
		delete(names, name)
		if len(names) == 0 {
			delete(s.services, svc)
		}
		return
	}
	if names == nil {
		names = map[federation.FQDN][]federation.RRset{}
		s.services[svc] = names
	}
	names[name] = sets
}

// add takes one RRset of a list in.
func (s *shadow) add(set federation.RRset) {
	if svc, _, ok := s.federation.ParseOwner(set.Name); ok {
		s.set(set.Name, append(slices.Clone(s.services[svc][set.Name]), set))
	}
}

// at returns the RRsets of one name.
func (s *shadow) at(name federation.FQDN) []federation.RRset {
	svc, _, _ := s.federation.ParseOwner(name)
	return s.services[svc][name]
}

// of returns all RRsets of a service, sorted.
func (s *shadow) of(svc federation.ServiceName) []federation.RRset {
	var out []federation.RRset
	for _, sets := range s.services[svc] {
		out = append(out, sets...)
	}
	slices.SortFunc(out, federation.CompareRRsets)
	return out
}

// hasLevel reports whether any name stands at the level.
func (s *shadow) hasLevel(level federation.FQDN) bool {
	for svc, names := range s.services {
		if len(names[s.federation.OwnerName(svc, level)]) > 0 {
			return true
		}
	}
	return false
}

// forgetLevel drops the names at a level, which are not ours.
func (s *shadow) forgetLevel(level federation.FQDN) {
	for svc := range s.services {
		s.set(s.federation.OwnerName(svc, level), nil)
	}
}

func ours(sets []federation.RRset) []federation.RRset {
	out := make([]federation.RRset, 0, len(sets))
	for _, s := range sets {
		if s.Type != federation.TypeTXT {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, federation.CompareRRsets)
	return out
}
