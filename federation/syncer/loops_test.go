package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/metrics"
	"github.com/federation-dns/federation/federation/provider/inmem"
	"github.com/federation-dns/federation/federation/reconcile"
)

// stuckLog is a log whose writer hangs at a line of the federation "fed" about a probe, until release is closed.
type stuckLog struct {
	slog.Handler
	release chan struct{}
	fed     bool
}

func newStuckLog() stuckLog {
	return stuckLog{Handler: slog.DiscardHandler, release: make(chan struct{})}
}

func (s stuckLog) Enabled(context.Context, slog.Level) bool { return true }

func (s stuckLog) Handle(_ context.Context, r slog.Record) error {
	if s.fed && strings.Contains(r.Message, "probe") {
		<-s.release
	}
	return nil
}

func (s stuckLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		s.fed = s.fed || a.Key == "federation" && a.Value.String() == "fed"
	}
	return s
}

// failedProbe has the loop write such a line.
var failedProbe = member.ProbeEvent{Member: "a", Err: errors.New("no route")}

func TestHealthz(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newStuckLog()
		c := configOf(t, "127.0.0.1:1", "")
		m := metrics.New(nil, nil)
		l := reconcile.New(reconcile.Options{
			Config: c, Federation: c.Federations[0], Provider: inmem.New("example.com."), Log: slog.New(log),
			Metrics: m,
			Relist:  func(string) {},
		})
		ctx, cancel := context.WithCancel(t.Context())
		loops := &loopSet{}
		loops.run(ctx, l, c.Federations[0], func() {})
		defer func() { cancel(); loops.stop() }()
		healthz := func() (int, string) {
			rec := httptest.NewRecorder()
			s := &listener{loops: loops, metrics: m, leader: func() string { return "" },
				file: &atomic.Pointer[admin.ConfigStatus]{}}
			s.publicHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			return rec.Code, rec.Body.String()
		}
		l.Add(failedProbe)
		synctest.Wait()
		if code, text := healthz(); code != http.StatusOK {
			t.Errorf("S1: %d %s", code, text)
		}
		time.Sleep(askTimeout + time.Second)
		if code, text := healthz(); code != http.StatusServiceUnavailable || !strings.Contains(text, "fed") {
			t.Errorf("S1: stuck: %d %s", code, text)
		}
		close(log.release)
		synctest.Wait()
		if code, text := healthz(); code != http.StatusOK {
			t.Errorf("S1: it goes on: %d %s", code, text)
		}
	})
}

// TestStuckLoop: what one federation's loop does concerns no other one.
func TestStuckLoop(t *testing.T) {
	t.Run("S3 a loop that is stuck delays no event of another one", func(t *testing.T) {
		s, ctx := newSyncer(t)
		log := newStuckLog()
		s.log = slog.New(log)
		c := configOf(t, "127.0.0.1:1", "")
		other := c.Federations[0]
		other.Name, other.Domain = "other", "example.net."
		c.Federations = append(c.Federations, other)
		s.Apply(ctx, c)
		s.events <- failedProbe
		defer close(log.release)
		shards := map[member.ShardKey]member.Shard{}
		name := func(i int) federation.ServiceName {
			return federation.ServiceName{Namespace: "ns", Name: fmt.Sprintf("s%d", i)}
		}
		s.events <- member.ListEvent{Member: "a", Shards: shards, Topology: federation.Member{Name: "a"}}
		n := 3000 // more than any buffer
		for i := range n {
			for _, f := range c.Federations {
				s.events <- member.ShardEvent{Member: "a", Key: member.ShardKey{Federation: f.Name, Service: name(i)},
					Shard: &member.Shard{}}
			}
		}
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if known := len(s.loops.list()[1].Snapshot().Views.List()); known == n {
				break
			} else if time.Now().After(end) {
				t.Fatalf("%d of %d services are known", known, n)
			}
		}
	})
}
