// Package truth knows what a chaos run has done, and when: what each API server
// has accepted, which ways were faulty, what was seen in the records. From that
// it says of every answer whether it may be so. It is pure but for a lock: all
// times are arguments.
//
// It judges with what must be so whatever the syncer knows:
//
//	empty     a name has nothing though a shard that the syncer must know is
//	          healthy, or was until emptyGrace ago, or went while nobody could
//	          tell the syncer (P3a, X2c, X3b)
//	missing   an address is gone though its shard is healthy and its member was
//	          not away for unreachableAfter, or went away with most others (X1b, X2a, X3),
//	          nor could a new syncer not list it within startupTimeout (X1b)
//	dead      an address is published 5 s after the API server took the change that made
//	          its shard unhealthy, with no fault on the way, and it is not the
//	          service's last (H5, P3b)
//	lost      an address of a lost member is published though another shard is
//	          healthy, 3 s after unreachableAfter and a probe interval (X2a)
//	own       a CoreDNS leads to an address of its own shard, which it sees not to be healthy, though another is (M1)
//	foreign   an address of another service, or of a member that is not there (P1)
//	mixed     a name has a CNAME and something else (P6)
//	brake     more services lost their last address than X4 lets go, before holdFor
package truth

import "time"

// Config has the times that the syncer is configured with, and those that the
// harness grants it.
type Config struct {
	EmptyGrace, UnreachableAfter, StartupTimeout, HoldFor time.Duration
	// Deadline is how long a change may take from the API server to the records.
	Deadline time.Duration
	// Zoneless are the federations that no DNS server serves: what mirrors do not know, nobody does (M7).
	Zoneless []string
}

// Topology says at which levels the addresses of a member are: level "" is
// global.
type Topology map[string][]string

// at reports whether a member is at a level.
func (t Topology) at(member, level string) bool {
	if level == "" {
		return true
	}
	for _, l := range t[member] {
		if l == level {
			return true
		}
	}
	return false
}
