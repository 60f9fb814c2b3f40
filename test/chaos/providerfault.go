package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/chaos/truth"
	"github.com/federation-dns/federation/test/proc"
)

func (r saboteur) providerFault(ctx context.Context, f schedule.Fault) error {
	switch f.Class {
	case schedule.ClaimDeleted:
		return r.deleteClaims(ctx, f)
	case schedule.ZoneRestored:
		return r.restoreZone(ctx, f)
	case schedule.LevelDelegated:
		return r.delegate(ctx, f)
	}
	name, host := string(stage.Zones[f.Federation].Name), r.stage.Hosts[f.Federation]
	what := truth.Fault{Class: string(f.Class)}
	var mode stage.Mode
	switch f.Class {
	case schedule.DNSDown:
		mode.Down = true
	case schedule.DNSRefuse:
		what.Service = stage.ServiceName(f.Services[0])
		mode.Refuse = what.Service + "."
	case schedule.NameUnreadable:
		z, level := stage.Zones[f.Federation], r.level(f, true)
		what.Service, what.Level = stage.ServiceName(f.Services[0]), levelOf(z, level)
		mode.Unreadable, mode.Referred = string(z.OwnerName(serviceName(f.Services[0]), level)), f.Variant%2 == 1
	case schedule.DNSSlow:
		mode.Delay = time.Duration(300+f.For.Milliseconds()%700) * time.Millisecond
	case schedule.DNSServfail:
		mode.Servfail = true
	case schedule.ReplyLost:
		mode.LoseReply = true
	case schedule.RequestLost:
		mode.LoseRequest = true
	case schedule.DNSKill:
		what.Silent = true
	}
	begin := time.Now()
	r.truth.ProviderFault(begin, name, what)
	if f.Class == schedule.DNSKill {
		host.Kill()
	} else {
		host.Set(mode)
	}
	proc.Pause(ctx, f.For)
	host.Set(stage.Mode{})
	if f.Class == schedule.DNSKill {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := host.Start(ctx); err != nil {
			return err
		}
	}
	settles := providerSettles(begin)
	if what.Service != "" {
		settles = refusedSettles
	}
	r.truth.EndFault(time.Now(), name, what.Class, settles)
	return nil
}

// providerSettles is how long a syncer may wait, after a fault of what keeps the records that began then, before it
// tries again.
func providerSettles(begin time.Time) time.Duration {
	return min(maxBackoff, 2*time.Since(begin)+2*time.Second) + time.Second
}

// level chooses a level by the fault's number.
func (r saboteur) level(f schedule.Fault, global bool) federation.FQDN {
	z := stage.Zones[f.Federation]
	var names []federation.FQDN
	for _, lv := range r.levels[f.Federation].All() {
		if global || lv.Name != z.Domain {
			names = append(names, lv.Name)
		}
	}
	return names[f.Variant/2%len(names)]
}

// deleteClaims deletes the main claim, or all claims of the federation, as a tool
// does that deletes what it does not know. No other syncer is there: they have to
// be claimed again (O1e).
func (r saboteur) deleteClaims(ctx context.Context, f schedule.Fault) error {
	z, host := stage.Zones[f.Federation], r.stage.Hosts[f.Federation]
	gone := []stage.Key{{Name: string(z.ClaimName(z.Domain)), Type: "TXT"}}
	if f.Variant%2 == 1 {
		gone = nil
		for _, lv := range r.levels[f.Federation].All() {
			gone = append(gone, stage.Key{Name: string(z.ClaimName(lv.Name)), Type: "TXT"})
		}
	}
	r.truth.ProviderFault(time.Now(), string(z.Name), truth.Fault{Class: string(f.Class)})
	for attempt := 0; ; attempt++ { // while others write it may be refused
		err := host.Edit(ctx, gone, nil)
		if err == nil {
			break
		}
		if attempt == 10 || !proc.Pause(ctx, 100*time.Millisecond) {
			return errors.Join(err, ctx.Err())
		}
	}
	r.reclaimed(ctx, f)
	return nil
}

// restoreZone has the DNS server begin again with the zone as it was a while ago.
func (r saboteur) restoreZone(ctx context.Context, f schedule.Fault) error {
	z := stage.Zones[f.Federation]
	r.truth.ProviderFault(time.Now(), string(z.Name), truth.Fault{Class: string(f.Class), Silent: true})
	r.truth.Rewritten(string(z.Name))
	start, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := r.stage.Hosts[f.Federation].(stage.Restorer).Restore(start); err != nil {
		return err
	}
	r.reclaimed(ctx, f)
	return nil
}

// reclaimed waits until the claims of all levels are there, and ends the fault.
func (r saboteur) reclaimed(ctx context.Context, f schedule.Fault) {
	z := stage.Zones[f.Federation]
	limit := stage.Timers.AuditInterval*6/5 + claimSettles
	if r.lease {
		limit += leaseRunsOut
	}
	begin, missing := time.Now(), []string{"a zone transfer"}
	for len(missing) > 0 && time.Since(begin) < limit && proc.Pause(ctx, 100*time.Millisecond) {
		records, err := r.transfer(f.Federation)
		if err != nil {
			continue
		}
		missing = nil
		for _, lv := range r.levels[f.Federation].All() {
			if claim := z.ClaimName(lv.Name); len(records[claim]["TXT"]) == 0 {
				missing = append(missing, string(claim))
			}
		}
	}
	if len(missing) > 0 && ctx.Err() == nil {
		r.report.violation(violation{
			Kind: "unclaimed", Name: "zone " + string(z.Domain),
			Why: fmt.Sprintf("%s after %s, with no other syncer there, %s is still missing",
				limit, f.Class, strings.Join(missing, ", ")),
		})
		r.report.note("status of the syncer", r.mainSyncer().Status(ctx))
	}
	if f.Class == schedule.ClaimDeleted {
		r.report.reclaimed(time.Since(begin))
	}
	r.truth.EndFault(time.Now(), string(z.Name), string(f.Class), claimSettles)
}

// delegate delegates a level, as the administrator of the zone might do: what
// is there is no longer served.
func (r saboteur) delegate(ctx context.Context, f schedule.Fault) error {
	z, host, level := stage.Zones[f.Federation], r.stage.Hosts[f.Federation], r.level(f, false)
	at := level
	if f.Variant%2 == 1 {
		at = z.Suffix(level)
	}
	c := &cut{level: levelOf(z, level), line: fmt.Sprintf("%s NS ns.elsewhere.example.", at)}
	r.truth.ProviderFault(time.Now(), string(z.Name), truth.Fault{Class: string(f.Class), Level: c.level})
	r.cuts[f.Federation].Store(c)
	if err := host.Edit(ctx, nil, []string{c.line}); err != nil {
		return err
	}
	proc.Pause(ctx, f.For)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := host.Edit(ctx, []stage.Key{{Name: string(at), Type: "NS"}}, nil); err != nil {
		return err
	}
	r.truth.EndFault(time.Now(), string(z.Name), string(f.Class), refusedSettles)
	time.AfterFunc(cutRemembered, func() { r.cuts[f.Federation].CompareAndSwap(c, nil) })
	return nil
}

// cutRemembered is how long answers may still be on their way that were given
// while a level was delegated.
const cutRemembered = 3 * time.Second
