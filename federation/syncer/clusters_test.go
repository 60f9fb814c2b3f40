package syncer

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
)

// clusterWorld plays events of members to a clusterSet.
type clusterWorld struct {
	*clusterSet
	t        *testing.T
	now      time.Time
	relisted []string
}

func newClusterWorld(t *testing.T, members ...string) *clusterWorld {
	w := &clusterWorld{t: t, now: time.Unix(1e9, 0)}
	w.clusterSet = newClusterSet(slog.New(slog.DiscardHandler),
		func(name string) { w.relisted = append(w.relisted, name) })
	w.members(members...)
	return w
}

func (w *clusterWorld) members(names ...string) {
	var clusters []config.Cluster
	for _, name := range names {
		clusters = append(clusters, config.Cluster{Member: member.Config{Name: name}})
	}
	w.retain(clusters, time.Minute)
}

func (w *clusterWorld) list(name, uid string) {
	w.now = w.now.Add(time.Second)
	w.filter(w.now, member.ListEvent{Member: name, ClusterUID: uid})
}

// see wants these members to be seen, and the others to be kept away.
func (w *clusterWorld) see(what string, seen ...string) {
	w.t.Helper()
	want := map[string]bool{}
	for _, name := range seen {
		want[name] = true
	}
	for name := range w.order {
		shard := w.filter(w.now, member.ShardEvent{Member: name}) != nil
		topology := w.filter(w.now, member.TopologyEvent{Member: name}) != nil
		probe := w.filter(w.now, member.ProbeEvent{Member: name}).(member.ProbeEvent).Err
		if shard != want[name] || topology != want[name] || (probe == nil) != want[name] {
			w.t.Errorf("%s: shards of %s %t, topology %t, probe %v", what, name, shard, topology, probe)
		}
		if probe != nil && !strings.Contains(probe.Error(),
			fmt.Sprintf("member %q is the same cluster as member", name)) {
			w.t.Errorf("%s: %v", what, probe)
		}
	}
}

func TestClusterSet(t *testing.T) {
	const long = time.Hour
	t.Run("C1 the same cluster twice: the member known before stays", func(t *testing.T) {
		w := newClusterWorld(t, "b", "a") // wherever it is in the configuration
		w.list("a", "1")
		w.now = w.now.Add(long)
		w.list("b", "1")
		w.see("after b was listed", "a")
		w.list("a", "1")
		w.list("b", "1")
		w.see("after both were listed again", "a")
	})
	t.Run("C1 after a start, the first one in the configuration stays, whichever is listed first", func(t *testing.T) {
		for _, order := range [][]string{{"a", "b", "c"}, {"b", "c", "a"}, {"c", "a", "b"}, {"c", "b", "a"}} {
			w := newClusterWorld(t, "a", "b", "c", "d")
			w.list("d", "2")
			for _, name := range order {
				w.list(name, "1")
			}
			w.see(fmt.Sprint(order), "a", "d")
		}
	})
	t.Run("C1 the one that is kept away is seen when the other one is gone", func(t *testing.T) {
		w := newClusterWorld(t, "a", "b")
		w.list("a", "1")
		w.list("b", "1")
		w.members("b")
		if fmt.Sprint(w.relisted) != "[b]" {
			t.Errorf("listed: %v", w.relisted)
		}
		w.list("b", "1")
		w.see("without a", "b")
	})
	t.Run("C1 or when one of the two has another cluster", func(t *testing.T) {
		for _, name := range []string{"a", "b"} {
			w := newClusterWorld(t, "a", "b")
			w.list("a", "1")
			w.list("b", "1")
			w.list(name, "2")
			if name == "a" {
				w.list("b", "1")
			}
			w.see(name+" has another one", "a", "b")
		}
	})
	t.Run("C1 a member whose kubeconfig leads to the cluster of another one", func(t *testing.T) {
		w := newClusterWorld(t, "a", "b")
		w.list("a", "1")
		w.list("b", "2")
		w.now = w.now.Add(long)
		w.list("a", "2")
		w.see("a was pointed to b's", "b")
	})
	t.Run("C1 clusters that do not say who they are are no doubles", func(t *testing.T) {
		w := newClusterWorld(t, "a", "b")
		w.list("a", "")
		w.list("b", "")
		w.see("both", "a", "b")
	})
	t.Run("C1 the error of a probe that failed by itself stays", func(t *testing.T) {
		w := newClusterWorld(t, "a", "b")
		w.list("a", "1")
		w.list("b", "1")
		cause := errors.New("refused")
		e := w.filter(w.now, member.ProbeEvent{Member: "b", Err: cause}).(member.ProbeEvent)
		if !errors.Is(e.Err, cause) {
			t.Errorf("%v", e.Err)
		}
	})
}

func TestIdentity(t *testing.T) {
	w := newClusterWorld(t)
	configure := func(uid string) {
		w.retain([]config.Cluster{{Member: member.Config{Name: "a"}, UID: uid}}, time.Minute)
	}
	probe := func() error { return w.filter(w.now, member.ProbeEvent{Member: "a"}).(member.ProbeEvent).Err }
	lists := func(uid string) bool {
		return w.filter(w.now, member.ListEvent{Member: "a", ClusterUID: uid}) != nil
	}
	t.Run("K3 nothing of a member that is another cluster than before counts", func(t *testing.T) {
		configure("uid-1")
		var changed *member.IdentityError
		if lists("uid-2") || w.filter(w.now, member.ShardEvent{Member: "a"}) != nil || !errors.As(probe(), &changed) ||
			changed.Known != "uid-1" || changed.Is != "uid-2" {
			t.Errorf("it counts, and its probe says %v", probe())
		}
	})
	t.Run("K3 until it is the one of before again", func(t *testing.T) {
		if !lists("uid-1") || probe() != nil {
			t.Errorf("it does not count, and its probe says %v", probe())
		}
	})
	t.Run("K3 or is confirmed, and is listed then", func(t *testing.T) {
		lists("uid-2")
		w.relisted = nil
		configure("uid-2")
		if len(w.relisted) != 1 || !lists("uid-2") || probe() != nil {
			t.Errorf("relisted %q, and its probe says %v", w.relisted, probe())
		}
	})
	t.Run("K3 a cluster without a known or readable identity counts", func(t *testing.T) {
		if !lists("") {
			t.Error("it does not")
		}
		configure("")
		if !lists("uid-3") {
			t.Error("it does not")
		}
	})
}
