package syncer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation/host"
)

// TestElected has a replica be told who has the Lease; test/e2e has real ones.
func TestElected(t *testing.T) {
	running := func(s *Syncer) (loops, members int) { return len(s.loops.list()), len(s.fleet.running) }
	t.Run("O4 nothing runs before this replica has the Lease", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.setLeads(false)
		s.identity = "me"
		s.Apply(ctx, configOf(t, "127.0.0.1:1", ""))
		if loops, members := running(s); loops+members > 0 {
			t.Errorf("%d loops, %d members", loops, members)
		}
		s.Elected(ctx, host.Tenure{Holder: "me"})
		if loops, members := running(s); loops != 1 || members != 1 {
			t.Errorf("with the Lease: %d loops, %d members", loops, members)
		}
	})
	t.Run("O4 it ends when another one has it, and says so", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.identity = "me"
		s.Apply(ctx, configOf(t, "127.0.0.1:1", ""))
		s.Elected(ctx, host.Tenure{Holder: "other"})
		if loops, members := running(s); loops+members > 0 {
			t.Errorf("%d loops, %d members", loops, members)
		}
		w := httptest.NewRecorder()
		handler := (&listener{loops: s.loops, metrics: s.metrics, leader: s.Leader, file: &s.file}).publicHandler()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "standing by for other") {
			t.Errorf("/readyz: %d %s", w.Code, w.Body)
		}
		s.Apply(ctx, configOf(t, "127.0.0.1:1", "  ttl: 60\n"))
		if loops, _ := running(s); loops > 0 {
			t.Error("a new configuration starts it")
		}
	})
	t.Run("O4 with the Lease once more what runs goes on", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.identity = "me"
		s.Apply(ctx, configOf(t, "127.0.0.1:1", ""))
		before := s.loops.list()[0]
		s.Elected(ctx, host.Tenure{Holder: "me"})
		if after := s.loops.list(); len(after) != 1 || after[0] != before {
			t.Error("another loop runs")
		}
	})
	for term, anew := range map[int32]bool{7: false, 8: false, 9: true, 0: true} {
		t.Run(fmt.Sprintf("O4 with the Lease of term 7, and then of term %d, it begins anew: %t",
			term, anew), func(t *testing.T) {
			s, ctx := newSyncer(t)
			s.identity = "me"
			s.setLeads(false)
			s.Apply(ctx, configOf(t, "127.0.0.1:1", ""))
			s.Elected(ctx, host.Tenure{Holder: "me", Term: 7})
			before := s.loops.list()[0]
			s.Elected(ctx, host.Tenure{Holder: "me", Term: term})
			if after := s.loops.list(); len(after) != 1 || (after[0] != before) != anew {
				t.Errorf("another loop runs: %t", after[0] != before)
			}
		})
	}
	t.Run("O3c with the Lease once more a deposed one begins anew", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.identity = "me"
		s.Apply(ctx, configOf(t, "127.0.0.1:1", ""))
		before := s.loops.list()[0]
		depose(s)
		s.Elected(ctx, host.Tenure{Holder: "me"})
		after := s.loops.list()
		if len(after) != 1 || after[0] == before {
			t.Fatal("the same loop runs")
		}
		if after[0].Snapshot().Claim.Deposed != nil {
			t.Error("deposed")
		}
	})
}
