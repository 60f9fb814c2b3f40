package syncer

import (
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/policy"
)

// maxViews bounds how many services the loop publishes a view of in one turn, so that a change of all of them does not
// delay what is urgent. The others follow in the next turns.
const maxViews = 200

// views is what readers see of a loop (S1). The loop publishes immutable values at the end of each turn; readers load
// them, and never run in the loop's goroutine or wait for it.
type views struct {
	current  atomic.Pointer[snapshot]
	services sync.Map // federation.ServiceName -> *serviceView
	// turnBegan is when the turn under way began, in nanoseconds since epoch; 0 if the loop waits for events.
	turnBegan atomic.Int64
}

// epoch is what turnBegan counts from: a monotonic clock, which no adjustment moves.
var epoch = time.Now()

// beginTurn and endTurn bracket the work of the loop between two waits.
func (v *views) beginTurn() { v.turnBegan.Store(int64(time.Since(epoch)) | 1) }
func (v *views) endTurn()   { v.turnBegan.Store(0) }

// stuck reports whether one turn of the loop has taken longer than askTimeout.
func (v *views) stuck() bool {
	began := v.turnBegan.Load()
	return began != 0 && time.Since(epoch)-time.Duration(began) > askTimeout
}

// list returns the services' views in order of their names.
func (v *views) list() (list []*serviceView) {
	v.services.Range(func(_, view any) bool {
		list = append(list, view.(*serviceView))
		return true
	})
	slices.SortFunc(list, func(a, b *serviceView) int { return federation.CompareServiceNames(a.name, b.name) })
	return list
}

// snapshot is a federation at the end of one turn of its loop, but for its services. It and all that it points to are
// immutable.
type snapshot struct {
	views      *views // of the services
	config     config.Federation
	policy     policy.Config
	levels     *federation.Levels
	foreign    map[federation.FQDN]string // the levels that are not ours, and why
	summary    policy.Summary
	panicSince time.Time
	members    []memberView // in order of their names
	problems   []federation.Problem
	braked     []policy.Braked
	claim      claimView
}

// claimView is what a snapshot has of the claim and the provider.
type claimView struct {
	held, foreign, providerDown bool
	deposed, err                error
}

// memberView is what a snapshot has of a member.
type memberView struct {
	name     string
	reach    policy.Reach
	contact  policy.Contact
	topology federation.Member
	version  string
	shards   int
	healthy  int
	drained  time.Time
	departed bool
	problems []federation.Problem
	probeErr error
}

// member returns the view of a member; nil if there is none of this name.
func (s *snapshot) member(name string) *memberView {
	i, ok := slices.BinarySearchFunc(s.members, name, func(m memberView, name string) int {
		switch {
		case m.name < name:
			return -1
		case m.name > name:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &s.members[i]
}

// serviceView is what is known of a service: what the rule is given, rather than what comes of it, as that costs less to
// publish, and its reader has the time.
type serviceView struct {
	name                  federation.ServiceName
	shards                []shardView // in order of the members' names
	records               []federation.RRset
	held                  []policy.Held
	problems              []federation.Problem
	emptySince, healthyAt time.Time
	names                 map[federation.FQDN]nameView // those whose change failed or waits
}

// shardView is a shard as the rule is given it (X1b, H4), and as its member shows it.
type shardView struct {
	federation.Shard
	unresolved time.Time
	// shown is what the member shows, if that is another one than Shard; listed is whether it shows anything.
	shown  *federation.Shard
	listed bool
	reason federation.Reason
	ready  int
}

// owners returns the names at which the service has records, each once: the records are sorted by name.
func (v *serviceView) owners() iter.Seq[federation.FQDN] {
	return func(yield func(federation.FQDN) bool) {
		for i, set := range v.records {
			if (i == 0 || v.records[i-1].Name != set.Name) && !yield(set.Name) {
				return
			}
		}
	}
}

// nameView is why a name is not what it is due to be.
type nameView struct {
	failure error // of the last change
	open    error // why it is not there; nil if it is, or is about to be
	retry   time.Time
	pace    time.Time // not before (X5c)
}

// view returns the last snapshot.
func (l *loop) view() *snapshot { return l.views.current.Load() }

// viewer publishes what readers see of a loop.
type viewer struct{ *loop }

// publish publishes the federation, and up to limit of the services that changed since the last time.
func (v viewer) publish(now time.Time, limit int) {
	for name := range v.unshown {
		if limit--; limit < 0 {
			break
		}
		delete(v.unshown, name)
		if s := v.services[name]; s != nil {
			v.views.services.Store(name, &serviceView{
				name: name, shards: v.viewShards(name, s.shards), records: v.shadow.ByService(name), held: s.held, problems: s.problems,
				emptySince: s.emptySince, healthyAt: s.healthyAt, names: v.nameViews(now, name, s),
			})
		} else {
			v.views.services.Delete(name)
		}
	}
	s := &snapshot{
		views: &v.views, config: v.config, policy: v.policy, levels: v.levels, summary: v.standing.Summary(), panicSince: v.standing.Panic(),
		members: v.viewMembers(), problems: slices.Concat(v.levels.Problems(), v.ownProblems()),
		claim: claimView{held: v.held != nil, foreign: v.isForeign(), providerDown: v.backoff > 0, deposed: v.deposed, err: v.lastErr},
	}
	if len(v.foreign) > 0 {
		s.foreign = map[federation.FQDN]string{}
		for level, f := range v.foreign {
			s.foreign[level] = f.err.Error()
		}
	}
	if old := v.views.current.Load(); v.brakeMoved || old == nil {
		s.braked, v.brakeMoved = v.brake.Waiting(), false
	} else {
		s.braked = old.braked
	}
	v.views.current.Store(s)
}

func (r *roster) viewMembers() []memberView {
	out := make([]memberView, 0, len(r.order))
	for _, name := range r.order {
		ms := r.members[name]
		out = append(out, memberView{
			name: name, reach: r.standing.Get(name), contact: r.standing.Contact(name), topology: ms.topology, version: ms.version,
			shards: len(ms.shards), healthy: ms.healthy, drained: ms.drained, departed: ms.departed, problems: ms.allProblems(), probeErr: ms.probeErr,
		})
	}
	return out
}

// viewShards returns the shards of a service, of which n members show one.
func (r *roster) viewShards(name federation.ServiceName, n int) []shardView {
	out := make([]shardView, 0, n)
	for _, m := range r.order {
		shard, since, ok := r.shard(m, name)
		if !ok {
			continue
		}
		v := shardView{Shard: shard, unresolved: since}
		if observed, listed := r.members[m].shards[name]; listed {
			v.listed, v.reason, v.ready = true, observed.Reason, observed.ReadyEndpoints
			if !since.IsZero() {
				v.shown = &observed.Shard
			}
		}
		out = append(out, v)
	}
	return out
}

// nameViews returns the names of the service whose change failed or waits. Most services have none, and cost nothing.
func (v viewer) nameViews(now time.Time, name federation.ServiceName, s *service) map[federation.FQDN]nameView {
	if v.retries.services[name] == 0 && len(v.reread) == 0 && !s.pacedUntil.After(now) {
		return nil
	}
	names := map[federation.FQDN]nameView{}
	for _, lv := range v.levels.All() {
		owner := lv.OwnerName(name)
		one := nameView{}
		one.retry, one.open = v.failing(owner)
		if n := v.names[owner]; n != nil {
			one.failure, one.pace = n.failure.err, n.pace.NotBefore(now, false)
		}
		if one.open != nil || one.failure != nil || one.pace.After(now) {
			names[owner] = one
		}
	}
	return names
}

// ready reports whether the loop has begun its work: the claim is taken, or
// somebody else's, and every member is present or lost. A deposed one does none.
func (s *snapshot) ready() bool {
	if s.claim.deposed != nil || !s.claim.held && !s.claim.foreign {
		return false
	}
	return !slices.ContainsFunc(s.members, func(m memberView) bool { return m.reach.Standing == policy.Starting })
}

// states returns the shards of a service as the rule is given them, with how their members stand.
func (s *snapshot) states(v *serviceView) []policy.ShardState {
	out := make([]policy.ShardState, 0, len(v.shards))
	for _, sh := range v.shards {
		if m := s.member(sh.Member); m != nil {
			out = append(out, policy.ShardState{Shard: sh.Shard, Reach: m.reach, Drained: m.drained, Unresolved: sh.unresolved})
		}
	}
	return out
}
