package syncer

import (
	"cmp"
	"log/slog"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
)

// clusterSet identifies each member's cluster, by the UID of its kube-system namespace, and hides a second member that
// is the same cluster from the loops (C1): its shards would count twice, and its levels would be claimed for a place
// that has none. That member counts as unreachable, with the reason as the error of its probes.
//
// The member that was known first wins. Of two that are both known for less than StartupTimeout, as after a start, the
// first in the configuration wins.
type clusterSet struct {
	log    *slog.Logger
	relist func(member string)

	mu      sync.Mutex
	order   map[string]int // index in the configuration, by member
	settled time.Duration
	known   map[string]knownCluster // by member
	double  map[string]double       // the hidden members
	uids    map[string]string       // what the configuration knows of members, by member
	strange map[string]string       // the UIDs of members that are other clusters than that
}

// double is a member that is hidden because it is the same cluster as other. When other is removed, or becomes another
// cluster, the double is freed: it is listed again, and that list is its first event that counts.
type double struct {
	other string
	freed bool
}

type knownCluster struct {
	uid   string
	since time.Time
}

func newClusterSet(log *slog.Logger, relist func(string)) *clusterSet {
	return &clusterSet{log: log, relist: relist, known: map[string]knownCluster{}, double: map[string]double{},
		strange: map[string]string{}}
}

// retain forgets the members that are not in clusters, and lists those that were hidden because of them.
func (s *clusterSet) retain(clusters []config.Cluster, settled time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order, s.uids, s.settled = map[string]int{}, map[string]string{}, settled
	for i, cl := range clusters {
		s.order[cl.Member.Name] = i
		s.uids[cl.Member.Name] = cl.UID
	}
	for name, uid := range s.strange {
		if known := s.uids[name]; known == "" || known == uid {
			delete(s.strange, name)
			s.relist(name)
		}
	}
	for name := range s.known {
		if _, ok := s.order[name]; !ok {
			delete(s.known, name)
		}
	}
	for name := range s.double {
		if _, ok := s.order[name]; !ok {
			delete(s.double, name)
		}
	}
	s.release()
}

// release lists the hidden members that are no longer the same cluster as another one.
func (s *clusterSet) release() {
	for name, d := range s.double {
		if _, ok := s.known[d.other]; !ok && !d.freed {
			s.double[name] = double{d.other, true}
			s.log.Info("the member is no longer the same cluster as another one", "member", name, "other", d.other)
			s.relist(name)
		}
	}
}

// filter returns the event for the loops, or nil to drop it.
func (s *clusterSet) filter(now time.Time, e member.Event) member.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := e.(type) {
	case member.ListEvent:
		if s.isStrange(e) {
			return nil
		}
		s.identify(now, e.Member, e.ClusterUID)
		return s.unlessDouble(e.Member, e)
	case member.ShardEvent:
		return s.unlessDouble(e.Member, e)
	case member.TopologyEvent:
		return s.unlessDouble(e.Member, e)
	case member.ProbeEvent:
		if uid := s.strange[e.Member]; uid != "" && e.Err == nil {
			e.Err = &member.IdentityError{Member: e.Member, Known: s.uids[e.Member], Is: uid}
			return e
		}
		if d, ok := s.double[e.Member]; ok && e.Err == nil {
			e.Err = sameCluster(e.Member, d.other)
			return e
		}
	}
	return e
}

func (s *clusterSet) unlessDouble(name string, e member.Event) member.Event {
	if _, ok := s.double[name]; ok || s.strange[name] != "" {
		return nil
	}
	return e
}

// isStrange records whether the member is another cluster than the configuration knows. Such a member counts as
// unreachable: what it has in the records is that of the cluster before.
func (s *clusterSet) isStrange(e member.ListEvent) bool {
	known := s.uids[e.Member]
	if known == "" || e.ClusterUID == "" || known == e.ClusterUID {
		delete(s.strange, e.Member)
		return false
	}
	if s.strange[e.Member] != e.ClusterUID {
		s.log.Error("the member counts as unreachable", "member", e.Member,
			"error", &member.IdentityError{Member: e.Member, Known: known, Is: e.ClusterUID})
	}
	s.strange[e.Member] = e.ClusterUID
	return true
}

func sameCluster(name, other string) error { return &member.DuplicateError{Member: name, Other: other} }

// identify records which cluster a member is; an empty uid means unknown.
func (s *clusterSet) identify(now time.Time, name, uid string) {
	if s.known[name].uid != uid {
		delete(s.known, name)
	}
	if other := s.holder(name, uid); other != "" {
		if now.Sub(s.known[other].since) >= s.settled || cmp.Less(s.order[other], s.order[name]) {
			s.hide(name, other)
			delete(s.known, name)
			s.release()
			return
		}
		s.hide(other, name)
		delete(s.known, other)
	}
	delete(s.double, name)
	if _, ok := s.known[name]; !ok && uid != "" {
		s.known[name] = knownCluster{uid, now}
	}
	s.release()
}

// holder returns another member that is the cluster, or "".
func (s *clusterSet) holder(name, uid string) string {
	for other, c := range s.known {
		if other != name && c.uid == uid {
			return other
		}
	}
	return ""
}

// hide hides the member because of another one, and with it those that were hidden because of it.
func (s *clusterSet) hide(name, other string) {
	if s.double[name].other != other {
		s.log.Error("two members are one cluster: this one counts as unreachable",
			"member", name, "error", sameCluster(name, other))
	}
	s.double[name] = double{other: other}
	for third, d := range s.double {
		if d.other == name {
			s.double[third] = double{other: other}
		}
	}
}
