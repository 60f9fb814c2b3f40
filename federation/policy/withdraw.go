package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Losses are the unhealthy shards of one member. The value is true if the loss was seen as a watch event on this single
// shard, false if it became known in any other way. A shard that is healthy, or was never seen, has no entry (X4c).
type Losses map[federation.ServiceName]bool

// Event records what a watch event shows of a shard. alone reports that it changed this Service only.
func (l Losses) Event(service federation.ServiceName, healthy, alone bool) {
	if healthy {
		delete(l, service)
	} else if _, known := l[service]; !known {
		l[service] = alone
	}
}

// Listed records what a list shows of a shard. One that is listed, but was unhealthy before, stays as it was recorded.
func (l Losses) Listed(service federation.ServiceName, healthy bool) {
	l.Event(service, healthy, false)
}

// Missing records that a shard is missing from a list.
func (l Losses) Missing(service federation.ServiceName) { l[service] = false }

// Publishing is a service to publish: the input of Brake.Publish.
type Publishing struct {
	Service
	Name federation.ServiceName
	// Have is what its records are now.
	Have []federation.RRset
	// Watched reports whether watch events on this single Service removed its last addresses, and WatchedAt whether
	// they removed the shards of a level (X4c).
	Watched   func() bool
	WatchedAt func(federation.Level) bool
}

// Outcome is what happens to a service's records now.
type Outcome struct {
	Verdict
	// Want is what they should be if Write is set; otherwise they stay as they are.
	Want  []federation.RRset
	Write bool
	// Problems lists what cannot be published (N6).
	Problems []federation.Problem
	// Waits lists the names that the brake holds.
	Waits []federation.FQDN
}

// Publish decides what the records of a service should be: it applies the publishing rule to the verdict on the shards,
// and keeps what has to wait (X4). Deletions that need not wait are granted, and count as done.
func (b *Brake) Publish(now time.Time, levels *federation.Levels, p Publishing) Outcome {
	out := Outcome{Verdict: Decide(now, b.config, p.Service)}
	if !out.Keep && !out.Unfederated {
		out.Want, out.Problems = levels.RRsets(p.Name, out.Shards, len(p.Have) > 0)
	}
	global := levels.Federation().OwnerName(p.Name, levels.Federation().Domain)
	if out.Keep {
		w := Withdrawal{Pending: true}
		if !out.EmptySince.IsZero() && hasName(p.Have, global) { // it is lost once emptyGrace is over
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

// deletions returns the names that the records are about to lose. One at a level that no longer exists does not count
// as watched.
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

// hasName reports whether any of the RRsets, which must be sorted, has the name.
func hasName(sets []federation.RRset, name federation.FQDN) bool {
	_, ok := slices.BinarySearchFunc(sets, name, func(s federation.RRset, n federation.FQDN) int {
		return strings.Compare(string(s.Name), string(n))
	})
	return ok
}

// HasAddress reports whether the service has an address, or the host name of a load balancer, at the global level. The
// RRsets must be sorted.
func HasAddress(f federation.Federation, service federation.ServiceName, sets []federation.RRset) bool {
	return hasName(sets, f.OwnerName(service, f.Domain))
}

// Kept returns want plus the names of have that wait. A name keeps its data if all of it belongs to healthy shards;
// otherwise it becomes a CNAME to global, so that clients at that level are not sent to dead addresses (X4c). All
// RRsets are sorted.
func Kept(
	global federation.FQDN, have, want []federation.RRset, waits []federation.FQDN, shards []federation.Shard,
) []federation.RRset {
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
			sets = []federation.RRset{{Name: name, Type: federation.TypeCNAME, TTL: ttl,
				Data: []string{string(global)}}}
		}
		out = append(out, sets...)
	}
	slices.SortFunc(out, federation.CompareRRsets)
	return out
}
