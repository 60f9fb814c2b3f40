package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
)

// shard is a shard of a member in a state: healthy or not, with an address.
func shard(member string, healthy bool, st Reach) ShardState {
	return ShardState{Shard: federation.Shard{
		Member: member, Healthy: healthy, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
	}, Reach: st}
}

// unresolved is a healthy shard of a of whose host name nothing is known.
func unresolved(st Reach) ShardState {
	s := shard("a", true, st)
	s.Unresolved = epoch
	return s
}

var (
	starting = Reach{Standing: Starting, Since: epoch}
	present  = Reach{Standing: Present, Since: epoch, Observed: true}
	lost     = Reach{Standing: Lost, Since: epoch, HeldSince: epoch, Observed: true}
	panicked = Reach{Standing: Lost, Since: epoch, HeldSince: epoch, Panic: true, Observed: true}
)

func TestDecide(t *testing.T) {
	all := Summary{Present: true, Observed: true}
	cutOff := Summary{Panic: true, Observed: true}
	for _, c := range []struct {
		name   string
		s      Service
		after  time.Duration
		counts string // the members whose shard counts as healthy, or keep, gone, none
		held   string
	}{
		{"H5 healthy shards of present members", Service{Shards: []ShardState{shard("a", true, present), shard("b", false, present)}, AllMembers: all}, 0, "a", ""},
		{"H5 an unknown shard is remembered as what it was", Service{Shards: []ShardState{shard("a", true, lost), shard("b", false, lost)}, AllMembers: all, Had: true}, 0, "a", "a MemberUnreachable"},
		{"X1b a recorded shard counts, and is held", Service{Shards: []ShardState{shard("a", true, starting), shard("b", true, present)}, AllMembers: all}, 0, "a b", "a MemberStarting"},
		{"H4 a shard of whose host name nothing is known is what it was, and is held", Service{Shards: []ShardState{unresolved(present), shard("b", true, present)}, AllMembers: all}, 0, "a b", "a LastAnswerKept"},
		{"H4 in a lost member it is the member's", Service{Shards: []ShardState{unresolved(lost), shard("b", true, present)}, AllMembers: all}, 0, "b", ""},
		{"X2c a lost one does not count beside a healthy one", Service{Shards: []ShardState{shard("a", true, lost), shard("b", true, present)}, AllMembers: all}, 0, "b", ""},
		{"X2c without one it is held", Service{Shards: []ShardState{shard("a", true, lost), shard("b", false, present)}, AllMembers: all, Had: true}, 0, "a", "a MemberUnreachable"},
		{"X2c all lost ones that were healthy", Service{Shards: []ShardState{shard("a", true, lost), shard("b", true, lost), shard("c", false, lost)}, AllMembers: all, Had: true}, time.Hour, "a b", "a MemberUnreachable b MemberUnreachable"},
		{"X2c heldMax does not run in a panic", Service{Shards: []ShardState{shard("a", true, lost)}, AllMembers: Summary{Panic: true, Present: true, Observed: true}, Had: true}, 48 * time.Hour, "a", "a MemberUnreachable"},
		{"X2c until heldMax, then emptyGrace", Service{Shards: []ShardState{shard("a", true, lost)}, AllMembers: all, Had: true}, 24 * time.Hour, "keep", "EmptyGrace"},
		{"X3b in a panic it is what it was", Service{Shards: []ShardState{shard("a", true, panicked), shard("b", true, present)}, AllMembers: all}, 48 * time.Hour, "a b", "a SyncerCutOff"},
		{"X3b a service that was empty is not withdrawn in a panic", Service{Shards: []ShardState{shard("a", false, panicked)}, AllMembers: cutOff, Had: true, EmptySince: epoch}, time.Hour, "keep", "SyncerCutOff"},
		{"X3b nor one without shards while no member is present", Service{AllMembers: cutOff, Had: true, EmptySince: epoch}, time.Hour, "keep", "SyncerCutOff"},
		{"X3b but one that a present member alone has", Service{Shards: []ShardState{shard("b", false, present)}, AllMembers: Summary{Panic: true, Present: true, Observed: true}, Had: true, EmptySince: epoch}, time.Hour, "none", ""},
		{"P3a empty: kept for emptyGrace", Service{Shards: []ShardState{shard("a", false, present)}, AllMembers: all, Had: true}, 0, "keep", "EmptyGrace"},
		{"P3a then withdrawn", Service{Shards: []ShardState{shard("a", false, present)}, AllMembers: all, Had: true, EmptySince: epoch}, 30 * time.Second, "none", ""},
		{"P3a deleted: waits too", Service{AllMembers: all, Had: true}, 0, "keep", "EmptyGrace"},
		{"P4 then it is gone", Service{AllMembers: all, Had: true, EmptySince: epoch}, 30 * time.Second, "gone", ""},
		{"P4 not while a member was never listed", Service{AllMembers: Summary{Present: true}, Had: true, EmptySince: epoch}, time.Hour, "none", ""},
		{"X1b nothing is withdrawn while a member starts", Service{AllMembers: Summary{Starting: true, Present: true}, Had: true, EmptySince: epoch}, time.Hour, "keep", "MemberStarting"},
		{"P3c never healthy: nothing to keep", Service{Shards: []ShardState{shard("a", false, present)}, AllMembers: all}, 0, "none", ""},
		{"P3c nobody has it: gone", Service{AllMembers: all}, 0, "gone", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Decide(epoch.Add(c.after), config, c.s)
			if got := counts(v); got != c.counts {
				t.Errorf("counts: %s, want %s", got, c.counts)
			}
			var held []string
			for _, h := range v.Held {
				held = append(held, strings.TrimSpace(fmt.Sprintf("%s %s", h.Member, h.Reason)))
			}
			if got := strings.Join(held, " "); got != c.held {
				t.Errorf("held: %s, want %s", got, c.held)
			}
		})
	}
}

func counts(v Verdict) string {
	switch {
	case v.Keep:
		return "keep"
	case v.Unfederated:
		return "gone"
	}
	var names []string
	for _, s := range v.Shards {
		if s.Healthy {
			names = append(names, s.Member)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}
