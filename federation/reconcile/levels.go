package reconcile

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/retry"
)

// Each level is claimed, written and given up by itself (O1a, X5a): one that is somebody else's, or that cannot be
// listed, claimed or read, counts as not ours, with its reason and a backoff of its own, and the others go on. So does
// one that has not been claimed yet.

// levelState is what is remembered of the levels: their claims, their list, and whether they are served as written.
type levelState struct {
	foreign     map[federation.FQDN]*retry.Backoff // the levels that are not ours, and why (O1c, X5a)
	dropping    map[federation.FQDN]*retry.Backoff // the levels that could not be given up
	unlisted    map[federation.FQDN]*retry.Backoff // the levels of ours whose list entry could not be written
	levelsStale bool                               // the list of levels may be out of date
	// keepFormer: the list of earlier releases may be out of date; formerBackoff is how writing it failed,
	// formerIncomplete that it cannot hold all levels.
	keepFormer, formerIncomplete bool
	formerBackoff                retry.Backoff
	served                       served
	// crowded are the warnings of levels that come close to a bound.
	crowded []string
}

// excludeLevels notes which levels are not ours, and why: what is there stays as it is.
func (z *zone) excludeLevels(now time.Time, levels map[federation.FQDN]error) {
	for level, err := range levels {
		s := retry.BackoffOf(z.foreign, level)
		if s.IsNews(err) {
			z.log.Error(levelProblem(err), "level", string(level), "error", err)
		}
		if errors.Is(err, claim.ErrForeign) {
			s.Failed(now, err, foreignRetry, foreignRetry)
		} else {
			s.WriteFailed(now, err)
		}
		z.records.ForgetLevel(level)
	}
}

// levelProblem returns what to log of a level that cannot be written.
func levelProblem(err error) string {
	switch {
	case errors.Is(err, claim.ErrForeign):
		return "level is not ours, nothing is written there"
	case errors.Is(err, errNotServed):
		return "level is not served as it is written, nothing more is written there"
	}
	return "level could not be claimed: nothing is written there until it is, others are not affected"
}

// unclaimed returns the levels at which nothing may be written now.
func (z *zone) unclaimed(levels *federation.Levels) map[federation.FQDN]bool {
	excluded := map[federation.FQDN]bool{}
	for _, lv := range levels.All() {
		if z.holding != nil && !z.holding.Claimed[lv.Name] && lv.Name != z.config.Domain {
			excluded[lv.Name] = true
		}
	}
	for level := range z.foreign {
		excluded[level] = true
	}
	return excluded
}

// claimLevels returns a request that claims the current levels that are not ours yet, and lists those whose entry has
// changed; nil if there is nothing to do now. starting reports that not all members are known.
func (z *zone) claimLevels(now time.Time, entries func() []federation.LevelEntry, starting bool) request {
	if !z.levelsStale && !due(z.foreign, now) && !due(z.unlisted, now) {
		return nil
	}
	want := z.wantedEntries(now, entries())
	z.levelsStale = false // an event may set it while the request is under way
	if len(want) == 0 {
		z.endAdoption(starting)
		return nil
	}
	return levelsRequest{claims: z.claims, holding: z.holding, want: want, adopt: z.adopt}
}

// due reports whether anything that failed is due for a retry.
func due(levels map[federation.FQDN]*retry.Backoff, now time.Time) bool {
	for _, s := range levels {
		if !now.Before(s.Until) {
			return true
		}
	}
	return false
}

// wantedEntries returns the levels to list or claim now: current ones whose entry has changed or that are not claimed,
// and past ones that must be claimed again before they can be given up.
func (z *zone) wantedEntries(now time.Time, levels []federation.LevelEntry) (want []federation.LevelEntry) {
	current := map[federation.FQDN]bool{}
	add := func(e federation.LevelEntry) {
		if _, left := z.served.proven(z.config.Suffix(e.Name)); left && e.Name != z.config.Domain {
			return
		}
		if waiting(z.foreign[e.Name], now) || waiting(z.unlisted[e.Name], now) {
			return
		}
		listed := z.holding.Entry(e.Name)
		if listed == nil || !listed.Equal(e) || !z.holding.Claimed[e.Name] && e.Name != z.config.Domain {
			want = append(want, e)
		}
	}
	for _, e := range levels {
		current[e.Name] = true
		add(e)
	}
	for _, e := range z.holding.Entries {
		if s := z.foreign[e.Name]; !current[e.Name] && z.dropping[e.Name] == nil &&
			(s == nil || !errors.Is(s.Err, claim.ErrForeign)) {
			e.Members = nil
			add(e)
		}
	}
	slices.SortFunc(want, func(a, b federation.LevelEntry) int { return cmp.Compare(a.Name, b.Name) })
	return want
}

// entries returns the current levels, each with the members that may have something in the records.
func (r *roster) entries() (list []federation.LevelEntry) {
	for _, lv := range r.levels.All() {
		e := lv.Entry()
		e.Members = slices.DeleteFunc(slices.Clone(e.Members),
			func(name string) bool { return !r.members[name].mayHaveRecords() })
		list = append(list, e)
	}
	return list
}

func waiting(s *retry.Backoff, now time.Time) bool { return s != nil && now.Before(s.Until) }

// mayHaveRecords reports whether anything in the records may be the member's: it has been seen, by this run or an
// earlier one, or its levels are configured.
func (ms *memberState) mayHaveRecords() bool { return ms.seen || ms.place.fixed }

// endAdoption ends the adoption of others' levels once the levels of all members are known and none is left to claim:
// what turns up later is not meant.
func (z *zone) endAdoption(starting bool) {
	z.adopt = z.adopt && (z.levelsStale || starting)
}

type levelsRequest struct {
	claims  claim.Keeper
	holding *claim.Holding
	want    []federation.LevelEntry
	adopt   bool
}

type levelsResult struct {
	began  *claim.Holding
	levels map[federation.FQDN]claim.LevelResult
}

func (r levelsRequest) do(ctx context.Context) result {
	return levelsResult{r.holding, r.claims.Write(ctx, r.holding, r.want, r.adopt)}
}

func (r levelsResult) apply(l *Loop, now time.Time) {
	l.mergeLevels(r.began, r.levels)
	l.forgetLevels(l.levels)
	excluded := map[federation.FQDN]error{}
	for level, res := range r.levels {
		if res.Err == nil && (retriable(l.foreign[level]) || retriable(l.unlisted[level])) {
			retryNow(now, l.foreign, l.unlisted, l.dropping)
			break
		}
	}
	for _, level := range slices.Sorted(maps.Keys(r.levels)) {
		res := r.levels[level]
		switch {
		case res.Err == nil:
			delete(l.foreign, level)
			delete(l.unlisted, level)
			l.providerAnswered()
		case l.holding.Claimed[level] || level == l.config.Domain:
			delete(l.foreign, level)
			l.listingFailed(now, level, res.Err)
		default:
			excluded[level] = res.Err
		}
		l.suspect = l.suspect || errors.Is(res.Err, provider.ErrConflict)
	}
	l.excludeLevels(now, excluded)
	l.watchServed(now)
	l.noteCrowded()
	l.keepFormer = true
	l.endAdoption(l.reach.Summary().Starting)
	mover{l}.relevelClaimed()
	for _, res := range r.levels {
		if res.Err == nil {
			opener{l}.adoptRecords(res.Records)
		}
	}
}

// retriable reports whether something failed for another reason than that it is somebody else's.
func retriable(b *retry.Backoff) bool { return b != nil && !errors.Is(b.Err, claim.ErrForeign) }

// retryNow retries the levels that failed: one of them works again.
func retryNow(now time.Time, failed ...map[federation.FQDN]*retry.Backoff) {
	for _, levels := range failed {
		for _, b := range levels {
			if retriable(b) {
				b.Until = now
			}
		}
	}
}

// adoptRecords notes the records that were found at a level that has just been claimed.
func (o opener) adoptRecords(records []federation.RRset) {
	byName := map[federation.FQDN][]federation.RRset{}
	for _, set := range records {
		byName[set.Name] = append(byName[set.Name], set)
	}
	for name, sets := range byName {
		if len(o.records.ByName(name)) == 0 {
			o.setRecords(name, sets)
			o.enqueueName(name)
		}
	}
}

// listingFailed notes that the list entry of a level of ours could not be written; nothing else there is affected.
func (z *zone) listingFailed(now time.Time, level federation.FQDN, err error) {
	s := retry.BackoffOf(z.unlisted, level)
	if s.IsNews(err) {
		z.log.Error("a level could not be written to the list of levels: retrying, all else goes on",
			"level", string(level), "error", err)
	}
	s.WriteFailed(now, err)
}

// relevelClaimed recomputes the levels if those that may be written have changed.
func (m mover) relevelClaimed() {
	unclaimed := m.unclaimed(m.levels)
	if slices.ContainsFunc(m.levels.All(), func(lv federation.Level) bool { return lv.Foreign != unclaimed[lv.Name] }) {
		m.computeLevels()
	}
}

// forgetLevels drops what is remembered of levels that are neither current nor listed.
func (z *zone) forgetLevels(levels *federation.Levels) {
	known := map[federation.FQDN]bool{}
	for _, lv := range levels.All() {
		known[lv.Name] = true
	}
	for _, e := range z.holding.Entries {
		known[e.Name] = true
	}
	for _, level := range z.holding.Open() {
		known[level] = true
	}
	for _, setbacks := range []map[federation.FQDN]*retry.Backoff{z.foreign, z.unlisted, z.dropping} {
		maps.DeleteFunc(setbacks, func(level federation.FQDN, _ *retry.Backoff) bool { return !known[level] })
	}
}

// mergeLevels merges the results of levels into the holding, except for claims that were lost meanwhile.
func (z *zone) mergeLevels(began *claim.Holding, levels map[federation.FQDN]claim.LevelResult) {
	for level, res := range levels {
		if began.Claimed[level] && !z.holding.Claimed[level] {
			res.Claimed = false
			levels[level] = res
		}
	}
	z.holding = z.holding.With(levels)
}

// writeFormer returns a request that keeps the list of earlier releases beside the one that is read, so that a rollback
// finds it (O1b); nil if it need not be written now.
func (z *zone) writeFormer(now time.Time) request {
	if !z.keepFormer || waiting(&z.formerBackoff, now) {
		return nil
	}
	z.keepFormer = false
	return formerRequest{claims: z.claims, holding: z.holding}
}

type formerRequest struct {
	claims  claim.Keeper
	holding *claim.Holding
}

type formerResult struct {
	kept bool
	err  error
}

func (r formerRequest) do(ctx context.Context) result {
	var res formerResult
	res.kept, res.err = r.claims.KeepFormer(ctx, r.holding)
	return res
}

func (r formerResult) apply(l *Loop, now time.Time) {
	switch {
	case errors.Is(r.err, claim.ErrForeign): // logged at the start
	case r.err != nil:
		if l.formerBackoff.IsNews(r.err) {
			l.log.Warn("the list of levels of earlier releases could not be written: retrying, all else goes on",
				"error", r.err)
		}
		l.formerBackoff.WriteFailed(now, r.err)
		l.keepFormer = true
		l.suspect = l.suspect || errors.Is(r.err, provider.ErrConflict)
	default:
		if !r.kept && !l.formerIncomplete {
			l.log.Warn("there are more levels than the list of earlier releases can hold: an earlier release would " +
				"not find all of them")
		}
		l.formerBackoff, l.formerIncomplete = retry.Backoff{}, !r.kept
		l.providerAnswered()
	}
}

// dropLevel returns a request that gives up one level that has no names and no members left (P4, O1b); nil if there is
// none to give up now.
func (z *zone) dropLevel(now time.Time, levels *federation.Levels) request {
	var past []federation.FQDN
	add := func(level federation.FQDN) {
		if _, current := levels.Level(level); !current {
			past = append(past, level)
		}
	}
	for _, e := range z.holding.Entries {
		if z.holding.Claimed[e.Name] || z.dropping[e.Name] != nil {
			add(e.Name)
		}
	}
	for _, level := range z.holding.Open() { // such a level may be listed: the reply was lost
		add(level)
	}
	i := slices.IndexFunc(past, func(level federation.FQDN) bool {
		return !waiting(z.dropping[level], now) && !z.records.HasLevel(level)
	})
	if i < 0 {
		return nil
	}
	return dropRequest{claims: z.claims, holding: z.holding, level: past[i]}
}

type dropRequest struct {
	claims  claim.Keeper
	holding *claim.Holding
	level   federation.FQDN
}

type dropResult struct {
	dropRequest
	outcome claim.LevelResult
}

func (r dropRequest) do(ctx context.Context) result {
	return dropResult{r, r.claims.Drop(ctx, r.holding, r.level)}
}

func (r dropResult) apply(l *Loop, now time.Time) {
	l.mergeLevels(r.holding, map[federation.FQDN]claim.LevelResult{r.level: r.outcome})
	l.keepFormer = true
	if r.outcome.Err == nil {
		l.providerAnswered()
		if l.dropping[r.level] != nil {
			delete(l.dropping, r.level)
			retryNow(now, l.foreign, l.unlisted, l.dropping)
		}
		l.log.Info("level given up", "level", string(r.level))
		mover{l}.moveWaiting(now)
		return
	}
	s := retry.BackoffOf(l.dropping, r.level)
	if s.IsNews(r.outcome.Err) {
		l.log.Error("a level could not be given up: retrying, all else goes on",
			"level", string(r.level), "error", r.outcome.Err)
	}
	s.WriteFailed(now, r.outcome.Err)
	l.suspect = l.suspect || errors.Is(r.outcome.Err, provider.ErrConflict)
	if !l.holding.Claimed[r.level] { // it has to be claimed again before it is written or given up
		l.levelsStale = true
	}
}
