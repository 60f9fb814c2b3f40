package federation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// RRsets is the publishing rule: the RRsets of one service from its shards as
// they count now (P1, P2, P3b, P3c, P5, P8), sorted by CompareRRsets, and what
// could not be written (N6).
//
// At most one shard of each member may be given, in any order; shards of
// unknown members are ignored. had says that the service has had a healthy
// shard before: one that never had has no records at all (P3c), one that had
// and has none now keeps the CNAMEs of its levels while the global name has no
// records (P3b). With a healthy shard had does not matter. If global is
// foreign there are no records: every change asserts the main claim (O3a).
//
// The caller owns the result, but must not change the Data in it.
func (l *Levels) RRsets(svc ServiceName, shards []Shard, had bool) ([]RRset, []Problem) {
	p := publication{levels: l, svc: svc, ttl: l.opt.TTL, shards: make([]shardPart, len(l.memberName))}
	healthy := p.take(shards)
	if !healthy && !had || l.all[len(l.all)-1].Foreign {
		return nil, nil
	}
	p.name()
	p.sets = make([]RRset, 0, len(l.all)+1)
	for i := range l.all {
		p.own(i)
	}
	p.targets = make([]string, 0, len(l.all))
	out := make([]RRset, 0, len(l.all)+len(p.sets))
	for _, i := range l.byOwner {
		out = p.at(out, i)
	}
	return out, p.problems
}

// publication is one run of the rule for one service.
type publication struct {
	levels   *Levels
	svc      ServiceName
	ttl      uint32
	shards   []shardPart  // by member index
	slots    []slot       // by level index
	sets     []RRset      // what the levels have of their own, slots tell whose
	targets  []string     // backs the Data of all CNAMEs up
	healthy  []*shardPart // scratch: the publishable ones of one level
	scratch  addressScratch
	problems []Problem
}

// shardPart is a member's shard in a publication; the Shard is nil if it has
// none.
type shardPart struct {
	*Shard
	publishable bool      // healthy, and has anything to publish
	v4, v6      []address // of a publishable shard, sorted, without doubles
	hash        uint64    // of the member; 0 until it is needed
}

// slot is what one level has in a publication.
type slot struct {
	name    FQDN
	written bool // the level has this name for the service
	lo, hi  int  // its own RRsets are sets[lo:hi]
}

// take sorts the shards in by member, finds the TTL (P5: the smallest wish
// counts), and reports whether any shard is healthy.
func (p *publication) take(shards []Shard) bool {
	healthy := false
	var wish uint32
	for i := range shards {
		s := &shards[i]
		at, ok := p.levels.memberIdx[s.Member]
		if !ok {
			continue
		}
		publishable := s.Healthy && (len(s.Addresses) > 0 || s.Host != "")
		p.shards[at] = shardPart{Shard: s, publishable: publishable}
		if publishable {
			p.shards[at].split()
			healthy = true
		}
		if s.TTL != 0 && (wish == 0 || s.TTL < wish) {
			wish = s.TTL
		}
	}
	p.ttl = cmp.Or(wish, p.ttl)
	return healthy
}

// name finds the service's name at each level, and which are written. The
// names share one string, as there may be hundreds.
func (p *publication) name() {
	all := p.levels.all
	prefix := p.svc.Name + "." + p.svc.Namespace + "."
	var b strings.Builder
	b.Grow(len(all)*len(prefix) + p.levels.suffixBytes)
	for i := range all {
		b.WriteString(prefix)
		b.WriteString(string(all[i].suffix))
	}
	names := b.String()
	p.slots = make([]slot, len(all))
	for i := range all {
		n := len(prefix) + len(all[i].suffix)
		p.slots[i].name, names = FQDN(names[:n]), names[n:]
		p.slots[i].written = p.written(i)
	}
}

// written reports whether the level has a name for this service: not foreign,
// with ShardLevelsOnly only where a member has a shard or a fallback is set
// (P2c), and not too long (N6).
func (p *publication) written(i int) bool {
	lv := &p.levels.all[i]
	if lv.Foreign {
		return false
	}
	if p.levels.opt.ShardLevelsOnly && lv.Kind != KindGlobal && !lv.hasFallback &&
		!slices.ContainsFunc(lv.members, func(m int) bool { return p.shards[m].Shard != nil }) {
		return false
	}
	if !lv.fits(p.svc) {
		name := p.slots[i].name
		p.problems = append(p.problems, Problem{Service: p.svc, Reason: ReasonNameTooLong, Detail: fmt.Sprintf(
			"name %q has %d octets in wire form, at most %d are allowed", name, name.WireOctets(), MaxNameOctets)})
		return false
	}
	return true
}

// own computes the RRsets that a level has of its own healthy shards (P1, H4).
func (p *publication) own(i int) {
	lv, at := &p.levels.all[i], &p.slots[i]
	at.lo, at.hi = len(p.sets), len(p.sets)
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
		p.sets = append(p.sets, RRset{Name: at.name, Type: TypeCNAME, TTL: p.ttl, Data: []string{string(p.host())}})
	default:
		p.addresses(at.name, TypeA)
		p.addresses(at.name, TypeAAAA)
	}
	at.hi = len(p.sets)
}

// at appends what stands at a level: its own RRsets, those of a fallback
// region (P2b), or a CNAME up (P2a); nothing if the level is not written.
func (p *publication) at(out []RRset, i int) []RRset {
	lv, at := &p.levels.all[i], p.slots[i]
	if !at.written {
		return out
	}
	from := at
	for _, f := range lv.fallback {
		if from.lo < from.hi {
			break
		}
		from = p.slots[f]
	}
	if from.lo < from.hi {
		for _, set := range p.sets[from.lo:from.hi] {
			set.Name = at.name
			out = append(out, set)
		}
		return out
	}
	for up := lv.up; up >= 0; up = p.levels.all[up].up {
		if p.slots[up].written {
			p.targets = append(p.targets, string(p.slots[up].name))
			n := len(p.targets)
			return append(out, RRset{Name: at.name, Type: TypeCNAME, TTL: p.ttl, Data: p.targets[n-1 : n : n]})
		}
	}
	return out
}
