package writer

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/mirror"
)

// api is what a Writer asks of its member.
type api struct {
	maps  corev1client.ConfigMapInterface
	drop  func() // closes the connections; the next request makes another one
	close func() // drop, for good
}

func newAPI(member string, base *rest.Config) (*api, error) {
	own := kubeconfig.WithOwnPlugin(base, member)
	own.Timeout = 0            // it would end the watch
	own.QPS, own.Burst = -1, 0 // a Writer has its own pace
	own.RateLimiter = nil      // as above
	own.WarningHandler = rest.NoWarnings{}
	a := &api{}
	a.drop, a.close = kubeconfig.OwnConnections(own)
	http, err := kubeconfig.NewHTTPClient(own)
	if err != nil {
		return nil, err
	}
	core, err := corev1client.NewForConfigAndClient(own, http)
	if err != nil {
		return nil, err
	}
	a.maps = core.ConfigMaps(mirror.Namespace)
	return a, nil
}

// put writes a ConfigMap: it creates it if version is "", and otherwise replaces the one of that version (M3). It
// returns what stands then.
func (a *api) put(ctx context.Context, name, federation, version string, data map[string]string) (object, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: mirror.Namespace, ResourceVersion: version,
			Labels: map[string]string{mirror.Label: federation},
		},
		Data: data,
	}
	var err error
	if version == "" {
		cm, err = a.maps.Create(ctx, cm, metav1.CreateOptions{FieldManager: manager})
	} else {
		cm, err = a.maps.Update(ctx, cm, metav1.UpdateOptions{FieldManager: manager})
	}
	if err != nil {
		return object{}, err
	}
	return objectOf(cm), nil
}

// manager is the field manager of what a Writer writes.
const manager = "federation-syncer"

// get reads a ConfigMap.
func (a *api) get(ctx context.Context, name string) (object, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	cm, err := a.maps.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return object{}, err
	}
	return objectOf(cm), nil
}

// list reads all ConfigMaps of mirrors.
func (a *api) list(ctx context.Context) ([]corev1.ConfigMap, error) {
	var budget kubeconfig.ListBudget
	budget.Reset()
	ctx, cancel := context.WithTimeout(budget.Context(ctx), writeTimeout)
	defer cancel()
	list, err := a.maps.List(ctx, metav1.ListOptions{LabelSelector: mirror.Label})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// remove deletes a ConfigMap of that version.
func (a *api) remove(ctx context.Context, name, version string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	only := &metav1.Preconditions{ResourceVersion: &version}
	return a.maps.Delete(ctx, name, metav1.DeleteOptions{Preconditions: only})
}
