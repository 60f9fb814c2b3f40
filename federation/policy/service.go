package policy

import (
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
)

// HeldReasons lists every Reason of a Held.
var HeldReasons = []federation.Reason{
	federation.ReasonMemberStarting, federation.ReasonMemberUnreachable, federation.ReasonMemberUnwatched,
	federation.ReasonMemberDeparted, federation.ReasonSyncerCutOff, federation.ReasonLastAnswerKept,
	federation.ReasonEmptyGrace, federation.ReasonTooMuchAtOnce,
}

// ShardState is one member's shard of a service: as last observed or, for a member not listed yet, as the records show
// it (Recorded).
type ShardState struct {
	federation.Shard
	// Reach is how its member stands.
	Reach Reach
	// Drained is when the member was drained, or zero. The shard of a drained member counts as unhealthy (H5).
	Drained time.Time
	// Unresolved is since when the shard's host name has not been resolved, so that Shard is what it was before (H4);
	// zero if it has been.
	Unresolved time.Time
}

// Service is what Decide needs to know of a service.
type Service struct {
	// Shards has at most one entry a member, in any order.
	Shards []ShardState
	// AllMembers summarizes all members, with or without a shard.
	AllMembers Summary
	// Had reports that the service has records (P3c).
	Had bool
	// EmptySince is that of the last Verdict.
	EmptySince time.Time
	// HealthyAt is the time of the last Verdict with a healthy or held shard. Initially it is the start of the run if
	// the records have an address then (X1c), else zero.
	HealthyAt time.Time
}

// Summary summarizes how all members of a federation stand.
type Summary struct {
	// Starting reports that there is a member that has not been listed yet, but still may be.
	Starting bool
	// Present reports that at least one is present.
	Present bool
	// Panic reports that the syncer assumes that it is itself isolated (X3).
	Panic bool
	// Observed reports that each has been listed in this run.
	Observed bool
}

// Summary summarizes how all members stand.
func (r *Roster) Summary() Summary {
	s := Summary{Observed: true, Panic: !r.panic.IsZero()}
	for _, mb := range r.members {
		s.Starting = s.Starting || mb.Standing == Starting
		s.Present = s.Present || mb.Standing == Present
		s.Observed = s.Observed && mb.Observed
	}
	return s
}

// Verdict is what the shards of a service count as now, independent of where the service is published.
type Verdict struct {
	// Shards are the input of the publishing rule; a held shard counts as healthy.
	Shards []federation.Shard
	// Keep means that all RRsets of the service stay as they are (P3a).
	Keep bool
	// Unfederated means that no member has the service, and that all its records go (P4).
	Unfederated bool
	// Held is what is kept, or published without being seen healthy.
	Held []Held
	// EmptySince is when the last healthy or held shard was lost, or zero if there is one; input of the next decision.
	EmptySince time.Time
	// HealthyAt is now if there is a healthy or held shard, else that of the input.
	HealthyAt time.Time
	// Next is when time alone can change the verdict, or zero if it cannot.
	Next time.Time
}

// Held is something that is published without being seen healthy.
type Held struct {
	// Member is empty if the whole service is held.
	Member string
	Reason federation.Reason
	Since  time.Time
}

// Decide returns what the shards of a service count as at now. The verdict depends on the arguments only. The order of
// the shards does not matter, except that Shards and Held have the same order.
//
// Shards of present members, and of members lost in a panic (X3b), count as observed. So do what the records show of a
// member that has not been listed yet (X1b), and the last known state of a shard whose host name has not been resolved
// (H4). Only if none of these is healthy do shards of lost members count that were healthy: for at most HeldMax, which
// is suspended during a panic (X2c), or without limit if the member has departed (X4d). Shards of drained members never
// count.
func Decide(now time.Time, c Config, s Service) Verdict {
	v := Verdict{HealthyAt: s.HealthyAt}
	healthy := false
	for _, st := range s.Shards {
		if st.Healthy && !st.unknown() && st.Drained.IsZero() {
			healthy = true
			switch {
			case st.Reach.Panic:
				v.hold(st, federation.ReasonSyncerCutOff)
			case st.Reach.Standing == Starting:
				v.hold(st, federation.ReasonMemberStarting)
			case !st.Unresolved.IsZero():
				v.Held = append(v.Held, Held{st.Member, federation.ReasonLastAnswerKept, st.Unresolved})
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
				v.hold(st, federation.ReasonMemberDeparted)
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

// Explain returns the RRsets that the publishing rule gives the service with these shards, each with the reason why it
// is as it is; that of one with data of a held shard is why the shard is held.
func (v *Verdict) Explain(levels *federation.Levels, service federation.ServiceName, had bool) []federation.Explained {
	sets := levels.Explain(service, v.Shards, had)
	for i := range sets {
		for _, h := range v.Held {
			if slices.Contains(sets[i].Members, h.Member) {
				sets[i].Reason = h.Reason
			}
		}
	}
	return sets
}

// unknown reports whether X2c applies to the shard: its member is lost, but not in a panic.
func (st ShardState) unknown() bool { return st.Reach.Standing == Lost && !st.Reach.Panic }

func (m Reach) lostReason() federation.Reason {
	if m.Unwatched {
		return federation.ReasonMemberUnwatched
	}
	return federation.ReasonMemberUnreachable
}

// empty decides about a service without a healthy or held shard (P3, P4).
func (v *Verdict) empty(now time.Time, c Config, s Service) {
	if !s.Had {
		v.Unfederated = len(s.Shards) == 0
		return
	}
	if s.AllMembers.Starting { // a member with a shard may not have been listed yet (X1b)
		v.keep(federation.ReasonMemberStarting, now)
		return
	}
	v.EmptySince = s.EmptySince
	if v.EmptySince.IsZero() {
		v.EmptySince = now
	}
	if s.cutOff() { // what cannot be seen is no reason to withdraw (X3b)
		v.keep(federation.ReasonSyncerCutOff, v.EmptySince)
		return
	}
	if until := v.EmptySince.Add(c.EmptyGrace); now.Before(until) && !s.emptiedByDrain() {
		v.keep(federation.ReasonEmptyGrace, v.EmptySince)
		v.Next = until
		return
	}
	v.Unfederated = len(s.Shards) == 0 && s.AllMembers.Observed
}

// emptiedByDrain reports whether the last healthy shard was one of a drained member: then there is nothing to wait for
// (P3a). A service that had another healthy shard after the drain waits like any other. So does one whose address dates
// from before this run, because it is not known which member it belonged to (X1c).
func (s Service) emptiedByDrain() bool {
	for _, st := range s.Shards {
		if st.Healthy && st.Drained.After(s.HealthyAt) {
			return true
		}
	}
	return false
}

// cutOff reports whether, because of a panic, the service may not be empty: a shard that was unhealthy when last seen
// cannot be seen now, or no member can.
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
