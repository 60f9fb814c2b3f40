package syncer

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/resolve"
)

// kubeconfigEvery is how often a kubeconfig and the files that it names are compared: one that cannot be used may have
// been corrected, one in use may have new credentials or a new CA.
const kubeconfigEvery = 5 * time.Second

// stopWait is how long is waited for watchers that end: whatever a request of theirs hangs in, a reload, a stop and a
// change of leader go on (X2a). No event of a watcher comes after it was told to end.
const stopWait = 2 * time.Second

// memberSet watches the members.
type memberSet struct {
	log    *slog.Logger
	events chan<- member.Event

	mu      sync.Mutex
	running map[string]*runningMember
	places  map[string]*member.Places // by name; they outlive the watchers
}

type runningMember struct {
	cluster config.Cluster
	places  *member.Places
	cancel  context.CancelFunc
	done    chan struct{} // closed when it has ended

	mu      sync.Mutex
	watcher *member.Watcher // nil while there is no usable kubeconfig
}

func newMemberSet(log *slog.Logger, events chan<- member.Event) *memberSet {
	return &memberSet{log: log, events: events, running: map[string]*runningMember{}, places: map[string]*member.Places{}}
}

// retain stops the members that are not these, or not like these any more.
func (s *memberSet) retain(clusters []config.Cluster) {
	keep := map[string]config.Cluster{}
	for _, cl := range clusters {
		keep[cl.Member.Name] = cl
	}
	s.forgetPlaces(keep)
	s.stopIf(func(r *runningMember) bool {
		cl, ok := keep[r.cluster.Member.Name]
		cl.Drain = r.cluster.Drain // it is nothing to the watches
		return !ok || !reflect.DeepEqual(cl, r.cluster)
	})
}

func (s *memberSet) stop() { s.stopIf(func(*runningMember) bool { return true }) }

// stopIf ends the members for which what holds, and waits for them for stopWait.
func (s *memberSet) stopIf(what func(*runningMember) bool) {
	var stopped []*runningMember
	s.mu.Lock()
	for name, r := range s.running {
		if what(r) {
			delete(s.running, name)
			stopped = append(stopped, r)
			r.cancel()
		}
	}
	s.mu.Unlock()
	late := time.NewTimer(stopWait)
	defer late.Stop()
	for i, r := range stopped {
		select {
		case <-r.done:
		case <-late.C:
			s.log.Warn("members do not end in time, going on without them", "first", r.cluster.Member.Name, "of", len(stopped)-i)
			return
		}
	}
}

func (s *memberSet) forgetPlaces(keep map[string]config.Cluster) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.places, func(name string, _ *member.Places) bool { _, ok := keep[name]; return !ok })
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
		name := cl.Member.Name
		if s.places[name] == nil {
			s.places[name] = member.NewPlaces(name)
		}
		ctx, cancel := context.WithCancel(ctx)
		r := &runningMember{cluster: cl, places: s.places[name], cancel: cancel, done: make(chan struct{})}
		s.running[name] = r
		go func() {
			defer close(r.done)
			r.run(ctx, s.log, s.events)
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

// run watches the member until ctx ends, with each usable kubeconfig that it finds, and with what the files hold that it
// names. One that cannot be used is a failed probe while there was none before, reported and tried again; it harms no
// other member (X7).
func (r *runningMember) run(ctx context.Context, log *slog.Logger, events chan<- member.Event) {
	name := r.cluster.Member.Name
	say := log.With("member", name) // as a watcher does by itself
	stop := func() {}
	defer func() { stop() }()
	tick := time.NewTicker(kubeconfigEvery)
	defer tick.Stop()
	k := kubeconfig.Follower{Path: r.cluster.Kubeconfig.Path, Context: r.cluster.Kubeconfig.Context}
	used, said := false, "" // a usable kubeconfig was found; the last error
	for {
		next, err := k.Next()
		if err == nil && next != nil {
			var w *member.Watcher
			if w, err = r.newWatcher(next, log, events); err != nil {
				k.Retry()
			} else {
				if used {
					say.Info("the kubeconfig has changed, or a file that it names")
				}
				if warning := kubeconfig.PluginWarning(next); warning != "" {
					say.Warn(warning)
				}
				stop()
				stop, used = r.watch(ctx, w), true
			}
		}
		if err == nil {
			said = ""
		} else if err.Error() != said {
			said = err.Error()
			say.Error("the kubeconfig of the member cannot be used, trying again", "error", err)
		}
		if err != nil && !used {
			select {
			case events <- member.ProbeEvent{Member: name, At: time.Now(), Err: fmt.Errorf("member %q: %w", name, err)}:
			case <-ctx.Done():
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *runningMember) newWatcher(c *rest.Config, log *slog.Logger, events chan<- member.Event) (*member.Watcher, error) {
	return member.New(r.cluster.Member, c, resolve.New(resolve.Config{Servers: r.cluster.DNS}), r.places, log, events)
}

// watch runs the watcher; the returned function ends it, and waits for stopWait at most.
func (r *runningMember) watch(ctx context.Context, w *member.Watcher) (stop func()) {
	r.mu.Lock()
	r.watcher = w
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx) // it ends with ctx only
	}()
	return func() {
		cancel()
		select {
		case <-done:
		case <-time.After(stopWait):
		}
	}
}
