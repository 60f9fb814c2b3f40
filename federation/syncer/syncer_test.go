package syncer

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/provider/inmem"
	"github.com/federation-dns/federation/federation/reconcile"
)

// newSyncer is a syncer without listeners, whose provider never answers.
func newSyncer(t *testing.T) (s *Syncer, ctx context.Context) {
	ctx, cancel := context.WithCancel(t.Context())
	s = New(Options{Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		cancel()
		s.Close()
		goleak.VerifyNone(t)
	})
	return s, ctx
}

// depose puts a deposed loop in the place of the first one, which goes on until that is removed.
func depose(s *Syncer) {
	s.loops.mu.Lock()
	defer s.loops.mu.Unlock()
	r := *s.loops.loops[0]
	r.Loop = reconcile.New(reconcile.Options{
		Config: s.config, Federation: r.config, Provider: inmem.New(r.config.Domain), Log: s.log, Metrics: s.metrics,
		Deposed: errors.New("deposed"),
	})
	s.loops.loops[0] = &r
}

// configOf is a configuration with the federation's lines in it.
func configOf(t *testing.T, server, lines string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := `apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: us
federations:
- name: fed
  domain: example.com
` + lines + `  provider: {rfc2136: {server: "` + server + `", zone: example.com, tsig: {name: k., secretFile: secret}}}
clusters: [{name: a, kubeconfig: {path: none}}]
`
	for name, data := range map[string]string{path: text, filepath.Join(filepath.Dir(path), "secret"): "c2VjcmV0"} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReload(t *testing.T) {
	t.Run("C1 options are taken over in place", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.Apply(ctx, configOf(t, "127.0.0.1:1", ""))
		before := s.loops.list()[0]
		s.Apply(ctx, configOf(t, "127.0.0.1:1", "  ttl: 60\n"))
		after := s.loops.list()
		if len(after) != 1 || after[0] != before {
			t.Fatal("another loop runs")
		}
		after[0].Confirm(ctx, nil) // the turn before has ended
		if ttl := after[0].Snapshot().Config.Options.TTL; ttl != 60 {
			t.Errorf("ttl %d", ttl)
		}
	})
	t.Run("O3c a deposed one stays so, whatever the file says", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.Apply(ctx, configOf(t, "127.0.0.1:1", ""))
		before := s.loops.list()[0]
		depose(s)
		s.Apply(ctx, configOf(t, "127.0.0.1:2", ""))
		after := s.loops.list()[0]
		deposed := after.Snapshot().Claim.Deposed
		if after == before || deposed == nil {
			t.Errorf("same loop %t, deposed: %v", after == before, deposed)
		}
	})
	t.Run("C1 a federation that is gone is not written any more", func(t *testing.T) {
		s, ctx := newSyncer(t)
		s.Apply(ctx, configOf(t, "127.0.0.1:1", ""))
		next := configOf(t, "127.0.0.1:1", "")
		next.Federations[0].Name = "other"
		s.Apply(ctx, next)
		if all := s.loops.list(); len(all) != 1 || all[0].config.Name != federation.Label("other") {
			t.Errorf("%d loops", len(all))
		}
	})
}

func TestListener(t *testing.T) {
	s, ctx := newSyncer(t)
	s.Apply(ctx, configOf(t, "127.0.0.1:1", ""))
	h := (&listener{loops: s.loops, metrics: s.metrics, leader: s.Leader, file: &s.file}).publicHandler()
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, _ := get("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d", code)
	}
	if code, _ := get("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz before the provider has answered: %d", code)
	}
	_, text := get("/metrics")
	for _, want := range []string{
		`federation_syncer_member_standing{domain="example.com.",federation="fed",member="a",standing="starting"} 1`,
		`federation_syncer_state{domain="example.com.",federation="fed",state="claimed"} 0`,
		`federation_syncer_held{domain="example.com.",federation="fed",reason="EmptyGrace"} 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "federation_syncer_") {
			t.Errorf("metric without our prefix: %s", line)
		}
	}
}
