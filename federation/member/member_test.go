package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/resolve"
)

func TestMain(m *testing.M) {
	// One of them sleeps by the time of the last error, which may be in another bubble's future.
	utilruntime.ErrorHandlers = nil
	goleak.VerifyTestMain(m)
}

// Objects and values of the tests.

var (
	nginx    = federation.ServiceName{Namespace: "mynamespace", Name: "nginx"}
	nginxKey = ShardKey{Federation: "myfederation", Service: nginx}
)

func addrs(list ...string) []netip.Addr {
	out := make([]netip.Addr, len(list))
	for i, s := range list {
		out[i] = netip.MustParseAddr(s)
	}
	return out
}

func testConfig() Config {
	return Config{Name: "gce", Federations: []federation.Label{"myfederation"}}
}

// balanced is a federated Service with these load balancer ingresses, each an IP address or a host name.
func balanced(name federation.ServiceName, ingress ...string) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: name.Namespace, Name: name.Name,
			Labels: map[string]string{LabelFederation: "myfederation"}, Annotations: map[string]string{},
		},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer},
	}
	for _, in := range ingress {
		i := corev1.LoadBalancerIngress{IP: in}
		if _, err := netip.ParseAddr(in); err != nil {
			i = corev1.LoadBalancerIngress{Hostname: in}
		}
		s.Status.LoadBalancer.Ingress = append(s.Status.LoadBalancer.Ingress, i)
	}
	return s
}

func annotated(name federation.ServiceName, annotation, value string, ingress ...string) *corev1.Service {
	s := balanced(name, ingress...)
	s.Annotations[annotation] = value
	return s
}

// slice is an EndpointSlice of the Service with so many ready endpoints and one that is not.
func slice(service federation.ServiceName, suffix string, ready int) *discoveryv1.EndpointSlice {
	no := false
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: service.Namespace, Name: service.Name + "-" + suffix,
			Labels: map[string]string{LabelFederation: "myfederation", discoveryv1.LabelServiceName: service.Name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.250"},
			Conditions: discoveryv1.EndpointConditions{Ready: &no}}},
	}
	for i := range ready {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("198.51.100.%d", i)}})
	}
	return s
}

func node(name, region, zone string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		corev1.LabelTopologyRegion: region, corev1.LabelTopologyZone: zone,
	}}}
}

// bench is a Watcher on an api, in the time of a synctest bubble.
type bench struct {
	*testing.T
	api    *api
	w      *Watcher
	events chan Event
	stop   func()
}

func start(t *testing.T, a *api, c Config, resolver resolve.Resolver) *bench {
	t.Helper()
	return startAt(t, a, c, resolver, NewTopologyHistory(c.Name))
}

// startAt starts a Watcher that knows what the Nodes had before.
func startAt(t *testing.T, a *api, c Config, resolver resolve.Resolver, history *TopologyHistory) *bench {
	t.Helper()
	if resolver == nil {
		resolver = fixed{}
	}
	events := make(chan Event, 1<<16)
	w, err := New(c, &rest.Config{Host: "http://member.example", Transport: transport{a}}, resolver, history,
		slog.New(slog.DiscardHandler), events)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Run(ctx)
	}()
	b := &bench{T: t, api: a, w: w, events: events, stop: func() { cancel(); <-done }}
	t.Cleanup(b.stop)
	return b
}

// after lets time pass, and returns the events of it but the probes.
func (b *bench) after(d time.Duration) (events []Event) {
	b.Helper()
	time.Sleep(d)
	synctest.Wait()
	for {
		select {
		case e := <-b.events:
			if _, ok := e.(ProbeEvent); !ok {
				events = append(events, e)
			}
		default:
			return events
		}
	}
}

// list returns the only ListEvent of the time.
func (b *bench) list(d time.Duration) ListEvent {
	b.Helper()
	var lists []ListEvent
	for _, e := range b.after(d) {
		if l, ok := e.(ListEvent); ok {
			lists = append(lists, l)
		}
	}
	if len(lists) != 1 {
		b.Fatalf("%d ListEvents, want 1: %v", len(lists), lists)
	}
	return lists[0]
}

// shard returns the last ShardEvent of the service in the time.
func (b *bench) shard(d time.Duration, key ShardKey) *Shard {
	b.Helper()
	var last *ShardEvent
	for _, e := range b.after(d) {
		if s, ok := e.(ShardEvent); ok && s.Key == key {
			last = &s
		}
	}
	if last == nil {
		b.Fatalf("no event of the shard %v", key)
	}
	return last.Shard
}

// fixed is a resolver that knows these names; others do not exist.
type fixed map[federation.FQDN][]string

func (f fixed) Lookup(_ context.Context, host federation.FQDN) (a, aaaa resolve.Answer) {
	if list, ok := f[host]; ok {
		return found(time.Minute, list...)
	}
	return missing, missing
}

var (
	missing = resolve.Answer{Denial: resolve.NXDomain}
	failing = resolve.Answer{Err: errors.New("server 192.0.2.53:53: no answer in time")}
)

// found are the answers with these addresses; a type without any is denied.
func found(ttl time.Duration, list ...string) (a, aaaa resolve.Answer) {
	for _, addr := range addrs(list...) {
		if addr.Is4() {
			a.Addresses, a.TTL = append(a.Addresses, addr), ttl
		} else {
			aaaa.Addresses, aaaa.TTL = append(aaaa.Addresses, addr), ttl
		}
	}
	for _, of := range []*resolve.Answer{&a, &aaaa} {
		if len(of.Addresses) == 0 {
			of.Denial = resolve.NoData
		}
	}
	return a, aaaa
}

func reasons(problems []federation.Problem) (out []federation.Reason) {
	for _, p := range problems {
		out = append(out, p.Reason)
	}
	return out
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
