package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/chaos/truth"
	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/proc"
)

// How long what comes of a fault may last after it.
const (
	// memberSettles: a probe interval, 2 s until the watches stand again, and
	// their backoff.
	memberSettles = 5 * time.Second
	// serverSettles is how long the watches of CoreDNS may take to come back:
	// client-go waits up to 30 s between two attempts.
	serverSettles = 40 * time.Second
	// syncerSettles is counted from its readiness, or from SIGCONT.
	syncerSettles = 3 * time.Second
	// refusedSettles: a refused change is tried again after 10 s at first, and
	// twice as long after each further one of the name.
	refusedSettles = 45 * time.Second
	// watchSettles: a watch that was refused is tried again after 3 s, client-go's
	// own attempts and the API server's being told of what it may grant included.
	watchSettles = 12 * time.Second
	// claimSettles is how long a claim that has gone may take to be there again:
	// it is missed by an audit, if nothing changes before.
	claimSettles = 20 * time.Second
	// leaseRunsOut is how long it takes at most until another syncer writes.
	leaseRunsOut = 24 * time.Second
	// maxBackoff is that of the syncer for a DNS server that does not answer.
	maxBackoff = 30 * time.Second
)

// saboteur makes the faults of a run.
type saboteur struct{ *run }

// fault makes one fault, and ends it.
func (r saboteur) fault(ctx context.Context, f schedule.Fault) (err error) {
	r.report.faulted(f)
	defer func() { r.report.mended(f) }()
	switch {
	case f.Class.OfMirror():
		return r.mirrorFault(ctx, f, r.stage.Members[f.Members[0]])
	case f.Class.OfMember():
		return r.memberFault(ctx, f, r.stage.Members[f.Members[0]])
	case f.Class.OfMembers():
		return r.cut(ctx, f)
	case f.Class.OfProvider():
		return r.providerFault(ctx, f)
	case f.Class.OfSyncer():
		return r.syncerFault(ctx, f)
	case f.Class == schedule.MassDelete:
		proc.Pause(ctx, f.For) // the deletions are among the changes
		return nil
	}
	return fmt.Errorf("no such class")
}

// cut cuts several links at once.
func (r saboteur) cut(ctx context.Context, f schedule.Fault) error {
	mode := []cutproxy.Mode{cutproxy.Blackhole, cutproxy.Reset}[f.For.Milliseconds()%2]
	what := truth.Fault{Class: string(f.Class), Blocks: true, Silent: true, Group: true}
	each := func(do func(m *stage.Member)) {
		for _, i := range f.Members {
			do(r.stage.Members[i])
		}
	}
	begin := time.Now()
	each(func(m *stage.Member) { r.truth.MemberFault(begin, m.Name, what) })
	each(func(m *stage.Member) { m.Link.Set(mode) })
	proc.Pause(ctx, f.For)
	each(func(m *stage.Member) { m.Link.Set(cutproxy.Pass) })
	end := time.Now()
	each(func(m *stage.Member) { r.truth.EndFault(end, m.Name, what.Class, memberSettles+time.Second) })
	return nil
}

func (r saboteur) syncerFault(ctx context.Context, f schedule.Fault) error {
	what := truth.Fault{Class: string(f.Class), Blocks: true}
	s := r.mainSyncer()
	r.truth.SyncerFault(time.Now(), what)
	var err error
	switch f.Class {
	case schedule.SyncerKill:
		s.Kill()
		if r.lease {
			r.truth.Opens(time.Now(), "", what.Class) // another one may begin at any time
		}
		proc.Pause(ctx, f.For)
		if !r.lease {
			r.truth.Opens(time.Now(), "", what.Class)
		}
		err = r.startSyncer(ctx, s.Number)
	case schedule.SyncerStop:
		if err = s.Pause(); err == nil {
			proc.Pause(ctx, f.For)
			err = s.Resume()
		}
	case schedule.Takeover:
		return r.takeover(ctx, f, s, what.Class)
	}
	r.truth.EndFault(time.Now(), "", what.Class, syncerSettles)
	return err
}

// takeover stops the syncer, has the other one take over, and lets the first go
// on: it must find that out, and write nothing. (What it writes, the links see.)
// With a Lease it stands by then; without one it is ended.
func (r saboteur) takeover(ctx context.Context, f schedule.Fault, first *stage.Syncer, class string) error {
	err := first.Pause()
	if err != nil {
		return err
	}
	r.truth.Opens(time.Now(), "", class) // another one may begin at any time
	if r.lease {
		if err = r.forgetUnrecorded(ctx); err == nil {
			err = r.awaitWriter(ctx, 1-first.Number)
		}
	} else {
		err = r.startSyncer(ctx, 1-first.Number)
	}
	if err != nil {
		return err
	}
	r.truth.EndFault(time.Now(), "", class, syncerSettles)
	proc.Pause(ctx, f.For/3)
	if err := first.Resume(); err != nil {
		return err
	}
	if err := r.deposed(ctx, first); err != nil && ctx.Err() == nil {
		r.report.violation(violation{Kind: "deposed", Why: err.Error()})
	}
	if !r.lease {
		first.Kill()
	}
	return nil
}

// deposed waits until the syncer stands by, or says of all federations that
// another one has taken over: its next change or audit tells it.
func (r saboteur) deposed(ctx context.Context, s *stage.Syncer) error {
	limit := time.Now().Add(stage.Timers.AuditInterval*6/5 + maxBackoff/2)
	if r.options().InMember { // the API server that it has to ask may be away
		limit = limit.Add(maxBackoff)
	}
	for {
		leader, states, err := s.States(ctx)
		if err == nil && (leader != "" || !slices.ContainsFunc(states,
			func(state string) bool { return state != "deposed" })) {
			return nil
		}
		if s.Ended() != nil {
			return nil // it has seen it, and ended
		}
		if time.Now().After(limit) || !proc.Pause(ctx, 300*time.Millisecond) {
			return errors.Join(fmt.Errorf("syncer %d was stopped, another one has taken over, and it does not find "+
				"that out: its federations are %v", s.Number, states), err)
		}
	}
}
