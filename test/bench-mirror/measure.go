package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/snapshot"
	reader "github.com/federation-dns/federation/plugin/federation/mirror"
	"github.com/federation-dns/federation/test/proc"
)

// measure starts everything, and prints a line for each part.
func (b *bench) measure(ctx context.Context) error {
	before := liveHeap()
	b.running.Go(func() { b.loop.Run(ctx) })
	b.running.Go(func() { b.probe(ctx) })
	start := time.Now()
	b.list()
	for !b.settled() {
		if !proc.Pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
	fmt.Printf("%d members, %d services with %d shards each: decided after %.1f s, %.0f bytes a shard\n", b.members,
		b.services, b.shards, time.Since(start).Seconds(),
		float64(liveHeap()-before)/float64(b.services*b.shards))
	loopHeap := liveHeap()
	start = time.Now()
	if err := b.startWriters(ctx); err != nil {
		return err
	}
	at, err := b.await(ctx, false)
	if err != nil {
		return err
	}
	b.print("all mirrors are written", at.Sub(start), counts{})
	size, buckets := b.facts[b.members-1].size()
	fmt.Printf("  a mirror has %.1f MiB in %d buckets\n", float64(size)/(1<<20), buckets)
	if !b.real {
		standIns := 0
		for _, f := range b.facts {
			n, _ := f.size()
			standIns += n
		}
		fmt.Printf("  a writer has %.2f MiB\n", (float64(liveHeap())-float64(loopHeap)-float64(standIns))/
			float64(b.members)/(1<<20))
	}
	if err := b.read(ctx); err != nil {
		return err
	}
	counted := b.counted()
	if !proc.Pause(ctx, b.rest) {
		return ctx.Err()
	}
	b.print("at rest", b.rest, counted)
	return b.lose(ctx)
}

// lose loses the member, and measures from the moment that it counts as unreachable.
func (b *bench) lose(ctx context.Context) error {
	b.cut()
	b.mu.Lock()
	b.away = true
	due := b.contact.Add(unreachableAfter)
	b.mu.Unlock()
	if !proc.Pause(ctx, time.Until(due)-200*time.Millisecond) {
		return ctx.Err()
	}
	counted := b.counted()
	used := cpuTime()
	for !b.decided() {
		if !proc.Pause(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
	fmt.Printf("a member is lost: all services are decided: %.2f s (%.1f s of CPU)\n", time.Since(due).Seconds(),
		(cpuTime() - used).Seconds())
	at, err := b.await(ctx, true)
	if err != nil {
		return err
	}
	b.print("a member is lost: all other mirrors are right", at.Sub(due), counted)
	fmt.Printf("  %.1f s of CPU, this program's stand-ins included\n", (cpuTime() - used).Seconds())
	return nil
}

// settled reports whether every service has an answer.
func (b *bench) settled() bool {
	s := b.loop.Snapshot()
	return s.Mirror != nil && s.Mirror.Ready && s.Mirror.Settled && len(s.Members) == b.members
}

// decided reports whether no answer has an address of the lost member.
func (b *bench) decided() bool {
	if !b.settled() {
		return false
	}
	yes := true
	b.loop.Snapshot().Views.Each(func(s *snapshot.Service) {
		for _, shard := range s.Answer.Shards {
			yes = yes && (shard.Member != memberName(lost) || !shard.Healthy)
		}
	})
	return yes
}

// limit is how long the mirrors may take.
const limit = 10 * time.Minute

// await waits until the mirrors are right, of all members or without the lost one, and returns since when.
func (b *bench) await(ctx context.Context, without bool) (last time.Time, err error) {
	start := time.Now()
	for i := 0; i < b.members; {
		if without && i == lost {
			i++
			continue
		}
		at, ok := b.facts[i].right(b.services, without)
		switch {
		case ok:
			i++
			if at.After(last) {
				last = at
			}
		case time.Since(start) > limit:
			state, _ := b.loop.Snapshot().Views.MirrorOf(memberName(i))
			return last, fmt.Errorf("the mirror of %s is not right after %s: %+v", memberName(i), limit, state)
		case !proc.Pause(ctx, 10*time.Millisecond):
			return last, ctx.Err()
		}
	}
	return last, nil
}

func (b *bench) counted() (all counts) {
	for _, f := range b.facts {
		c := f.counted()
		all.buckets, all.beats, all.bytes = all.buckets+c.buckets, all.beats+c.beats, all.bytes+c.bytes
	}
	return all
}

func (b *bench) print(what string, took time.Duration, since counts) {
	c := b.counted()
	fmt.Printf("%s: %.2f s, %d writes of buckets, %d of heartbeats, %.1f MiB; for each member %.1f, %.1f, %.2f MiB\n",
		what, took.Seconds(), c.buckets-since.buckets, c.beats-since.beats, float64(c.bytes-since.bytes)/(1<<20),
		float64(c.buckets-since.buckets)/float64(b.members), float64(c.beats-since.beats)/float64(b.members),
		float64(c.bytes-since.bytes)/float64(b.members)/(1<<20))
}

// read reads one mirror as the plugin does, and prints what that takes.
func (b *bench) read(ctx context.Context) error {
	client, err := corev1client.NewForConfig(b.configs[b.members-1])
	if err != nil {
		return err
	}
	before := liveHeap()
	m := reader.New(fed)
	r := &reader.Reader{Cluster: "here", Namespace: mirror.Namespace, Client: client.ConfigMaps(mirror.Namespace),
		Mirrors: []*reader.Mirror{m}}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	for !m.Standing(time.Now()).Fresh {
		if !proc.Pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
	fmt.Printf("  the plugin has %.1f MiB of it\n", (float64(liveHeap())-float64(before))/(1<<20))
	runtime.KeepAlive(m)
	return nil
}

// cpuTime is what this process has used: what else the machine does is not in it.
func cpuTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t) != nil {
		return 0 // every Linux has it
	}
	return time.Duration(t.Nano())
}

func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
