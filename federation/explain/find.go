package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// maxNearest is how many names an error proposes.
const maxNearest = 3

func findService(f *admin.FederationStatus, name federation.ServiceName) *admin.ServiceStatus {
	i, ok := slices.BinarySearchFunc(f.Services, name, func(s admin.ServiceStatus, name federation.ServiceName) int {
		return federation.CompareServiceNames(s.ServiceName(), name)
	})
	if !ok {
		return nil
	}
	return &f.Services[i]
}

func unknownMember(f *admin.FederationStatus, name string) error {
	var known []string
	for _, m := range f.Members {
		known = append(known, m.Name)
	}
	if len(known) == 0 {
		return fmt.Errorf("%q is no member: federation %q has none", name, f.Name)
	}
	return fmt.Errorf("%q is no member of federation %q: its members are %s", name, f.Name, strings.Join(known, ", "))
}

// UnknownService is the error for a service that no member has.
type UnknownService struct {
	Service federation.ServiceName
	// Nearest are the services whose names are most like it.
	Nearest []string
}

func (e *UnknownService) Error() string {
	name := strings.TrimPrefix(e.Service.String(), "/")
	text := fmt.Sprintf("service %q is in no member", name)
	if len(e.Nearest) > 0 {
		return text + ": did you mean " + strings.Join(e.Nearest, ", ") + "?"
	}
	return text + ": has it the label federation-dns.io/federation? (kubectl federation services lists what there is)"
}

// unknownService returns the error for a service that the federation does not have.
func unknownService(f *admin.FederationStatus, name federation.ServiceName) error {
	type near struct {
		name string
		far  int
	}
	var all []near
	for _, s := range f.Services {
		service := s.ServiceName()
		far := Distance(service.Name, name.Name)
		if name.Namespace != "" {
			far += Distance(service.Namespace, name.Namespace)
		}
		if far <= max(2, len(name.Name)/3) || service.Name == name.Name {
			all = append(all, near{s.Name, far})
		}
	}
	slices.SortFunc(all, func(a, b near) int { return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.name, b.name)) })
	e := &UnknownService{Service: name}
	for _, n := range all[:min(len(all), maxNearest)] {
		e.Nearest = append(e.Nearest, n.name)
	}
	return e
}

// Distance is how many letters have to be added, removed or replaced to turn a into b.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// everything returns the services of all federations, each once, as those of one.
func everything(status *admin.Status) *admin.FederationStatus {
	all := &admin.FederationStatus{}
	for _, f := range status.Federations {
		all.Services = append(all.Services, f.Services...)
	}
	slices.SortFunc(all.Services, func(a, b admin.ServiceStatus) int { return cmp.Compare(a.Name, b.Name) })
	all.Services = slices.CompactFunc(all.Services, func(a, b admin.ServiceStatus) bool { return a.Name == b.Name })
	return all
}
