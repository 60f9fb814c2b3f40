package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Losses are the shards of one member that are not healthy, and how they came to be so: true if by an event of its watch
// that was about this shard alone, false if by anything else. One that is healthy, or was never seen, is not among
// them (X4c).
type Losses map[federation.ServiceName]bool

// Event notes what a watch event shows of a shard; alone is false if it is no change of this single Service.
func (l Losses) Event(service federation.ServiceName, healthy, alone bool) {
	if healthy {
		delete(l, service)
	} else if _, known := l[service]; !known {
		l[service] = alone
	}
}

// Listed notes what a list shows of a shard; one that is there, but was not healthy before, is what it was.
func (l Losses) Listed(service federation.ServiceName, healthy bool) {
	l.Event(service, healthy, false)
}

// Missing notes that a list lacks a shard.
func (l Losses) Missing(service federation.ServiceName) { l[service] = false }

// Publishing is a service whose records are to be decided on.
type Publishing struct {
	Service
	Name federation.ServiceName
	// Have is what the records have of it.
	Have []federation.RRset
	// Watched reports whether watch events on this single Service took its last addresses away, and WatchedAt whether
	// they took the shards of that level away (X4c).
	Watched   func() bool
	WatchedAt func(federation.Level) bool
}

// Outcome is what becomes of a service's records now.
type Outcome struct {
	Verdict
	// Want is what they are to be, if Write; else they stay as they are.
	Want  []federation.RRset
	Write bool
	// Problems is what could not be written (N6).
	Problems []federation.Problem
	// Waits are the names that the brake holds.
	Waits []federation.FQDN
}

// Publish decides what the records of a service are to be: by the publishing rule from the verdict on its shards, but
// for what has to wait (X4). What is granted counts as done.
func (b *Brake) Publish(now time.Time, levels *federation.Levels, p Publishing) Outcome {
	out := Outcome{Verdict: Decide(now, b.config, p.Service)}
	if !out.Keep && !out.Unfederated {
		out.Want, out.Problems = levels.RRsets(p.Name, out.Shards, len(p.Have) > 0)
	}
	global := levels.Federation().OwnerName(p.Name, levels.Federation().Domain)
	if out.Keep {
		w := Withdrawal{Pending: true}
		if !out.EmptySince.IsZero() && hasName(p.Have, global) { // it goes when emptyGrace has run out
			w.Deletions = []Deletion{{Name: global, Empties: true}}
		}
		b.Withdraw(now, p.Name, w)
		out.Want = nil
		return out
	}
	var next time.Time
	out.Waits, next = b.Withdraw(now, p.Name, Withdrawal{Deletions: out.deletions(levels, p, global)})
	out.Next = earlier(out.Next, next)
	if slices.Contains(out.Waits, global) {
		out.Want = nil
		return out
	}
	out.Want, out.Write = Kept(global, p.Have, out.Want, out.Waits, out.Shards), true
	return out
}

// deletions are the names that the records are to lose. One at a level that is none any more was never seen to go.
func (o *Outcome) deletions(levels *federation.Levels, p Publishing, global federation.FQDN) (list []Deletion) {
	var watched *bool
	empty := !hasName(o.Want, global)
	for i, set := range p.Have {
		if i > 0 && p.Have[i-1].Name == set.Name || hasName(o.Want, set.Name) {
			continue
		}
		d := Deletion{Name: set.Name, Empties: set.Name == global}
		_, at, _ := levels.Federation().ParseOwner(set.Name)
		if lv, ok := levels.Level(at); ok && empty {
			if watched == nil {
				all := p.Watched()
				watched = &all
			}
			d.Watched = *watched
		} else if ok {
			d.Watched = p.WatchedAt(lv)
		}
		list = append(list, d)
	}
	return list
}

// hasName reports whether any of the RRsets, which are sorted by name, is at the name.
func hasName(sets []federation.RRset, name federation.FQDN) bool {
	_, ok := slices.BinarySearchFunc(sets, name, func(s federation.RRset, n federation.FQDN) int {
		return strings.Compare(string(s.Name), string(n))
	})
	return ok
}

// HasAddress reports whether the service has an address, or the host name of a
// load balancer, at the global level.
func HasAddress(f federation.Federation, service federation.ServiceName, sets []federation.RRset) bool {
	return hasName(sets, f.OwnerName(service, f.Domain))
}

// Kept is want, and of have the names that wait: with what they have if all of it is of healthy shards, else as a CNAME
// to global, as clients of that level would be sent to what is dead (X4c). All RRsets are sorted.
func Kept(global federation.FQDN, have, want []federation.RRset, waits []federation.FQDN, shards []federation.Shard) []federation.RRset {
	if len(waits) == 0 {
		return want
	}
	healthy := map[string]bool{}
	for _, s := range shards {
		if s.Healthy {
			healthy[string(s.Host)] = true
			for _, a := range s.Addresses {
				healthy[a.String()] = true
			}
		}
	}
	out := slices.Clone(want)
	for _, name := range waits {
		var sets []federation.RRset
		alive, ttl := true, uint32(0)
		for _, s := range have {
			if s.Name != name {
				continue
			}
			sets = append(sets, s)
			alive = alive && !slices.ContainsFunc(s.Data, func(d string) bool { return !healthy[d] })
			if ttl == 0 || s.TTL < ttl {
				ttl = s.TTL
			}
		}
		if !alive {
			sets = []federation.RRset{{Name: name, Type: federation.TypeCNAME, TTL: ttl, Data: []string{string(global)}}}
		}
		out = append(out, sets...)
	}
	slices.SortFunc(out, federation.CompareRRsets)
	return out
}
