package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// Remote has the times of rounds, in each of which a shard fails and comes back, as they are seen from a cluster that
// has no shard. All are counted from the moment before the EndpointSlice was sent to the API server.
type Remote struct {
	// Away is until the CoreDNS of that cluster answers the other shard's address, Back until it answers the address of
	// the first again.
	Away, Back []time.Duration
	// ClientAway and ClientBack are the same for a program there that asks the C library.
	ClientAway, ClientBack []time.Duration
}

// RemoteServices are Services with a shard in two clusters, for MeasureRemote.
type RemoteServices struct {
	play   *Play
	from   *world.Member
	shards []*remoteShard
}

// remoteShard is the shard that fails, with the addresses of both.
type remoteShard struct {
	failingShard
	own, other netip.Addr
}

// PrepareRemote makes as many Services, each with a shard in two of the clusters: pods of a third, from, are led to
// that in beside, which is nearer, and to that in far while that one is away. They are deleted by Remove.
func (p *Play) PrepareRemote(ctx context.Context, from, beside, far string, n int) (*RemoteServices, error) {
	r := &RemoteServices{play: p, from: p.Member(from)}
	for i := range n {
		near, err := p.remoteShard(ctx, p.Member(beside), i)
		if err != nil {
			return r, err
		}
		other, err := p.remoteShard(ctx, p.Member(far), i)
		if err != nil {
			return r, err
		}
		near.other = other.own
		r.shards = append(r.shards, near)
	}
	return r, nil
}

func (p *Play) remoteShard(ctx context.Context, m *world.Member, i int) (*remoteShard, error) {
	client, err := kubernetes.NewForConfig(m.Cluster.Config())
	if err != nil {
		return nil, err
	}
	s := &remoteShard{failingShard: failingShard{member: m, client: client, name: fmt.Sprintf("remote-%d", i+1)}}
	if err := s.create(ctx, i); err != nil {
		return nil, err
	}
	return s, proc.Poll(ctx, "the address of "+s.name, func() error {
		svc, err := client.CoreV1().Services(world.Namespace).Get(ctx, s.name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, in := range svc.Status.LoadBalancer.Ingress {
			if a, err := netip.ParseAddr(in.IP); err == nil && a.Is4() {
				s.own = a
				return nil
			}
		}
		return errors.New("its load balancer has none yet")
	})
}

// Remove deletes the Services.
func (r *RemoteServices) Remove(ctx context.Context) (err error) {
	for _, m := range r.play.Members() {
		if m == r.from {
			continue
		}
		client, clientErr := kubernetes.NewForConfig(m.Cluster.Config())
		err = errors.Join(err, clientErr)
		for _, s := range r.shards {
			s := failingShard{member: m, client: client, name: s.name}
			err = errors.Join(err, s.remove(ctx))
		}
	}
	return err
}

// Await waits until pods are led to the nearer shard of all Services.
func (r *RemoteServices) Await(ctx context.Context) error {
	for _, s := range r.shards {
		err := proc.Poll(ctx, "the CoreDNS of "+r.from.Name+" to answer for "+s.name, func() error {
			return r.answers(ctx, s, s.own)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// MeasureRemote makes a round with each Service. done is called for each.
func (r *RemoteServices) MeasureRemote(ctx context.Context, done func(round int)) (m Remote, err error) {
	for i, s := range r.shards {
		for _, turn := range []struct {
			ready            bool
			want             netip.Addr
			answered, client *[]time.Duration
		}{{false, s.other, &m.Away, &m.ClientAway}, {true, s.own, &m.Back, &m.ClientBack}} {
			proc.Pause(ctx, paceOfName) // a bucket of a mirror waits as long (M8)
			answered, client, err := r.turn(ctx, s, turn.ready, turn.want)
			if err != nil {
				return m, fmt.Errorf("round %d, %s, ready %t: %w", i+1, s.name, turn.ready, err)
			}
			*turn.answered, *turn.client = append(*turn.answered, answered), append(*turn.client, client)
		}
		done(i + 1)
	}
	return m, nil
}

// turn makes the nearer shard ready or not, and measures the time until the answers are that address.
func (r *RemoteServices) turn(ctx context.Context, s *remoteShard, ready bool, want netip.Addr) (answered,
	client time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	asking, err := r.play.ResolveAgain(ctx, r.from.Name, s.name+"."+world.Namespace+"."+world.FederationName)
	if err != nil {
		cancel()
		return 0, 0, err
	}
	defer asking.Wait()
	defer cancel()
	if before, err := asking.Next(); err != nil || len(before) == 0 {
		return 0, 0, errors.Join(err, fmt.Errorf("before the change a program that asks the C library gets %v", before))
	}
	g, gctx := errgroup.WithContext(ctx)
	slice := s.slice.DeepCopy()
	slice.Endpoints[0].Conditions.Ready = &ready
	start := time.Now()
	g.Go(func() (err error) {
		api := s.client.DiscoveryV1().EndpointSlices(world.Namespace)
		s.slice, err = api.Update(gctx, slice, metav1.UpdateOptions{})
		return err
	})
	g.Go(func() error {
		for r.answers(gctx, s, want) != nil {
			if err := gctx.Err(); err != nil {
				return fmt.Errorf("%w: %w", err, r.answers(context.WithoutCancel(gctx), s, want))
			}
			proc.Pause(gctx, 200*time.Microsecond)
		}
		answered = time.Since(start)
		return nil
	})
	g.Go(func() error {
		for {
			addrs, err := asking.Next()
			switch {
			case err != nil:
				return err
			case len(addrs) == 0:
				return errors.New("a program that asks the C library gets nothing")
			case slices.Equal(addrs, []netip.Addr{want}):
				client = time.Since(start)
				return nil
			}
		}
	})
	return answered, client, g.Wait()
}

// answers is nil if the CoreDNS answers that address alone.
func (r *RemoteServices) answers(ctx context.Context, s *remoteShard, want netip.Addr) error {
	reply, err := world.Ask(ctx, r.from.DNS.String(), s.inCluster(), dns.TypeA)
	if err != nil {
		return err
	}
	var addrs []string
	for _, rr := range reply.Answer {
		if rr.Header().Rrtype == dns.TypeA {
			addrs = append(addrs, world.RData(rr))
		}
	}
	if len(addrs) != 1 || addrs[0] != want.String() {
		return fmt.Errorf("the CoreDNS of %s answers %s %v, want %s", r.from.Name,
			dns.RcodeToString[reply.Rcode], addrs, want)
	}
	return nil
}
