package policy

import (
	"time"

	"github.com/federation-dns/federation/federation"
)

// The reasons for which something is held.
const (
	// X1b: held: the syncer has started, and the member has not been listed yet; its addresses in the records stay until then, for startupTimeout at most.
	ReasonStarting federation.Reason = "MemberStarting"
	// X2c: held: the member cannot be reached, and no other shard is healthy: its last addresses are published, for heldMax at most.
	ReasonUnreachable federation.Reason = "MemberUnreachable"
	// X2d: held: the member answers, but its Services or EndpointSlices cannot be listed or watched, and no other shard is healthy: its last addresses are published, for heldMax at most. WatchFailed says why; look at the rights of the syncer's account there.
	ReasonUnwatched federation.Reason = "MemberUnwatched"
	// X4d: held: the member is not in the configuration any more, and no other shard is healthy: its last addresses stay until `federation-syncer confirm`, or until it is in the configuration again.
	ReasonDeparted federation.Reason = "MemberDeparted"
	// X3b: held: most members were lost at once, so that the syncer takes itself for the one that is cut off. Look at its own network.
	ReasonPanic federation.Reason = "SyncerCutOff"
	// H4: held: nothing has been learned of the host name of the load balancer since the syncer started, or watched the member anew: the addresses that it had stay, for 10 minutes at most. Look at the DNS servers that it asks.
	ReasonLastAnswer federation.Reason = "LastAnswerKept"
	// P3a: held: no shard is healthy anywhere; the records stay as they are for emptyGrace.
	ReasonEmptyGrace federation.Reason = "EmptyGrace"
	// X4b: held: too many services would lose their last address, or too many names would be deleted, at about the same time. Look at what happened; `federation-syncer confirm` lets it happen. What was seen by watches is let through after holdFor, anything else is not.
	ReasonBrake federation.Reason = "TooMuchAtOnce"
)

// HeldReasons are all of them.
var HeldReasons = []federation.Reason{ReasonStarting, ReasonUnreachable, ReasonUnwatched, ReasonDeparted, ReasonPanic, ReasonLastAnswer, ReasonEmptyGrace, ReasonBrake}

// ShardState is one member's shard of a service, as last observed or, for a
// member not observed yet, as the records show it (Recorded).
type ShardState struct {
	federation.Shard
	// Member is how the shard's member stands.
	Reach Reach
	// Drained is when the member was drained; zero if it is not. The shard counts
	// as unhealthy (H5).
	Drained time.Time
	// Unresolved is since when nothing is known of the shard's host name, so that
	// Shard is what it was before (H4); zero if something is.
	Unresolved time.Time
}

// Service is what is known of one service when it is decided on.
type Service struct {
	// Shards has at most one entry a member, in any order.
	Shards []ShardState
	// AllMembers is how all members stand together, with or without a shard.
	AllMembers Summary
	// Had says that the service has records (P3c).
	Had bool
	// EmptySince is what the last Verdict said.
	EmptySince time.Time
	// HealthyAt is when the last Verdict with a healthy or held shard was given; it begins with the start of the run if
	// the records have an address then (X1c), and is zero if there was neither.
	HealthyAt time.Time
}

// Summary is how all members of a federation stand together.
type Summary struct {
	// Starting: there is one that has not been listed yet and may still be.
	Starting bool
	// Present: there is one that is present.
	Present bool
	// Panic: the syncer takes itself for the one that is cut off (X3).
	Panic bool
	// Observed: each has been listed in this run.
	Observed bool
}

// Summary returns how all members stand together.
func (r *Roster) Summary() Summary {
	s := Summary{Observed: true, Panic: !r.panic.IsZero()}
	for _, mb := range r.members {
		s.Starting = s.Starting || mb.Standing == Starting
		s.Present = s.Present || mb.Standing == Present
		s.Observed = s.Observed && mb.Observed
	}
	return s
}

// Verdict is what a service's shards count as now.
type Verdict struct {
	// Shards are for the publishing rule; a held shard counts as healthy.
	Shards []federation.Shard
	// Keep: all RRsets of the service stay as they are (P3a).
	Keep bool
	// Unfederated: nobody has the service, and every record of it is to
	// be removed (P4).
	Unfederated bool
	// Held says what is published though it is not seen healthy now, or kept.
	Held []Held
	// EmptySince is when the last healthy or held shard went, for the next
	// decision; zero while there is one.
	EmptySince time.Time
	// HealthyAt is now with a healthy or held shard, else what it was.
	HealthyAt time.Time
	// Next is when time alone can change the verdict; zero if it cannot.
	Next time.Time
}

// Held is something that is published without being seen healthy.
type Held struct {
	// Member is "" if the whole service is held.
	Member string
	Reason federation.Reason
	Since  time.Time
}

// Decide says what the shards of a service count as at the time now. The
// verdict depends on the arguments only, not on the order of the shards, but
// for the order of Shards and Held, which follows it.
//
// The shards of present members are what was observed; so are those of members
// lost in a panic (X3b). What the records show of a member that has not been
// listed yet counts as healthy (X1b), and so does what a shard was of whose host
// name nothing is known (H4). Only if no shard is healthy so, those of
// lost members that were healthy count, for at most HeldMax, which does not run
// in a panic (X2c), and those of departed members without limit (X4d). Those
// of drained members never do.
func Decide(now time.Time, c Config, s Service) Verdict {
	v := Verdict{HealthyAt: s.HealthyAt}
	healthy := false
	for _, st := range s.Shards {
		if st.Healthy && !st.unknown() && st.Drained.IsZero() {
			healthy = true
			switch {
			case st.Reach.Panic:
				v.hold(st, ReasonPanic)
			case st.Reach.Standing == Starting:
				v.hold(st, ReasonStarting)
			case !st.Unresolved.IsZero():
				v.Held = append(v.Held, Held{Member: st.Member, Reason: ReasonLastAnswer, Since: st.Unresolved})
			}
		}
	}
	held := false
	for _, st := range s.Shards {
		shard := st.Shard
		switch {
		case !st.Drained.IsZero():
			shard.Healthy = false
		case st.unknown() && st.Reach.Departed:
			if shard.Healthy = st.Healthy && !healthy; shard.Healthy {
				held = true
				v.hold(st, ReasonDeparted)
			}
		case st.unknown():
			until := st.Reach.HeldSince.Add(c.HeldMax)
			if shard.Healthy = st.Healthy && !healthy && (now.Before(until) || s.AllMembers.Panic); shard.Healthy {
				held = true
				v.hold(st, st.Reach.lostReason())
				v.Next = earlier(v.Next, until)
			}
		}
		v.Shards = append(v.Shards, shard)
	}
	if healthy || held {
		v.HealthyAt = now
	} else {
		v.empty(now, c, s)
	}
	return v
}

// unknown reports whether the shard is X2c's: its member is lost, and not in a
// panic.
func (st ShardState) unknown() bool { return st.Reach.Standing == Lost && !st.Reach.Panic }

func (m Reach) lostReason() federation.Reason {
	if m.Unwatched {
		return ReasonUnwatched
	}
	return ReasonUnreachable
}

// empty decides on a service without a healthy or held shard (P3, P4).
func (v *Verdict) empty(now time.Time, c Config, s Service) {
	if !s.Had {
		v.Unfederated = len(s.Shards) == 0
		return
	}
	if s.AllMembers.Starting { // whoever has a shard may not have been listed yet (X1b)
		v.keep(ReasonStarting, now)
		return
	}
	v.EmptySince = s.EmptySince
	if v.EmptySince.IsZero() {
		v.EmptySince = now
	}
	if s.cutOff() { // nothing is withdrawn for what cannot be seen (X3b)
		v.keep(ReasonPanic, v.EmptySince)
		return
	}
	if until := v.EmptySince.Add(c.EmptyGrace); now.Before(until) && !s.emptiedByDrain() {
		v.keep(ReasonEmptyGrace, v.EmptySince)
		v.Next = until
		return
	}
	v.Unfederated = len(s.Shards) == 0 && s.AllMembers.Observed
}

// emptiedByDrain reports whether the last healthy shard was one of a member
// that was drained: then there is nothing to wait for (P3a). A service that had
// another one after the drain is rolled like any other, and so is one that had
// its address when this run began: nobody knows of whom (X1c).
func (s Service) emptiedByDrain() bool {
	for _, st := range s.Shards {
		if st.Healthy && st.Drained.After(s.HealthyAt) {
			return true
		}
	}
	return false
}

// cutOff reports whether a panic leaves open if the service is empty: a shard,
// though not healthy when last seen, is out of sight, or all members are.
func (s Service) cutOff() bool {
	for _, st := range s.Shards {
		if st.Reach.Panic {
			return true
		}
	}
	return s.AllMembers.Panic && !s.AllMembers.Present
}

func (v *Verdict) keep(reason federation.Reason, since time.Time) {
	v.Keep = true
	v.Held = append(v.Held, Held{Reason: reason, Since: since})
}

func (v *Verdict) hold(st ShardState, reason federation.Reason) {
	v.Held = append(v.Held, Held{Member: st.Member, Reason: reason, Since: st.Reach.Since})
}
