package federation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// LevelKind is the kind of a level.
type LevelKind string

// The kinds of levels, from the closest to global.
const (
	KindTopologyZone LevelKind = "topology-zone"
	KindRegion       LevelKind = "region"
	KindGlobal       LevelKind = "global"
)

// Level is one level of a federation: a topology zone, a region or global.
type Level struct {
	// Name is the level's own domain, such as us-central1.example.com.
	Name FQDN
	// Kind is the kind of the level. A topology zone with the name of its own region is that region's level; a label in
	// conflict counts as a topology zone without a region (N5).
	Kind LevelKind
	// Region and Zone are the labels of the level. Zone is "" for a region, both are "" for global.
	Region Label
	Zone   Label
	// Conflict reports that the label stands for more than one place, so that the name is always a CNAME to global
	// (N5).
	Conflict bool
	// Foreign reports that someone else holds the level, so that nothing is written there (O1c).
	Foreign bool
	// Members are the names of the members at the level, sorted. The caller must not change them.
	Members []string
	// Up is the domain of the next different level up that is not foreign. Names at this level are CNAMEs to it while
	// the level has no healthy shard (P2a). It is "" for global.
	Up FQDN

	suffix      FQDN  // Federation.Suffix(Name)
	suffixWire  int   // octets of suffix in wire form
	up          int   // index of Up; -1 for global
	members     []int // indexes of Members
	fallback    []int // indexes of the levels of regionFallback, in order
	hasFallback bool  // regionFallback lists anything, known or not
}

// PublishOptions are a federation's options for publishing.
type PublishOptions struct {
	// TTL of the records in seconds (P5); 0 means DefaultTTL.
	TTL uint32
	// MaxAddresses is the maximum number of records in one RRset (P8); 0 means DefaultMaxAddresses.
	MaxAddresses int
	// ShardLevelsOnly writes only levels of members that have a shard, and regions with a fallback (P2c, `levels:
	// shards`).
	ShardLevelsOnly bool
	// RegionFallback lists, for a region, the regions whose RRsets it copies while it has no healthy shard, the first
	// choice first (P2b).
	RegionFallback map[Label][]Label
	// Foreign contains the names of the levels that someone else holds (O1c).
	Foreign map[FQDN]bool
}

// Defaults of PublishOptions.
const (
	DefaultTTL          = 180
	DefaultMaxAddresses = 16
)

// Levels are the levels of all members of a federation, whether or not a member has a shard. They are computed when
// members, topology or options change, and serve all services until then. A Levels never changes, and may be used by
// several goroutines.
type Levels struct {
	federation  Federation
	opt         PublishOptions
	all         []Level
	byOwner     []int // indexes of all in the order of the owner names of any service
	byName      map[FQDN]int
	byMember    [][]int // the indexes of each member's levels, in order
	suffixBytes int     // length of all suffixes together
	memberIdx   map[string]int
	memberName  []string
	problems    []Problem
}

// NewLevels returns the levels of the members. Members are identified by their names, which must be unique; their order
// does not matter (P7). The maps of opt must not be changed afterwards.
func NewLevels(f Federation, members []Member, opt PublishOptions) *Levels {
	opt.TTL = cmp.Or(opt.TTL, DefaultTTL)
	opt.MaxAddresses = cmp.Or(opt.MaxAddresses, DefaultMaxAddresses)
	l := &Levels{federation: f, opt: opt, memberIdx: make(map[string]int, len(members))}
	members = slices.SortedFunc(slices.Values(members), func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	for i, m := range members {
		l.memberIdx[m.Name] = i
		l.memberName = append(l.memberName, m.Name)
	}
	for _, p := range l.gather(members) {
		l.all = append(l.all, *p)
		l.suffixBytes += len(p.suffix)
	}
	slices.SortFunc(l.all, func(a, b Level) int {
		return cmp.Or(cmp.Compare(kindRank(a.Kind), kindRank(b.Kind)), cmp.Compare(a.Name, b.Name))
	})
	l.link()
	l.byMember = make([][]int, len(members))
	for i := range l.all {
		l.byOwner = append(l.byOwner, i)
		for _, m := range l.all[i].members {
			l.byMember[m] = append(l.byMember[m], i)
		}
	}
	slices.SortFunc(l.byOwner, func(a, b int) int { return cmp.Compare(l.all[a].suffix, l.all[b].suffix) })
	return l
}

// kindRank returns the position of k on the way up; -1 if there is no such kind.
func kindRank(k LevelKind) int {
	return slices.Index([]LevelKind{KindTopologyZone, KindRegion, KindGlobal}, k)
}

// gather returns the levels by name, with their members.
func (l *Levels) gather(members []Member) map[FQDN]*Level {
	conflicts := l.conflicts(members)
	byName := map[FQDN]*Level{}
	l.addLevel(byName, Topology{}, KindGlobal) // global is there without any member
	for i, m := range members {
		levels := []*Level{l.addLevel(byName, Topology{}, KindGlobal)}
		if m.Region != "" {
			levels = append(levels, l.labelLevel(byName, conflicts, Topology{Region: m.Region}))
		}
		for _, z := range m.Zones {
			switch {
			case z == "": // a missing label
			case l.federation.Naming == Nested && m.Region == "": // has no name (N3)
			case l.federation.Naming != Nested && z == m.Region: // is the region's level (N5)
			default:
				levels = append(levels, l.labelLevel(byName, conflicts, Topology{Region: m.Region, Zone: z}))
			}
		}
		for _, p := range levels {
			if !slices.Contains(p.members, i) {
				p.members = append(p.members, i)
				p.Members = append(p.Members, m.Name)
			}
		}
	}
	return byName
}

// labelLevel returns the level of a topology zone or a region, or that of the label's conflict if it has one.
func (l *Levels) labelLevel(byName map[FQDN]*Level, conflicts map[Label]bool, t Topology) *Level {
	if label := cmp.Or(t.Zone, t.Region); conflicts[label] {
		p := l.addLevel(byName, Topology{Zone: label}, KindTopologyZone)
		p.Conflict = true
		return p
	}
	if t.Zone == "" {
		return l.addLevel(byName, t, KindRegion)
	}
	return l.addLevel(byName, t, KindTopologyZone)
}

// addLevel returns the level with the name of t, which it adds if there is none yet.
func (l *Levels) addLevel(byName map[FQDN]*Level, t Topology, kind LevelKind) *Level {
	name := l.federation.LevelName(t)
	p := byName[name]
	if p == nil {
		p = &Level{Name: name, Kind: kind, Region: t.Region, Zone: t.Zone, Foreign: l.opt.Foreign[name]}
		p.suffix = l.federation.Suffix(name)
		p.suffixWire = p.suffix.WireOctets()
		byName[name] = p
	}
	return p
}

// conflicts returns the labels that have no level of their own, and reports them (N5). Under Nested the name of a
// topology zone holds its region's, so there are none.
func (l *Levels) conflicts(members []Member) map[Label]bool {
	conflicts := map[Label]bool{}
	if l.federation.Naming == Nested {
		return conflicts
	}
	isRegion := map[Label]bool{}
	zoneOf := map[Label]map[Label]bool{} // topology zone -> the regions it is in, "" for none
	for _, m := range members {
		isRegion[m.Region] = true
		for _, z := range m.Zones {
			if zoneOf[z] == nil {
				zoneOf[z] = map[Label]bool{}
			}
			zoneOf[z][m.Region] = true
		}
	}
	delete(isRegion, "")
	delete(zoneOf, "")
	for _, z := range slices.Sorted(maps.Keys(zoneOf)) {
		others := maps.Clone(zoneOf[z])
		delete(others, z)
		if len(others) == 0 || len(others) == 1 && !isRegion[z] {
			continue
		}
		what := "is a topology zone"
		if isRegion[z] {
			what = "is a region and also a topology zone"
		}
		l.problems = append(l.problems, Problem{Reason: ReasonLabelConflict, Detail: fmt.Sprintf(
			"label %q %s %s: its name leads to global", z, what, inRegions(others))})
		conflicts[z] = true
	}
	return conflicts
}

// inRegions describes the regions that a topology zone is in.
func inRegions(regions map[Label]bool) string {
	var s string
	for i, r := range slices.Sorted(maps.Keys(regions)) {
		if i > 0 {
			s += " and "
		}
		if r == "" {
			s += "without a region"
		} else {
			s += fmt.Sprintf("of region %q", r)
		}
	}
	return s
}

// link sets the way up from each level, and its fallbacks.
func (l *Levels) link() {
	l.byName = make(map[FQDN]int, len(l.all))
	for i := range l.all {
		l.byName[l.all[i].Name] = i
	}
	global := len(l.all) - 1
	l.all[global].up = -1
	for i := range global {
		lv := &l.all[i]
		lv.up = global
		if lv.Kind == KindTopologyZone && lv.Region != "" {
			// A region in conflict is a topology zone here, and passed over.
			up := l.byName[l.federation.LevelName(Topology{Region: lv.Region})]
			if l.all[up].Kind == KindRegion && !l.all[up].Foreign {
				lv.up = up
			}
		}
		lv.Up = l.all[lv.up].Name
		if lv.Kind != KindRegion {
			continue
		}
		for _, r := range l.opt.RegionFallback[lv.Region] {
			lv.hasFallback = true
			f, ok := l.byName[l.federation.LevelName(Topology{Region: r})]
			if ok && f != i && l.all[f].Kind == KindRegion {
				lv.fallback = append(lv.fallback, f)
			}
		}
	}
}

// Federation returns the federation that the levels belong to.
func (l *Levels) Federation() Federation { return l.federation }

// All returns the levels: topology zones, regions, global; by name within a kind. The caller must not change them.
func (l *Levels) All() []Level { return l.all }

// Level returns the level with that domain; ok is false if there is none.
func (l *Levels) Level(name FQDN) (lv Level, ok bool) {
	i, ok := l.byName[name]
	if !ok {
		return Level{}, false
	}
	return l.all[i], true
}

// MemberLevels returns the levels of the member, in the order of All; none if there is no such member.
func (l *Levels) MemberLevels(member string) []Level {
	m, ok := l.memberIdx[member]
	if !ok {
		return nil
	}
	levels := make([]Level, 0, len(l.byMember[m]))
	for _, i := range l.byMember[m] {
		levels = append(levels, l.all[i])
	}
	return levels
}

// Problems returns what is wrong with the topology of the members as a whole (N5), in a stable order.
func (l *Levels) Problems() []Problem { return l.problems }

// OwnerName returns the name of the service's records at the level.
func (lv Level) OwnerName(svc ServiceName) FQDN {
	return FQDN(svc.Name + "." + svc.Namespace + "." + string(lv.suffix))
}

// fits reports whether the service's name at the level is short enough to be sent (N6).
func (lv *Level) fits(svc ServiceName) bool {
	return len(svc.Name)+1+len(svc.Namespace)+1+lv.suffixWire <= MaxNameOctets
}
