package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// Failover has the times of rounds, in each of which a shard fails and comes
// back. All but Written are counted from the moment before its EndpointSlice
// was sent to the API server.
type Failover struct {
	// Written is how long the API server took to answer the write.
	Written []time.Duration
	// CNAME is until the plugin answers the CNAME, Record until the name of the
	// topology zone, the last of the three to change, is a CNAME at the DNS
	// server.
	CNAME, Record []time.Duration
	// ClusterIP is until the plugin answers the ClusterIP again, Addresses until
	// the topology zone has its address again.
	ClusterIP, Addresses []time.Duration
}

// paceOfName is more than the second that a name waits from one change to the
// next (X5c).
const paceOfName = 1100 * time.Millisecond

// MeasureFailover makes as many rounds, each with a Service of its own, so that
// no name changes so often that it is damped (X5c). The Services are in two
// members, and are deleted at the end; the shard in the first fails and comes
// back. done is called for each round.
func (p *Play) MeasureFailover(ctx context.Context, first, second string, rounds int, done func(round int)) (f Failover,
	err error) {
	shards := make([]*failingShard, rounds)
	for _, m := range []*world.Member{p.Member(second), p.Member(first)} {
		client, err := kubernetes.NewForConfig(m.Cluster.Config())
		if err != nil {
			return f, err
		}
		for i := range shards {
			s := &failingShard{member: m, client: client, name: fmt.Sprintf("failing-%d", i+1)}
			if err := s.create(ctx, i); err != nil {
				return f, err
			}
			defer func() { err = errors.Join(err, s.remove(context.WithoutCancel(ctx))) }()
			shards[i] = s
		}
	}
	for _, s := range shards { // those of the first member
		if err := s.published(ctx); err != nil {
			return f, err
		}
	}
	for i, s := range shards {
		if err := s.round(ctx, &f); err != nil {
			return f, fmt.Errorf("round %d: %w", i+1, err)
		}
		done(i + 1)
	}
	return f, nil
}

// failingShard is a shard of a Service whose slice is written by hand.
type failingShard struct {
	member  *world.Member
	client  kubernetes.Interface
	name    string
	service *corev1.Service
	slice   *discoveryv1.EndpointSlice
}

func (s *failingShard) create(ctx context.Context, i int) (err error) {
	labels := map[string]string{"federation-dns.io/federation": world.FederationName}
	ports := []corev1.ServicePort{{Name: "http", Port: 80}}
	s.service, err = s.client.CoreV1().Services(world.Namespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: s.name, Labels: labels},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: ports},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	ready, port, name := true, int32(80), "http"
	address := s.member.PodCIDRs[0].Addr().As4()
	address[2], address[3] = 200, byte(i+1)
	s.slice, err = s.client.DiscoveryV1().EndpointSlices(world.Namespace).Create(ctx, &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: s.name, Labels: map[string]string{
			"federation-dns.io/federation": world.FederationName, discoveryv1.LabelServiceName: s.name,
		}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses:  []string{fmt.Sprintf("%d.%d.%d.%d", address[0], address[1], address[2], address[3])},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		}},
	}, metav1.CreateOptions{})
	return err
}

func (s *failingShard) remove(ctx context.Context) error {
	return errors.Join(
		s.client.CoreV1().Services(world.Namespace).Delete(ctx, s.name, metav1.DeleteOptions{}),
		s.client.DiscoveryV1().EndpointSlices(world.Namespace).Delete(ctx, s.name, metav1.DeleteOptions{}),
	)
}

func (s *failingShard) inCluster() string {
	return s.name + "." + world.Namespace + "." + world.FederationName + ".svc.cluster.local."
}

func (s *failingShard) atZone() string {
	return s.name + "." + world.Namespace + "." + world.FederationName + ".svc." + s.member.Zone + "." + world.Domain +
		"."
}

// published waits until both shards have their records.
func (s *failingShard) published(ctx context.Context) error {
	global := s.name + "." + world.Namespace + "." + world.FederationName + ".svc." + world.Domain + "."
	return proc.Poll(ctx, "the records of "+s.name, func() error {
		for name, n := range map[string]int{global: 2, s.atZone(): 1} {
			r, err := world.Ask(ctx, world.Authority, name, dns.TypeA)
			if err == nil && len(r.Answer) != n {
				err = fmt.Errorf("%s has %d addresses, want %d", name, len(r.Answer), n)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *failingShard) round(ctx context.Context, f *Failover) error {
	proc.Pause(ctx, paceOfName)
	cname := func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeCNAME }
	if err := s.turn(ctx, false, cname, cname, &f.Written, &f.CNAME, &f.Record); err != nil {
		return err
	}
	proc.Pause(ctx, paceOfName)
	clusterIP := func(rr dns.RR) bool { return world.RData(rr) == s.service.Spec.ClusterIP }
	address := func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeA }
	return s.turn(ctx, true, clusterIP, address, &f.Written, &f.ClusterIP, &f.Addresses)
}

// turn makes the shard ready or not, and notes how long the write took, and
// until the first record of the answer of the plugin, and of the server, are as
// they have to be.
func (s *failingShard) turn(ctx context.Context, ready bool, plugin, server func(dns.RR) bool, written, answered,
	recorded *[]time.Duration) error {
	slice := s.slice.DeepCopy()
	slice.Endpoints[0].Conditions.Ready = &ready
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var took [3]time.Duration
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	g.Go(func() (err error) {
		s.slice, err = s.client.DiscoveryV1().EndpointSlices(world.Namespace).Update(ctx, slice, metav1.UpdateOptions{})
		took[0] = time.Since(start)
		return err
	})
	g.Go(func() error {
		err := until(ctx, s.member.DNS.String(), s.inCluster(), plugin)
		took[1] = time.Since(start)
		return err
	})
	g.Go(func() error {
		err := until(ctx, world.Authority, s.atZone(), server)
		took[2] = time.Since(start)
		return err
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("%s, ready %t: %w", s.name, ready, err)
	}
	for i, into := range []*[]time.Duration{written, answered, recorded} {
		*into = append(*into, took[i])
	}
	return nil
}

// until asks for the addresses of a name, again and again, until the first
// record of the answer is as it has to be.
func until(ctx context.Context, server, name string, is func(dns.RR) bool) error {
	for {
		r, err := world.Ask(ctx, server, name, dns.TypeA)
		if err == nil && len(r.Answer) > 0 && is(r.Answer[0]) {
			return nil
		}
		if err == nil && len(r.Answer) == 0 {
			return fmt.Errorf("%s at %s is empty", name, server)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s at %s: %w", name, server, ctx.Err())
		}
		proc.Pause(ctx, 200*time.Microsecond)
	}
}

// Readiness has the times that are Kubernetes' own.
type Readiness struct {
	// Gone is from the end of the pods' servers until no endpoint of the slices
	// is ready, Back from their start until one is.
	Gone, Back []time.Duration
}

// MeasureReadiness makes the Service of the walk-through in a member, with its
// backends, and kills and starts them as many times.
func (p *Play) MeasureReadiness(ctx context.Context, member string, rounds int, done func(round int)) (Readiness,
	error) {
	var r Readiness
	m := p.Member(member)
	client, err := kubernetes.NewForConfig(m.Cluster.Config())
	if err != nil {
		return r, err
	}
	becomes := func(ready bool) error {
		return proc.Poll(ctx, "the slices", func() error {
			list, err := client.DiscoveryV1().EndpointSlices(world.Namespace).List(ctx,
				metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + world.Service})
			if err == nil && anyReady(list.Items) != ready {
				err = fmt.Errorf("ready is still %t", !ready)
			}
			return err
		})
	}
	turn := func(backends func(context.Context, string, string) error, ready bool, into *[]time.Duration) error {
		if err := backends(ctx, world.Namespace, "app="+world.Service); err != nil {
			return err
		}
		start := time.Now()
		err := becomes(ready)
		*into = append(*into, time.Since(start))
		return err
	}
	if err := errors.Join(m.CreateService(ctx), m.Deploy(ctx)); err != nil {
		return r, err
	}
	if err := becomes(true); err != nil {
		return r, err
	}
	for i := range rounds {
		if err := turn(m.Cluster.KillBackends, false, &r.Gone); err != nil {
			return r, err
		}
		if err := turn(m.Cluster.StartBackends, true, &r.Back); err != nil {
			return r, err
		}
		done(i + 1)
	}
	return r, nil
}

func anyReady(list []discoveryv1.EndpointSlice) bool {
	return slices.ContainsFunc(list, func(s discoveryv1.EndpointSlice) bool {
		return slices.ContainsFunc(s.Endpoints,
			func(e discoveryv1.Endpoint) bool { return e.Conditions.Ready == nil || *e.Conditions.Ready })
	})
}
