package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/connrotation"
	"k8s.io/klog/v2"
)

// silence is how long a watch may show nothing, not even a bookmark, while the
// probe works, before the member is listed afresh (X2b). Bookmarks come about
// once a minute.
const silence = 3 * time.Minute

// Watcher watches one member.
type Watcher struct {
	config  Config
	log     *slog.Logger
	events  chan<- Event
	watches connection
	probes  connection
	hosts   *hosts
	places  *places
	relist  chan struct{}

	mu      sync.Mutex
	current *content
}

// connection is a client with connections of its own, which can be dropped: a
// dead one would otherwise be held for as long as TCP believes in it.
type connection struct {
	client kubernetes.Interface
	drop   func()
}

func newConnection(base *rest.Config) (connection, error) {
	config := rest.CopyConfig(base)
	config.QPS, config.Burst = -1, 0 // a few long requests: nothing to limit
	dialer := connrotation.NewDialer((&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext)
	config.Dial = dialer.DialContext
	client, err := kubernetes.NewForConfig(config)
	return connection{client: client, drop: dialer.CloseAll}, err
}

// New returns a Watcher that sends what it sees to events. It makes no
// request before Run. The configuration is copied.
func New(c Config, base *rest.Config, resolver Resolver, log *slog.Logger, events chan<- Event) (*Watcher, error) {
	w := &Watcher{config: c, log: log.With("member", c.Name), events: events, places: newPlaces(), relist: make(chan struct{}, 1)}
	var err error
	if w.watches, err = newConnection(base); err != nil {
		return nil, fmt.Errorf("member %q: %w", c.Name, err)
	}
	if w.probes, err = newConnection(base); err != nil {
		return nil, fmt.Errorf("member %q: %w", c.Name, err)
	}
	w.hosts = newHosts(resolver, func(key ShardKey) {
		w.mu.Lock()
		current := w.current
		w.mu.Unlock()
		if current != nil {
			current.changed(key)
		}
	})
	return w, nil
}

// Relist drops the watches and their connections, and lists everything afresh:
// a ListEvent follows as soon as all lists are in (X2b). It does not block.
func (w *Watcher) Relist() {
	select {
	case w.relist <- struct{}{}:
	default: // one is due already
	}
}

// Run watches and probes until ctx ends; then everything it started has ended.
// A member that cannot be reached is tried again for ever.
func (w *Watcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer w.hosts.wg.Wait()
	defer cancel()
	w.hosts.ctx = ctx
	wg.Go(func() { w.probe(ctx) })
	for {
		watching, stop := context.WithCancel(ctx)
		var watches sync.WaitGroup
		watches.Go(func() { w.watch(watching) })
		select {
		case <-ctx.Done():
		case <-w.relist:
		}
		stop()
		w.watches.drop()
		watches.Wait()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (w *Watcher) emit(ctx context.Context, e Event) {
	select {
	case w.events <- e:
	case <-ctx.Done():
	}
}

// watch runs the watches of all kinds until ctx ends.
func (w *Watcher) watch(ctx context.Context) {
	t := newContent(ctx, w.config, w.hosts, w.places, func(e Event) { w.emit(ctx, e) }, func(e *ListEvent) { w.describe(ctx, e) })
	w.mu.Lock()
	w.current = t
	w.mu.Unlock()
	labelled := LabelFederation
	client := w.watches.client
	lists := map[kind]*cache.ListWatch{
		kindServices: listWatch(labelled, client.CoreV1().Services("").List, client.CoreV1().Services("").Watch),
		kindSlices:   listWatch(labelled, client.DiscoveryV1().EndpointSlices("").List, client.DiscoveryV1().EndpointSlices("").Watch),
	}
	types := map[kind]any{kindServices: &corev1.Service{}, kindSlices: &discoveryv1.EndpointSlice{}, kindNodes: &corev1.Node{}}
	if w.config.Topology == nil {
		lists[kindNodes] = listWatch("", client.CoreV1().Nodes().List, client.CoreV1().Nodes().Watch)
	}
	quiet := klog.New(logr.Discard().GetSink()) // failures are told below, with the member's name
	var wg sync.WaitGroup
	for k, lw := range lists {
		r := cache.NewReflectorWithOptions(w.report(k, lw, client), types[k], store{t, k}, cache.ReflectorOptions{
			Name: w.config.Name, Logger: &quiet,
			Backoff: &wait.Backoff{Duration: 200 * time.Millisecond, Cap: 5 * time.Second, Steps: 1 << 30, Factor: 2, Jitter: 0.5},
		})
		wg.Go(func() { r.RunWithContext(ctx) })
	}
	tick := time.NewTicker(silence / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			wg.Wait()
			return
		case <-tick.C:
			if since := t.silentSince(); !since.IsZero() && time.Since(since) > silence {
				w.log.Warn("a watch is silent: listing afresh", "since", since)
				w.Relist()
			}
			t.mu.Lock()
			t.tellTopology() // labels are forgotten with time (H6)
			t.mu.Unlock()
		}
	}
}

// describe adds what a list does not hold: the cluster's identity and version.
func (w *Watcher) describe(ctx context.Context, e *ListEvent) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if ns, err := w.watches.client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{}); err == nil {
		e.ClusterUID = string(ns.UID)
	}
	var v version.Info
	if b, err := w.watches.client.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw(); err == nil && json.Unmarshal(b, &v) == nil {
		e.Version = v.GitVersion
	}
}

// report passes a kind's requests on, and tells of those that fail.
func (w *Watcher) report(k kind, lw *cache.ListWatch, client any) cache.ListerWatcher {
	failed := func(ctx context.Context, what string, err error) {
		if err != nil && ctx.Err() == nil {
			w.log.Warn("member: "+what+" failed, trying again", "kind", k.String(), "error", err)
		}
	}
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			obj, err := lw.ListWithContextFunc(ctx, o)
			failed(ctx, "list", err)
			return obj, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			i, err := lw.WatchFuncWithContext(ctx, o)
			failed(ctx, "watch", err)
			return i, err
		},
	}, client)
}

func listWatch[L runtime.Object](selector string,
	list func(context.Context, metav1.ListOptions) (L, error),
	watchIt func(context.Context, metav1.ListOptions) (watch.Interface, error),
) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			return list(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			return watchIt(ctx, o)
		},
	}
}

// probe asks for one labelled Service at every interval and tells the result,
// whatever the watches seem to do (X2a).
func (w *Watcher) probe(ctx context.Context) {
	interval, timeout := w.config.probeTimes()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		at := time.Now()
		err := w.contact(ctx, timeout)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.probes.drop() // the next one shall not wait on a dead connection
		}
		w.emit(ctx, ProbeEvent{Member: w.config.Name, At: at, Err: err})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *Watcher) contact(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var status int
	err := w.probes.client.CoreV1().RESTClient().Get().Resource("services").
		Param("limit", "1").Param("labelSelector", LabelFederation).Do(ctx).StatusCode(&status).Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", timeout)
	case err != nil:
		return err
	case status < http.StatusOK || status >= http.StatusMultipleChoices:
		return fmt.Errorf("status %d", status)
	}
	return nil
}

// store hands a reflector's objects to the content. After its watches have
// ended nothing more is taken in.
type store struct {
	content *content
	kind    kind
}

func (s store) Add(obj any) error    { return s.do(func() { s.content.set(s.kind, obj) }) }
func (s store) Update(obj any) error { return s.do(func() { s.content.set(s.kind, obj) }) }
func (s store) Delete(obj any) error { return s.do(func() { s.content.unset(s.kind, obj) }) }
func (s store) Resync() error        { return nil }

func (s store) Replace(objs []any, _ string) error {
	return s.do(func() { s.content.replace(s.kind, objs) })
}

// Bookmark counts as a sign of life of the watch.
func (s store) Bookmark(string) error {
	return s.do(func() {
		s.content.mu.Lock()
		defer s.content.mu.Unlock()
		s.content.lastSeen[s.kind] = time.Now()
	})
}

func (s store) do(f func()) error {
	if s.content.ctx.Err() == nil {
		f()
	}
	return s.content.ctx.Err()
}
