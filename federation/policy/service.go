package policy

import (
	"time"

	"github.com/federation-dns/federation/federation"
)

// The reasons for which something is held.
const (
	ReasonStarting    federation.Reason = "MemberStarting"    // X1b
	ReasonUnreachable federation.Reason = "MemberUnreachable" // X2c
	ReasonPanic       federation.Reason = "SyncerCutOff"      // X3b
	ReasonEmptyGrace  federation.Reason = "EmptyGrace"        // P3a
)

// ShardState is one member's shard of a service, as last observed or, for a
// member not observed yet, as the records show it.
type ShardState struct {
	federation.Shard
	// Member is how the shard's member stands.
	Member Member
}

// Service is what is known of one service when it is decided on.
type Service struct {
	// Shards has at most one entry a member, in any order.
	Shards []ShardState
	// AllObserved says that every member has been listed in this run: then a
	// service without shards is not federated any more (P4).
	AllObserved bool
	// Had says that the service has records (P3c).
	Had bool
	// EmptySince is what the last Verdict said.
	EmptySince time.Time
}

// Verdict is what a service's shards count as now.
type Verdict struct {
	// Shards are for the publishing rule; a held shard counts as healthy.
	Shards []federation.Shard
	// Keep: all RRsets of the service stay as they are (P3a).
	Keep bool
	// Gone: the service is not federated any more, and every record of it is to
	// be removed (P4).
	Gone bool
	// Held says what is published though it is not seen healthy now, or kept.
	Held []Held
	// EmptySince is when the last healthy or held shard went, for the next
	// decision; zero while there is one.
	EmptySince time.Time
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
// listed yet counts as healthy (X1b). Only if no shard is healthy so, those of
// lost members that were healthy count, for at most HeldMax (X2c).
func Decide(now time.Time, c Config, s Service) Verdict {
	var v Verdict
	healthy := false
	for _, st := range s.Shards {
		counts := st.Healthy && (st.Member.Standing != Lost || st.Member.Panic)
		healthy = healthy || counts
		if counts && st.Member.Standing != Present {
			v.hold(st, map[bool]federation.Reason{true: ReasonPanic, false: ReasonStarting}[st.Member.Panic])
		}
	}
	for _, st := range s.Shards {
		shard := st.Shard
		if st.Member.Standing == Lost && !st.Member.Panic {
			until := st.Member.Since.Add(c.HeldMax)
			shard.Healthy = st.Healthy && !healthy && now.Before(until)
			if shard.Healthy {
				v.hold(st, ReasonUnreachable)
				v.at(until)
			}
		}
		v.Shards = append(v.Shards, shard)
	}
	for _, sh := range v.Shards {
		healthy = healthy || sh.Healthy
	}
	if !healthy {
		v.empty(now, c, s)
	}
	return v
}

// empty decides on a service without a healthy or held shard (P3, P4).
func (v *Verdict) empty(now time.Time, c Config, s Service) {
	if !s.Had {
		v.Gone = len(s.Shards) == 0
		return
	}
	v.EmptySince = s.EmptySince
	if v.EmptySince.IsZero() {
		v.EmptySince = now
	}
	if until := v.EmptySince.Add(c.EmptyGrace); now.Before(until) {
		v.Keep = true
		v.Held = append(v.Held, Held{Reason: ReasonEmptyGrace, Since: v.EmptySince})
		v.at(until)
		return
	}
	v.Gone = len(s.Shards) == 0 && s.AllObserved
}

func (v *Verdict) hold(st ShardState, reason federation.Reason) {
	v.Held = append(v.Held, Held{Member: st.Shard.Member, Reason: reason, Since: st.Member.Since})
}

func (v *Verdict) at(t time.Time) {
	if v.Next.IsZero() || t.Before(v.Next) {
		v.Next = t
	}
}
