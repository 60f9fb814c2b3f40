package reconcile

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/member"
)

// TestSnapshot: readers see what the loop published, and have nothing to do with its goroutine.
func TestSnapshot(t *testing.T) {
	bubble(t, "S1 what was published is what it was, whatever comes after", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		before := w.loop.Snapshot()
		views, now := before.Views.List(), time.Now()
		read := func() (out []admin.ServiceStatus) {
			for _, v := range views {
				out = append(out, before.Service(now, v))
			}
			return out
		}
		was := read()
		w.set("a", web, false)
		w.moved("b", "west", "west-3")
		w.members["c"].vanish()
		w.after(10 * time.Minute)
		if is := read(); len(was) != 1 || !reflect.DeepEqual(was, is) {
			t.Errorf("it was\n%+v\nand is\n%+v", was, is)
		}
		if is := w.status().Services; reflect.DeepEqual(was, is) {
			t.Errorf("nothing has changed: %+v", is)
		}
	})
	bubble(t, "S1 each change is published: of a shard, of a record, of a member, of what waits", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		w.set("b", web, false)
		w.after(time.Second)
		if s := w.status().Services; len(s) != 1 || len(s[0].Shards) != 3 || s[0].Shards[1].Healthy ||
			len(s[0].Coming) > 0 {
			t.Errorf("%+v", s)
		}
		w.wantWhys("global A: HealthyShards a,c", "east A: HealthyShards a", "east-1 A: HealthyShards a",
			"west A: HealthyShards c", "west-1 CNAME: NoHealthyShard", "west-2 A: HealthyShards c")
		w.members["a"].cut()
		w.after(time.Minute)
		if m := w.status().Members[0]; m.Status != "unreachable" || m.Reachable {
			t.Errorf("%+v", m)
		}
		for _, m := range w.members {
			m.vanish()
		}
		w.after(time.Minute)
		if waits, records := w.waits(), w.status().Services[0].Records; len(waits)+len(records) == 0 {
			t.Error("nothing waits, and nothing is published")
		}
	})
	bubble(t, "S1 no reader waits for the loop, which counts as stuck after a while", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		release := make(chan struct{})
		var blocked sync.WaitGroup
		blocked.Go(func() { w.loop.call(t.Context(), func() { <-release }) })
		synctest.Wait()
		get := func(path string) (int, string) {
			rec, begin := httptest.NewRecorder(), time.Now()
			admin.Handler(socket{w.loop}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
			if took := time.Since(begin); took > 0 {
				t.Errorf("%s waits for %s", path, took)
			}
			return rec.Code, rec.Body.String()
		}
		for path, want := range map[string]string{
			"/status?services=1": `"shop/web"`, "/waiting": "[]",
		} {
			if code, text := get(path); code != http.StatusOK || !strings.Contains(text, want) {
				t.Errorf("%s: %d %s", path, code, text)
			}
		}
		if services := w.gathered()["services"]; services != "1" {
			t.Errorf("the metrics have %q services", services)
		}
		if !w.loop.Snapshot().Ready() || w.loop.Stuck(5*time.Second) {
			t.Error("it is not ready, or stuck already")
		}
		time.Sleep(6 * time.Second)
		if !w.loop.Stuck(5 * time.Second) {
			t.Error("it is not stuck")
		}
		close(release)
		blocked.Wait()
		synctest.Wait()
		if w.loop.Stuck(5 * time.Second) {
			t.Error("it is stuck, though it goes on")
		}
	})
	t.Run("S2 a probe of one member makes no other member anew", func(t *testing.T) {
		s := newScale(3, 1)
		s.listAll()
		s.loop.observe(<-s.loop.events)
		viewer{s.loop}.publish(time.Now(), maxViews)
		before := s.loop.Snapshot().Members
		s.loop.observe(member.ProbeEvent{Member: scaleMember(1), At: time.Now().Add(time.Second)})
		viewer{s.loop}.publish(time.Now(), maxViews)
		for i, m := range s.loop.Snapshot().Members {
			if same, want := m == before[i], i != 1; same != want {
				t.Errorf("%s is the same: %t, want %t", m.Name, same, want)
			}
		}
	})
	t.Run("S2 a change of all services is published in parts", func(t *testing.T) {
		s := newScale(2, 5*maxViews/2)
		s.listAll()
		s.loop.observe(<-s.loop.events)
		for _, want := range []int{maxViews, 2 * maxViews, s.services, s.services} {
			now := time.Now()
			viewer{s.loop}.publish(now, maxViews)
			got := len(s.loop.Snapshot().Views.List())
			if more := !s.loop.nextDeadline(now).After(now); got != want || more != (want < s.services) {
				t.Fatalf("%d are published, want %d; it goes on at once: %t", got, want, more)
			}
		}
	})
}

func TestBurst(t *testing.T) {
	t.Run("X2b no event of a burst is lost", func(t *testing.T) {
		s := newScale(1, 1)
		s.listAll()
		s.loop.observe(<-s.loop.events)
		n := cap(s.loop.events)
		send := func(i int) member.Event {
			shard := s.shard(i, 0, true)
			return member.ShardEvent{Member: scaleMember(0), Key: scaleKey(i), Shard: &shard}
		}
		for i := range n {
			s.loop.events <- send(i + 1)
		}
		s.loop.observe(send(0))
		if got := len(s.loop.members[scaleMember(0)].shards); got != n+1 {
			t.Errorf("%d of %d shards are known", got, n+1)
		}
	})
}
