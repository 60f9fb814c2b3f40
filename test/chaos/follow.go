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

// tracker measures how long changes take.
type tracker struct{ *run }

// follow measures how long a change takes to the records, if nothing is in its
// way and there is another shard.
func (r tracker) follow(ctx context.Context, key truth.Shard, sent time.Time, before, now truth.State, known bool) {
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
	ask := r.asker(now.Federation, key)
	if ask == nil {
		<-r.tracks
		return
	}
	go func() {
		defer func() { <-r.tracks }()
		took, ok := r.until(ctx, ask, now.Addresses[0], isHealthy, sent)
		if ok && r.truth.QuietFor(key.Service, time.Now(), now.Federation, key.Member) &&
			r.truth.State(key).Ready == now.Ready {
			r.report.followed(isHealthy, took)
		}
	}()
}

func (r tracker) otherKnown(federation string, key truth.Shard) bool {
	return slices.ContainsFunc(r.stage.Members, func(m *stage.Member) bool {
		return m.Name != key.Member && r.truth.Known(federation, key.Service, m.Name) != nil
	})
}

// asker asks who has the names of a service for its IPv4 addresses.
type asker func(ctx context.Context) ([]netip.Addr, error)

// asker returns who shows whether a shard is published: the DNS server with the global name or, without a zone, the
// CoreDNS of a member that is led to global, or to the shard's own region. It is nil if there is none.
func (r tracker) asker(of string, key truth.Shard) asker {
	zone := slices.IndexFunc(stage.Zones, func(z stage.Zone) bool { return string(z.Name) == of })
	z := stage.Zones[zone]
	server, name := z.Address, string(z.OwnerName(federation.ServiceName{Namespace: world.Namespace,
		Name: key.Service}, z.Domain))
	if r.zoneless(zone) {
		i := slices.IndexFunc(r.stage.Members, func(m *stage.Member) bool { return r.isLedTo(m, key) })
		if i < 0 {
			return nil
		}
		server, name = r.stage.Members[i].DNS.String(), pluginName(z, key.Service)
	}
	return func(ctx context.Context) ([]netip.Addr, error) {
		reply, err := world.Ask(ctx, server, name, dns.TypeA)
		if err != nil {
			return nil, err
		}
		addrs, _, _ := follow(reply, name, dns.TypeA)
		return addrs, nil
	}
}

// isLedTo reports whether pods of the member are led to the shard if it is healthy: their cluster has no such Service,
// and their region no other.
func (r tracker) isLedTo(m *stage.Member, key truth.Shard) bool {
	return !slices.ContainsFunc(r.stage.Members, func(o *stage.Member) bool {
		return (o == m || o.Region == m.Region && o.Name != key.Member) &&
			r.truth.State(truth.Shard{Member: o.Name, Service: key.Service}).Exists
	})
}

// until asks until the address is there, or not.
func (r tracker) until(ctx context.Context, ask asker, addr netip.Addr, there bool,
	since time.Time) (time.Duration, bool) {
	for time.Since(since) < 2*deadline && ctx.Err() == nil {
		addrs, err := ask(ctx)
		if err == nil && slices.Contains(addrs, addr) == there {
			return time.Since(since), true
		}
		proc.Pause(ctx, 5*time.Millisecond)
	}
	return 0, false
}

// followLoss measures how long the addresses of a member that is away from now
// on stay where another shard is healthy, for one service.
func (r tracker) followLoss(ctx context.Context, m *stage.Member, begin time.Time, lasts time.Duration) {
	for service := range schedule.Steady { // these have a healthy shard everywhere
		of := string(stage.Zones[service].Name)
		key := truth.Shard{Member: m.Name, Service: stage.ServiceName(service)}
		if !r.truth.QuietFor(key.Service, begin.Add(-time.Millisecond), of, m.Name) || !r.otherKnown(of, key) ||
			r.truth.Known(of, key.Service, key.Member) == nil {
			continue
		}
		addr := r.truth.State(key).Addresses[0]
		other := r.stage.Members[slices.IndexFunc(r.stage.Members, func(o *stage.Member) bool { return o != m })]
		ask := r.recordsOf(service, key)
		go func() {
			took, ok := r.until(ctx, ask, addr, false, begin)
			if ok && took < lasts && r.truth.QuietFor(key.Service, time.Now(), of, other.Name) {
				r.report.lost(took)
			}
		}()
		return
	}
}

// recordsOf asks for the global records of a service that has a shard in each member, so that no CoreDNS is led to
// them.
func (r tracker) recordsOf(zone int, key truth.Shard) asker {
	if !r.zoneless(zone) {
		return r.asker(string(stage.Zones[zone].Name), key)
	}
	z := stage.Zones[zone]
	name := z.OwnerName(federation.ServiceName{Namespace: world.Namespace, Name: key.Service}, z.Domain)
	return func(context.Context) (addrs []netip.Addr, err error) {
		records, err := r.transfer(zone)
		if err == nil {
			addrs, _ = endOf(records, name, federation.TypeA)
		}
		return addrs, err
	}
}
