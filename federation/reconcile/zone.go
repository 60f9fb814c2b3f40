package reconcile

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/retry"
)

// zone is what the provider has of the federation.
type zone struct {
	*env
	provider      provider.Provider
	claims        claim.Keeper
	adopt         bool
	holding       *claim.Holding // our claims; nil until the main claim is taken
	lostHolding   *claim.Holding // what we held when the claim was lost; nil at the first start
	records       *claim.Records
	deposed       error
	negativeAsked bool
	levelState
	rereads
	auditor
}

// open returns the request that takes the claim and reads what is there (O1, O3b, X1).
func (z *zone) open() request {
	return openRequest{claims: z.claims, lostHolding: z.lostHolding, adopt: z.adopt}
}

type openRequest struct {
	claims      claim.Keeper
	lostHolding *claim.Holding // what this run held before its claim was lost (O1e)
	adopt       bool
}

type openResult struct {
	holding *claim.Holding
	found   claim.Survey
	err     error
}

func (r openRequest) do(ctx context.Context) result {
	var res openResult
	res.holding, res.found, res.err = r.claims.Take(ctx, r.lostHolding, r.adopt)
	return res
}

func (r openResult) apply(l *Loop, now time.Time) {
	switch {
	case errors.Is(r.err, claim.ErrTaken):
		l.depose(r.err)
	case r.err != nil:
		l.providerFailed("claiming the names of the federation", r.err)
	default:
		l.providerAnswered()
		opener{l}.begin(now, r.holding, r.found)
	}
}

// opener applies what was found at the provider when a claim was taken.
type opener struct{ *Loop }

func (o opener) begin(now time.Time, holding *claim.Holding, found claim.Survey) {
	o.holding, o.lostHolding, o.records, o.startRecords = holding, nil, found.Records, newStartRecords(found.Records)
	o.endMirrored()
	if c, err := federation.ParseClaim(holding.Claim); err == nil {
		o.told.generation = c.Generation
	}
	for level := range holding.Claimed {
		delete(o.foreign, level)
	}
	o.excludeLevels(now, found.Foreign)
	o.dropUnserved(now)
	o.watchServed(now)
	o.noteCrowded()
	o.keepFormer = true
	for m, ms := range o.members { // those that were listed before the records were
		for svc, shard := range ms.shards {
			o.startRecords.account(m, svc, shard.Known)
		}
	}
	o.rememberDeparted(now, holding.Entries)
	o.reach.Begin(now, mover(o).placeByLevels(now, holding.Entries))
	o.auditAt = now.Add(retry.Jitter(o.auditInterval))
	o.relevel()
	o.keepMoved(holding.Entries)
	for name := range o.records.Services {
		o.recall(name)
		o.updateBrake(name)
		o.enqueue(name)
	}
	if holding.Naming != "" {
		o.log.Warn("the naming has changed: the topology zones get other names",
			"from", string(holding.Naming), "to", string(o.config.Naming))
	}
	if found.Former != nil {
		o.log.Warn("the list of levels of earlier releases is not ours: leaving it as it is", "error", found.Former)
	}
	if problem := o.config.NameProblem; problem != "" {
		o.log.Warn("the federation goes on because it has its claim, but should get another name", "reason", problem)
	}
	o.log.Info("claimed",
		"claim", holding.Claim.Data[0], "levels", len(holding.Entries), "services", len(o.records.Services))
}

// recall finds whose addresses the records of a service have: those of the members at whose places there are any (X4a).
// A service that has any had a healthy shard until now (X1c).
func (o opener) recall(name federation.ServiceName) {
	s := o.ensureService(name)
	if policy.HasAddress(o.config.Federation, name, o.records.ByService(name)) {
		s.healthyAt = time.Now()
	}
	for _, ms := range o.order {
		m := ms.topology.Name
		r := o.startRecords.forMember(m, name, o.members)
		r.Accounted = func(federation.FQDN, string) bool { return false } // whoever has it now
		if _, ok := policy.Recorded(o.config.Federation, m, r); ok && !slices.Contains(s.members, m) {
			s.members = append(s.members, m)
		}
	}
}

// recordedLevels returns a member's levels, where Foreign is cleared for a level that is only not claimed yet and whose
// records are ours by the list of levels: what an unreachable member has there is still its own (O1e, X1b).
func (z *zone) recordedLevels(levels []federation.Level) []federation.Level {
	levels = slices.Clone(levels)
	for i, lv := range levels {
		levels[i].Foreign = lv.Foreign && (z.foreign[lv.Name] != nil || !z.records.HasLevel(lv.Name))
	}
	return levels
}

// askNegativeTTL returns, once, a request for how long resolvers cache that a name is missing. Its result warns if that
// is longer than they cache a record (P3d).
func (z *zone) askNegativeTTL() request {
	if z.negativeAsked {
		return nil
	}
	z.negativeAsked = true
	return negativeRequest{z.provider}
}

type negativeRequest struct{ provider provider.Provider }

type negativeResult struct {
	ttl uint32
	err error
}

func (r negativeRequest) do(ctx context.Context) result {
	ctx, cancel := context.WithTimeout(ctx, StopTimeout)
	defer cancel()
	var res negativeResult
	res.ttl, res.err = r.provider.NegativeTTL(ctx)
	return res
}

func (r negativeResult) apply(l *Loop, _ time.Time) {
	ttl := cmp.Or(l.config.Options.TTL, federation.DefaultTTL)
	if r.err == nil && r.ttl > ttl {
		l.log.Warn("resolvers cache a missing name longer than a record: lower the last field of the zone's SOA "+
			"record (MINIMUM) to 30",
			"negativeTTL", r.ttl, "ttl", ttl)
	}
}

// setRecords notes what a name has now, for readers and for the brake too.
func (l *Loop) setRecords(name federation.FQDN, sets []federation.RRset) {
	l.noteRecords(name, sets)
	if svc, _, ok := l.config.ParseOwner(name); ok {
		l.refreshView(svc)
		l.updateBrake(svc)
	}
}

// noteRecords notes what a name has now.
func (z *zone) noteRecords(name federation.FQDN, sets []federation.RRset) {
	if _, level, ok := z.config.ParseOwner(name); ok && z.foreign[level] == nil {
		z.records.Set(name, sets)
	}
	if z.changedInAudit != nil {
		z.changedInAudit[name] = true
	}
}

// updateBrake shows the brake what is published of a service now.
func (l *Loop) updateBrake(svc federation.ServiceName) {
	names := l.records.Services[svc]
	var members []string
	if s := l.services[svc]; s != nil {
		members = s.members
	}
	l.brake.Observe(svc, policy.Published{
		Address: len(names[l.config.OwnerName(svc, l.config.Domain)]) > 0, Members: members,
		Names: len(names), Has: func(name federation.FQDN) bool { return len(names[name]) > 0 },
	})
}

// depose stops all writing: the claim is another syncer's, of a newer generation, or cleanup's (O1e).
func (z *zone) depose(reason error) {
	z.deposed = reason
	z.log.Error("deposed: nothing more is written until another replica has held the Lease or this one restarts",
		"error", reason)
	if z.abstain != nil {
		z.abstain()
	}
}

// lostClaim has the main claim made again, by the rules of a start: it is gone, or is an older one of ours, and nobody
// else has taken it (O1e).
func (z *zone) lostClaim(reason error) {
	z.log.Error("the main claim was lost, and is made again: was the zone restored, was the TXT record deleted, or "+
		"does the server return old data?",
		"error", reason)
	z.metrics.Drift.Inc()
	z.lostHolding, z.holding = z.holding, nil
}

// checkEvery bounds how often the main claim is read while publications fail or conflict.
const checkEvery = time.Second

// check returns the request that reads the main claim: a neutral request, which alone says whether the provider works
// (X5a) and whether the names are still ours (O3c).
func (z *zone) check(now time.Time) request {
	z.suspect, z.checkAt = false, now.Add(checkEvery)
	return checkRequest{claims: z.claims, holding: z.holding}
}

type checkRequest struct {
	claims  claim.Keeper
	holding *claim.Holding
}

type checkResult struct {
	state   claim.State
	reason  error
	err     error // the claim could not be read
	answers bool  // the provider answers though the claim cannot be read
}

func (r checkRequest) do(ctx context.Context) result {
	var res checkResult
	if res.state, res.reason, res.err = r.claims.State(ctx, r.holding); res.err == nil {
		return res
	}
	_, err := r.claims.Provider.NegativeTTL(ctx)
	res.answers = err == nil
	return res
}

func (r checkResult) apply(l *Loop, now time.Time) {
	switch {
	case r.err != nil && !r.answers:
		l.suspect = true
		l.providerFailed("reading the main claim", r.err)
		return
	case r.err != nil: // only the claim cannot be read: changes assert it, so nothing is lost
		if l.claimUnread.IsNews(r.err) {
			l.log.Error("the main claim could not be read: retrying, all else goes on", "error", r.err)
		}
		l.claimUnread.Failed(now, r.err, retry.MinUnread, retry.MaxUnread)
		l.suspect, l.checkAt = true, l.claimUnread.Until
		l.providerAnswered()
		return
	}
	l.claimUnread = retry.Backoff{}
	l.providerAnswered()
	switch r.state {
	case claim.Taken:
		l.depose(r.reason)
	case claim.Lost:
		l.lostClaim(r.reason)
	}
}
