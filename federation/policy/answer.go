package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
)

// Answer is what a verdict says of a service, apart from what the zone has: the second outlet of the rule, from which
// the members' mirrors are filled (M1). It never changes.
type Answer struct {
	// RRsets are those of the verdict, sorted. There are none if the service does not exist.
	RRsets []federation.RRset
	// Shards are those that the verdict was about, healthy or not: they say whose an address is.
	Shards []federation.Shard
	// Ports are those that the shards have alike (M9); while no shard's are known, those that were.
	Ports federation.Ports
}

// Answer returns the answer that follows from the outcome. levels are those of all members, also where they are not
// ours or not claimed: that is the zone's affair, and does not empty a mirror. before is the last answer; nil if there
// is none, and then the service is as its records are. had reports that the service had a healthy shard before (P3c).
func (o *Outcome) Answer(
	levels *federation.Levels, service federation.ServiceName, before *Answer, records []federation.RRset, had bool,
) *Answer {
	var have []federation.RRset
	if before != nil {
		have = before.RRsets
	} else {
		have = records
	}
	global := levels.Federation().OwnerName(service, levels.Federation().Domain)
	a := &Answer{RRsets: have, Shards: o.Shards}
	if a.Ports, _ = federation.CommonPorts(o.Shards); !a.Ports.Known() && before != nil {
		a.Ports = before.Ports
	}
	if o.Keep || slices.Contains(o.Waits, global) {
		return a
	}
	a.RRsets = nil
	if !o.Unfederated {
		a.RRsets, _ = levels.RRsets(service, o.Shards, had)
	}
	a.RRsets = Kept(global, have, a.RRsets, o.Waits, o.Shards)
	return a
}

// None reports whether there is nothing to say of the service.
func (a *Answer) None() bool { return a == nil || len(a.RRsets) == 0 }

// With returns the records of a service while the zone cannot be written: those of the answer and, where it has no such
// name, those that the zone has still. What was taken back meanwhile stays asked for, and counts once (X4).
func (a *Answer) With(records []federation.RRset) []federation.RRset {
	if a == nil {
		return records
	}
	all := slices.Clone(a.RRsets)
	for _, set := range records {
		if !hasName(a.RRsets, set.Name) {
			all = append(all, set)
		}
	}
	slices.SortFunc(all, federation.CompareRRsets)
	return all
}

// maxPortsTold is how many ports the detail of a problem names.
const maxPortsTold = 5

// PortsProblems returns a problem if shards of the service differ in ports, which SRV then leaves out (M9).
func PortsProblems(service federation.ServiceName, shards []federation.Shard) []federation.Problem {
	_, differ := federation.CommonPorts(shards)
	if len(differ) == 0 {
		return nil
	}
	more := ""
	if n := len(differ) - maxPortsTold; n > 0 {
		differ, more = differ[:maxPortsTold], fmt.Sprintf("; and %d more", n)
	}
	return []federation.Problem{{
		Service: service, Reason: federation.ReasonServicePorts,
		Detail: "ports in which the shards differ are left out of SRV: " + strings.Join(differ, "; ") + more,
	}}
}
