package membercluster

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/host"
)

// settle is how long changes are collected: what creates one object often creates many.
const settle = 100 * time.Millisecond

// watch is the informers' view of the host.
type watch struct {
	*host.Informers
	members, secrets cache.SharedIndexInformer
	// changed receives when there is something to take: after a change, or once it is known that there is nothing.
	changed chan struct{}
	said    *host.SaidOnce

	noMembers, noSecrets refusal

	mu    sync.Mutex
	timer *time.Timer
	stop  func() // ends the informers, and waits for them
}

// refusal is why a kind cannot be listed: it is not there, or may not be read.
type refusal struct{ atomic.Pointer[error] }

func (r *refusal) err() error {
	if e := r.Load(); e != nil {
		return *e
	}
	return nil
}

func newWatch(ctx context.Context, c *client, said *host.SaidOnce) *watch {
	w := &watch{Informers: host.NewInformers(said), changed: make(chan struct{}, 1), said: said}
	w.members = cache.NewSharedIndexInformer(c.memberClusters(), &v1alpha1.MemberCluster{}, 0, nil)
	w.secrets = cache.NewSharedIndexInformer(c.secrets(), &corev1.Secret{}, 0, nil)
	w.prepare(w.members, &w.noMembers, "MemberClusters", fmt.Sprintf("MemberClusters of the host are not used: "+
		"apply deploy/crds and deploy/host-rbac.yaml there to have members as objects"))
	w.prepare(w.secrets, &w.noSecrets, "Secrets", fmt.Sprintf(
		"the kubeconfigs of MemberClusters cannot be read in the namespace %s of the host: "+
			"apply deploy/host-rbac.yaml there", c.namespace))
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, informer := range []cache.SharedIndexInformer{w.members, w.secrets} {
		running.Go(func() { informer.RunWithContext(ctx) })
		running.Go(func() {
			if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
				w.later()
			}
		})
	}
	w.stop = func() {
		cancel()
		running.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.timer != nil {
			w.timer.Stop()
		}
	}
	return w
}

func (w *watch) prepare(informer cache.SharedIndexInformer, refused *refusal, kind, text string) {
	changed := func() {
		if refused.Swap(nil) != nil {
			w.said.Passed(kind, kind+" of the host can be read now")
		}
		w.later()
	}
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{ // the error is that of one that has ended
		AddFunc: func(any) { changed() }, UpdateFunc: func(_, _ any) { changed() }, DeleteFunc: func(any) { changed() },
	})
	w.Prepare(informer, kind, func(err error) {
		w.said.Info(kind, text, err)
		refused.Store(&err)
		w.later()
	})
}

// later has changed receive once no more than settle has passed.
func (w *watch) later() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		return
	}
	w.timer = time.AfterFunc(settle, func() {
		w.mu.Lock()
		w.timer = nil
		w.mu.Unlock()
		select {
		case w.changed <- struct{}{}:
		default:
		}
	})
}

// list returns the MemberClusters, the oldest first. They are not ours to change.
func (w *watch) list() []*v1alpha1.MemberCluster {
	var list []*v1alpha1.MemberCluster
	for _, obj := range w.members.GetStore().List() {
		list = append(list, obj.(*v1alpha1.MemberCluster))
	}
	oldestFirst(list)
	return list
}
