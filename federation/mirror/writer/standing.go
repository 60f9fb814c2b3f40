package writer

import (
	"context"
	"errors"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/mirror"
)

// object is what stands in the member at a name.
type object struct {
	name, version string // the version is "" if nothing stands there
	deleted       string // if nothing does, the version that was deleted; "" if that is not known
	labelled      string // the federation that it is labelled with
	owner         string // who says to have written it; "" if it does not say
	hash          string // of a bucket's data
	heartbeat     *mirror.Heartbeat
	header        mirror.Header
}

// objectOf reads a ConfigMap. What cannot be read of it is left zero.
func objectOf(cm *corev1.ConfigMap) object {
	o := object{name: cm.Name, version: cm.ResourceVersion, labelled: cm.Labels[mirror.Label]}
	o.owner, o.hash = mirror.OwnerOf(cm.Data), mirror.Hash(cm.Data)
	if mirror.IsHeartbeat(cm.Data) {
		o.heartbeat, _ = mirror.DecodeHeartbeat(cm.Data)
	} else {
		o.header, _ = mirror.DecodeHeader(cm.Data)
	}
	return o
}

// standing is what stands in the member's namespace of mirrors, by a watch of the objects with our label (M3, X6).
// Nothing is kept of a bucket but its hash. It is the store of a reflector.
type standing struct {
	api  *api
	wake func()

	once    sync.Once
	running sync.WaitGroup

	mu      sync.Mutex
	objects map[string]object
	changed map[string]string // by name: the version that was deleted, if nothing stands there
	ready   bool
	refused error // why it cannot be listed or watched
}

func newStanding(a *api, wake func()) *standing {
	return &standing{api: a, wake: wake, objects: map[string]object{}, changed: map[string]string{}}
}

const (
	// listTimeout ends a list that hangs; it is then retried.
	listTimeout = time.Minute
	// minRetry and maxRetry are the time between the attempts of a watch that fails, and retryJitter is by how much of
	// it they differ: a right that is given is used within refusedPause.
	minRetry, maxRetry, retryJitter = 500 * time.Millisecond, 27 * time.Second, 0.1
)

// retries returns the time between attempts that fail.
func retries() *wait.Backoff {
	return &wait.Backoff{Duration: minRetry, Cap: maxRetry, Steps: 1 << 30, Factor: 2, Jitter: retryJitter}
}

// watch watches until ctx ends, and running is then waited for. Only the first call does anything.
func (s *standing) watch(ctx context.Context) { s.once.Do(func() { s.start(ctx) }) }

func (s *standing) start(ctx context.Context) {
	var budget kubeconfig.ListBudget // of the list in progress
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector, o.ResourceVersion, o.ResourceVersionMatch = mirror.Label, "", ""
			if o.Continue == "" {
				budget.Reset()
			}
			ctx, cancel := context.WithTimeout(budget.Context(ctx), listTimeout)
			defer cancel()
			list, err := s.api.maps.List(ctx, o)
			s.result(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = mirror.Label
			w, err := s.api.maps.Watch(ctx, o)
			s.result(ctx, err)
			return w, err
		},
	}
	lists := kubeconfig.ListThenWatch{ListWatch: lw}
	r := cache.NewReflectorWithOptions(lists, &corev1.ConfigMap{}, s, cache.ReflectorOptions{
		Backoff: retries(),
	})
	ctx = klog.NewContext(ctx, klog.Logger{}) // the Writer reports, with the member's name
	s.running.Go(func() { r.RunWithContext(ctx) })
}

// result notes how a request ended.
func (s *standing) result(ctx context.Context, err error) {
	if err != nil && errors.Is(context.Cause(ctx), context.Canceled) { // the end of the Writer
		return
	}
	s.mu.Lock()
	s.refused = err
	s.mu.Unlock()
	if err != nil {
		s.wake()
	}
}

// Add implements cache.ReflectorStore.
func (s *standing) Add(obj any) error { return s.Update(obj) }

// Update implements cache.ReflectorStore.
func (s *standing) Update(obj any) error {
	if cm, ok := obj.(*corev1.ConfigMap); ok {
		s.mu.Lock()
		s.objects[cm.Name], s.changed[cm.Name] = objectOf(cm), ""
		s.mu.Unlock()
		s.wake()
	}
	return nil
}

// Delete implements cache.ReflectorStore.
func (s *standing) Delete(obj any) error {
	if cm, ok := obj.(*corev1.ConfigMap); ok {
		s.mu.Lock()
		s.changed[cm.Name] = s.objects[cm.Name].version
		delete(s.objects, cm.Name)
		s.mu.Unlock()
		s.wake()
	}
	return nil
}

// Replace implements cache.ReflectorStore.
func (s *standing) Replace(list []any, _ string) error {
	s.mu.Lock()
	for name := range s.objects {
		s.changed[name] = ""
	}
	clear(s.objects)
	for _, obj := range list {
		if cm, ok := obj.(*corev1.ConfigMap); ok {
			s.objects[cm.Name], s.changed[cm.Name] = objectOf(cm), ""
		}
	}
	s.ready = true
	s.mu.Unlock()
	s.wake()
	return nil
}

// Resync implements cache.ReflectorStore.
func (*standing) Resync() error { return nil }

// listed reports whether all objects are known, and why they cannot be listed or watched now.
func (s *standing) listed() (ok bool, refused error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready, s.refused
}

// take returns the objects that have changed since the last call; one without a version is gone.
func (s *standing) take() (list []object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, deleted := range s.changed {
		o := s.objects[name]
		o.name, o.deleted = name, deleted
		list = append(list, o)
	}
	clear(s.changed)
	return list
}

// all returns every object.
func (s *standing) all() (list []object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.objects {
		list = append(list, o)
	}
	return list
}
