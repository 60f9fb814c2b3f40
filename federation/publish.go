package federation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Explained is one RRset of a service, with the reason why it is as it is.
type Explained struct {
	RRset
	// Reason is HealthyShards or LoadBalancer for what the level's own members have, RegionFallback for a copy of
	// another region's, and NoHealthyShard or LabelConflict for a CNAME to a level further up.
	Reason Reason
	// Members are the members whose shards the data comes from, sorted; none for a CNAME to a level further up.
	Members []string
}

// RRsets is the publishing rule: it returns the RRsets of one service from its shards as they count now (P1, P2, P3b,
// P3c, P5, P8), sorted by CompareRRsets, and what could not be written (N6).
//
// There may be at most one shard for each member, in any order; shards of unknown members are ignored. had reports that
// the service has had a healthy shard before: a service that never had one has no records at all (P3c); one that had,
// and has none now, keeps the CNAMEs of its levels while the global name has no records (P3b). If a shard is healthy,
// had does not matter. If global is foreign there are no records, because every change asserts the main claim (O3a).
//
// The caller owns the result, but must not change the Data in it.
func (l *Levels) RRsets(svc ServiceName, shards []Shard, had bool) (sets []RRset, problems []Problem) {
	p := l.publish(svc, shards, had, false)
	sets = slices.Grow(sets, len(p.names)+len(p.own))
	for set := range p.all {
		sets = append(sets, set.RRset)
	}
	return sets, p.problems
}

// Explain returns what RRsets does, and why each RRset is as it is. It takes about twice as long.
//
// The caller owns the result, but must not change the Data and Members in it.
func (l *Levels) Explain(svc ServiceName, shards []Shard, had bool) (sets []Explained) {
	p := l.publish(svc, shards, had, true)
	for set := range p.all {
		sets = append(sets, set)
	}
	return sets
}

// publish runs the rule, but for what all does. Without explain no Members are recorded, as that costs as much again.
func (l *Levels) publish(svc ServiceName, shards []Shard, had, explain bool) *publication {
	p := &publication{levels: l, svc: svc, ttl: l.opt.TTL, explain: explain}
	p.shards = make([]memberShard, len(l.memberName))
	healthy := p.addShards(shards)
	if !healthy && !had || l.all[len(l.all)-1].Foreign {
		return p
	}
	p.nameLevels()
	p.own = make([]RRset, 0, len(l.all)+1)
	for i := range l.all {
		p.addOwn(i)
	}
	return p
}

// publication is one run of the rule for one service.
type publication struct {
	levels   *Levels
	svc      ServiceName
	ttl      uint32
	explain  bool
	shards   []memberShard  // by member index
	names    []levelName    // by level index
	own      []RRset        // what levels have from their own healthy shards
	members  [][]string     // the members whose shards give each of own, to explain it
	targets  []string       // backs the Data of all CNAMEs to levels
	healthy  []*memberShard // scratch: the publishable shards of one level
	scratch  addressScratch
	problems []Problem
}

// memberShard is a member's shard in a publication; its Shard is nil if the member has none.
type memberShard struct {
	*Shard
	publishable bool      // healthy, and has anything to publish
	v4, v6      []address // of a publishable shard, sorted, each once
	hash        uint64    // of the member; 0 until it is needed
}

// levelName is the service's name at one level.
type levelName struct {
	name    FQDN
	written bool // the level has the name
	lo, hi  int  // what its members publish there is own[lo:hi]
}

// addShards assigns the shards to their members, determines the TTL (P5: the smallest one that a shard asks for), and
// reports whether any shard is healthy.
func (p *publication) addShards(shards []Shard) bool {
	healthy := false
	var smallest uint32
	for i := range shards {
		s := &shards[i]
		member, ok := p.levels.memberIdx[s.Member]
		if !ok {
			continue
		}
		publishable := s.Healthy && (len(s.Addresses) > 0 || s.Host != "")
		p.shards[member] = memberShard{Shard: s, publishable: publishable}
		if publishable {
			p.shards[member].split()
			healthy = true
		}
		if s.TTL != 0 && (smallest == 0 || s.TTL < smallest) {
			smallest = s.TTL
		}
	}
	p.ttl = cmp.Or(smallest, p.ttl)
	return healthy
}

// nameLevels computes the service's name at each level, and which of them are written. The names share one string, as
// there may be hundreds.
func (p *publication) nameLevels() {
	all := p.levels.all
	prefix := p.svc.Name + "." + p.svc.Namespace + "."
	var b strings.Builder
	b.Grow(len(all)*len(prefix) + p.levels.suffixBytes)
	for i := range all {
		b.WriteString(prefix)
		b.WriteString(string(all[i].suffix))
	}
	rest := b.String()
	p.names = make([]levelName, len(all))
	for i := range all {
		n := len(prefix) + len(all[i].suffix)
		p.names[i].name, rest = FQDN(rest[:n]), rest[n:]
		p.names[i].written = p.isWritten(i)
	}
}

// isWritten reports whether the level has a name for this service: not if it is foreign, with ShardLevelsOnly not
// without a shard or a fallback (P2c), and not if the name is too long (N6).
func (p *publication) isWritten(i int) bool {
	lv := &p.levels.all[i]
	if lv.Foreign {
		return false
	}
	if p.levels.opt.ShardLevelsOnly && lv.Kind != KindGlobal && !lv.hasFallback &&
		!slices.ContainsFunc(lv.members, func(m int) bool { return p.shards[m].Shard != nil }) {
		return false
	}
	if !lv.fits(p.svc) {
		name := p.names[i].name
		p.problems = append(p.problems, Problem{Service: p.svc, Reason: ReasonNameTooLong, Detail: fmt.Sprintf(
			"name %q has %d octets in wire form, at most %d are allowed", name, name.WireOctets(), MaxNameOctets)})
		return false
	}
	return true
}

// addOwn adds the RRsets that a level has from the healthy shards of its own members (P1, H4).
func (p *publication) addOwn(i int) {
	lv, ln := &p.levels.all[i], &p.names[i]
	ln.lo, ln.hi = len(p.own), len(p.own)
	if lv.Conflict {
		return
	}
	p.healthy = p.healthy[:0]
	addressed := 0
	for _, m := range lv.members {
		if s := &p.shards[m]; s.publishable {
			p.healthy = append(p.healthy, s)
			addressed += min(1, len(s.Addresses))
		}
	}
	switch {
	case len(p.healthy) == 0:
		return
	case len(p.healthy) == 1 && p.healthy[0].Host != "", addressed == 0:
		p.addHost(ln.name)
	default:
		p.addAddresses(ln.name, TypeA)
		p.addAddresses(ln.name, TypeAAAA)
	}
	ln.hi = len(p.own)
}

// addHost adds a CNAME to the host name of the level's healthy shards, for a level that has nothing else; if there are
// several, to one of them by hash.
func (p *publication) addHost(name FQDN) {
	for _, s := range p.healthy {
		p.hashMember(s)
	}
	host := slices.MinFunc(p.healthy, compareMembers).Host
	set := RRset{Name: name, Type: TypeCNAME, TTL: p.ttl, Data: []string{string(host)}}
	p.addSet(set, func(s *memberShard) bool { return s.Host == host })
}

// addSet adds an RRset that a level has from those of its healthy shards for which gives is true.
func (p *publication) addSet(set RRset, gives func(*memberShard) bool) {
	p.own = append(p.own, set)
	if !p.explain {
		return
	}
	var members []string
	for _, s := range p.healthy {
		if gives(s) {
			members = append(members, s.Member)
		}
	}
	p.members = append(p.members, members)
}

// all calls yield with all that is published, sorted: at each level that is written the RRsets of its own members,
// those of a fallback region (P2b), or a CNAME up (P2a).
func (p *publication) all(yield func(Explained) bool) {
	if p.names == nil {
		return
	}
	p.targets = make([]string, 0, len(p.names))
	for _, i := range p.levels.byOwner {
		lv, ln := &p.levels.all[i], p.names[i]
		if !ln.written {
			continue
		}
		from := p.source(lv, ln)
		for i := from.lo; i < from.hi; i++ {
			if !yield(p.ownAt(i, from, ln)) {
				return
			}
		}
		if from.lo < from.hi {
			continue
		}
		if set, ok := p.up(lv, ln.name); ok && !yield(set) {
			return
		}
	}
}

// ownAt returns own[i] of one level as it is published at another one, or at its own.
func (p *publication) ownAt(i int, from, at levelName) Explained {
	set := Explained{RRset: p.own[i], Reason: ReasonHealthyShards}
	if set.Type == TypeCNAME {
		set.Reason = ReasonLoadBalancer
	}
	if from.name != at.name {
		set.Name, set.Reason = at.name, ReasonRegionFallback
	}
	if p.explain {
		set.Members = p.members[i]
	}
	return set
}

// source returns the level whose RRsets the level gets: the level itself, or the first fallback region that has any if
// it has none.
func (p *publication) source(lv *Level, ln levelName) levelName {
	for _, f := range lv.fallback {
		if ln.lo < ln.hi {
			break
		}
		ln = p.names[f]
	}
	return ln
}

// up returns the CNAME from a level's name to the next level up that is written; false if there is none.
func (p *publication) up(lv *Level, name FQDN) (Explained, bool) {
	reason := ReasonNoHealthyShard
	if lv.Conflict {
		reason = ReasonLabelConflict
	}
	for up := lv.up; up >= 0; up = p.levels.all[up].up {
		if p.names[up].written {
			p.targets = append(p.targets, string(p.names[up].name))
			n := len(p.targets)
			return Explained{RRset{name, TypeCNAME, p.ttl, p.targets[n-1 : n : n]}, reason, nil}, true
		}
	}
	return Explained{}, false
}
