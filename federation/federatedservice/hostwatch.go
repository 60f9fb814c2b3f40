package federatedservice

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/host"
)

// key is the namespace/name of a FederatedService, and of its Services.
type key = cache.ObjectName

// hostWatch is the informers' view of the host.
type hostWatch struct {
	services, members cache.SharedIndexInformer
	said              *host.SaidOnce
	errorAt           atomic.Int64 // when a request failed last, in Unix nanoseconds
}

func newHostWatch(c *hostClient, said *host.SaidOnce) *hostWatch {
	w := &hostWatch{said: said}
	w.services = cache.NewSharedIndexInformer(c.listWatch(services), &v1alpha1.FederatedService{}, 0, nil)
	w.members = cache.NewSharedIndexInformer(c.listWatch(members), &v1alpha1.MemberCluster{}, 0, nil)
	w.prepare(w.services, "FederatedServices")
	w.prepare(w.members, "MemberClusters")
	return w
}

// prepare says what is wrong, once; but not that MemberClusters cannot be had: those who take them as members do.
// The errors are those of an informer that runs already.
func (w *hostWatch) prepare(informer cache.SharedIndexInformer, kind string) {
	_ = informer.SetTransform(func(obj any) (any, error) {
		if m, ok := obj.(metav1.Object); ok {
			m.SetManagedFields(nil)
		}
		return obj, nil
	})
	_ = informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
		if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			return
		}
		w.errorAt.Store(time.Now().UnixNano())
		refused := apierrors.IsNotFound(err) || apierrors.IsForbidden(err)
		switch {
		case refused && informer == w.members:
		case refused:
			w.said.Info(kind, "FederatedServices of the host are not used: apply deploy/crds and "+
				"deploy/host-rbac.yaml there to create Services in members", err)
		default:
			w.said.Error(kind, "cannot watch the "+kind+" of the host; retrying", err)
		}
	})
}

// handle has a function called for each object that comes, changes or goes, with its state before and after.
func handle[T any](informer cache.SharedIndexInformer, do func(before, after *T)) {
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{ // the error is that of one that has ended
		AddFunc:    func(obj any) { do(nil, obj.(*T)) },
		UpdateFunc: func(before, after any) { do(before.(*T), after.(*T)) },
		DeleteFunc: func(obj any) {
			if last, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = last.Obj
			}
			if gone, ok := obj.(*T); ok {
				do(gone, nil)
			}
		},
	})
}

// run runs the informers.
func (w *hostWatch) run(ctx context.Context, running *sync.WaitGroup) {
	for kind, informer := range map[string]cache.SharedIndexInformer{
		"FederatedServices": w.services, "MemberClusters": w.members,
	} {
		running.Go(func() { informer.RunWithContext(ctx) })
		running.Go(func() {
			if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
				w.said.Passed(kind, "the "+kind+" of the host are watched")
			}
		})
	}
}

func (w *hostWatch) synced() bool { return w.services.HasSynced() && w.members.HasSynced() }

// failing reports whether a request failed lately.
func (w *hostWatch) failing() bool {
	at := w.errorAt.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < time.Minute
}

// service returns a FederatedService, which is not ours to change; nil if there is none.
func (w *hostWatch) service(k key) *v1alpha1.FederatedService {
	obj, ok, _ := w.services.GetStore().GetByKey(k.String()) // there is no error
	if !ok {
		return nil
	}
	return obj.(*v1alpha1.FederatedService)
}

// member returns a MemberCluster, which is not ours to change; nil if there is none.
func (w *hostWatch) member(name string) *v1alpha1.MemberCluster {
	obj, ok, _ := w.members.GetStore().GetByKey(name) // there is no error
	if !ok {
		return nil
	}
	return obj.(*v1alpha1.MemberCluster)
}

func (w *hostWatch) memberClusters() (list []*v1alpha1.MemberCluster) {
	for _, obj := range w.members.GetStore().List() {
		list = append(list, obj.(*v1alpha1.MemberCluster))
	}
	return list
}

func (w *hostWatch) keys() (keys []key) {
	for _, obj := range w.services.GetStore().List() {
		f := obj.(*v1alpha1.FederatedService)
		keys = append(keys, key{Namespace: f.Namespace, Name: f.Name})
	}
	return keys
}

// owedBy returns the Services that the MemberCluster says are still to be removed from the member.
func (w *hostWatch) owedBy(name string) (keys []key) {
	if o := w.member(name); o != nil {
		for _, text := range o.Status.PendingDeletions {
			if k, err := cache.ParseObjectName(text); err == nil {
				keys = append(keys, k)
			}
		}
	}
	return keys
}
