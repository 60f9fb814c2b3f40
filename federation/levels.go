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
	// Kind is the kind of the level. A topology zone named like its own region
	// is that region's level; a label in conflict counts as a topology zone
	// without a region (N5).
	Kind LevelKind
	// Region and Zone are the labels of the level; Zone is "" for a region, both
	// are "" for global.
	Region Label
	Zone   Label
	// Conflict: the label stands for more than one place, so that the name is
	// always a CNAME to global (N5).
	Conflict bool
	// Foreign: somebody else holds the level; nothing is written there (O1c).
	Foreign bool
	// Members are the names of the members that stand at the level, sorted.
	// The caller must not change them.
	Members []string
	// Up is the domain of the next different level up that is not foreign,
	// where the level leads to while it has no healthy shard (P2a); "" for
	// global.
	Up FQDN

	suffix      FQDN  // Federation.Suffix(Name)
	suffixWire  int   // octets of suffix in wire form
	up          int   // index of Up; -1 for global
	members     []int // indexes of Members
	fallback    []int // indexes of the levels of regionFallback, in order
	hasFallback bool  // regionFallback lists anything, known or not
}

// PublishOptions are what a federation's configuration says of publishing.
type PublishOptions struct {
	// TTL of the records in seconds (P5); 0 means DefaultTTL.
	TTL uint32
	// MaxAddresses is the most records of one RRset (P8); 0 means
	// DefaultMaxAddresses.
	MaxAddresses int
	// ShardLevelsOnly writes only levels of members that have a shard, and
	// regions with a fallback (P2c, `levels: shards`).
	ShardLevelsOnly bool
	// RegionFallback lists for a region the regions whose RRsets it gets while
	// it has no healthy shard, the first choice first (P2b).
	RegionFallback map[Label][]Label
	// Foreign are the names of the levels that somebody else holds (O1c).
	Foreign map[FQDN]bool
}

// The defaults of PublishOptions.
const (
	DefaultTTL          = 180
	DefaultMaxAddresses = 16
)

// Levels are all levels over all members of a federation, whether or not a
// member has a shard. They are computed when members, topology or options
// change, and serve all services until then. A Levels is never changed and may
// be used by several goroutines.
type Levels struct {
	federation  Federation
	opt         PublishOptions
	all         []Level
	byOwner     []int // indexes of all in the order of the owner names of any service
	suffixBytes int   // length of all suffixes together
	memberIdx   map[string]int
	memberName  []string
	problems    []Problem
}

// NewLevels returns the levels of the members. Members are told apart by
// their names, which must be unique; their order does not matter (P7). The
// maps of opt must not be changed afterwards.
func NewLevels(f Federation, members []Member, opt PublishOptions) *Levels {
	opt.TTL = cmp.Or(opt.TTL, DefaultTTL)
	opt.MaxAddresses = cmp.Or(opt.MaxAddresses, DefaultMaxAddresses)
	l := &Levels{federation: f, opt: opt, memberIdx: make(map[string]int, len(members))}
	members = slices.SortedFunc(slices.Values(members), func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	for i, m := range members {
		l.memberIdx[m.Name] = i
		l.memberName = append(l.memberName, m.Name)
	}
	for _, p := range l.places(members) {
		l.all = append(l.all, *p)
		l.suffixBytes += len(p.suffix)
	}
	slices.SortFunc(l.all, func(a, b Level) int {
		return cmp.Or(cmp.Compare(kindRank(a.Kind), kindRank(b.Kind)), cmp.Compare(a.Name, b.Name))
	})
	l.link()
	for i := range l.all {
		l.byOwner = append(l.byOwner, i)
	}
	slices.SortFunc(l.byOwner, func(a, b int) int { return cmp.Compare(l.all[a].suffix, l.all[b].suffix) })
	return l
}

// kindRank is the place of k on the way up; -1 if there is no such kind.
func kindRank(k LevelKind) int {
	return slices.Index([]LevelKind{KindTopologyZone, KindRegion, KindGlobal}, k)
}

// places gathers the levels by name, with the members that stand there.
func (l *Levels) places(members []Member) map[FQDN]*Level {
	conflicts := l.conflicts(members)
	places := map[FQDN]*Level{}
	l.place(places, Topology{}, KindGlobal) // global is there without any member
	for i, m := range members {
		levels := []*Level{l.place(places, Topology{}, KindGlobal)}
		if m.Region != "" {
			levels = append(levels, l.ofLabel(places, conflicts, Topology{Region: m.Region}))
		}
		for _, z := range m.Zones {
			switch {
			case z == "": // a missing label
			case l.federation.Naming == Nested && m.Region == "": // has no name (N3)
			case l.federation.Naming != Nested && z == m.Region: // is the region's level (N5)
			default:
				levels = append(levels, l.ofLabel(places, conflicts, Topology{Region: m.Region, Zone: z}))
			}
		}
		for _, p := range levels {
			if !slices.Contains(p.members, i) {
				p.members = append(p.members, i)
				p.Members = append(p.Members, m.Name)
			}
		}
	}
	return places
}

// ofLabel is place for a topology zone or a region, or for the label's
// conflict if it has one.
func (l *Levels) ofLabel(places map[FQDN]*Level, conflicts map[Label]bool, t Topology) *Level {
	if label := cmp.Or(t.Zone, t.Region); conflicts[label] {
		p := l.place(places, Topology{Zone: label}, KindTopologyZone)
		p.Conflict = true
		return p
	}
	if t.Zone == "" {
		return l.place(places, t, KindRegion)
	}
	return l.place(places, t, KindTopologyZone)
}

// place returns the level of that name, made if it is not there yet.
func (l *Levels) place(places map[FQDN]*Level, t Topology, kind LevelKind) *Level {
	name := l.federation.LevelName(t)
	p := places[name]
	if p == nil {
		p = &Level{Name: name, Kind: kind, Region: t.Region, Zone: t.Zone, Foreign: l.opt.Foreign[name]}
		p.suffix = l.federation.Suffix(name)
		p.suffixWire = p.suffix.WireOctets()
		places[name] = p
	}
	return p
}

// conflicts returns the labels that have no level of their own, and reports
// them (N5). Under Nested the name of a topology zone holds its region's, so
// there are none.
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

// inRegions says where a topology zone lies.
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

// link sets the way up of each level and its fallbacks.
func (l *Levels) link() {
	index := make(map[FQDN]int, len(l.all))
	for i := range l.all {
		index[l.all[i].Name] = i
	}
	global := len(l.all) - 1
	l.all[global].up = -1
	for i := range global {
		lv := &l.all[i]
		lv.up = global
		if lv.Kind == KindTopologyZone && lv.Region != "" {
			// A region in conflict is a topology zone here, and passed over.
			up := index[l.federation.LevelName(Topology{Region: lv.Region})]
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
			at, ok := index[l.federation.LevelName(Topology{Region: r})]
			if ok && at != i && l.all[at].Kind == KindRegion {
				lv.fallback = append(lv.fallback, at)
			}
		}
	}
}

// Federation returns the federation that the levels belong to.
func (l *Levels) Federation() Federation { return l.federation }

// All returns the levels: topology zones, regions, global; by name within a
// kind. The caller must not change them.
func (l *Levels) All() []Level { return l.all }

// Level returns the level with that domain; ok is false if there is none.
func (l *Levels) Level(name FQDN) (lv Level, ok bool) {
	for i := range l.all {
		if l.all[i].Name == name {
			return l.all[i], true
		}
	}
	return Level{}, false
}

// MemberLevels returns the levels at which the member stands, in the order of All; none
// if there is no such member.
func (l *Levels) MemberLevels(member string) []Level {
	var levels []Level
	for _, lv := range l.all {
		if slices.Contains(lv.Members, member) {
			levels = append(levels, lv)
		}
	}
	return levels
}

// Problems returns what is wrong with the topology of the members as a whole
// (N5), in a stable order.
func (l *Levels) Problems() []Problem { return l.problems }

// OwnerName is the name of the service's records at the level.
func (lv Level) OwnerName(svc ServiceName) FQDN {
	return FQDN(svc.Name + "." + svc.Namespace + "." + string(lv.suffix))
}

// fits reports whether the service's name at the level can be sent (N6).
func (lv *Level) fits(svc ServiceName) bool {
	return len(svc.Name)+1+len(svc.Namespace)+1+lv.suffixWire <= MaxNameOctets
}
