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
	// listTimeout ends a list that hangs; it is then retried.
	listTimeout = time.Minute
	// identityTimeout and identityTries bound the identity requests: a server that answers lists, but not these, must
	// not hold up the ListEvent.
	identityTimeout = 3 * time.Second
	identityTries   = 3
)

// backoff is the time between the attempts of a watch that fails.
var backoff = wait.Backoff{
	Duration: 200 * time.Millisecond, Cap: 3 * time.Second, Steps: 1 << 30, Factor: 2, Jitter: 0.5,
}

// watch runs the watches of all kinds until ctx ends, and then waits for their end.
func (w *Watcher) watch(ctx context.Context) {
	w.outage.end() // everything is listed again
	t := newContent(ctx, w.config, w.hosts, w.history, func(e Event) { w.emit(ctx, e) })
	t.answered = w.alive.Load
	w.currentMu.Lock()
	if w.current != nil {
		t.inherit(w.current)
	}
	w.current = t
	w.currentMu.Unlock()
	w.unwatched.Store(0) // until a list fails
	// The content reports failures, with the member's name.
	ctx = klog.NewContext(ctx, klog.Logger{})
	var wg sync.WaitGroup
	defer w.lists.wait()
	defer wg.Wait()
	client := w.watches
	services := client.core.Services(metav1.NamespaceAll)
	reflect(ctx, &wg, w, t, kindServices, &corev1.Service{}, LabelFederation, services.List, services.Watch)
	slices := client.slices.EndpointSlices(metav1.NamespaceAll)
	reflect(ctx, &wg, w, t, kindSlices, &discoveryv1.EndpointSlice{}, LabelFederation, slices.List, slices.Watch)
	if w.config.Topology == nil {
		nodes := client.metadata.Resource(corev1.SchemeGroupVersion.WithResource("nodes"))
		reflect(ctx, &wg, w, t, kindNodes, &metav1.PartialObjectMetadata{}, "", nodes.List, nodes.Watch)
	}
	wg.Go(func() { w.identify(ctx, t) })
	w.supervise(ctx, t)
}

// supervise relists the member if a watch is silent, and expires the labels of Nodes, until ctx ends.
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
			if k, silent := t.liveness.silent(time.Now()); silent && w.alive.Load() {
				w.log.Warn("a watch is silent although the member answers probes, relisting", "kind", k.String())
				w.Relist()
				return
			}
			t.sendReport() // labels expire (H6)
		})
	}
}

// identify requests the identity of the cluster as soon as it can be reached.
func (w *Watcher) identify(ctx context.Context, t *content) {
	select {
	case <-ctx.Done():
		return
	case <-t.progress.reached:
	}
	var id identity
	next := backoff
	for range identityTries {
		var err error
		if id, err = w.requestIdentity(ctx); err == nil {
			break
		}
		w.log.Warn("cannot read the cluster's identity, the UID of kube-system", "error", withoutURL(err))
		select {
		case <-ctx.Done():
			return
		case <-time.After(next.Step()):
		}
	}
	_ = t.locked(func() { t.identified(id) })
}

// requestIdentity returns the server's version even if it may not read the UID.
func (w *Watcher) requestIdentity(ctx context.Context) (id identity, err error) {
	ctx, cancel := context.WithTimeout(ctx, identityTimeout)
	defer cancel()
	var v version.Info
	b, err := w.watches.core.RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err == nil && json.Unmarshal(b, &v) == nil {
		id.version = v.GitVersion
	}
	ns, err := w.watches.core.Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err == nil {
		id.uid = string(ns.UID)
	}
	return id, err
}

// reflect starts the list and watch of one kind, which feed the content.
func reflect[L runtime.Object](
	ctx context.Context, wg *sync.WaitGroup, w *Watcher, t *content, k kind, example any, selector string,
	list func(context.Context, metav1.ListOptions) (L, error),
	open func(context.Context, metav1.ListOptions) (watch.Interface, error),
) {
	result := func(ctx context.Context, watch bool, err error) {
		if ctx.Err() != nil {
			return
		}
		err = withoutURL(err)
		news := false
		_ = t.locked(func() {
			if err == nil {
				news = t.recovered(k)
			} else {
				news = t.failed(k, watch, err)
			}
			w.updateUnwatched(t)
		})
		switch { // if it lasts, it becomes a problem of the member, or failed probes
		case news && err == nil:
			w.log.Debug("the watch works again", "kind", k.String())
		case news:
			w.log.Debug("listing or watching failed, retrying", "kind", k.String(), "error", err)
		}
	}
	var budget kubeconfig.ListBudget // of the list in progress
	r := cache.NewReflectorWithOptions(kubeconfig.ListThenWatch{ListWatch: &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if !w.lists.begin(ctx) { // the reflector does not wait for its lists
				return nil, ctx.Err()
			}
			defer w.lists.end()
			// A list from a cache may be older than what was seen, and a server restored from a backup does not know
			// that resource version yet.
			o.ResourceVersion, o.ResourceVersionMatch = "", ""
			o.LabelSelector = selector
			if o.Continue == "" {
				budget.Reset()
			}
			lctx, cancel := context.WithTimeout(budget.Context(ctx), listTimeout)
			defer cancel()
			obj, err := list(lctx, o)
			if err != nil {
				result(ctx, false, err)
			}
			return obj, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector
			i, err := open(ctx, o)
			result(ctx, true, err)
			if err == nil && ctx.Err() == nil && w.outage.end() {
				w.log.Info("the API server was unreachable, relisting")
				w.Relist()
			}
			if err != nil && t.overdue(k) {
				err = relistError{err}
			}
			return i, err
		},
	}}, example, store{w, t, k}, cache.ReflectorOptions{Name: k.String(), Backoff: &backoff})
	wg.Go(func() { r.RunWithContext(ctx) })
}

// updateUnwatched passes on to the probes since when the member is unwatched; the content must be locked.
func (w *Watcher) updateUnwatched(t *content) {
	since := int64(0)
	if at := t.liveness.unwatched(); !at.IsZero() {
		since = at.UnixNano()
	}
	w.unwatched.Store(since)
}

// relistError hides the type of an error from the reflector. For some types it retries the same watch for as long as
// that is refused; with any other error it lists first, and so sees what the watch does not show.
type relistError struct{ err error }

func (r relistError) Error() string { return r.err.Error() }

// requests counts the requests in progress, so that their end can be awaited.
type requests struct {
	mu      sync.Mutex
	current int
	none    sync.Cond
}

// begin counts a request, unless ctx has ended.
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

// wait returns when no request is in progress; the context passed to begin must have ended.
func (r *requests) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.current > 0 {
		r.none.Wait()
	}
}

// store passes a reflector's objects to the content.
type store struct {
	w       *Watcher
	content *content
	kind    kind
}

func (s store) Add(obj any) error    { return s.active(func() { s.content.put(obj) }) }
func (s store) Update(obj any) error { return s.active(func() { s.content.put(obj) }) }
func (s store) Delete(obj any) error { return s.active(func() { s.content.remove(obj) }) }
func (s store) Resync() error        { return nil }

func (s store) Replace(objs []any, _ string) error {
	return s.content.locked(func() {
		s.content.replace(s.kind, objs)
		s.w.updateUnwatched(s.content)
	})
}

// Bookmark counts as a sign of life of the watch.
func (s store) Bookmark(string) error { return s.active(func() {}) }

// active records a sign of life of the watch, and calls f with the content locked.
func (s store) active(f func()) error {
	return s.content.locked(func() {
		s.content.active(s.kind)
		s.w.updateUnwatched(s.content)
		f()
	})
}
