package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// Drain is what the records become if a member is drained, or no longer is.
type Drain struct {
	Member      string            `json:"member"`
	Drained     bool              `json:"drained"`
	Federations []FederationDrain `json:"federations"`
}

// FederationDrain is what becomes of one federation's services.
type FederationDrain struct {
	Name   string `json:"name"`
	Domain string `json:"domain"`
	// NoProvider is whether the members' mirrors are the only outlet.
	NoProvider bool `json:"noProvider,omitempty"`
	// Services are those whose records change, in order of their names.
	Services []ServiceDrain `json:"services"`
	// Braked is how many of them keep their records until `federation-syncer confirm` (X4b).
	Braked int `json:"braked,omitempty"`
	// TTL is the longest one of the records that change, in seconds: a resolver keeps the old answer for that long.
	// Without a DNS provider none has it.
	TTL uint32 `json:"ttl,omitempty"`
}

// ServiceDrain is what becomes of the records of one service.
type ServiceDrain struct {
	Name string `json:"name"` // namespace/name
	// Before and After are the data at the global name; none if the service has no address anywhere.
	Before []string `json:"before,omitempty"`
	After  []string `json:"after,omitempty"`
	// Held are the members that are not seen to be healthy and give it what it has left.
	Held []string `json:"held,omitempty"`
	// Records are all RRsets that the service then has.
	Records []admin.RRsetStatus `json:"records,omitempty"`
}

// Emptied reports whether the service loses its last address: it has no other shard.
func (s *ServiceDrain) Emptied() bool { return len(s.Before) > 0 && len(s.After) == 0 }

// PredictDrain returns what the assumption of a status makes of the services: all that the rule would change, and no
// more. An error says that the member, or an assumption, is not known.
func PredictDrain(status *admin.Status) (*Drain, error) {
	if status.If == nil {
		return nil, fmt.Errorf("the status assumes nothing")
	}
	d := &Drain{Member: status.If.Member, Drained: status.If.Drained, Federations: []FederationDrain{}}
	for i := range status.Federations {
		f := &status.Federations[i]
		m, err := Member(f, d.Member)
		if err != nil {
			return nil, err
		}
		core, err := coreFederation(f)
		if err != nil {
			return nil, err
		}
		one := FederationDrain{Name: f.Name, Domain: f.Domain, NoProvider: f.NoProvider, Services: []ServiceDrain{}}
		if i < len(status.If.Braked) {
			one.Braked = status.If.Braked[i]
		}
		for j := range f.Services {
			// What else is due to change has nothing to do with it. Of a member that is being listed the shards are not
			// known one by one.
			if m.Status != "starting" && !hasShard(&f.Services[j], m.Name) {
				continue
			}
			if s := predict(core, &f.Services[j]); s != nil {
				one.Services = append(one.Services, *s)
				if f.NoProvider {
					continue
				}
				for _, set := range f.Services[j].Records {
					one.TTL = max(one.TTL, set.TTL)
				}
			}
		}
		d.Federations = append(d.Federations, one)
	}
	return d, nil
}

// Member returns a member of a federation. The error lists those that there are.
func Member(f *admin.FederationStatus, name string) (*admin.MemberStatus, error) {
	i := slices.IndexFunc(f.Members, func(m admin.MemberStatus) bool { return m.Name == name })
	if i < 0 {
		return nil, unknownMember(f, name)
	}
	return &f.Members[i], nil
}

func hasShard(s *admin.ServiceStatus, member string) bool {
	return slices.ContainsFunc(s.Shards, func(sh admin.ShardStatus) bool { return sh.Member == member })
}

// pending are the reasons of an RRset that is not as it is due to be.
var pending = []federation.Reason{
	federation.ReasonRefused, federation.ReasonChangeFailed, federation.ReasonChangesTooOften,
	federation.ReasonChanging, federation.ReasonTooMuchAtOnce,
}

// predict returns what becomes of the service; nil if nothing does.
func predict(fed federation.Federation, s *admin.ServiceStatus) *ServiceDrain {
	global := string(fed.OwnerName(s.ServiceName(), fed.Domain))
	out := &ServiceDrain{Name: s.Name}
	changes := len(s.Coming) > 0
	for _, set := range s.Records {
		if set.Name == global {
			out.Before = append(out.Before, set.Data...)
		}
		if slices.Contains(pending, federation.Reason(set.Reason)) {
			changes = true
		} else {
			out.Records = append(out.Records, set)
		}
	}
	if !changes {
		return nil
	}
	out.Records = append(out.Records, s.Coming...)
	slices.SortFunc(out.Records, func(a, b admin.RRsetStatus) int {
		return strings.Compare(a.Name+" "+a.Type, b.Name+" "+b.Type)
	})
	for _, set := range out.Records {
		if set.Name != global {
			continue
		}
		out.After = append(out.After, set.Data...)
		for _, h := range s.Held {
			if slices.Contains(set.Members, h.Member) && !slices.Contains(out.Held, h.Member) {
				out.Held = append(out.Held, h.Member)
			}
		}
	}
	return out
}

// Emptied are the services that have no other shard, as SERVICE.NAMESPACE.
func (f *FederationDrain) Emptied() (names []string) {
	for _, s := range f.Services {
		if s.Emptied() {
			namespace, name, _ := strings.Cut(s.Name, "/")
			names = append(names, name+"."+namespace)
		}
	}
	return names
}

// DrainProgress is how far the syncer is with what was predicted.
type DrainProgress struct {
	// Taken is whether the syncer has taken the change up.
	Taken bool
	// Changed of all Services are as they are due to be; those that Wait do so for a confirmation, and those that are
	// Refused, or fail, are tried again.
	Services, Changed, Wait, Failing int
	// Failure is the last error of the failing ones.
	Failure string
	// Records are the services that were to change, in the present status.
	Records []Found
}

// Done reports whether the records are as they are due to be.
func (p *DrainProgress) Done() bool { return p.Taken && p.Changed == p.Services }

// Progress returns how far the syncer is, by its present status.
func (d *Drain) Progress(status *admin.Status) *DrainProgress {
	p := &DrainProgress{Taken: true}
	for _, f := range d.Federations {
		i := slices.IndexFunc(status.Federations, func(s admin.FederationStatus) bool {
			return s.Name == f.Name && s.Domain == f.Domain
		})
		if i < 0 {
			continue // it is no longer a federation
		}
		now := &status.Federations[i]
		if m, err := Member(now, d.Member); err == nil && m.Drained != d.Drained {
			p.Taken = false
		}
		for _, s := range f.Services {
			p.Services++
			service := findService(now, (&admin.ServiceStatus{Name: s.Name}).ServiceName())
			if service == nil {
				p.Changed++ // it is no longer a service
				continue
			}
			p.count(d, service)
			p.Records = append(p.Records, Found{Federation: now, Service: service})
		}
	}
	return p
}

// count counts one service.
func (p *DrainProgress) count(d *Drain, s *admin.ServiceStatus) {
	settled := len(s.Coming) == 0 && !slices.ContainsFunc(s.Records, func(r admin.RRsetStatus) bool {
		return slices.Contains(pending, federation.Reason(r.Reason)) ||
			d.Drained && slices.Contains(r.Members, d.Member)
	}) && !slices.ContainsFunc(s.Held, func(h admin.HeldStatus) bool { return h.Member == "" })
	switch {
	case settled && p.Taken:
		p.Changed++
	case slices.ContainsFunc(s.Held, func(h admin.HeldStatus) bool {
		return h.Reason == string(federation.ReasonTooMuchAtOnce)
	}):
		p.Wait++
	case len(s.Refused) > 0:
		p.Failing, p.Failure = p.Failing+1, s.Refused[0].Error
	}
}
