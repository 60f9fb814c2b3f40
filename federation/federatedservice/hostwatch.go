package federatedservice

import (
	"context"
	"sync"

	"k8s.io/client-go/tools/cache"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/host"
)

// key is the namespace/name of a FederatedService, and of its Services.
type key = cache.ObjectName

// hostWatch is the informers' view of the host.
type hostWatch struct {
	*host.Informers
	services, members cache.SharedIndexInformer
	said              *host.SaidOnce
}

func newHostWatch(c *hostClient, said *host.SaidOnce) *hostWatch {
	w := &hostWatch{Informers: host.NewInformers(said), said: said}
	w.services = cache.NewSharedIndexInformer(c.listWatch(services), &v1alpha1.FederatedService{}, 0, nil)
	w.members = cache.NewSharedIndexInformer(c.listWatch(members), &v1alpha1.MemberCluster{}, 0, nil)
	w.Prepare(w.services, "FederatedServices", func(err error) {
		said.Info("FederatedServices", "FederatedServices of the host are not used: apply deploy/crds and "+
			"deploy/host-rbac.yaml there to create Services in members", err)
	})
	w.Prepare(w.members, "MemberClusters", func(error) {}) // those who take them as members say it
	return w
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
