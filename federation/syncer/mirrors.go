package syncer

import (
	"context"
	"log/slog"
	"sync"

	"golang.org/x/time/rate"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/metrics"
	"github.com/federation-dns/federation/federation/mirror/writer"
	"github.com/federation-dns/federation/federation/snapshot"
)

// mirrorSet is the writers of the members' mirrors. Each has its own goroutine, connections and budget: none delays a
// loop, or another member (M8). Safe for concurrent use.
type mirrorSet struct {
	log       *slog.Logger
	metrics   *metrics.Metrics
	snapshots func() []*snapshot.Federation

	mu      sync.Mutex
	writers map[string]*writer.Writer // by member
	budgets map[string]*rate.Limiter  // they outlive the writers
}

func newMirrorSet(log *slog.Logger, m *metrics.Metrics, snapshots func() []*snapshot.Federation) *mirrorSet {
	return &mirrorSet{log: log, metrics: m, snapshots: snapshots, writers: map[string]*writer.Writer{},
		budgets: map[string]*rate.Limiter{}}
}

// run keeps a member's mirrors with that client configuration until ctx ends.
func (s *mirrorSet) run(ctx context.Context, member string, c *rest.Config) {
	s.mu.Lock()
	if s.budgets[member] == nil {
		s.budgets[member] = writer.NewBudget()
	}
	w, err := writer.New(writer.Options{
		Member: member, Snapshots: s.snapshots, Budget: s.budgets[member], Log: s.log,
		Wrote: func(f *snapshot.Federation, bytes int, err error) {
			s.metrics.ForFederation(f.Config).MirrorWrite(member, bytes, err)
		},
	}, c)
	if err == nil {
		s.writers[member] = w
	}
	s.mu.Unlock()
	if err != nil { // the watcher of the member says so too
		s.log.Error("no mirror: the kubeconfig of the member cannot be used", "error", err)
		return
	}
	w.Run(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writers[member] == w {
		delete(s.writers, member)
	}
}

// wake tells all writers that services may have other answers. It does not block.
func (s *mirrorSet) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.writers {
		w.Wake()
	}
}
