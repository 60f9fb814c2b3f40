package main

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/inmem"
)

// sink is a provider that takes everything, and keeps what is TXT.
type sink struct{ provider.Provider }

func newSink() sink { return sink{inmem.New(fed.Domain)} }

func (s sink) Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error {
	errs := make([]error, len(changes))
	for i, c := range changes {
		if provider.HasTXT(c) {
			errs[i] = s.Provider.Apply(ctx, claim, changes[i:i+1])[0]
		}
	}
	return errs
}

// follow notes what is written to the mirrors of a real API server.
func (b *bench) follow(ctx context.Context, config *rest.Config, f *facts) error {
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.ConfigMaps(mirror.Namespace)
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				return maps.List(ctx, o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				return maps.Watch(ctx, o)
			},
		},
		ObjectType: &corev1.ConfigMap{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(obj any) { f.wrote(obj.(*corev1.ConfigMap)) },
			UpdateFunc: func(_, obj any) { f.wrote(obj.(*corev1.ConfigMap)) },
			DeleteFunc: func(obj any) {
				if cm, ok := obj.(*corev1.ConfigMap); ok {
					f.removed(cm.Name)
				}
			},
		},
	})
	b.running.Go(func() { informer.RunWithContext(ctx) })
	return nil
}
