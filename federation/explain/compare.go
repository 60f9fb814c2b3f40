package explain

import (
	"slices"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// Difference is a name and type at which a server says something else than the syncer has written.
type Difference struct {
	Name string   `json:"name"`
	Type string   `json:"type"`
	Want []string `json:"want,omitempty"`
	Got  []string `json:"got,omitempty"`
	// Error is why the server could not be asked, or gave no answer.
	Error string `json:"error,omitempty"`
}

// Comparison is what a server says of the records of a service.
type Comparison struct {
	Server string `json:"server"`
	// Authoritative is whether all answers were.
	Authoritative bool         `json:"authoritative"`
	Asked         int          `json:"asked"`
	Differences   []Difference `json:"differences,omitempty"`
}

// Expectation is what a server has to say of a name and a type, if it serves what the syncer has written.
type Expectation struct {
	Name, Type string
	// Data is in presentation form, sorted; none if there is no such RRset.
	Data []string
}

// Expectations returns what a server has to say of a service: of each type at each level that is the syncer's, with
// records or not, as a name that is left over counts too.
func Expectations(f Found) (list []Expectation, err error) {
	fed, err := coreFederation(f.Federation)
	if err != nil {
		return nil, err
	}
	for _, lv := range f.Federation.Levels {
		if lv.Foreign != "" {
			continue
		}
		owner := string(fed.OwnerName(f.Service.ServiceName(), federation.FQDN(lv.Name)))
		for _, t := range []string{federation.TypeA, federation.TypeAAAA, federation.TypeCNAME} {
			e := Expectation{Name: owner, Type: t}
			i := slices.IndexFunc(f.Service.Records, func(r admin.RRsetStatus) bool {
				return r.Name == owner && r.Type == t
			})
			if i >= 0 {
				e.Data = slices.Sorted(slices.Values(f.Service.Records[i].Data))
			}
			list = append(list, e)
		}
	}
	return list, nil
}
