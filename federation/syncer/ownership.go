package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
)

// open takes the claim and reads what is there (O1, O3b, X1).
func (l *loop) open(ctx context.Context) {
	adopt := l.adopt
	l.start(ctx, func(ctx context.Context) func() {
		held, found, err := l.claims.Take(ctx, adopt)
		return func() {
			if err != nil {
				l.failed("claiming the names of the federation", err)
				return
			}
			l.succeeded()
			l.opened(held, found)
			l.warnNegativeTTL(ctx)
		}
	})
}

func (l *loop) opened(held *claim.Holding, found claim.Survey) {
	now := time.Now()
	l.held, l.shadow, l.beginning = held, found.Records, newBeginning(found.Records)
	l.setForeign(found.Foreign)
	for m, ms := range l.members { // those that were listed before the records
		for svc, shard := range ms.shards {
			l.beginning.account(m, svc, shard.Known)
		}
	}
	l.rememberDeparted(now, held.Entries)
	l.standing.Begin(now, l.placeByLevels(held.Entries))
	l.auditAt = now.Add(jitter(l.audit))
	l.relevel()
	for name := range l.shadow.Services {
		l.recall(name)
		l.stands(name)
		l.touch(name)
	}
	if held.Naming != "" {
		l.log.Warn("the naming has changed: the topology zones get other names", "from", string(held.Naming), "to", string(l.config.Naming))
	}
	l.log.Info("claimed", "claim", held.Claim.Data[0], "levels", len(held.Entries), "services", len(l.shadow.Services))
}

// recall says whose addresses the records of a service have: those of the
// members at whose places there are any (X4a). If it has one, it had a healthy
// shard until now (X1c).
func (l *loop) recall(name federation.ServiceName) {
	s := l.service(name)
	if policy.HasAddress(l.config.Federation, name, l.shadow.Of(name)) {
		s.healthyAt = time.Now()
	}
	for _, m := range l.order {
		r := l.beginning.of(m, name, l.members)
		r.Accounted = func(federation.FQDN, string) bool { return false } // whoever has it now
		if _, ok := policy.Recorded(l.config.Federation, m, r); ok && !slices.Contains(s.members, m) {
			s.members = append(s.members, m)
		}
	}
}

// warnNegativeTTL says at start if resolvers would remember longer that a name
// is missing than that it is there (P3d).
func (l *loop) warnNegativeTTL(ctx context.Context) {
	asker, ok := l.provider.(provider.NegativeTTL)
	if !ok {
		return
	}
	ttl := l.config.Options.TTL
	if ttl == 0 {
		ttl = federation.DefaultTTL
	}
	l.aside.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, stopTimeout)
		defer cancel()
		if negative, err := asker.SOA(ctx); err == nil && negative > ttl {
			l.log.Warn("resolvers remember a missing name longer than a record: lower the last field of the zone's SOA record (its MINIMUM) to 30",
				"negativeTTL", negative, "ttl", ttl)
		}
	})
}

// setForeign says which levels are somebody else's: what stands there is not
// ours to change.
func (l *loop) setForeign(foreign map[federation.FQDN]error) {
	for level, why := range foreign {
		if old := cmp.Or(l.foreign[level], l.retried[level]); old == nil || old.Error() != why.Error() {
			l.log.Error("level is not ours, nothing is written there", "level", string(level), "error", why)
		}
		l.shadow.ForgetLevel(level)
	}
	l.foreign = foreign
	l.foreignAt = time.Time{}
	if len(foreign) > 0 {
		l.foreignAt = time.Now().Add(foreignRetry)
	}
}

// lookAtForeign has the claims of foreign levels looked at again.
func (l *loop) lookAtForeign(now time.Time) {
	if l.held == nil || l.busy || l.foreignAt.IsZero() || now.Before(l.foreignAt) {
		return
	}
	l.held = l.held.Without(l.foreign)
	l.retried = l.foreign
	l.foreign, l.foreignAt = map[federation.FQDN]error{}, time.Time{}
	l.relevel()
}

// syncLevels brings the list of levels and their claims to the levels that
// there are now, and reports whether that takes a request.
func (l *loop) syncLevels(ctx context.Context) bool {
	want, held, adopt := l.wantedEntries(), l.held, l.adopt
	if l.claimedAll(want) && l.config.LevelsRRset(want).SameData(held.Levels) {
		l.stale = false
		l.endAdoption()
		return false
	}
	l.stale = false // an event may set it while the request is under way
	l.start(ctx, func(ctx context.Context) func() {
		next, not, found, err := l.claims.Write(ctx, held, want, adopt)
		return func() {
			switch {
			case errors.Is(err, provider.ErrConflict):
				l.stale = true
				l.conflict(held.Levels.Name)
				return
			case errors.Is(err, provider.ErrRefused): // what is claimed goes on
				not = map[federation.FQDN]error{}
				for _, e := range want {
					if !held.Claimed[e.Name] {
						not[e.Name] = err
					}
				}
				next = held
			case err != nil:
				l.stale = true
				l.reread[held.Levels.Name] = true // it may have been written
				l.failed("claiming levels", err)
				return
			}
			l.succeeded()
			l.held = next
			l.endAdoption()
			if found { // adopted with records
				l.auditAt = time.Now()
			}
			if len(not) > 0 {
				maps.Copy(not, l.foreign)
				l.setForeign(not)
				stale := l.stale
				l.relevel()
				l.stale = stale
			}
		}
	})
	return true
}

// endAdoption: what there was at start has been taken over when the levels of
// all members are known and none is left to be claimed; what turns up later is
// not meant.
func (l *loop) endAdoption() {
	l.adopt = l.adopt && (l.stale || l.standing.Summary().Starting)
}

func (l *loop) claimedAll(entries []federation.LevelEntry) bool {
	return !slices.ContainsFunc(entries, func(e federation.LevelEntry) bool { return !l.held.Claimed[e.Name] })
}

// wantedEntries are the levels of now, and those of before that have not been
// dropped yet; without the foreign ones.
func (l *loop) wantedEntries() []federation.LevelEntry {
	var want []federation.LevelEntry
	here := map[federation.FQDN]bool{}
	for _, lv := range l.levels.All() {
		if !lv.Foreign {
			e := lv.Entry()
			e.Members = slices.DeleteFunc(slices.Clone(e.Members), func(name string) bool { return !l.members[name].mayHaveRecords() })
			want = append(want, e)
		}
		here[lv.Name] = true
	}
	for _, e := range l.held.Entries {
		if !here[e.Name] && l.foreign[e.Name] == nil {
			e.Members = nil
			want = append(want, e)
		}
	}
	slices.SortFunc(want, compareNames)
	return want
}

// mayHaveRecords reports whether anything in the records may be the member's: it
// has been seen, now or by an earlier run, or has levels by the configuration.
func (ms *memberState) mayHaveRecords() bool { return ms.seen || ms.fixed }

// dropLevel gives one level up at which nothing is left and that no member
// has any more (P4, O1b), and reports whether that takes a request.
func (l *loop) dropLevel(ctx context.Context) bool {
	here := map[federation.FQDN]bool{}
	for _, lv := range l.levels.All() {
		here[lv.Name] = true
	}
	held := l.held
	at := slices.IndexFunc(held.Entries, func(e federation.LevelEntry) bool {
		return !here[e.Name] && held.Claimed[e.Name] && !l.shadow.HasLevel(e.Name)
	})
	if at < 0 {
		return false
	}
	gone := held.Entries[at].Name
	l.start(ctx, func(ctx context.Context) func() {
		next, err := l.claims.Drop(ctx, held, gone)
		return func() {
			if err == nil {
				l.succeeded()
				l.held = next
				l.log.Info("level given up", "level", string(gone))
				return
			}
			// Whether its claim is still there is open now: before anything is
			// written there again, it is claimed anew.
			l.held = held.Without(map[federation.FQDN]error{gone: err})
			if errors.Is(err, provider.ErrConflict) {
				l.conflict(held.Levels.Name)
				return
			}
			l.reread[held.Levels.Name] = true
			l.failed("giving up a level", err)
		}
	})
	return true
}

// conflict has the claim, and then the names, read again (O3c).
func (l *loop) conflict(names ...federation.FQDN) {
	for _, n := range names {
		l.reread[n] = true
	}
	l.metrics.conflicts.Add(float64(len(names)))
}

// readAgain reads the main claim, and then the names whose state is open
// (O3c).
func (l *loop) readAgain(ctx context.Context) {
	held, names := l.held, slices.Sorted(maps.Keys(l.reread))
	l.start(ctx, func(ctx context.Context) func() {
		mine, err := l.claims.Held(ctx, held)
		read := map[federation.FQDN][]federation.RRset{}
		levels := *held
		for _, n := range names {
			if err != nil || !mine {
				break
			}
			if n == held.Levels.Name {
				err = l.claims.ReadLevels(ctx, &levels, true)
			} else {
				read[n], err = l.provider.Get(ctx, n)
			}
		}
		return func() {
			switch {
			case err != nil:
				l.failed("reading names again", err)
				return
			case !mine:
				l.depose(held)
				return
			}
			l.succeeded()
			l.suspect = false
			if slices.Contains(names, held.Levels.Name) {
				levels.Entries = joinEntries(held.Entries, levels.Entries)
				l.held, l.stale = &levels, true
				delete(l.reread, held.Levels.Name)
			}
			for n, sets := range read {
				l.know(n, sets)
				delete(l.reread, n)
				l.touchName(n)
			}
		}
	})
}

// joinEntries are the entries that we have written, whatever the list says now,
// and those that the list has besides: a write of ours whose outcome was open
// may have been made, with claims after it.
func joinEntries(ours, listed []federation.LevelEntry) []federation.LevelEntry {
	all := slices.Clone(ours)
	for _, e := range listed {
		if !slices.ContainsFunc(ours, func(o federation.LevelEntry) bool { return o.Name == e.Name }) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, compareNames)
	return all
}

// know takes what is at a name now, and tells the brake.
func (l *loop) know(name federation.FQDN, sets []federation.RRset) {
	l.learn(name, sets)
	if svc, _, ok := l.config.ParseOwner(name); ok {
		l.stands(svc)
	}
}

// learn takes what is at a name now.
func (l *loop) learn(name federation.FQDN, sets []federation.RRset) {
	if _, level, ok := l.config.ParseOwner(name); ok && l.foreign[level] == nil {
		l.shadow.Set(name, sets)
	}
	if l.auditing != nil {
		l.auditing[name] = true
	}
}

// stands tells the brake what is published of a service now.
func (l *loop) stands(svc federation.ServiceName) {
	names := l.shadow.Services[svc]
	var members []string
	if s := l.services[svc]; s != nil {
		members = s.members
	}
	l.brake.Stands(svc, len(names[l.config.OwnerName(svc, l.config.Domain)]) > 0, members, len(names))
}

// depose ends all writing: the claim is another syncer's, or of another
// generation.
func (l *loop) depose(held *claim.Holding) {
	l.deposed = fmt.Errorf("the claim %q is not of our generation any more: another syncer has taken over", held.Claim.Name)
	l.log.Error("deposed: nothing more is written until this replica gets the Lease again, or is restarted", "error", l.deposed)
}
