package syncer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/provider"
)

// Each level is claimed, written and given up by itself (O1a, X5a): one that is somebody else's, or that cannot be
// listed, claimed or read, counts as not ours, with its reason and a backoff of its own, and all others go on. So does one
// that has not been claimed yet.

// notOurs says which levels are not ours, and why: what is there stays as it is.
func (l *loop) notOurs(now time.Time, levels map[federation.FQDN]error) {
	for level, why := range levels {
		s := l.foreign[level]
		if s == nil {
			s = &setback{}
			l.foreign[level] = s
		}
		if s.err == nil || s.err.Error() != why.Error() {
			l.log.Error(levelProblem(why), "level", string(level), "error", why)
		}
		if errors.Is(why, claim.ErrForeign) {
			s.failed(now, why, foreignRetry, foreignRetry)
		} else {
			s.notWritten(now, why)
		}
		l.shadow.ForgetLevel(level)
	}
}

// levelProblem says what it means that a level cannot be written.
func levelProblem(why error) string {
	if errors.Is(why, claim.ErrForeign) {
		return "level is not ours, nothing is written there"
	}
	return "level could not be claimed, nothing is written there until it can be; all others go on"
}

// unclaimed are the levels at which nothing may be written now.
func (l *loop) unclaimed(levels *federation.Levels) map[federation.FQDN]bool {
	not := map[federation.FQDN]bool{}
	for _, lv := range levels.All() {
		if l.held != nil && !l.held.Claimed[lv.Name] && lv.Name != l.config.Domain {
			not[lv.Name] = true
		}
	}
	for level := range l.foreign {
		not[level] = true
	}
	return not
}

// claimLevels starts a request that lists and claims the levels that there are now and that are not ours yet, and
// writes list entries that have changed; it reports whether there is anything to do now.
func (l *loop) claimLevels(ctx context.Context, now time.Time) bool {
	if l.list.open || now.Before(l.list.until) || !l.stale && !l.levelsDue(now) {
		return false
	}
	want, fresh := l.wantedEntries(now)
	l.stale = false // an event may set it while the request is under way
	if !fresh && l.config.LevelsRRset(want).SameData(l.held.Levels) {
		l.endAdoption()
		return false
	}
	l.start(ctx, keeping, levelsRequest{claims: l.claims, held: l.held, want: want, adopt: l.adopt})
	return true
}

// levelsDue reports whether a level that is not ours is to be looked at again.
func (l *loop) levelsDue(now time.Time) bool {
	for _, s := range l.foreign {
		if !now.Before(s.until) {
			return true
		}
	}
	return false
}

// wantedEntries are the levels that are to be in the list: those of now that are claimed or may be, and those of before
// that have not been given up yet. fresh: some of them are to be claimed.
func (l *loop) wantedEntries(now time.Time) (want []federation.LevelEntry, fresh bool) {
	here := map[federation.FQDN]bool{}
	for _, lv := range l.levels.All() {
		here[lv.Name] = true
		if s := l.foreign[lv.Name]; s != nil && now.Before(s.until) {
			continue
		}
		fresh = fresh || !l.held.Claimed[lv.Name]
		e := lv.Entry()
		e.Members = slices.DeleteFunc(slices.Clone(e.Members), func(name string) bool { return !l.members[name].mayHaveRecords() })
		want = append(want, e)
	}
	for _, e := range l.held.Entries {
		if s := l.foreign[e.Name]; !here[e.Name] && (s == nil || !errors.Is(s.err, claim.ErrForeign)) {
			fresh = fresh || !l.held.Claimed[e.Name] && (s == nil || !now.Before(s.until)) // to be given up then
			e.Members = nil
			want = append(want, e)
		}
	}
	slices.SortFunc(want, compareNames)
	return want, fresh
}

// mayHaveRecords reports whether anything in the records may be the member's: it has been seen, now or by an earlier run,
// or has levels by the configuration.
func (ms *memberState) mayHaveRecords() bool { return ms.seen || ms.fixed }

// endAdoption: what there was at start has been taken over when the levels of all members are known and none is left to
// be claimed; what turns up later is not meant.
func (l *loop) endAdoption() {
	l.adopt = l.adopt && (l.stale || l.standing.Summary().Starting)
}

type levelsRequest struct {
	claims claim.Keeper
	held   *claim.Holding
	want   []federation.LevelEntry
	adopt  bool
}

type levelsResult struct {
	levelsRequest
	next  *claim.Holding
	not   map[federation.FQDN]error
	found bool // records at a level that was claimed just now
	err   error
}

func (r levelsRequest) do(ctx context.Context) result {
	res := levelsResult{levelsRequest: r}
	res.next, res.not, res.found, res.err = r.claims.Write(ctx, r.held, r.want, r.adopt)
	return res
}

func (r levelsResult) apply(l *loop, now time.Time) {
	if r.err != nil {
		l.listFailed(now, r.err)
		r.not, r.next = map[federation.FQDN]error{}, r.held
		for _, e := range r.want {
			if !r.held.Claimed[e.Name] {
				r.not[e.Name] = r.err
			}
		}
	} else {
		l.list = listState{}
		l.succeeded()
	}
	l.merge(r.held, r.next)
	l.forgetLevels()
	for _, e := range r.want {
		if l.held.Claimed[e.Name] {
			delete(l.foreign, e.Name)
		}
	}
	l.notOurs(now, r.not)
	if r.found { // adopted with records
		l.auditAt = now
	}
	l.endAdoption()
	l.relevelClaimed()
}

// relevelClaimed computes the levels again if there are others now at which something may be written.
func (l *loop) relevelClaimed() {
	not := l.unclaimed(l.levels)
	if slices.ContainsFunc(l.levels.All(), func(lv federation.Level) bool { return lv.Foreign != not[lv.Name] }) {
		stale := l.stale
		l.relevel()
		l.stale = stale
	}
}

// forgetLevels drops what is remembered of levels that are neither here nor in the list any more.
func (l *loop) forgetLevels() {
	known := map[federation.FQDN]bool{}
	for _, lv := range l.levels.All() {
		known[lv.Name] = true
	}
	for _, e := range l.held.Entries {
		known[e.Name] = true
	}
	for _, levels := range []map[federation.FQDN]*setback{l.foreign, l.dropping} {
		maps.DeleteFunc(levels, func(level federation.FQDN, _ *setback) bool { return !known[level] })
	}
}

// merge takes over what a request made of the holding, but for the levels that were lost meanwhile.
func (l *loop) merge(began, next *claim.Holding) {
	lost := map[federation.FQDN]error{}
	for level := range began.Claimed {
		if !l.held.Claimed[level] {
			lost[level] = nil
		}
	}
	l.held = next.Without(lost)
}

// listState is what is known of writing the list of levels.
type listState struct {
	setback
	open bool // what is there is to be read
}

// listFailed notes that the list of levels could not be written; unless that is sure, it is read before the next time.
func (l *loop) listFailed(now time.Time, err error) {
	if l.list.err == nil || l.list.err.Error() != err.Error() {
		l.log.Error("the list of levels could not be written: no level is claimed or given up until it can be, all else goes on", "error", err)
	}
	l.list.notWritten(now, err)
	l.stale = true
	untouched := false
	for _, kind := range []error{provider.ErrNotSent, provider.ErrRefused, provider.ErrUnavailable} {
		untouched = untouched || errors.Is(err, kind)
	}
	if !untouched {
		l.list.open = true
	}
	if errors.Is(err, provider.ErrConflict) {
		l.suspect = true
	}
}

// readList starts a request that reads the list of levels, if what is there is open, and reports whether it is to be
// read now.
func (l *loop) readList(ctx context.Context, now time.Time) bool {
	if !l.list.open || now.Before(l.list.until) || l.suspect {
		return false
	}
	l.start(ctx, keeping, listRequest{claims: l.claims, held: l.held})
	return true
}

type listRequest struct {
	claims claim.Keeper
	held   *claim.Holding
}

type listResult struct {
	listed claim.Holding
	err    error
}

func (r listRequest) do(ctx context.Context) result {
	res := listResult{listed: *r.held}
	res.err = r.claims.ReadLevels(ctx, &res.listed, true)
	return res
}

func (r listResult) apply(l *loop, now time.Time) {
	if r.err != nil {
		l.list.failed(now, r.err, minUnread, maxUnread)
		return
	}
	l.succeeded()
	l.list.open, l.stale = false, true
	next := *l.held
	next.Levels, next.Entries = r.listed.Levels, joinEntries(l.held.Entries, r.listed.Entries)
	l.held = &next
}

// joinEntries returns our entries plus any that only the provider lists: a write of ours whose outcome is not known may
// have been made, with claims after it.
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

// dropLevel starts a request that gives up one level at which nothing is left and that no member has any more (P4, O1b),
// and reports whether there is one to give up now.
func (l *loop) dropLevel(ctx context.Context, now time.Time) bool {
	if l.list.open || l.busy[publishing] || now.Before(l.list.until) { // what is being published may be at that level
		return false
	}
	here := map[federation.FQDN]bool{}
	for _, lv := range l.levels.All() {
		here[lv.Name] = true
	}
	at := slices.IndexFunc(l.held.Entries, func(e federation.LevelEntry) bool {
		s := l.dropping[e.Name]
		return !here[e.Name] && l.held.Claimed[e.Name] && (s == nil || !now.Before(s.until)) && !l.shadow.HasLevel(e.Name)
	})
	if at < 0 {
		return false
	}
	l.start(ctx, keeping, dropRequest{claims: l.claims, held: l.held, level: l.held.Entries[at].Name})
	return true
}

type dropRequest struct {
	claims claim.Keeper
	held   *claim.Holding
	level  federation.FQDN
}

type dropResult struct {
	dropRequest
	next *claim.Holding
	err  error
}

func (r dropRequest) do(ctx context.Context) result {
	res := dropResult{dropRequest: r}
	res.next, res.err = r.claims.Drop(ctx, r.held, r.level)
	return res
}

func (r dropResult) apply(l *loop, now time.Time) {
	if r.err == nil {
		l.succeeded()
		l.merge(r.held, r.next)
		delete(l.dropping, r.level)
		l.log.Info("level given up", "level", string(r.level))
		return
	}
	s := l.dropping[r.level]
	if s == nil {
		s = &setback{}
		l.dropping[r.level] = s
	}
	if s.err == nil || s.err.Error() != r.err.Error() {
		l.log.Error("a level could not be given up: it is tried again, all else goes on", "level", string(r.level), "error", r.err)
	}
	s.notWritten(now, r.err)
	// Whether its claim is still there is open now: before anything is written there again, it is claimed anew.
	l.held = l.held.Without(map[federation.FQDN]error{r.level: r.err})
	l.listFailed(now, r.err)
}
