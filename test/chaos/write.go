package main

import (
	"context"
	"time"

	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/chaos/truth"
	"github.com/federation-dns/federation/test/proc"
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
	tracker{r}.follow(ctx, key, sent, before, want, known != nil)
}
