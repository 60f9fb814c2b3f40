package claim

import (
	"slices"

	"github.com/federation-dns/federation/federation"
)

// Records are what we believe to be at the provider: what was listed at start, and every change confirmed since. They
// contain only names of our shape (O2) at levels that are ours, grouped by service.
type Records struct {
	Federation federation.Federation
	Services   map[federation.ServiceName]map[federation.FQDN][]federation.RRset
}

// NewRecords returns no records.
func NewRecords(f federation.Federation) *Records {
	return &Records{Federation: f, Services: map[federation.ServiceName]map[federation.FQDN][]federation.RRset{}}
}

// Set sets the RRsets of a name; nil for none. It ignores names that are not of our shape, and types that we never
// write there.
func (s *Records) Set(name federation.FQDN, sets []federation.RRset) {
	svc, _, ok := s.Federation.ParseOwner(name)
	if !ok {
		return
	}
	sets = withoutTXT(sets)
	names := s.Services[svc]
	if len(sets) == 0 {
		delete(names, name)
		if len(names) == 0 {
			delete(s.Services, svc)
		}
		return
	}
	if names == nil {
		names = map[federation.FQDN][]federation.RRset{}
		s.Services[svc] = names
	}
	names[name] = sets
}

// Add adds one listed RRset.
func (s *Records) Add(set federation.RRset) {
	if svc, _, ok := s.Federation.ParseOwner(set.Name); ok {
		s.Set(set.Name, append(slices.Clone(s.Services[svc][set.Name]), set))
	}
}

// ByName returns the RRsets of one name.
func (s *Records) ByName(name federation.FQDN) []federation.RRset {
	svc, _, _ := s.Federation.ParseOwner(name)
	return s.Services[svc][name]
}

// ByService returns all RRsets of a service, sorted.
func (s *Records) ByService(svc federation.ServiceName) []federation.RRset {
	var out []federation.RRset
	for _, sets := range s.Services[svc] {
		out = append(out, sets...)
	}
	slices.SortFunc(out, federation.CompareRRsets)
	return out
}

// HasLevel reports whether there is any name at the level.
func (s *Records) HasLevel(level federation.FQDN) bool {
	for svc, names := range s.Services {
		if len(names[s.Federation.OwnerName(svc, level)]) > 0 {
			return true
		}
	}
	return false
}

// ForgetLevel drops the names at a level that is not ours.
func (s *Records) ForgetLevel(level federation.FQDN) {
	for svc := range s.Services {
		s.Set(s.Federation.OwnerName(svc, level), nil)
	}
}

func withoutTXT(sets []federation.RRset) []federation.RRset {
	out := make([]federation.RRset, 0, len(sets))
	for _, s := range sets {
		if s.Type != federation.TypeTXT {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, federation.CompareRRsets)
	return out
}
