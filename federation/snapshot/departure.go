package snapshot

import (
	"slices"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/policy"
)

// waitingMembers returns the departed members, each with what goes with it once those before it have gone.
func (s *Federation) waitingMembers() (list []admin.Waiting) {
	before := map[string]bool{}
	for _, m := range s.Members {
		if !m.Departed {
			continue
		}
		d := s.Departure(m.Name, before)
		before[m.Name] = true
		list = append(list, admin.Waiting{
			Federation: string(s.Config.Name), Domain: string(s.Config.Domain), Member: m.Name,
			Services: len(d.Emptied), Names: d.countNames(), Emptied: d.Emptied, Levels: d.Levels,
		})
	}
	return list
}

// Departure is what goes with a member: the levels that only it has, with all names there, and all names of the
// services of which no other member has a shard that counts.
type Departure struct {
	Levels  []federation.FQDN
	Emptied []string                                     // services that lose their last address
	Names   map[federation.ServiceName][]federation.FQDN // all names that go
}

func (d Departure) countNames() (n int) {
	for _, names := range d.Names {
		n += len(names)
	}
	return n
}

// Departure returns what goes with a member once those in before have gone.
func (s *Federation) Departure(name string, before map[string]bool) Departure {
	d := Departure{Names: map[federation.ServiceName][]federation.FQDN{}}
	leavingBefore := map[federation.FQDN]bool{} // levels that go with members in before
	for _, lv := range s.Levels.All() {
		switch rest := slices.DeleteFunc(slices.Clone(lv.Members), func(m string) bool { return before[m] }); {
		case slices.Equal(rest, []string{name}):
			d.Levels = append(d.Levels, lv.Name)
		case len(rest) == 0 && len(lv.Members) > 0:
			leavingBefore[lv.Name] = true
		}
	}
	for _, v := range s.Views.List() {
		emptied := s.onlyOn(name, v, before) // its names go, whatever the level
		if emptied && policy.HasAddress(s.Config.Federation, v.Name, v.Records) {
			d.Emptied = append(d.Emptied, v.Name.String())
		}
		for owner := range v.Owners() {
			_, level, _ := s.Config.ParseOwner(owner)
			if emptied && !leavingBefore[level] || !emptied && slices.Contains(d.Levels, level) {
				d.Names[v.Name] = append(d.Names[v.Name], owner)
			}
		}
	}
	slices.Sort(d.Emptied)
	return d
}

// onlyOn reports whether only this member's shard of a service was healthy when last seen, not counting those of the
// members in before.
func (s *Federation) onlyOn(name string, v *Service, before map[string]bool) (only bool) {
	for _, st := range s.states(v) {
		switch {
		case !st.Healthy || !st.Drained.IsZero() || before[st.Member]:
		case st.Member == name:
			only = true
		default:
			return false
		}
	}
	return only
}
