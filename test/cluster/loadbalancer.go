package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// loadBalancer is the simulated cloud: it gives each Service of type LoadBalancer one address per IP family, and
// forwards TCP from there to a ready endpoint. With no ready endpoint connections are reset, as clouds do.
type loadBalancer struct {
	o        options
	client   kubernetes.Interface
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
	queue    queue

	mu        sync.Mutex
	given     map[netip.Addr]string // address -> namespace/name
	listeners map[string][]*forwarder
}

func newLoadBalancer(o options, client kubernetes.Interface, factory informers.SharedInformerFactory) *loadBalancer {
	b := &loadBalancer{
		o: o, client: client,
		services: factory.Core().V1().Services().Lister(), slices: factory.Discovery().V1().EndpointSlices().Lister(),
		queue: newQueue(),
		given: map[netip.Addr]string{}, listeners: map[string][]*forwarder{},
	}
	enqueue := func(obj any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
			b.queue.Add(key)
		}
	}
	_, err := factory.Core().V1().Services().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue, UpdateFunc: func(_, obj any) { enqueue(obj) }, DeleteFunc: enqueue,
	})
	if err != nil {
		panic(err) // impossible: the informer has not started yet
	}
	factory.Discovery().V1().EndpointSlices().Informer() // the forwarders use its lister
	return b
}

func (b *loadBalancer) run(ctx context.Context) error {
	defer b.closeAll()
	if len(b.o.lbCIDRs) == 0 {
		<-ctx.Done()
		return nil
	}
	b.adopt()
	go func() {
		<-ctx.Done()
		b.queue.ShutDown()
	}()
	work(ctx, "service", b.queue, b.sync)
	return nil
}

// adopt takes over the addresses given by an earlier run.
func (b *loadBalancer) adopt() {
	services, _ := b.services.List(labels.Everything()) // a lister never fails
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, svc := range services {
		for _, a := range ingressAddrs(svc) {
			b.given[a] = svc.Namespace + "/" + svc.Name
		}
	}
}

func ingressAddrs(svc *corev1.Service) []netip.Addr {
	var out []netip.Addr
	for _, in := range svc.Status.LoadBalancer.Ingress {
		if a, err := netip.ParseAddr(in.IP); err == nil {
			out = append(out, a)
		}
	}
	return out
}

func (b *loadBalancer) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	svc, err := b.services.Services(namespace).Get(name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	balanced := err == nil && svc.Spec.Type == corev1.ServiceTypeLoadBalancer && svc.Spec.LoadBalancerClass == nil &&
		svc.DeletionTimestamp == nil
	if !balanced {
		b.release(key)
		if err == nil && len(svc.Status.LoadBalancer.Ingress) > 0 && svc.Spec.LoadBalancerClass == nil {
			return b.writeStatus(ctx, svc, nil)
		}
		return nil
	}
	addrs, err := b.addresses(key, svc)
	if err != nil {
		return err
	}
	if err := b.listen(key, svc, addrs); err != nil {
		return err
	}
	return b.writeStatus(ctx, svc, addrs)
}

// addresses returns the Service's addresses, one per IP family: those it has, else the next free ones.
func (b *loadBalancer) addresses(key string, svc *corev1.Service) ([]netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []netip.Addr
	for _, family := range svc.Spec.IPFamilies {
		v4 := family == corev1.IPv4Protocol
		i := slices.IndexFunc(b.o.lbCIDRs, func(p netip.Prefix) bool { return p.Addr().Is4() == v4 })
		if i < 0 {
			continue // this cloud has no such addresses
		}
		cidr := b.o.lbCIDRs[i]
		var addr netip.Addr
		for a, owner := range b.given {
			if owner == key && cidr.Contains(a) {
				addr = a
			}
		}
		if !addr.IsValid() {
			free, err := nextFree(cidr, netip.Addr{}, func(a netip.Addr) bool { return b.given[a] != "" })
			if err != nil {
				return nil, err
			}
			addr = free
			b.given[addr] = key
		}
		out = append(out, addr)
	}
	return out, nil
}

func (b *loadBalancer) release(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.listeners[key] {
		f.close()
	}
	delete(b.listeners, key)
	for a, owner := range b.given {
		if owner == key {
			delete(b.given, a)
		}
	}
}

func (b *loadBalancer) closeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fs := range b.listeners {
		for _, f := range fs {
			f.close()
		}
	}
}

func (b *loadBalancer) writeStatus(ctx context.Context, svc *corev1.Service, addrs []netip.Addr) error {
	vip := corev1.LoadBalancerIPModeVIP
	var ingress []corev1.LoadBalancerIngress
	for _, a := range addrs {
		ingress = append(ingress, corev1.LoadBalancerIngress{IP: a.String(), IPMode: &vip})
	}
	if equality.Semantic.DeepEqual(svc.Status.LoadBalancer.Ingress, ingress) {
		return nil
	}
	updated := svc.DeepCopy()
	updated.Status.LoadBalancer.Ingress = ingress
	_, err := b.client.CoreV1().Services(svc.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // the newer object arrives through the watch
	}
	return err
}

// listen opens the forwarders that the Service's addresses and ports need, and closes all others.
func (b *loadBalancer) listen(key string, svc *corev1.Service, addrs []netip.Addr) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keep []*forwarder
	var failed error
	have := map[netip.AddrPort]*forwarder{}
	for _, f := range b.listeners[key] {
		have[f.addr] = f
	}
	for _, a := range addrs {
		for _, port := range svc.Spec.Ports {
			if port.Protocol != corev1.ProtocolTCP {
				continue
			}
			addr := netip.AddrPortFrom(a, uint16(port.Port))
			f := have[addr]
			if f == nil {
				l, err := net.Listen("tcp", addr.String())
				if err != nil {
					failed = fmt.Errorf("load balancer address %s (are load balancer addresses local here?): %w",
						addr, err)
					continue
				}
				f = &forwarder{addr: addr, listener: l, pick: b.picker(svc.Namespace, svc.Name)}
				go f.serve()
			}
			f.setPort(port.Name)
			delete(have, addr)
			keep = append(keep, f)
		}
	}
	for _, f := range have {
		f.close()
	}
	b.listeners[key] = keep
	return failed
}

// picker returns a function that lists the ready endpoints of a Service for a port name: those of the IP family of vip,
// or the others if there are none.
func (b *loadBalancer) picker(namespace, name string) func(vip netip.Addr, port string) []netip.AddrPort {
	selector := labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: name})
	return func(vip netip.Addr, port string) []netip.AddrPort {
		all, _ := b.slices.EndpointSlices(namespace).List(selector) // a lister never fails
		var same, other []netip.AddrPort
		for _, slice := range all {
			for _, p := range slice.Ports {
				if p.Port == nil || p.Name != nil && *p.Name != port {
					continue
				}
				for _, ep := range slice.Endpoints {
					if ep.Conditions.Ready != nil && !*ep.Conditions.Ready || len(ep.Addresses) == 0 {
						continue
					}
					a, err := netip.ParseAddr(ep.Addresses[0])
					if err != nil {
						continue
					}
					endpoint := netip.AddrPortFrom(a, uint16(*p.Port))
					if a.Is4() == vip.Is4() {
						same = append(same, endpoint)
					} else {
						other = append(other, endpoint)
					}
				}
			}
		}
		if len(same) > 0 {
			return same
		}
		return other
	}
}
