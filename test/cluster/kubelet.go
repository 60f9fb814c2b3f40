package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

// kubelet is the scheduler and the kubelets of all simulated Nodes. It binds pods, gives them addresses, runs their
// backends, probes them, and writes their status: what it writes is always what it saw of the running backend.
type kubelet struct {
	o      options
	client kubernetes.Interface
	pods   corelisters.PodLister
	queue  queue

	mu      sync.Mutex
	running map[types.UID]*podRun
	inUse   map[netip.Addr]types.UID
	next    map[netip.Prefix]netip.Addr
}

func newKubelet(o options, client kubernetes.Interface, factory informers.SharedInformerFactory) *kubelet {
	k := &kubelet{
		o: o, client: client, pods: factory.Core().V1().Pods().Lister(),
		queue:   newQueue(),
		running: map[types.UID]*podRun{}, inUse: map[netip.Addr]types.UID{}, next: map[netip.Prefix]netip.Addr{},
	}
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(obj any, _ bool) { k.enqueue(obj) },
		UpdateFunc: func(_, obj any) { k.enqueue(obj) },
		DeleteFunc: func(obj any) { k.enqueue(obj) },
	})
	if err != nil {
		panic(err) // impossible: the informer has not started yet
	}
	return k
}

func (k *kubelet) enqueue(obj any) {
	if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
		k.queue.Add(key)
	}
}

func (k *kubelet) run(ctx context.Context) error {
	k.adopt()
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() { work(ctx, "pod", k.queue, k.sync) })
	}
	<-ctx.Done()
	k.queue.ShutDown()
	workers.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.running {
		r.stop()
	}
	return nil
}

// adopt takes over the addresses of the pods of an earlier run, before any pod gets a new one.
func (k *kubelet) adopt() {
	pods, _ := k.pods.List(labels.Everything()) // a lister never fails
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, pod := range pods {
		for _, ip := range podIPs(pod) {
			k.inUse[ip] = pod.UID
		}
	}
}

// sync makes one pod run, or end, as its object demands.
func (k *kubelet) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	pod, err := k.pods.Pods(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		k.forget(key, "")
		return nil
	}
	if err != nil {
		return err
	}
	k.forget(key, pod.UID) // an earlier pod of this name
	switch {
	case k.o.nodes == 0:
		return nil // real kubelets, or whoever made the pod, end it
	case pod.DeletionTimestamp != nil:
		k.forget(key, "")
		return k.finish(ctx, pod)
	case pod.Spec.NodeName == "":
		return k.bind(ctx, pod)
	case !k.runs(pod.Spec.NodeName):
		return nil // a Node without a kubelet
	}
	return k.ensure(ctx, pod)
}

// runs reports whether the Node is one of the simulated ones.
func (k *kubelet) runs(node string) bool {
	for i := range k.o.nodes {
		if k.o.nodeName(i) == node {
			return true
		}
	}
	return false
}

// forget ends the backends of all pods with this key, except keep.
func (k *kubelet) forget(key string, keep types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for uid, r := range k.running {
		if r.key() == key && uid != keep {
			r.stop()
			delete(k.running, uid)
			for _, ip := range r.ips {
				delete(k.inUse, ip)
			}
		}
	}
}

func (k *kubelet) bind(ctx context.Context, pod *corev1.Pod) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(pod.UID))
	node := k.o.nodeName(int(h.Sum32() % uint32(k.o.nodes)))
	err := k.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // bound or gone meanwhile
	}
	return err
}

// finish removes the object of a pod whose backend has ended.
func (k *kubelet) finish(ctx context.Context, pod *corev1.Pod) error {
	now := int64(0)
	err := k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// ensure starts the pod's backend if it does not run, and writes the status.
func (k *kubelet) ensure(ctx context.Context, pod *corev1.Pod) error {
	k.mu.Lock()
	r := k.running[pod.UID]
	if r == nil {
		ips, err := k.addresses(pod)
		if err != nil {
			k.mu.Unlock()
			return err
		}
		r = newPodRun(k.o.name, pod, ips, func() { k.queue.Add(pod.Namespace + "/" + pod.Name) })
		k.running[pod.UID] = r
		r.start()
	}
	k.mu.Unlock()
	return k.writeStatus(ctx, pod, r.status())
}

// addresses returns the pod's addresses, one of each pod CIDR: those it has, or the next free ones. k.mu is held.
func (k *kubelet) addresses(pod *corev1.Pod) ([]netip.Addr, error) {
	if ips := podIPs(pod); len(ips) > 0 {
		return ips, nil
	}
	ips := make([]netip.Addr, 0, len(k.o.podCIDRs))
	for _, cidr := range k.o.podCIDRs {
		ip, err := nextFree(cidr, k.next[cidr], func(a netip.Addr) bool { return k.inUse[a] != "" })
		if err != nil {
			return nil, err
		}
		k.next[cidr] = ip
		k.inUse[ip] = pod.UID
		ips = append(ips, ip)
	}
	return ips, nil
}

// nextFree returns the first free address of the prefix after last, wrapping around; the first address of the prefix
// and the last one (IPv4) are never used.
func nextFree(cidr netip.Prefix, last netip.Addr, used func(netip.Addr) bool) (netip.Addr, error) {
	a := last
	for range 1 << 16 {
		if a.IsValid() {
			a = a.Next()
		}
		if !a.IsValid() || !cidr.Contains(a) || a.Is4() && !cidr.Contains(a.Next()) {
			a = cidr.Addr().Next()
		}
		if !used(a) {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no free address in %s", cidr)
}

func podIPs(pod *corev1.Pod) []netip.Addr {
	var ips []netip.Addr
	for _, ip := range pod.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			ips = append(ips, a)
		}
	}
	return ips
}

// writeStatus updates the status of the pod if it differs from want.
func (k *kubelet) writeStatus(ctx context.Context, pod *corev1.Pod, want podStatus) error {
	for {
		updated := pod.DeepCopy()
		if !want.apply(&updated.Status) {
			return nil
		}
		_, err := k.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{})
		if !apierrors.IsConflict(err) {
			return ignoreNotFound(err)
		}
		fresh, err := k.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
		if err != nil || fresh.UID != pod.UID {
			return ignoreNotFound(err)
		}
		pod = fresh
	}
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// backends returns the runs of the pods that match, sorted by name.
func (k *kubelet) backends(namespace string, selector labels.Selector) []*podRun {
	k.mu.Lock()
	defer k.mu.Unlock()
	var runs []*podRun
	for _, r := range k.running {
		if (namespace == "" || r.pod.Namespace == namespace) && selector.Matches(labels.Set(r.pod.Labels)) {
			runs = append(runs, r)
		}
	}
	slices.SortFunc(runs, func(a, b *podRun) int { return cmp.Compare(a.key(), b.key()) })
	return runs
}

var errNoBackend = errors.New("no pod with a backend matches")
