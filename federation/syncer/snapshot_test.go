package syncer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/member"
)

// TestSnapshot: readers see what the loop published, and have nothing to do with its goroutine.
func TestSnapshot(t *testing.T) {
	bubble(t, "S1 what was published is what it was, whatever comes after", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		before := w.loop.view()
		views, now := before.views.list(), time.Now()
		read := func() (out []admin.ServiceStatus) {
			for _, v := range views {
				out = append(out, newExplainer(now, before).service(v))
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
		if s := w.status().Services; len(s) != 1 || len(s[0].Shards) != 3 || s[0].Shards[1].Healthy || len(s[0].Coming) > 0 {
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
	bubble(t, "S1 no reader waits for the loop, and /healthz says that it is stuck", func(t *testing.T) {
		w := three(t)
		w.start()
		w.after(10 * time.Second)
		release := make(chan struct{})
		var blocked sync.WaitGroup
		blocked.Go(func() { w.loop.ask(t.Context(), func() { <-release }) })
		synctest.Wait()
		s := &listener{loops: &loopSet{loops: []*runningLoop{{loop: w.loop, stop: func() {}}}}, metrics: w.loop.metrics.m, leader: &atomic.Value{}}
		get := func(h http.Handler, path string) (int, string) {
			rec, begin := httptest.NewRecorder(), time.Now()
			h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
			if took := time.Since(begin); took > 0 {
				t.Errorf("%s waits for %s", path, took)
			}
			return rec.Code, rec.Body.String()
		}
		for path, want := range map[string]string{
			"/status?services=1": `"shop/web"`, "/waiting": "[]",
		} {
			if code, text := get(admin.Handler(s), path); code != http.StatusOK || !strings.Contains(text, want) {
				t.Errorf("%s: %d %s", path, code, text)
			}
		}
		for path, want := range map[string]string{
			"/metrics": `federation_syncer_services{domain="example.com.",federation="fed"} 1`, "/healthz": "ok", "/readyz": "ok",
		} {
			if code, text := get(s.publicHandler(), path); code != http.StatusOK || !strings.Contains(text, want) {
				t.Errorf("%s: %d %s", path, code, text)
			}
		}
		time.Sleep(askTimeout + time.Second)
		if code, text := get(s.publicHandler(), "/healthz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "fed") {
			t.Errorf("stuck: %d %s", code, text)
		}
		close(release)
		blocked.Wait()
		synctest.Wait()
		if code, text := get(s.publicHandler(), "/healthz"); code != http.StatusOK {
			t.Errorf("it goes on: %d %s", code, text)
		}
	})
	t.Run("S2 a change of all services is published in parts", func(t *testing.T) {
		s := newScale(2, 5*maxViews/2)
		s.listAll()
		s.loop.observe(<-s.loop.events)
		for _, want := range []int{maxViews, 2 * maxViews, s.services, s.services} {
			now := time.Now()
			viewer{s.loop}.publish(now, maxViews)
			got := len(s.loop.view().views.list())
			if more := !s.loop.next(now).After(now); got != want || more != (want < s.services) {
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

// TestStuckLoop: what one federation's loop does concerns no other one.
func TestStuckLoop(t *testing.T) {
	t.Run("S3 a loop that is stuck delays no event of another one", func(t *testing.T) {
		s, ctx := newSyncer(t)
		c := configOf(t, "127.0.0.1:1", "")
		other := c.Federations[0]
		other.Name, other.Domain = "other", "example.net."
		c.Federations = append(c.Federations, other)
		s.Apply(ctx, c)
		release := make(chan struct{})
		var blocked sync.WaitGroup
		blocked.Go(func() { s.loops.all()[0].ask(ctx, func() { <-release }) })
		defer func() { close(release); blocked.Wait() }()
		shards := map[member.ShardKey]member.Shard{}
		name := func(i int) federation.ServiceName {
			return federation.ServiceName{Namespace: "ns", Name: fmt.Sprintf("s%d", i)}
		}
		s.events <- member.ListEvent{Member: "a", Shards: shards, Topology: federation.Member{Name: "a"}}
		n := 2 * cap(s.loops.all()[0].events)
		for i := range n {
			for _, f := range c.Federations {
				s.events <- member.ShardEvent{Member: "a", Key: member.ShardKey{Federation: f.Name, Service: name(i)}, Shard: &member.Shard{}}
			}
		}
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if known := len(s.loops.all()[1].view().views.list()); known == n {
				break
			} else if time.Now().After(end) {
				t.Fatalf("%d of %d services are known", known, n)
			}
		}
	})
}
