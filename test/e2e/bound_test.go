package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/live"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/world"
)

const (
	samples = 50
	// slack is what questions, and the watch of another CoreDNS, may take on a busy machine.
	slack = 250 * time.Millisecond
	// podDNS is the CoreDNS of the pods of a member, with a cache, and resolver is the one between it and the zone.
	podDNS, resolver = "127.0.0.10", "127.0.0.11"
)

// boundCorefile has the caches that hold an old answer: that of the cluster's own CoreDNS, and that of a resolver,
// which keeps records for as long as they say.
const boundCorefile = `.:53 {
	bind ` + podDNS + `
	errors
	cache 30
	federation cluster.local {
		` + world.FederationName + ` ` + world.Domain + `
		topology %s %s
	}
	kubernetes cluster.local {
		kubeconfig %q
	}
	forward . ` + resolver + `
}
.:53 {
	bind ` + resolver + `
	cache {
		success 9984 3600 0
		denial 9984 30 0
	}
	forward . ` + world.Authority + `
}
`

// TestExplained compares what explain says of many services with what their pods get, and changes each: the old answer
// is gone when explain said.
func TestExplained(t *testing.T) {
	var places []*world.Place
	for i, from := range []int{2, 3, 0} { // with load balancers that have addresses for all samples
		p := *world.Places[from]
		v4 := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(64 * i)}), 26)
		p.LBCIDRs = []netip.Prefix{v4, p.LBCIDRs[1]}
		places = append(places, &p)
	}
	w := newWorld(t, func(o *world.Options) { o.Places = places })
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Watch().Stop()
	b := &bound{source: live.Socket(world.AdminSocket(w.Dir()))}
	for _, p := range places {
		m := w.Member(p.Name)
		config := rest.CopyConfig(m.Cluster.Config())
		config.QPS = -1 // what is measured waits for nothing
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		b.members, b.clients = append(b.members, m), append(b.clients, client)
	}
	b.startDNS(t, w.Path("bound"))
	var results [samples]boundSample
	if !t.Run("V6 the prediction is what a pod gets", func(t *testing.T) {
		b.each(t, func(ctx context.Context, i int) error { return b.create(ctx, i) })
		b.each(t, func(ctx context.Context, i int) (err error) { return b.predict(ctx, i, &results[i]) })
		for i, r := range results {
			if !slices.Equal(r.predicted, r.answered) || len(r.answered) == 0 {
				t.Errorf("%s: explain says %v, a pod gets %v", sampleName(i), r.predicted, r.answered)
			}
		}
	}) {
		return
	}
	t.Run("V6 the old answer is seen for as long as explain said, and no longer", func(t *testing.T) {
		b.each(t, func(ctx context.Context, i int) (err error) { return b.measure(ctx, i, &results[i]) })
		longest := map[time.Duration]time.Duration{}
		for i, r := range results {
			if r.seen > r.bound+slack {
				t.Errorf("%s: it was seen for %s, explain said at most %s", sampleName(i), r.seen, r.bound)
			}
			longest[r.bound] = max(longest[r.bound], r.seen)
		}
		t.Logf("%d samples; the longest by bound: %v", samples, longest)
	})
}

// bound is the system of TestExplained: pods ask in the first of its members. Half of the services have a healthy shard
// there, which fails; of the others the shard in the second member does, and one in the third is left.
type bound struct {
	source  live.Source
	members []*world.Member
	clients []kubernetes.Interface
}

type boundSample struct {
	predicted, answered []string
	old                 string // the address that goes
	bound, seen         time.Duration
}

func sampleName(i int) string { return fmt.Sprintf("sample-%d", i) }

func sampleDNS(i int) string {
	return sampleName(i) + "." + world.Namespace + "." + world.FederationName + ".svc.cluster.local."
}

// failing is the index of the member whose shard fails.
func failing(i int) int { return i % 2 }

func (b *bound) startDNS(t *testing.T, path string) {
	asked := b.members[0]
	text := fmt.Sprintf(boundCorefile, asked.Region, asked.Zone, asked.Cluster.Kubeconfig())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := proc.Start("bound", path+".log", nil, programs.CoreDNS(), "-conf", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(10 * time.Second); err != nil {
			t.Error(err)
		}
	})
}

// each calls f for each sample, for all of them at once.
func (b *bound) each(t *testing.T, f func(ctx context.Context, i int) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var group errgroup.Group
	for i := range samples {
		group.Go(func() error { return f(ctx, i) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// create creates the shards of a service.
func (b *bound) create(ctx context.Context, i int) error {
	for m, client := range b.clients {
		_, err := client.CoreV1().Services(world.Namespace).Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: sampleName(i),
				Labels:      map[string]string{"federation-dns.io/federation": world.FederationName},
				Annotations: map[string]string{"federation-dns.io/ttl": "2"}},
			Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer,
				Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		slice := b.slice(m, i, m > 0 || failing(i) == 0)
		_, err = client.DiscoveryV1().EndpointSlices(world.Namespace).Create(ctx, slice, metav1.CreateOptions{})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bound) slice(m, i int, ready bool) *discoveryv1.EndpointSlice {
	port, name, address := int32(80), "http", b.members[m].PodCIDRs[0].Addr().As4()
	address[2], address[3] = 200, byte(i+1)
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: sampleName(i), Labels: map[string]string{
			"federation-dns.io/federation": world.FederationName, discoveryv1.LabelServiceName: sampleName(i),
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{netip.AddrFrom4(address).String()},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
	}
}

// predict asks explain, once the records are there, and then the DNS server of the pods.
func (b *bound) predict(ctx context.Context, i int, r *boundSample) error {
	local, err := b.clients[0].CoreV1().Services(world.Namespace).Get(ctx, sampleName(i), metav1.GetOptions{})
	if err != nil {
		return err
	}
	x, err := b.explained(ctx, i)
	if err != nil {
		return err
	}
	r.bound = time.Duration(x.Bound.Plugin+x.Bound.Records) * time.Second
	r.predicted = slices.Sorted(slices.Values(x.A.Addresses))
	if x.A.From == explain.FromLocal {
		r.predicted = []string{local.Spec.ClusterIP}
	}
	if r.old = local.Spec.ClusterIP; failing(i) > 0 {
		gone, err := b.clients[1].CoreV1().Services(world.Namespace).Get(ctx, sampleName(i), metav1.GetOptions{})
		if err != nil || len(gone.Status.LoadBalancer.Ingress) == 0 {
			return errors.Join(errors.New("no address"), err)
		}
		r.old = gone.Status.LoadBalancer.Ingress[0].IP
	}
	r.answered, err = addresses(ctx, podDNS, sampleDNS(i))
	return err
}

// explained waits until all shards that are to be healthy are in the records, and explains.
func (b *bound) explained(ctx context.Context, i int) (x *explain.Explanation, err error) {
	healthy := 3 - failing(i)
	err = proc.Poll(ctx, "the records of "+sampleName(i), func() error {
		status, err := b.source.Status(ctx)
		if err != nil {
			return err
		}
		found, err := explain.FindServices(status, sampleName(i)+"."+world.Namespace, "")
		if err != nil {
			return err
		}
		n := 0
		for _, s := range found[0].Service.Shards {
			if s.Healthy {
				n++
			}
		}
		if n != healthy || len(found[0].Service.Coming) > 0 || len(found[0].Service.Records) == 0 {
			return fmt.Errorf("%d of %d shards are healthy, %d RRsets are to come", n, healthy,
				len(found[0].Service.Coming))
		}
		x, err = explain.Explain(status, explain.Question{
			Name: sampleDNS(i), Member: b.members[0].Name, Zone: b.members[0].Zone,
		})
		return err
	})
	return x, err
}

// measure makes the shard fail, and asks until the old answer has not been seen for longer than any cache keeps it. The
// change is when a server without a cache has the new answer.
func (b *bound) measure(ctx context.Context, i int, r *boundSample) error {
	m, changed, last := failing(i), time.Time{}, time.Time{}
	api := b.clients[m].DiscoveryV1().EndpointSlices(world.Namespace)
	if _, err := api.Update(ctx, b.slice(m, i, false), metav1.UpdateOptions{}); err != nil {
		return err
	}
	for changed.IsZero() || time.Since(changed) < r.bound+2*time.Second {
		if changed.IsZero() {
			now, err := addresses(ctx, b.members[0].DNS.String(), sampleDNS(i))
			if err != nil {
				return err
			}
			if !has(now, r.old) {
				changed = time.Now()
			}
		}
		now, err := addresses(ctx, podDNS, sampleDNS(i))
		if err != nil {
			return err
		}
		if has(now, r.old) {
			last = time.Now()
		}
		proc.Pause(ctx, 50*time.Millisecond)
	}
	r.seen = max(0, last.Sub(changed))
	return nil
}

func has(list []string, s string) bool { return slices.Contains(list, s) }

// addresses are those that a server answers, sorted.
func addresses(ctx context.Context, server, name string) (out []string, err error) {
	r, err := world.Ask(ctx, server, name, dns.TypeA)
	if err != nil {
		return nil, err
	}
	for _, rr := range r.Answer {
		if a, ok := rr.(*dns.A); ok {
			out = append(out, a.A.String())
		}
	}
	slices.Sort(out)
	return out, nil
}
