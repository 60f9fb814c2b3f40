package syncer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// TestElected has a replica be told who has the Lease; test/e2e has real ones.
func TestElected(t *testing.T) {
	running := func(s *syncer) (loops, members int) { return len(s.loops.all()), len(s.members.running) }
	t.Run("O4 nothing runs before this replica has the Lease", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.setLeads(false)
		s.identity = "me"
		s.take(ctx, configOf(t, "127.0.0.1:1", ""))
		if loops, members := running(s); loops+members > 0 {
			t.Errorf("%d loops, %d members", loops, members)
		}
		s.elected(ctx, reign{holder: "me"})
		if loops, members := running(s); loops != 1 || members != 1 {
			t.Errorf("with the Lease: %d loops, %d members", loops, members)
		}
	})
	t.Run("O4 it ends when another one has it, and says so", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.identity = "me"
		s.take(ctx, configOf(t, "127.0.0.1:1", ""))
		s.elected(ctx, reign{holder: "other"})
		if loops, members := running(s); loops+members > 0 {
			t.Errorf("%d loops, %d members", loops, members)
		}
		w := httptest.NewRecorder()
		(&listener{loops: s.loops, metrics: s.metrics, leader: &s.leader}).publicHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "standing by for other") {
			t.Errorf("/readyz: %d %s", w.Code, w.Body)
		}
		s.take(ctx, configOf(t, "127.0.0.1:1", "  ttl: 60\n"))
		if loops, _ := running(s); loops > 0 {
			t.Error("a new configuration starts it")
		}
	})
	t.Run("O4 with the Lease once more what runs goes on", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.identity = "me"
		s.take(ctx, configOf(t, "127.0.0.1:1", ""))
		before := s.loops.all()[0]
		s.elected(ctx, reign{holder: "me"})
		if after := s.loops.all(); len(after) != 1 || after[0] != before {
			t.Error("another loop runs")
		}
	})
	for term, anew := range map[int32]bool{7: false, 8: false, 9: true, 0: true} {
		t.Run(fmt.Sprintf("O4 with the Lease of term 7, and then of term %d, it begins anew: %t", term, anew), func(t *testing.T) {
			s, ctx := newSyncer(t)
			s.identity = "me"
			s.setLeads(false)
			s.take(ctx, configOf(t, "127.0.0.1:1", ""))
			s.elected(ctx, reign{"me", 7})
			before := s.loops.all()[0]
			s.elected(ctx, reign{"me", term})
			if after := s.loops.all(); len(after) != 1 || (after[0] != before) != anew {
				t.Errorf("another loop runs: %t", after[0] != before)
			}
		})
	}
	t.Run("O3c with the Lease once more a deposed one begins anew", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.identity = "me"
		s.take(ctx, configOf(t, "127.0.0.1:1", ""))
		before := s.loops.all()[0]
		before.ask(ctx, func() { before.deposed = errors.New("deposed") })
		s.elected(ctx, reign{holder: "me"})
		after := s.loops.all()
		if len(after) != 1 || after[0] == before {
			t.Fatal("the same loop runs")
		}
		after[0].ask(ctx, func() {
			if after[0].deposed != nil {
				t.Error("deposed")
			}
		})
	})
}

// storedLock is a Lease in an API server; this replica is "me".
type storedLock struct {
	resourcelock.Interface
	record resourcelock.LeaderElectionRecord
}

func (s *storedLock) Identity() string { return "me" }

func (s *storedLock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	r := s.record
	return &r, nil, nil
}

func (s *storedLock) Update(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	s.record = r
	return nil
}

func TestLease(t *testing.T) {
	for holder, given := range map[string]bool{"me": true, "other": false} {
		t.Run("O4 a Lease is given back only by the one that has it: "+holder, func(t *testing.T) {
			stored := &storedLock{record: resourcelock.LeaderElectionRecord{HolderIdentity: holder}}
			l := &lease{Interface: stored}
			if _, _, err := l.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{})
			if (err == nil) != given || (stored.record.HolderIdentity == "") != given {
				t.Errorf("error %v; then %q has it", err, stored.record.HolderIdentity)
			}
		})
	}
	t.Run("O4 a Lease that has run out is taken from another one", func(t *testing.T) {
		stored := &storedLock{record: resourcelock.LeaderElectionRecord{HolderIdentity: "other"}}
		l := &lease{Interface: stored, holder: "other"}
		if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "me", LeaderTransitions: 3}); err != nil || l.term.Load() != 3 {
			t.Errorf("error %v, term %d", err, l.term.Load())
		}
	})
}
