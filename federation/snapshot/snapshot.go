// Package snapshot is what readers see of a federation: immutable values that its loop publishes at the end of each
// turn (S1). Status, metrics and whatever shows them work from these; they never run in the loop's goroutine, or wait
// for it.
package snapshot

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/policy"
)

// Federation is a federation at the end of one turn of its loop, except for its services, which Views has. It and all
// that it points to are immutable.
type Federation struct {
	Views      *Views // of the services
	Config     config.Federation
	Policy     policy.Config
	Levels     *federation.Levels
	Foreign    map[federation.FQDN]string // the levels that are not ours, and why
	Leaving    []federation.FQDN          // the levels that are about to be given up
	Summary    policy.Summary
	PanicSince time.Time
	Members    []*Member // in order of their names; one that has not changed is that of the snapshot before
	Problems   []federation.Problem
	Braked     []policy.Braked
	Claim      Claim
	Mirror     *Mirror // nil if there are no mirrors
	// actual is what Assume was called on; nil for what is.
	actual *Federation
}

// Claim is the state of the claim and of the provider.
type Claim struct {
	Owner                       string // the syncer's owner id
	Held, Foreign, ProviderDown bool
	Deposed                     error // why the loop has stopped writing (O1e); nil if it writes
	Err                         error // of the last neutral request; nil once the provider has answered
}

// Member is the state of a member.
type Member struct {
	Name     string
	Reach    policy.Reach
	Contact  policy.Contact
	Topology federation.Member
	Version  string
	// ClusterUID is the UID of its namespace kube-system; "" if it is not known.
	ClusterUID string
	Shards     int
	Healthy    int
	Drained    time.Time
	Departed   bool
	// Object is whether it is a MemberCluster of the host, and no entry of the file.
	Object   bool
	Problems []federation.Problem
	ProbeErr error
}

// Equal reports whether nothing has changed between two states of a member. Errors with the same text are equal.
func (m *Member) Equal(o *Member) bool {
	return m.Name == o.Name && m.Reach == o.Reach && m.Contact == o.Contact && m.Version == o.Version &&
		m.ClusterUID == o.ClusterUID && m.Shards == o.Shards && m.Healthy == o.Healthy && m.Drained.Equal(o.Drained) &&
		m.Departed == o.Departed && m.Object == o.Object && m.Topology.Region == o.Topology.Region &&
		m.Topology.Name == o.Topology.Name && slices.Equal(m.Topology.Zones, o.Topology.Zones) &&
		slices.Equal(m.Problems, o.Problems) && sameError(m.ProbeErr, o.ProbeErr)
}

// SameGround reports whether what the rule is given is the same in two snapshots, but for the services themselves:
// where the members are, how they stand, and the levels. While it is, a service that has not changed has the same
// status.
func (s *Federation) SameGround(o *Federation) bool {
	return s == o || s.Levels == o.Levels && s.Policy == o.Policy && s.Summary == o.Summary &&
		maps.Equal(s.Foreign, o.Foreign) && slices.EqualFunc(s.Members, o.Members, (*Member).sameGround)
}

func (m *Member) sameGround(o *Member) bool {
	return m == o || m.Name == o.Name && m.Reach == o.Reach && m.Drained.Equal(o.Drained) &&
		m.Topology.Region == o.Topology.Region && slices.Equal(m.Topology.Zones, o.Topology.Zones)
}

func sameError(a, b error) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Error() == b.Error()
}

// Member returns a member; nil if there is none of this name.
func (s *Federation) Member(name string) *Member {
	i, ok := s.memberIndex(name)
	if !ok {
		return nil
	}
	return s.Members[i]
}

func (s *Federation) memberIndex(name string) (i int, ok bool) {
	return slices.BinarySearchFunc(s.Members, name, func(m *Member, name string) int {
		return cmp.Compare(m.Name, name)
	})
}

// Service is what is known of a service: the rule's input rather than its result, as that costs the loop less to
// publish, and readers have the time.
type Service struct {
	Name                  federation.ServiceName
	Shards                []Shard // in order of the members' names
	Records               []federation.RRset
	Held                  []policy.Held
	Problems              []federation.Problem
	EmptySince, HealthyAt time.Time
	Names                 map[federation.FQDN]Name // whose change failed or waits
	Answer                *policy.Answer           // what mirrors say; nil if there are none, or it is not decided yet
}

// Shard is a shard as the rule is given it (X1b, H4), and as its member shows it.
type Shard struct {
	federation.Shard
	Unresolved time.Time
	// Shown is what the member shows, if that differs from Shard; Listed is whether it shows anything.
	Shown  *federation.Shard
	Listed bool
	Reason federation.Reason
	// Since is since when this run has seen the Reason, in Unix seconds.
	Since int64
	Ready int
}

// Owners returns the names at which the service has records, each once, sorted.
func (v *Service) Owners() iter.Seq[federation.FQDN] {
	return func(yield func(federation.FQDN) bool) {
		for i, set := range v.Records {
			if (i == 0 || v.Records[i-1].Name != set.Name) && !yield(set.Name) {
				return
			}
		}
	}
}

// Name is why a name is not as it is due to be.
type Name struct {
	Failure error // of the last change
	Open    error // why it is not so; nil if it is, or is about to be
	Retry   time.Time
	Pace    time.Time // not before (X5c)
}

// Ready reports whether the loop has begun its work: the claim is ours, or somebody else's, and every member is present
// or lost. A deposed loop does no work.
func (s *Federation) Ready() bool {
	if s.Claim.Deposed != nil || !s.Claim.Held && !s.Claim.Foreign {
		return false
	}
	return !slices.ContainsFunc(s.Members, func(m *Member) bool { return m.Reach.Standing == policy.Starting })
}

// states returns the shards of a service as the rule is given them, each with its member's reach.
func (s *Federation) states(v *Service) []policy.ShardState {
	out := make([]policy.ShardState, 0, len(v.Shards))
	for _, sh := range v.Shards {
		if m := s.Member(sh.Member); m != nil {
			out = append(out, policy.ShardState{
				Shard: sh.Shard, Reach: m.Reach, Drained: m.Drained, Unresolved: sh.Unresolved,
			})
		}
	}
	return out
}

// States returns how many shards of the member are healthy, unhealthy or unknown (H5).
func (m *Member) States() map[string]int {
	counts := map[string]int{"healthy": m.Healthy, "unhealthy": m.Shards - m.Healthy, "unknown": 0}
	if !m.Drained.IsZero() {
		counts = map[string]int{"healthy": 0, "unhealthy": m.Shards, "unknown": 0}
	}
	if m.Reach.Standing == policy.Lost {
		counts = map[string]int{"healthy": 0, "unhealthy": 0, "unknown": m.Shards}
	}
	return counts
}
