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
	"github.com/federation-dns/federation/federation/mirror/writer"
	"github.com/federation-dns/federation/federation/resolve"
)

// kubeconfigEvery is how often a kubeconfig and the files it refers to are checked: a bad one may have been corrected,
// a good one may have new credentials or a new CA.
const kubeconfigEvery = 5 * time.Second

// stopWait bounds the wait for watchers to end: a request that hangs must not delay a reload, a stop or a change of
// leader (X2a). A watcher sends nothing after its context has ended.
const stopWait = 2 * time.Second

const (
	// startsAtOnce is how many watchers begin at once. A thousand handshakes and lists at a time take longer than
	// their timeouts: all are begun anew, and the Lease cannot be renewed meanwhile (X2a).
	startsAtOnce = 32
	// startWait is how long a member that does not answer keeps others from their beginning.
	startWait = time.Second
)

// fleet runs a watcher for each member.
type fleet struct {
	log     *slog.Logger
	events  chan<- member.Event
	secrets *kubeconfig.Secrets
	mirrors *mirrorSet
	starts  chan struct{} // has an element for each member that begins

	mu         sync.Mutex
	running    map[string]*runningMember
	topologies map[string]*member.TopologyHistory // by member; they outlive the watchers
}

type runningMember struct {
	cluster  config.Cluster
	topology *member.TopologyHistory
	fleet    *fleet
	cancel   context.CancelCauseFunc
	done     chan struct{} // closed when run has returned

	mu      sync.Mutex
	watcher *member.Watcher // nil while there is no usable kubeconfig
}

func newFleet(
	log *slog.Logger, events chan<- member.Event, secrets *kubeconfig.Secrets, mirrors *mirrorSet,
) *fleet {
	return &fleet{
		log: log, events: events, secrets: secrets, mirrors: mirrors, starts: make(chan struct{}, startsAtOnce),
		running: map[string]*runningMember{}, topologies: map[string]*member.TopologyHistory{},
	}
}

// retain stops the members that are not in clusters, or are configured differently there.
func (f *fleet) retain(clusters []config.Cluster) {
	keep := map[string]config.Cluster{}
	for _, cl := range clusters {
		keep[cl.Member.Name] = cl
	}
	f.forgetTopologies(keep)
	f.stopIf(writer.ErrLeft, func(r *runningMember) bool { _, ok := keep[r.cluster.Member.Name]; return !ok })
	f.stopIf(nil, func(r *runningMember) bool {
		cl := keep[r.cluster.Member.Name]
		cl.Drain, cl.UID = r.cluster.Drain, r.cluster.UID // do not concern the watches
		return !reflect.DeepEqual(cl, r.cluster)
	})
}

func (f *fleet) stop() { f.stopIf(nil, func(*runningMember) bool { return true }) }

// stopIf stops the members for which cond holds, for the cause, and waits up to stopWait for them.
func (f *fleet) stopIf(cause error, cond func(*runningMember) bool) {
	var stopped []*runningMember
	f.mu.Lock()
	for name, r := range f.running {
		if cond(r) {
			delete(f.running, name)
			stopped = append(stopped, r)
			r.cancel(cause)
		}
	}
	f.mu.Unlock()
	late := time.NewTimer(stopWait)
	defer late.Stop()
	for i, r := range stopped {
		select {
		case <-r.done:
		case <-late.C:
			f.log.Warn("members did not stop in time; going on without them",
				"first", r.cluster.Member.Name, "members", len(stopped)-i)
			return
		}
	}
}

func (f *fleet) forgetTopologies(keep map[string]config.Cluster) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.topologies, func(name string, _ *member.TopologyHistory) bool { _, ok := keep[name]; return !ok })
}

// start starts the members that are not running. With relist it lists the others again, for a loop that has not seen
// them.
func (f *fleet) start(ctx context.Context, clusters []config.Cluster, relist bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, cl := range clusters {
		if r := f.running[cl.Member.Name]; r != nil {
			if relist {
				r.relist()
			}
			continue
		}
		name := cl.Member.Name
		if f.topologies[name] == nil {
			f.topologies[name] = member.NewTopologyHistory(name)
		}
		ctx, cancel := context.WithCancelCause(ctx)
		r := &runningMember{cluster: cl, topology: f.topologies[name], fleet: f, cancel: cancel,
			done: make(chan struct{})}
		f.running[name] = r
		go func() {
			defer close(r.done)
			r.run(ctx, f.log, f.events, f.source(cl.Kubeconfig))
		}()
	}
}

// relist lists a member again. It does not block.
func (f *fleet) relist(name string) {
	f.mu.Lock()
	r := f.running[name]
	f.mu.Unlock()
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

// source is where a member's kubeconfig comes from: a kubeconfig.Follower, or a kubeconfig.SecretFollower.
type source interface {
	Next() (*rest.Config, error)
	Retry()
	// Changed is closed by a change that is known at once; nil if there is no such channel.
	Changed() <-chan struct{}
}

type fileSource struct{ kubeconfig.Follower }

func (fileSource) Changed() <-chan struct{} { return nil }

func (f *fleet) source(k config.Kubeconfig) source {
	if k.Path == "" {
		return &kubeconfig.SecretFollower{Secrets: f.secrets, Key: k.Secret}
	}
	return &fileSource{kubeconfig.Follower{Path: k.Path, Context: k.Context}}
}

// run watches the member until ctx ends, and starts another watcher whenever the kubeconfig or a file it refers to
// changes. A kubeconfig that cannot be used is logged and retried, while the watcher made from the one before stays;
// until one could be used, it counts as a failed probe. It does not affect other members (X7, K2).
func (r *runningMember) run(ctx context.Context, log *slog.Logger, events chan<- member.Event, k source) {
	name := r.cluster.Member.Name
	memberLog := log.With("member", name) // as the watcher's own lines are
	stop := func() {}
	defer func() { stop() }()
	tick := time.NewTicker(kubeconfigEvery)
	defer tick.Stop()
	used, lastErr := false, "" // whether one was usable; the last error logged
	for {
		changed := k.Changed()
		next, err := k.Next()
		if err == nil && next != nil {
			var w *member.Watcher
			if w, err = r.newWatcher(next, log, events); err != nil {
				k.Retry()
			} else {
				if used {
					memberLog.Info("the kubeconfig has changed, or a file it refers to")
				}
				if warning := kubeconfig.PluginWarning(next); warning != "" {
					memberLog.Warn(warning)
				}
				if !r.mayStart(ctx, w) {
					return
				}
				stop()
				stop, used = r.watch(ctx, w, next), true
			}
		}
		if err == nil {
			lastErr = ""
		} else if err.Error() != lastErr {
			lastErr = err.Error()
			memberLog.Error("cannot use the kubeconfig of the member; retrying", "error", err)
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
		case <-changed:
		case <-tick.C:
		}
	}
}

func (r *runningMember) newWatcher(
	c *rest.Config, log *slog.Logger, events chan<- member.Event,
) (*member.Watcher, error) {
	return member.New(r.cluster.Member, c, resolve.New(resolve.Config{Servers: r.cluster.DNS}), r.topology, log, events)
}

// mayStart waits until one more watcher may begin, w: it has begun when it has listed its member, or got no answer for
// startWait. It returns false if ctx ends first.
func (r *runningMember) mayStart(ctx context.Context, w *member.Watcher) bool {
	select {
	case r.fleet.starts <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	go func() {
		select {
		case <-w.Begun():
		case <-time.After(startWait):
		case <-ctx.Done():
		}
		<-r.fleet.starts
	}()
	return true
}

// watch runs the watcher and, beside it, the writer of the member's mirrors. The returned function stops both, and
// waits up to stopWait.
func (r *runningMember) watch(ctx context.Context, w *member.Watcher, c *rest.Config) (stop func()) {
	r.mu.Lock()
	r.watcher = w
	r.mu.Unlock()
	left := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var running sync.WaitGroup
		running.Go(func() { r.fleet.mirrors.run(ctx, r.cluster.Member.Name, c) })
		_ = w.Run(ctx) // returns when ctx ends
		running.Wait()
	}()
	return func() {
		cancel(context.Cause(left)) // the writer has to know it
		select {
		case <-done:
		case <-time.After(stopWait):
		}
	}
}
