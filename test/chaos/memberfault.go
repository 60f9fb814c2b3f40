package main

import (
	"context"
	"time"

	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/chaos/truth"
	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/proc"
)

// memberFaults are what each class does: what is known of it, how it begins and
// ends.
type memberFault struct {
	truth.Fault
	// own is how long its own CoreDNS is concerned; settles is how long what comes
	// of it may last.
	own, settles time.Duration
	begin, end   func() error
}

// of returns the fault of the schedule, at a member.
func (r saboteur) of(ctx context.Context, f schedule.Fault, m *stage.Member) memberFault {
	s := memberFault{Fault: truth.Fault{Class: string(f.Class)}, settles: memberSettles}
	link := func(mode cutproxy.Mode) {
		s.Silent, s.Blocks = true, true
		s.begin = func() error { m.Link.Set(mode); return nil }
		s.end = func() error { m.Link.Set(cutproxy.Pass); return nil }
	}
	late := context.WithoutCancel(ctx)
	switch f.Class {
	case schedule.APIKill:
		s.Silent, s.Blocks, s.own = true, true, serverSettles
		s.begin = func() error { m.Cluster.Kill(); return nil }
		s.end = func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			return m.Cluster.Restart(ctx)
		}
	case schedule.APIStop:
		s.Silent, s.Blocks, s.own = true, true, serverSettles/2
		s.begin, s.end = m.Cluster.Pause, m.Cluster.Resume
	case schedule.Blackhole:
		link(cutproxy.Blackhole)
	case schedule.Reset:
		link(cutproxy.Reset)
	case schedule.SlowLink:
		s.begin = func() error {
			m.Link.Slow(time.Duration(f.For.Milliseconds()%100+20) * time.Millisecond)
			return nil
		}
		s.end = func() error { m.Link.Slow(0); return nil }
	case schedule.Revoke:
		s.Silent = true
		s.begin = func() error { return m.Allow(ctx, "watch") }
		s.end = func() error { return m.Allow(late, "list", "watch") }
	case schedule.PluginHang: // the watches go on
		s.Silent, s.Late = true, stage.TokenLifetime+2*time.Second
		s.begin = func() error { return m.Hang(true) }
		s.end = func() error { return m.Hang(false) }
	case schedule.WatchForbidden: // but lists show what has changed
		s.settles = watchSettles
		s.begin = func() error { return m.ForbidWatch(ctx) }
		s.end = func() error { return m.Allow(late, "list", "watch") }
	case schedule.Throttled: // a server that says 429 lives, but nothing is seen
		s.Blocks, s.settles = true, watchSettles
		s.begin, s.end = m.Throttle, m.Direct
	case schedule.EndlessAnswers:
		s.Silent, s.Blocks, s.settles = true, true, watchSettles
		s.begin, s.end = m.Endless, m.Direct
	}
	return s
}

func (r saboteur) memberFault(ctx context.Context, f schedule.Fault, m *stage.Member) error {
	if f.Class == schedule.LabelStorm {
		return r.storm(ctx, f, m)
	}
	s := r.of(ctx, f, m)
	begin := time.Now()
	if s.Silent && s.Late == 0 && f.For > stage.Timers.UnreachableAfter {
		tracker(r).followLoss(ctx, m, begin, f.For)
	}
	r.truth.MemberFault(begin, m.Name, s.Fault)
	if s.own > 0 {
		r.truth.ServerFault(begin, m.Name, s.Fault)
	}
	kept := r.keptIn(f.Class, m)
	for _, z := range kept {
		r.truth.ProviderFault(begin, string(z.Name), s.Fault)
	}
	if err := s.begin(); err != nil {
		return err
	}
	proc.Pause(ctx, f.For)
	r.truth.Opens(time.Now(), m.Name, s.Class)
	if err := s.end(); err != nil {
		return err
	}
	r.truth.EndFault(time.Now(), m.Name, s.Class, max(s.settles, s.own))
	for _, z := range kept {
		r.truth.EndFault(time.Now(), string(z.Name), s.Class, providerSettles(begin))
	}
	return nil
}

// keptIn are the federations whose records the member keeps, if a fault of the class is one of its API server.
func (r saboteur) keptIn(class schedule.Class, m *stage.Member) (zones []stage.Zone) {
	for i, z := range stage.Zones {
		if class.OfAPI() && r.zoneless(i) && m == r.stage.Members[0] {
			zones = append(zones, z)
		}
	}
	return zones
}

// storm changes the labels of the member's Nodes without a pause. That excuses
// nothing, not even of the member itself (H3e).
func (r saboteur) storm(ctx context.Context, f schedule.Fault, m *stage.Member) error {
	storm, cancel := context.WithTimeout(ctx, f.For)
	defer cancel()
	n, err := m.Storm(storm)
	r.report.stormed(n)
	return err
}
