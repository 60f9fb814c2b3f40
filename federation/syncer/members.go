package syncer

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/resolve"
)

// kubeconfigEvery is how often a kubeconfig and the files that it names are compared: one that cannot be used may have
// been corrected, one in use may have new credentials or a new CA.
const kubeconfigEvery = 5 * time.Second

// memberSet watches the members.
type memberSet struct {
	log    *slog.Logger
	events chan<- member.Event

	mu      sync.Mutex
	running map[string]*runningMember
}

type runningMember struct {
	cluster config.Cluster
	stop    func() // ends it and waits

	mu      sync.Mutex
	watcher *member.Watcher // nil while there is no usable kubeconfig
}

func newMemberSet(log *slog.Logger, events chan<- member.Event) *memberSet {
	return &memberSet{log: log, events: events, running: map[string]*runningMember{}}
}

// retain stops the members that are not these, or not like these any more.
func (s *memberSet) retain(clusters []config.Cluster) {
	keep := map[string]config.Cluster{}
	for _, cl := range clusters {
		keep[cl.Member.Name] = cl
	}
	s.stopIf(func(r *runningMember) bool {
		cl, ok := keep[r.cluster.Member.Name]
		cl.Drain = r.cluster.Drain // it is nothing to the watches
		return !ok || !reflect.DeepEqual(cl, r.cluster)
	})
}

func (s *memberSet) stop() { s.stopIf(func(*runningMember) bool { return true }) }

func (s *memberSet) stopIf(what func(*runningMember) bool) {
	var wg sync.WaitGroup
	s.mu.Lock()
	for name, r := range s.running {
		if what(r) {
			delete(s.running, name)
			wg.Go(r.stop)
		}
	}
	s.mu.Unlock()
	wg.Wait()
}

// start starts those that do not run. With relist, those that do are listed
// afresh, for the sake of a loop that has not seen them.
func (s *memberSet) start(ctx context.Context, clusters []config.Cluster, relist bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cl := range clusters {
		if r := s.running[cl.Member.Name]; r != nil {
			if relist {
				r.relist()
			}
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		r := &runningMember{cluster: cl, stop: func() { cancel(); <-done }}
		s.running[cl.Member.Name] = r
		go func() {
			defer close(done)
			r.run(ctx, s.log.With("member", cl.Member.Name), s.events)
		}()
	}
}

// relist has a member listed afresh. It does not block.
func (s *memberSet) relist(name string) {
	s.mu.Lock()
	r := s.running[name]
	s.mu.Unlock()
	if r != nil {
		r.relist()
	}
}

func (r *runningMember) relist() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watcher != nil {
		r.watcher.Relist()
	}
}

// run watches the member until ctx ends, with each usable kubeconfig that it
// finds. One that cannot be used is a failed probe while there was none before,
// reported and tried again; it harms no other member (X7).
func (r *runningMember) run(ctx context.Context, log *slog.Logger, events chan<- member.Event) {
	var watching func() // ends the watcher and waits
	defer func() {
		if watching != nil {
			watching()
		}
	}()
	tick := time.NewTicker(kubeconfigEvery)
	defer tick.Stop()
	var seen, said string
	for {
		var err error
		state := member.KubeconfigState(r.cluster.Kubeconfig.Path, r.cluster.Kubeconfig.Context)
		if state != seen {
			var w *member.Watcher
			if w, err = r.newWatcher(log, events); err == nil {
				if watching != nil {
					log.Info("the kubeconfig has changed, or a file that it names")
					watching()
				}
				seen, said = state, ""
				watching = r.watch(ctx, w)
			}
		}
		if err != nil {
			if err.Error() != said {
				log.Error("the kubeconfig of the member cannot be used, trying again", "error", err)
				said = err.Error()
			}
			if watching == nil {
				select {
				case events <- member.ProbeEvent{Member: r.cluster.Member.Name, At: time.Now(), Err: err}:
				case <-ctx.Done():
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *runningMember) newWatcher(log *slog.Logger, events chan<- member.Event) (*member.Watcher, error) {
	rest, err := member.LoadKubeconfig(r.cluster.Kubeconfig.Path, r.cluster.Kubeconfig.Context)
	if err != nil {
		return nil, fmt.Errorf("member %q: %w", r.cluster.Member.Name, err)
	}
	return member.New(r.cluster.Member, rest, resolve.New(resolve.Config{Servers: r.cluster.DNS}), log, events)
}

// watch runs the watcher; the returned function ends it and waits.
func (r *runningMember) watch(ctx context.Context, w *member.Watcher) func() {
	r.mu.Lock()
	r.watcher = w
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx) // it ends with ctx only
	}()
	return func() { cancel(); <-done }
}
