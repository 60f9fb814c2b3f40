package main

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/chaos/truth"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

func (r *run) enqueue(c schedule.Change) {
	r.pending.Add(1)
	r.queues[c.Shard.Member] <- c
}

// write makes the changes of a member, one after the other, each until it is
// made.
func (r *run) write(ctx context.Context, member int) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-r.queues[member]:
			r.writeOne(ctx, c)
			r.pending.Done()
		}
	}
}

func (r *run) key(s schedule.Shard) truth.Shard {
	return truth.Shard{Member: r.stage.Members[s.Member].Name, Service: stage.ServiceName(s.Service)}
}

func stateOf(c schedule.Change) truth.State {
	s := truth.State{Exists: c.Target.Exists, Ready: c.Target.Ready,
		Addresses: stage.Addresses(c.Shard.Member, c.Shard.Service, c.Target.Version)}
	if c.Target.Federation != schedule.NoFederation {
		s.Federation = string(stage.Zones[c.Target.Federation].Name)
	}
	return s
}

func asShard(s truth.State) stage.ShardState { return stage.ShardState(s) }

func (r *run) writeOne(ctx context.Context, c schedule.Change) {
	m, key, want := r.stage.Members[c.Shard.Member], r.key(c.Shard), stateOf(c)
	before := r.truth.State(key)
	sent := time.Now()
	known := r.truth.Known(before.Federation, key.Service, key.Member)
	r.truth.Sent(sent, key, want)
	certain := asShard(before)
	certainly := &certain
	for {
		ips, err := m.Apply(ctx, c.Shard.Service, certainly, asShard(want))
		if err == nil {
			r.truth.Done(time.Now(), key, ips)
			break
		}
		certainly = nil // any part of it may have been made
		if !proc.Pause(ctx, 100*time.Millisecond) {
			return
		}
	}
	r.report.changed(c.Kind)
	r.follow(ctx, key, sent, before, want, known != nil)
}

// follow measures how long a change takes to the records, if nothing is in its
// way and there is another shard.
func (r *run) follow(ctx context.Context, key truth.Shard, sent time.Time, before, now truth.State, known bool) {
	wasHealthy, isHealthy := before.Exists && before.Ready, now.Exists && now.Ready
	if before.Federation != now.Federation || before.Federation == "" || wasHealthy == isHealthy ||
		wasHealthy && !known ||
		!r.truth.QuietFor(key.Service, sent, now.Federation, key.Member) || !r.otherKnown(now.Federation, key) {
		return
	}
	select {
	case r.tracks <- struct{}{}:
	default:
		return // enough are followed
	}
	go func() {
		defer func() { <-r.tracks }()
		took, ok := r.until(ctx, key.Service, now.Federation, now.Addresses[0], isHealthy, sent)
		if ok && r.truth.QuietFor(key.Service, time.Now(), now.Federation, key.Member) &&
			r.truth.State(key).Ready == now.Ready {
			r.report.followed(isHealthy, took)
		}
	}()
}

func (r *run) otherKnown(federation string, key truth.Shard) bool {
	return slices.ContainsFunc(r.stage.Members, func(m *stage.Member) bool {
		return m.Name != key.Member && r.truth.Known(federation, key.Service, m.Name) != nil
	})
}

// until asks for the global name until the address is there, or not.
func (r *run) until(ctx context.Context, service, of string, addr netip.Addr, there bool,
	since time.Time) (time.Duration, bool) {
	z := zoneOf(of)
	name := string(z.OwnerName(federation.ServiceName{Namespace: world.Namespace, Name: service}, z.Domain))
	for time.Since(since) < 2*deadline && ctx.Err() == nil {
		reply, err := world.Ask(ctx, z.Address, name, dns.TypeA)
		if err == nil && slices.ContainsFunc(reply.Answer, func(rr dns.RR) bool {
			a, ok := rr.(*dns.A)
			return ok && a.A.String() == addr.String()
		}) == there {
			return time.Since(since), true
		}
		proc.Pause(ctx, 5*time.Millisecond)
	}
	return 0, false
}

// followLoss measures how long the addresses of a member that is away from now
// on stay where another shard is healthy, for one service.
func (r *run) followLoss(ctx context.Context, m *stage.Member, begin time.Time, lasts time.Duration) {
	for service := range schedule.Steady { // these have a healthy shard everywhere
		of := string(stage.Zones[service].Name)
		key := truth.Shard{Member: m.Name, Service: stage.ServiceName(service)}
		if !r.truth.QuietFor(key.Service, begin.Add(-time.Millisecond), of, m.Name) || !r.otherKnown(of, key) ||
			r.truth.Known(of, key.Service, key.Member) == nil {
			continue
		}
		addr := r.truth.State(key).Addresses[0]
		other := r.stage.Members[slices.IndexFunc(r.stage.Members, func(o *stage.Member) bool { return o != m })]
		go func() {
			took, ok := r.until(ctx, key.Service, of, addr, false, begin)
			if ok && took < lasts && r.truth.QuietFor(key.Service, time.Now(), of, other.Name) {
				r.report.lost(took)
			}
		}()
		return
	}
}

func zoneOf(name string) stage.Zone {
	return stage.Zones[slices.IndexFunc(stage.Zones, func(z stage.Zone) bool { return string(z.Name) == name })]
}
