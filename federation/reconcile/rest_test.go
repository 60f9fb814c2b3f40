package reconcile

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/federation-dns/federation/federation/member"
)

// BenchmarkRest measures what the loop spends on one probe of a member while nothing else happens: the turn, what
// readers see of it, and when the next one is due. A member is probed every 5 s, so that a thousand cost 200 of these a
// second in each federation.
func BenchmarkRest(b *testing.B) {
	if *scaleMembers == 0 {
		return
	}
	s := newScale(*scaleMembers, *scaleServices)
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	running := make(chan struct{})
	go func() {
		defer close(running)
		s.loop.run(ctx)
	}()
	s.listAll()
	for !s.loop.Snapshot().Ready() || !s.idle(b) {
		time.Sleep(time.Millisecond)
	}
	stop()
	<-running
	rng, began := rand.New(rand.NewPCG(1, 1)), cpuTime(b)
	b.ReportAllocs()
	for b.Loop() {
		e := member.ProbeEvent{Member: scaleMember(rng.IntN(s.members)), At: time.Now()}
		s.loop.nextDeadline(s.loop.turn(b.Context(), b.Context(), func() { s.loop.observe(e) }))
	}
	b.ReportMetric(float64((cpuTime(b)-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpuTime is what this process has used, garbage collection included: what else the machine does is not measured.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
