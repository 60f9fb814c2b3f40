package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/world"
)

// replicas are two syncers that choose one by a Lease.
type replicas struct {
	*members
	host *world.Host
	all  []*world.Replica
}

func (r *replicas) start(t *testing.T) *world.Replica {
	t.Helper()
	one, err := r.host.StartReplica(len(r.all))
	if err != nil {
		t.Fatal(err)
	}
	r.all = append(r.all, one)
	return one
}

// await waits until a replica is ready, as the one that writes or to stand by.
func (r *replicas) await(t *testing.T, one *world.Replica, writes bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		says, err := one.Ready(t.Context())
		if err == nil && strings.Contains(says, "standing by") == !writes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s (writes: %t): %q, %v\n%s", one.Name, writes, says, err, one.Log())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// logged waits until a replica has logged something.
func (r *replicas) logged(t *testing.T, one *world.Replica, text string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(one.Log(),
		text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s has not logged %q:\n%s", one.Name, text, one.Log())
		}
	}
}

func (r *replicas) europe(t *testing.T, healthy bool) {
	t.Helper()
	zone, backends := "all", r.Member(europe).Cluster.StartBackends
	if !healthy {
		zone, backends = "without-europe", r.Member(europe).Cluster.KillBackends
	}
	r.change(t, zone, func(ctx context.Context) error { return backends(ctx, world.Namespace, "app=nginx") })
}

// testReplicas ends the one that writes in all ways, and cuts both off from
// their host. It ends with the World's own syncer, as it was.
func testReplicas(t *testing.T, m *members) {
	ctx := t.Context()
	if err := m.Syncer.Stop(); err != nil {
		t.Fatal(err)
	}
	host, err := m.NewHost(ctx, m.Member(asia))
	if err != nil {
		t.Fatal(err)
	}
	defer host.Link.Close()
	r := &replicas{members: m, host: host}
	defer func() {
		for _, one := range r.all {
			one.Kill()
		}
		if err := m.Syncer.Start(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	first := r.start(t)
	r.await(t, first, true)
	second := r.start(t)
	t.Run("O4 one writes, the other stands by", func(t *testing.T) {
		r.await(t, second, false)
		status, err := second.Status(ctx)
		if err != nil || !strings.Contains(status, "this replica stands by; replica ") {
			t.Errorf("status: %s, %v", status, err)
		}
		metrics, err := second.Metrics(ctx)
		if err := all(err, contains("metrics", metrics, "federation_syncer_leader 0")); err != nil {
			t.Error(err)
		}
		r.europe(t, false)
		r.europe(t, true)
	})
	t.Run("O4 one that is stopped is replaced at once", func(t *testing.T) {
		from := time.Now()
		if err := first.Stop(); err != nil {
			t.Fatal(err)
		}
		r.await(t, second, true)
		t.Logf("taken over after %s", time.Since(from).Round(time.Millisecond))
		r.europe(t, false)
		r.europe(t, true)
	})
	third := r.start(t)
	r.await(t, third, false)
	t.Run("O4 one that is killed is replaced when its Lease has ended", func(t *testing.T) {
		from := time.Now()
		second.Kill()
		r.await(t, third, true)
		t.Logf("taken over after %s", time.Since(from).Round(time.Millisecond))
		r.europe(t, false)
		r.europe(t, true)
	})
	fourth := r.start(t)
	r.await(t, fourth, false)
	t.Run("O3c one that is stopped with SIGSTOP, and wakes up after its successor has written, writes nothing",
		func(t *testing.T) {
			if err := third.Freeze(); err != nil {
				t.Fatal(err)
			}
			r.await(t, fourth, true)
			r.europe(t, false)
			claimed := r.claim(t)
			if err := third.Thaw(); err != nil {
				t.Fatal(err)
			}
			r.europe(t, true) // both see it
			r.await(t, third, false)
			r.europe(t, false)
			r.europe(t, true)
			if now := r.claim(t); now != claimed {
				t.Errorf("the claim was %s, and is %s", claimed, now)
			}
			if log := third.Log(); strings.Contains(log[strings.LastIndex(log, "stands by"):], "msg=changed ") {
				t.Errorf("it has written:\n%s", log)
			}
		})
	t.Run("O1e one that is deposed gives its Lease to another one, which begins anew", func(t *testing.T) {
		owner, text, _ := strings.Cut(r.claim(t), " ")
		newer := regexp.MustCompile(`instance=\w+`).ReplaceAllString(text, "instance=abcdefghijklmnopqrstuvwxyz")
		if newer == text {
			t.Fatalf("the claim %q has no instance", text)
		}
		if err := world.Replace(ctx, owner+" 300 IN TXT "+newer); err != nil {
			t.Fatal(err)
		}
		r.europe(t, false) // by either of them
		r.logged(t, fourth, "deposed: nothing more is written")
		r.await(t, third, true)
		r.await(t, fourth, false)
		r.europe(t, true)
		fourth, third = third, fourth
	})
	t.Run("O4 an outage of the host ends nothing", func(t *testing.T) {
		host.Link.Set(cutproxy.Blackhole)
		r.logged(t, fourth, "the Lease could not be renewed")
		r.europe(t, false)
		r.europe(t, true)
		if says, err := fourth.Ready(ctx); err != nil || strings.Contains(says, "standing by") {
			t.Errorf("it says %q, %v", says, err)
		}
		host.Link.Set(cutproxy.Pass)
		r.europe(t, false)
		r.europe(t, true)
	})
}

// claim is the main claim, with its generation.
func (r *replicas) claim(t *testing.T) string {
	t.Helper()
	txt, err := r.TXT(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range txt {
		if strings.HasPrefix(line, "_claim."+world.FederationName+".svc ") ||
			strings.HasPrefix(line, fmt.Sprintf("_claim.%s.svc.%s", world.FederationName, world.Domain)) {
			return line
		}
	}
	t.Fatalf("no main claim in %v", txt)
	return ""
}
