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
	name       string
	starts     []mirror.Start
	paths      [][]federation.FQDN // the levels' domains from each start, closest first
	order      []federation.FQDN   // all of them, each once; global last
}

// NewMember returns a member at its place.
func NewMember(f federation.Federation, m federation.Member) *Member {
	c := &Member{federation: f, name: m.Name}
	for _, z := range m.Zones {
		if z != "" {
			c.addStart(mirror.Start{Region: m.Region, Zone: z})
		}
	}
	c.addStart(mirror.Start{Region: m.Region})
	c.addStart(mirror.Start{})
	for _, kind := range []int{3, 2, 1} { // of a path of that length, its first is the furthest from global
		for _, path := range c.paths {
			if len(path) >= kind && !slices.Contains(c.order, path[len(path)-kind]) {
				c.order = append(c.order, path[len(path)-kind])
			}
		}
	}
	return c
}

func (c *Member) addStart(s mirror.Start) {
	if slices.Contains(c.starts, s) {
		return
	}
	c.starts = append(c.starts, s)
	c.paths = append(c.paths, c.federation.Path(federation.Topology{Region: s.Region, Zone: s.Zone}))
}

// Starts are the places of nodes for which the content is complete: the member's topology zones in its region, nodes
// without a topology zone, and nodes without any label. The caller must not change them.
func (c *Member) Starts() []mirror.Start { return c.starts }

// Equal reports whether both are told the same of every service.
func (c *Member) Equal(o *Member) bool {
	return c != nil && o != nil && c.federation == o.federation && c.name == o.name && slices.Equal(c.starts, o.starts)
}

// Tell returns what the member is told of a service: from each start the levels up to the first that has an address of
// another member, and global. If the answer has nothing the service does not exist, and ok is false. published reports
// that records, those of the zone, say the same at these levels.
func (c *Member) Tell(
	svc federation.ServiceName, answer *policy.Answer, records []federation.RRset,
) (s mirror.Service, published, ok bool) {
	if answer == nil || len(answer.RRsets) == 0 {
		return s, len(records) == 0, false
	}
	t := telling{Member: c, svc: svc, answer: answer, told: make([]bool, len(c.order)),
		levels: make([]mirror.Level, len(c.order))}
	for _, path := range c.paths {
		t.from(path) // the last one is global alone, which is always told
	}
	s = mirror.Service{Namespace: svc.Namespace, Name: svc.Name}
	published = true
	for i, told := range t.told {
		if told {
			s.Levels = append(s.Levels, t.levels[i])
			published = published && t.sameAt(c.order[i], records)
		}
	}
	for _, p := range answer.Ports.List() {
		s.Ports = append(s.Ports, mirror.Port(p))
	}
	return s, published, true
}

// telling is one call of Tell.
type telling struct {
	*Member
	svc    federation.ServiceName
	answer *policy.Answer
	told   []bool         // by index of order
	levels []mirror.Level // of those told
}

// from tells the levels of a path, as a resolver goes through them: each is followed up its CNAMEs, and the next one is
// asked if the one before does not exist, or has nothing but the member's own.
func (t *telling) from(path []federation.FQDN) {
	for _, name := range path {
		lv := t.level(name)
		exists := !isNone(lv)
		for range t.order { // each CNAME leads to a level further up
			if lv.Up == "" {
				break
			}
			lv = t.level(lv.Up)
		}
		if exists && !t.onlyOwn(lv) {
			return
		}
	}
}

// level returns what is at a level, and has it told. A level that no path has is not told: the CNAMEs of a place do not
// lead there.
func (t *telling) level(name federation.FQDN) *mirror.Level {
	i := slices.Index(t.order, name)
	if i < 0 {
		return &mirror.Level{Level: name}
	}
	if !t.told[i] {
		t.told[i], t.levels[i] = true, t.read(name)
	}
	return &t.levels[i]
}

func isNone(lv *mirror.Level) bool { return len(lv.Addresses) == 0 && lv.Host == "" && lv.Up == "" }

// onlyOwn reports whether all that the level has belongs to the member alone.
func (t *telling) onlyOwn(lv *mirror.Level) bool {
	if lv.Host != "" {
		return len(lv.Members) == 1 && lv.Members[0] == t.name
	}
	others := slices.ContainsFunc(lv.Addresses, func(a mirror.Address) bool { return !a.OnlyOf(t.name) })
	return len(lv.Addresses) > 0 && !others
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
