package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/chaos/truth"
	"github.com/federation-dns/federation/test/proc"
)

const (
	// refusedMirror is how long a syncer waits before it writes again to a mirror that it was refused.
	refusedMirror = 32 * time.Second
	// coreDNSSettles is how long a CoreDNS that was started anew may take to know what it has to.
	coreDNSSettles = 5 * time.Second
)

// mirrorFault makes a fault of a member's mirrors, or of its CoreDNS, and ends it.
func (r saboteur) mirrorFault(ctx context.Context, f schedule.Fault, m *stage.Member) error {
	late := context.WithoutCancel(ctx)
	what := truth.Fault{Class: string(f.Class), Damages: slices.Contains([]schedule.Class{schedule.MirrorDeleted,
		schedule.MirrorEdited, schedule.MirrorForeign, schedule.MirrorNamespace}, f.Class)}
	var settles time.Duration
	var begin, end func() error
	nothing := func() error { return nil }
	switch f.Class {
	case schedule.MirrorDeleted:
		begin, end = func() error { return m.Mirrors().Delete(ctx, f.Variant%2 == 0) }, nothing
	case schedule.MirrorEdited:
		begin, end = func() error { return m.Mirrors().Edit(ctx) }, nothing
		if f.Variant%2 == 0 { // and the syncer cannot mend it
			settles = refusedMirror
			begin = func() error { return errors.Join(m.Mirrors().Restrict(ctx, false), m.Mirrors().Edit(ctx)) }
			end = func() error { return m.Mirrors().Grant(late) }
		}
	case schedule.MirrorForeign:
		var made map[string]map[string]string
		begin = func() (err error) {
			made, err = m.Mirrors().Usurp(ctx)
			return err
		}
		end = func() error {
			changed, err := m.Mirrors().Usurped(late, made)
			if len(changed) > 0 {
				r.report.violation(violation{Kind: "overwritten", Name: "the mirrors of " + m.Name,
					Why: "the syncer has changed what is another owner's: " + strings.Join(changed, ", ")})
			}
			return err
		}
	case schedule.MirrorNamespace:
		settles = refusedMirror
		begin = func() error { return m.Mirrors().DeleteNamespace(ctx) }
		end = func() error { return m.Mirrors().Grant(late) }
	case schedule.MirrorRevoked, schedule.HeartbeatStopped:
		settles = refusedMirror
		begin = func() error { return m.Mirrors().Restrict(ctx, f.Class == schedule.HeartbeatStopped) }
		end = func() error { return m.Mirrors().Grant(late) }
	case schedule.CoreDNSRestart:
		what.Starts, settles = true, coreDNSSettles
		begin = func() error { m.KillCoreDNS(); return nil }
		end = func() error {
			ctx, cancel := context.WithTimeout(late, time.Minute)
			defer cancel()
			return m.StartCoreDNS(ctx)
		}
	}
	r.truth.MirrorFault(time.Now(), m.Name, what)
	if what.Starts {
		r.truth.ServerFault(time.Now(), m.Name, what)
	}
	if err := begin(); err != nil {
		return err
	}
	proc.Pause(ctx, f.For)
	if err := end(); err != nil {
		return err
	}
	r.truth.EndFault(time.Now(), m.Name, what.Class, settles)
	return nil
}

// mirrorDifferences are the services of which the members' mirrors do not say what the rule does, at global.
func (r *run) mirrorDifferences(ctx context.Context) (out []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for i, z := range stage.Zones {
		want := map[federation.ServiceName]string{}
		for service := range r.services {
			svc := serviceName(service)
			sets, _ := r.levels[i].RRsets(svc, r.shards(z, service), false)
			global, addrs := z.OwnerName(svc, z.Domain), []string{}
			for _, set := range sets {
				if set.Name == global {
					addrs = append(addrs, set.Data...)
				}
			}
			slices.Sort(addrs)
			want[svc] = strings.Join(addrs, " ")
		}
		for _, m := range r.stage.Members {
			have, err := m.Mirrors().Of(ctx, z)
			if err != nil {
				return nil, fmt.Errorf("the mirror of %s in %s: %w", z.Name, m.Name, err)
			}
			for svc, addrs := range want {
				told := have[svc]
				if is := global(z, told.Levels); is != addrs {
					out = append(out, fmt.Sprintf("+ %s in the mirror of %s in %s: %q, want %q",
						svc.Name, z.Name, m.Name, is, addrs))
				}
			}
		}
	}
	return out, nil
}

// global is what the levels of a mirror say at global, sorted.
func global(z stage.Zone, levels []mirror.Level) string {
	var addrs []string
	for _, lv := range levels {
		if lv.Level == z.Domain {
			for _, a := range lv.Addresses {
				addrs = append(addrs, a.Address.String())
			}
		}
	}
	slices.Sort(addrs)
	return strings.Join(addrs, " ")
}
