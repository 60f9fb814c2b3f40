// Package content says what a member is told of each service (M1): from the RRsets of the verdict to what the member's
// mirror has of them. It is pure: the same verdict and the same place give the same content.
package content

import (
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/policy"
)

// Member is a member of a federation, as the reader of its mirror. It never changes, and may be used by several
// goroutines.
type Member struct {
	federation federation.Federation
	starts     []mirror.Start
	levels     []federation.FQDN // of all starts, each once: topology zones, region, global
}

// NewMember returns a member at its place.
func NewMember(f federation.Federation, m federation.Member) *Member {
	c := &Member{federation: f}
	for _, z := range m.Zones {
		if z != "" {
			c.addStart(mirror.Start{Region: m.Region, Zone: z})
		}
	}
	c.addStart(mirror.Start{Region: m.Region})
	c.addStart(mirror.Start{})
	for _, start := range c.starts { // what is further up is where another one starts
		path := f.Path(federation.Topology{Region: start.Region, Zone: start.Zone})
		if !slices.Contains(c.levels, path[0]) {
			c.levels = append(c.levels, path[0])
		}
	}
	return c
}

func (c *Member) addStart(s mirror.Start) {
	if !slices.Contains(c.starts, s) {
		c.starts = append(c.starts, s)
	}
}

// Starts are the places of nodes for which the content is complete: the member's topology zones in its region, nodes
// without a topology zone, and nodes without any label. The caller must not change them.
func (c *Member) Starts() []mirror.Start { return c.starts }

// Equal reports whether both are told the same of every service.
func (c *Member) Equal(o *Member) bool {
	return c != nil && o != nil && c.federation == o.federation && slices.Equal(c.starts, o.starts)
}

// Tell returns what the member is told of a service: the levels of all its places. That is what M1 asks for, as each
// level is where some place starts. If the answer has nothing the service does not exist, and ok is false. published
// reports that records, those of the zone, say the same at these levels.
func (c *Member) Tell(
	svc federation.ServiceName, answer *policy.Answer, records []federation.RRset,
) (s mirror.Service, published, ok bool) {
	if answer == nil || len(answer.RRsets) == 0 {
		return s, len(records) == 0, false
	}
	t := telling{federation: c.federation, svc: svc, answer: answer}
	s = mirror.Service{Namespace: svc.Namespace, Name: svc.Name, Levels: make([]mirror.Level, 0, len(c.levels))}
	published = true
	for _, name := range c.levels {
		s.Levels = append(s.Levels, t.read(name))
		published = published && t.sameAt(name, records)
	}
	for _, p := range answer.Ports.List() {
		s.Ports = append(s.Ports, mirror.Port(p))
	}
	return s, published, true
}

// telling is one call of Tell.
type telling struct {
	federation federation.Federation
	svc        federation.ServiceName
	answer     *policy.Answer
}

// at returns the RRsets with the owner name; sets are sorted.
func at(sets []federation.RRset, owner federation.FQDN) []federation.RRset {
	i, _ := slices.BinarySearchFunc(sets, owner, func(s federation.RRset, n federation.FQDN) int {
		return strings.Compare(string(s.Name), string(n))
	})
	j := i
	for j < len(sets) && sets[j].Name == owner {
		j++
	}
	return sets[i:j]
}
