package member

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/federation-dns/federation/federation/kubeconfig"
)

const (
	// listTimeout ends a list that hangs; it is then tried again.
	listTimeout = time.Minute
	// identityTimeout and identityTries bound the question which cluster it is:
	// a server that answers lists but not this must not be waited for.
	identityTimeout = 3 * time.Second
	identityTries   = 3
)

// backoff is the time between the attempts of a watch that fails.
var backoff = wait.Backoff{Duration: 200 * time.Millisecond, Cap: 3 * time.Second, Steps: 1 << 30, Factor: 2, Jitter: 0.5}

// watch runs the watches of all kinds until ctx ends, and then waits for them.
func (w *Watcher) watch(ctx context.Context) {
	w.outage.over() // all lists are still to come
	t := newContent(ctx, w.config, w.hosts, w.places, func(e Event) { w.emit(ctx, e) })
	t.alive = w.alive.Load
	w.currentMu.Lock()
	if w.current != nil {
		t.goOn(w.current)
	}
	w.current = t
	w.currentMu.Unlock()
	w.unwatched.Store(0) // until a list fails
	// Failures are told with the member's name, through the content.
	ctx = klog.NewContext(ctx, klog.Logger{})
	var wg sync.WaitGroup
	defer w.lists.wait()
	defer wg.Wait()
	client := w.watches
	reflect(ctx, &wg, w, t, kindServices, &corev1.Service{}, LabelFederation,
		client.CoreV1().Services(metav1.NamespaceAll).List, client.CoreV1().Services(metav1.NamespaceAll).Watch)
	reflect(ctx, &wg, w, t, kindSlices, &discoveryv1.EndpointSlice{}, LabelFederation,
		client.DiscoveryV1().EndpointSlices(metav1.NamespaceAll).List, client.DiscoveryV1().EndpointSlices(metav1.NamespaceAll).Watch)
	if w.config.Topology == nil {
		nodes := client.metadata.Resource(corev1.SchemeGroupVersion.WithResource("nodes"))
		reflect(ctx, &wg, w, t, kindNodes, &metav1.PartialObjectMetadata{}, "", nodes.List, nodes.Watch)
	}
	wg.Go(func() { w.identify(ctx, t) })
	w.supervise(ctx, t)
}

// supervise looks after the watches until ctx ends: it has a silent one listed
// afresh, and lets time pass for the labels of Nodes.
func (w *Watcher) supervise(ctx context.Context, t *content) {
	tick := time.NewTicker(silence / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_ = t.locked(func() {
			if k, silent := t.silent(time.Now(), silence); silent && w.alive.Load() {
				w.log.Warn("a watch is silent though the member answers: listing afresh", "kind", k.String())
				w.Relist()
				return
			}
			t.tellTopology() // labels are forgotten with time (H6)
		})
	}
}

// identify asks which cluster it is, and how new, as soon as it can be reached.
func (w *Watcher) identify(ctx context.Context, t *content) {
	select {
	case <-ctx.Done():
		return
	case <-t.reached:
	}
	var id identity
	next := backoff
	for range identityTries {
		var err error
		if id, err = w.askIdentity(ctx); err == nil {
			break
		}
		w.log.Warn("the cluster's identity, the UID of kube-system, cannot be read", "error", plain(err))
		select {
		case <-ctx.Done():
			return
		case <-time.After(next.Step()):
		}
	}
	_ = t.locked(func() { t.identified(id) })
}

// askIdentity returns the server's version even where the UID may not be read.
func (w *Watcher) askIdentity(ctx context.Context) (id identity, err error) {
	ctx, cancel := context.WithTimeout(ctx, identityTimeout)
	defer cancel()
	var v version.Info
	if b, err := w.watches.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw(); err == nil && json.Unmarshal(b, &v) == nil {
		id.version = v.GitVersion
	}
	ns, err := w.watches.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err == nil {
		id.uid = string(ns.UID)
	}
	return id, err
}

// reflect starts the list and watch of one kind, which feed the content.
func reflect[L runtime.Object](ctx context.Context, wg *sync.WaitGroup, w *Watcher, t *content, k kind, example any, selector string,
	list func(context.Context, metav1.ListOptions) (L, error),
	open func(context.Context, metav1.ListOptions) (watch.Interface, error),
) {
	told := func(ctx context.Context, watch bool, err error) {
		if ctx.Err() != nil {
			return
		}
		err = plain(err)
		news := false
		_ = t.locked(func() {
			if err == nil {
				news = t.works(k)
			} else {
				news = t.failed(k, watch, err)
			}
			w.noteUnwatched(t)
		})
		switch { // what it comes to is a problem of the member, or a failed probe
		case news && err == nil:
			w.log.Debug("the watch works again", "kind", k.String())
		case news:
			w.log.Debug("listing or watching failed, trying again", "kind", k.String(), "error", err)
		}
	}
	var budget kubeconfig.ListBudget // of the list under way
	r := cache.NewReflectorWithOptions(listThenWatch{&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if !w.lists.begin(ctx) { // the reflector does not wait for it
				return nil, ctx.Err()
			}
			defer w.lists.end()
			// What a cache holds may be older than what was seen; and a server
			// restored from a backup does not know yet which version that was.
			o.ResourceVersion, o.ResourceVersionMatch = "", ""
			o.LabelSelector = selector
			if o.Continue == "" {
				budget.Reset()
			}
			lctx, cancel := context.WithTimeout(budget.Context(ctx), listTimeout)
			defer cancel()
			obj, err := list(lctx, o)
			if err != nil {
				told(ctx, false, err)
			}
			return obj, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			i, err := open(ctx, o)
			told(ctx, true, err)
			if err == nil && ctx.Err() == nil && w.outage.over() {
				w.log.Info("the API server was away: listing afresh")
				w.Relist()
			}
			if err != nil && t.overdue(k) {
				err = listAgain{err}
			}
			return i, err
		},
	}}, example, store{w, t, k}, cache.ReflectorOptions{Name: k.String(), Backoff: &backoff})
	wg.Go(func() { r.RunWithContext(ctx) })
}

// noteUnwatched notes what the probes tell of the watches; the content is locked.
func (w *Watcher) noteUnwatched(t *content) {
	since := int64(0)
	if at := t.unwatched(); !at.IsZero() {
		since = at.UnixNano()
	}
	w.unwatched.Store(since)
}

// listAgain hides from a reflector what kind of error it was: some are a reason for it to try the same watch again, for
// as long as it is refused. When that is long, a list may tell what the watch does not.
type listAgain struct{ err error }

func (l listAgain) Error() string { return l.err.Error() }

// listThenWatch has a reflector list by LIST, as X2b wants it, and not by a
// stream of events: that has no end of its own on a server that is in trouble,
// and the lists are short.
type listThenWatch struct{ *cache.ListWatch }

// IsWatchListSemanticsUnSupported is asked by the reflector.
func (listThenWatch) IsWatchListSemanticsUnSupported() bool { return true }

// requests counts the requests under way, so that their end can be waited for.
type requests struct {
	mu      sync.Mutex
	current int
	none    sync.Cond
}

// begin counts one more, unless ctx has ended.
func (r *requests) begin(ctx context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	r.current++
	return true
}

func (r *requests) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current--
	r.none.Broadcast()
}

// wait returns when there is none; the context given to begin must have ended.
func (r *requests) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.current > 0 {
		r.none.Wait()
	}
}

// store hands a reflector's objects to the content.
type store struct {
	w       *Watcher
	content *content
	kind    kind
}

func (s store) Add(obj any) error    { return s.heard(func() { s.content.put(obj) }) }
func (s store) Update(obj any) error { return s.heard(func() { s.content.put(obj) }) }
func (s store) Delete(obj any) error { return s.heard(func() { s.content.drop(obj) }) }
func (s store) Resync() error        { return nil }

func (s store) Replace(objs []any, _ string) error {
	return s.content.locked(func() {
		s.content.replace(s.kind, objs)
		s.w.noteUnwatched(s.content)
	})
}

// Bookmark counts as a sign of life of the watch.
func (s store) Bookmark(string) error { return s.heard(func() {}) }

func (s store) heard(f func()) error {
	return s.content.locked(func() {
		s.content.hear(s.kind)
		s.w.noteUnwatched(s.content)
		f()
	})
}
