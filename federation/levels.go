package federation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Kind is the kind of a level.
type Kind string

// The kinds of levels, from the closest to global.
const (
	KindTopologyZone Kind = "topology-zone"
	KindRegion       Kind = "region"
	KindGlobal       Kind = "global"
)

// Level is one level of a federation: a topology zone, a region or global.
type Level struct {
	// Name is the level's own domain, such as us-central1.example.com.
	Name FQDN
	// Kind is the kind of the level. A topology zone named like its own region
	// is that region's level (N5).
	Kind Kind
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
	Members []string

	suffix      FQDN
	suffixWire  int
	up          int // index of the next different level up that may be written; -1 for global
	members     []int
	fallback    []int // indexes of the levels of regionFallback, in order
	hasFallback bool
}

// Options are what a federation's configuration says of publishing.
type Options struct {
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

// The defaults of Options.
const (
	DefaultTTL          = 180
	DefaultMaxAddresses = 16
)

// Levels are all levels over all members of a federation, whether or not a
// member has a shard. They are computed when members, topology or options
// change, and serve all services until then. A Levels is never changed and may
// be used by several goroutines.
type Levels struct {
	federation Federation
	opt        Options
	all        []Level
	memberIdx  map[string]int
	memberName []string
	problems   []Problem
}

// NewLevels returns the levels of the members. Members are told apart by
// their names, which must be unique; their order does not matter (P7).
func NewLevels(f Federation, members []Member, opt Options) *Levels {
	opt.TTL = cmp.Or(opt.TTL, DefaultTTL)
	opt.MaxAddresses = cmp.Or(opt.MaxAddresses, DefaultMaxAddresses)
	l := &Levels{federation: f, opt: opt, memberIdx: make(map[string]int, len(members))}
	members = slices.SortedFunc(slices.Values(members), func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	for i, m := range members {
		l.memberIdx[m.Name] = i
		l.memberName = append(l.memberName, m.Name)
	}
	places := l.places(members)
	for _, name := range slices.SortedFunc(maps.Keys(places), func(a, b FQDN) int {
		return cmp.Or(cmp.Compare(kindRank(places[a].Kind), kindRank(places[b].Kind)), cmp.Compare(a, b))
	}) {
		l.all = append(l.all, *places[name])
	}
	l.link()
	return l
}

func kindRank(k Kind) int {
	return slices.Index([]Kind{KindTopologyZone, KindRegion, KindGlobal}, k)
}

// places gathers the levels by name, with the members that stand there.
func (l *Levels) places(members []Member) map[FQDN]*Level {
	const nobody = -1
	conflicts := l.conflicts(members)
	places := map[FQDN]*Level{}
	stand := func(t Topology, kind Kind, member int) {
		name := l.federation.LevelName(t)
		if name == "" {
			return // nested, and a topology zone without a region (N3)
		}
		p := places[name]
		if p == nil {
			p = &Level{Name: name, Kind: kind, Region: t.Region, Zone: t.Zone, Foreign: l.opt.Foreign[name]}
			p.Conflict = conflicts[t.Zone] || kind == KindRegion && conflicts[t.Region]
			p.suffix = l.federation.Suffix(name)
			p.suffixWire = p.suffix.WireOctets()
			places[name] = p
		}
		if member != nobody && (len(p.members) == 0 || p.members[len(p.members)-1] != member) {
			p.members = append(p.members, member)
			p.Members = append(p.Members, l.memberName[member])
		}
	}
	stand(Topology{}, KindGlobal, nobody) // global is there without any member
	for i, m := range members {
		stand(Topology{}, KindGlobal, i)
		if m.Region != "" {
			stand(Topology{Region: m.Region}, KindRegion, i)
		}
		for _, z := range m.Zones {
			if z == m.Region && l.federation.Naming != Nested {
				continue // that is the region's level (N5)
			}
			stand(Topology{Region: m.Region, Zone: z}, KindTopologyZone, i)
		}
	}
	return places
}

// conflicts returns the labels that have no level of their own (N5). Under
// Nested the name of a topology zone holds its region's, so there are none.
func (l *Levels) conflicts(members []Member) map[Label]bool {
	conflicts := map[Label]bool{}
	if l.federation.Naming == Nested {
		return conflicts
	}
	regions := map[Label]bool{}
	zoneIn := map[Label]map[Label]bool{} // regions other than the one of the same name
	for _, m := range members {
		if m.Region != "" {
			regions[m.Region] = true
		}
		for _, z := range m.Zones {
			if z == m.Region {
				continue
			}
			if zoneIn[z] == nil {
				zoneIn[z] = map[Label]bool{}
			}
			zoneIn[z][m.Region] = true
		}
	}
	for _, z := range slices.Sorted(maps.Keys(zoneIn)) {
		in := slices.Sorted(maps.Keys(zoneIn[z]))
		switch {
		case regions[z]:
			l.problems = append(l.problems, Problem{Reason: ReasonLabelConflict, Detail: fmt.Sprintf(
				"label %q is a region and also a topology zone of region %q: its name leads to global", z, in[0])})
		case len(in) > 1:
			l.problems = append(l.problems, Problem{Reason: ReasonLabelConflict, Detail: fmt.Sprintf(
				"label %q is a topology zone of the regions %q: its name leads to global", z, in)})
		default:
			continue
		}
		conflicts[z] = true
	}
	return conflicts
}

// link sets the way up of each level and its fallbacks.
func (l *Levels) link() {
	index := make(map[FQDN]int, len(l.all))
	for i := range l.all {
		index[l.all[i].Name] = i
	}
	global := len(l.all) - 1
	for i := range l.all {
		lv := &l.all[i]
		lv.up = global
		if i == global {
			lv.up = -1
			continue
		}
		if lv.Kind == KindTopologyZone && !lv.Conflict && lv.Region != "" {
			up := index[l.federation.LevelName(Topology{Region: lv.Region})]
			if !l.all[up].Foreign && !l.all[up].Conflict {
				lv.up = up
			}
		}
		if lv.Kind != KindRegion || lv.Conflict {
			continue
		}
		for _, r := range l.opt.RegionFallback[lv.Region] {
			lv.hasFallback = true
			at, ok := index[l.federation.LevelName(Topology{Region: r})]
			if ok && at != i && l.all[at].Kind == KindRegion && !l.all[at].Conflict {
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
