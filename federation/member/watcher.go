package member

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	discoveryv1client "k8s.io/client-go/kubernetes/typed/discovery/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/resolve"
)

// Watcher watches one member.
type Watcher struct {
	config  Config
	log     *slog.Logger
	events  chan<- Event
	watches connection
	probes  connection
	history *TopologyHistory
	hosts   *resolve.Cache[ShardKey]
	lists   requests
	outage  outage
	signs

	stopMu sync.Mutex // never held while an event is sent
	stop   context.CancelFunc

	// currentMu is held while a change of a host name is sent, so that no such event follows the end of its content.
	currentMu sync.Mutex
	current   *content
}

// signs are what the parts of a Watcher tell each other, and others, of the member.
type signs struct {
	alive atomic.Bool // the last probe was answered
	// unwatched is liveness.unwatched, in nanoseconds since 1970; 0 for zero.
	unwatched atomic.Int64
	beginning chan struct{}
	begun     func() // closes beginning, once
}

// connection is a client with connections of its own, which can be dropped: a dead one would otherwise be kept until
// TCP gives up. Watches and probes do not share one, so that neither delays the other.
type connection struct {
	core     corev1client.CoreV1Interface
	slices   discoveryv1client.DiscoveryV1Interface
	metadata metadata.Interface
	// drop closes the connections; close also refuses new ones.
	drop, close func()
}

// newConnection returns a client whose requests pass through wrap; nil is none.
func newConnection(base *rest.Config, wrap func(http.RoundTripper) http.RoundTripper) (connection, error) {
	config := rest.CopyConfig(base)
	config.Wrap(wrap)
	config.Timeout = 0               // it would end the watches
	config.QPS, config.Burst = -1, 0 // a few long requests need no limit
	config.RateLimiter = nil
	config.WarningHandler = rest.NoWarnings{}
	drop, closed := kubeconfig.OwnConnections(config)
	client, err := kubeconfig.NewHTTPClient(config)
	if err != nil {
		return connection{}, err
	}
	c := connection{drop: drop, close: closed}
	// A whole clientset would be a client for each of fifty groups, for each member.
	if c.core, err = corev1client.NewForConfigAndClient(config, client); err != nil {
		return c, err
	}
	if c.slices, err = discoveryv1client.NewForConfigAndClient(config, client); err != nil {
		return c, err
	}
	c.metadata, err = metadata.NewForConfigAndClient(config, client)
	return c, err
}

// New returns a Watcher that sends what it sees to events, and blocks if nobody receives. It makes no request before
// Run. It uses the server, the credentials and the content types of base, but not its timeout and rate limits. It reads
// and updates history. Errors and log records name the member.
func New(
	c Config, base *rest.Config, resolver resolve.Resolver, history *TopologyHistory, log *slog.Logger,
	events chan<- Event,
) (*Watcher, error) {
	w := &Watcher{config: c, log: log.With("member", c.Name), events: events, history: history}
	w.hosts = resolve.NewCache(resolver, w.hostChanged)
	w.lists.none.L = &w.lists.mu
	w.beginning = make(chan struct{})
	w.begun = sync.OnceFunc(func() { close(w.beginning) })
	own := kubeconfig.WithOwnPlugin(base, c.Name)
	var err error
	if w.watches, err = newConnection(own, w.outage.record); err != nil {
		return nil, fmt.Errorf("member %q: %w", c.Name, err)
	}
	if w.probes, err = newConnection(own, nil); err != nil {
		return nil, fmt.Errorf("member %q: %w", c.Name, err)
	}
	return w, nil
}

// Relist ends the watches and their connections, and lists everything again: a ListEvent follows when all lists are
// complete (X2b), and no event of the old watches. It does not block, and does nothing before Run.
func (w *Watcher) Relist() {
	w.stopMu.Lock()
	defer w.stopMu.Unlock()
	if w.stop != nil {
		w.stop()
	}
}

// Begun returns a channel that is closed when the member has been listed for the first time, or a probe has failed.
func (w *Watcher) Begun() <-chan struct{} { return w.beginning }

// Run watches and probes until ctx ends; then it stops everything that it started, and returns the error of ctx. It
// retries a member that cannot be reached forever. Run may be called once.
func (w *Watcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer func() {
		cancel()
		wg.Wait()
		w.watches.close()
		w.probes.close()
	}()
	wg.Go(func() { w.hosts.Run(ctx) })
	wg.Go(func() { w.probe(ctx) })
	for ctx.Err() == nil {
		watching, stop := context.WithCancel(ctx)
		w.stopMu.Lock()
		w.stop = stop
		w.stopMu.Unlock()
		w.watch(watching)
		stop()
		w.watches.drop()
	}
	return ctx.Err()
}

// hostChanged is called when what is known about a host name of the shard has changed.
func (w *Watcher) hostChanged(key ShardKey) {
	w.currentMu.Lock()
	defer w.currentMu.Unlock()
	if t := w.current; t != nil {
		_ = t.locked(func() { t.hostChanged(key) })
	}
}

// emit sends an event, unless ctx ends first.
func (w *Watcher) emit(ctx context.Context, e Event) {
	if ctx.Err() != nil {
		return
	}
	select {
	case w.events <- e:
	case <-ctx.Done():
	}
	switch e := e.(type) {
	case ListEvent:
		w.begun()
	case ProbeEvent:
		if e.Err != nil {
			w.begun()
		}
	}
}
