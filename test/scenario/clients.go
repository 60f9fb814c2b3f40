package scenario

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// Client is a program in a pod of the third cluster that goes on asking for a name.
type Client struct {
	Name string
	// Argv is the command that asks for a name again and again, and writes as world.StartResolving has it.
	Argv func(name string) []string
	// Resolv is its resolv.conf.
	Resolv string
}

// MeasureClients makes a round with each Service, in which the nearer shard fails and comes back, and returns the times
// from the moment before the EndpointSlice was sent to the API server until each client got the address of the shard
// that is left, or that has come back, and no other. done is called for each round.
func (r *RemoteServices) MeasureClients(ctx context.Context, clients []Client, done func(round int)) (
	times [][]time.Duration, err error) {
	times = make([][]time.Duration, len(clients))
	for i, s := range r.shards {
		if err := r.clientRound(ctx, s, clients, times); err != nil {
			return nil, fmt.Errorf("round %d, %s: %w", i+1, s.name, err)
		}
		done(i + 1)
	}
	return times, nil
}

// keptAtMost is how long a cache on the way keeps an answer, at most: its TTL.
const keptAtMost = 5 * time.Second

// clientTime is how long a client may take to see a change, at the most.
const clientTime = time.Minute

func (r *RemoteServices) clientRound(ctx context.Context, s *remoteShard, clients []Client, times [][]time.Duration) (
	err error) {
	ctx, cancel := context.WithCancel(ctx)
	asking := make([]*world.Resolving, len(clients))
	defer func() {
		cancel()
		for _, a := range asking {
			if a != nil {
				a.Wait()
			}
		}
	}()
	for i, c := range clients {
		argv := c.Argv(s.name + "." + world.Namespace + "." + world.FederationName)
		if asking[i], err = world.StartResolving(ctx, c.Resolv, argv...); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	wait := func(since time.Time, want netip.Addr) ([]time.Duration, error) {
		took := make([]time.Duration, len(clients))
		var g errgroup.Group
		for i, a := range asking {
			g.Go(func() (err error) {
				took[i], err = awaitAnswer(a, since, want)
				if err != nil {
					err = fmt.Errorf("%s: %w", clients[i].Name, err)
				}
				return err
			})
		}
		return took, g.Wait()
	}
	if _, err := wait(time.Now(), s.own); err != nil {
		return fmt.Errorf("before the change: %w", err)
	}
	for _, turn := range []struct {
		ready bool
		want  netip.Addr
	}{{false, s.other}, {true, s.own}} {
		proc.Pause(ctx, paceOfName+rand.N(keptAtMost)) // a cache may have kept its answer for any time
		slice := s.slice.DeepCopy()
		slice.Endpoints[0].Conditions.Ready = &turn.ready
		since := time.Now()
		api := s.client.DiscoveryV1().EndpointSlices(world.Namespace)
		if s.slice, err = api.Update(ctx, slice, metav1.UpdateOptions{}); err != nil {
			return err
		}
		took, err := wait(since, turn.want)
		if err != nil {
			return fmt.Errorf("ready %t: %w", turn.ready, err)
		}
		for i := range clients {
			times[i] = append(times[i], took[i])
		}
	}
	return nil
}

// awaitAnswer waits until the answer is that address, and returns how long that was since then. What was asked before
// may still come.
func awaitAnswer(a *world.Resolving, since time.Time, want netip.Addr) (time.Duration, error) {
	for {
		addrs, err := a.Next()
		var failed world.LookupError
		if err != nil && !errors.As(err, &failed) { // a lookup that fails is one that does not show it yet
			return 0, err
		}
		took := time.Since(since)
		if slices.Equal(addrs, []netip.Addr{want}) {
			return took, nil
		}
		if took > clientTime {
			return 0, errors.Join(fmt.Errorf("it gets %v after %s, want %s", addrs, took.Round(time.Second), want), err)
		}
	}
}
