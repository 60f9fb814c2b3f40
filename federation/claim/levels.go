package claim

import (
	"context"
	"errors"
	"fmt"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// Write adds these levels, and no others, to the list, and claims those that are not claimed. The entry comes first, as
// what is in no list is never found again, then the claim, then (by the caller) the first record (O1a, O1b). An error
// of one level affects that level only.
func (k Keeper) Write(ctx context.Context, h *Holding, want []federation.LevelEntry,
	adopt bool) map[federation.FQDN]LevelResult {
	results := make(map[federation.FQDN]LevelResult, len(want))
	there := k.readUnclaimed(ctx, h, want)
	limits := newLimits(h)
	var list []entryWrite
	for _, e := range want {
		r := h.result(e.Name)
		if e.Name == k.Federation.Domain {
			r.Claimed = true
		}
		var w entryWrite
		if w, r.Err = k.entryWrite(ctx, h, e, there[e.Name], adopt); r.Err == nil {
			r.Err = limits.add(e)
		}
		if r.Err == nil {
			list = append(list, w)
		}
		results[e.Name] = r
	}
	k.writeList(ctx, h, list, results)
	k.claimAll(ctx, h, list, there, results)
	return results
}

// result returns the state of a level in the holding.
func (h *Holding) result(name federation.FQDN) LevelResult {
	return LevelResult{Entry: h.Entry(name), Claimed: h.Claimed[name], listed: h.listed[name], open: h.open[name]}
}

func (k Keeper) readUnclaimed(ctx context.Context, h *Holding,
	want []federation.LevelEntry) map[federation.FQDN]levelContents {
	var names []federation.FQDN
	for _, e := range want {
		if e.Name != k.Federation.Domain && !h.Claimed[e.Name] {
			names = append(names, e.Name)
		}
	}
	f, _ := k.read(ctx, names...) // an error is for global only
	return f.levels
}

// entryWrite holds the changes that add one level to the list.
type entryWrite struct {
	next    listing
	changes []plan.Change
}

func (k Keeper) entryWrite(ctx context.Context, h *Holding, e federation.LevelEntry, there levelContents,
	adopt bool) (w entryWrite, err error) {
	ok := func(err error) bool { return err == nil || adopt && errors.Is(err, ErrForeign) }
	have := h.listed[e.Name]
	if h.open[e.Name] {
		if have, err = k.readListing(ctx, h, e.Name); err != nil {
			return w, err
		}
	}
	if !h.Claimed[e.Name] {
		if _, err := k.checkOwner(e.Name, there, have.Owner == k.Owner); !ok(err) {
			return w, err
		}
	}
	if have.err != nil && !h.listedByUs(e.Name) {
		if err := fmt.Errorf("%w: %w (--adopt writes it anew)", ErrForeign, have.err); !ok(err) {
			return w, err
		}
	}
	w.next.Listing = federation.Listing{LevelEntry: e, Owner: k.Owner}
	if len(e.Members) == 0 && e.Name != k.Federation.Domain {
		if w.next.Past = have.Members; len(have.Members) == 0 {
			w.next.Past = have.Past
		}
	}
	w.next.sets = w.next.RRsets(k.Federation, have.sets)
	w.changes = listChanges(have.sets, w.next.sets)
	return w, nil
}

// listChanges returns the changes from some RRsets to others, one for each name.
func listChanges(from, to []federation.RRset) (changes []plan.Change) {
	find := func(sets []federation.RRset, name federation.FQDN) []federation.RRset {
		for _, s := range sets {
			if s.Name == name {
				return []federation.RRset{s}
			}
		}
		return nil
	}
	for _, t := range to {
		if f := find(from, t.Name); len(f) == 0 || !f[0].SameData(t) {
			changes = append(changes, plan.Change{Name: t.Name, From: f, To: []federation.RRset{t}})
		}
	}
	for _, f := range from {
		if len(find(to, f.Name)) == 0 {
			changes = append(changes, plan.Change{Name: f.Name, From: []federation.RRset{f}})
		}
	}
	return changes
}

// readListing reads the parts of a level's entry in the list, up to the first that does not exist and was never seen.
func (k Keeper) readListing(ctx context.Context, h *Holding, name federation.FQDN) (l listing, err error) {
	last := 0
	for _, set := range h.listed[name].sets {
		_, part, _ := k.Federation.ParseListingName(set.Name)
		last = max(last, part)
	}
	for part := 1; ; part++ {
		set, err := k.getTXT(ctx, k.Federation.ListingName(name, part))
		if err != nil {
			return l, err
		}
		if set != nil {
			l.sets = append(l.sets, *set)
		} else if part > last {
			break
		}
	}
	if len(l.sets) > 0 {
		l.Listing, l.err = k.Federation.ParseListing(l.sets)
	}
	return l, nil
}

// writeList writes the entries. The state of one that failed is unknown, unless the error says that nothing was
// changed.
func (k Keeper) writeList(ctx context.Context, h *Holding, list []entryWrite, results map[federation.FQDN]LevelResult) {
	var changes []plan.Change
	for _, w := range list {
		changes = append(changes, w.changes...)
	}
	var errs []error
	if len(changes) > 0 {
		errs = k.apply(ctx, &h.Claim, changes...)
	}
	for _, w := range list {
		r := results[w.next.Name]
		mine := errs[:len(w.changes)]
		errs = errs[len(w.changes):]
		if r.Err = errors.Join(mine...); r.Err == nil {
			r.listed, r.open, r.Entry = w.next, false, &w.next.LevelEntry
		} else {
			r.open = r.open || len(mine) > 1 || !untouched(r.Err)
			if r.open {
				r.Entry = nil
			}
		}
		results[w.next.Name] = r
	}
}

// untouched reports whether an error means that the change was not made.
func untouched(err error) bool {
	return errors.Is(err, provider.ErrNotSent) || errors.Is(err, provider.ErrRefused) ||
		errors.Is(err, provider.ErrUnavailable)
}

// claimAll claims the levels whose entry has been written.
func (k Keeper) claimAll(ctx context.Context, h *Holding, list []entryWrite, there map[federation.FQDN]levelContents,
	results map[federation.FQDN]LevelResult) {
	var changes []plan.Change
	var names []federation.FQDN // of the changes
	for _, w := range list {
		name := w.next.Name
		r := results[name]
		if r.Err != nil || r.Claimed {
			continue
		}
		have := there[name]
		if mine, _ := k.checkOwner(name, have, true); mine {
			r.Claimed, r.Records = true, have.records
			results[name] = r
			continue
		}
		changes, names = append(changes, k.claimChange(name, have)), append(names, name)
	}
	if len(changes) == 0 {
		return
	}
	for i, err := range k.apply(ctx, &h.Claim, changes...) {
		r := results[names[i]]
		if r.Err = err; err == nil {
			r.Claimed, r.Records = true, there[names[i]].records
		}
		results[names[i]] = r
	}
}

// claimChange returns the change that claims a level.
func (k Keeper) claimChange(name federation.FQDN, there levelContents) plan.Change {
	claim := federation.Claim{Owner: k.Owner, Generation: 1, Federation: k.Federation.Name, Naming: k.Federation.Naming}
	set := claim.RRset(k.Federation.ClaimName(name))
	return plan.Change{Name: set.Name, From: oneOrNone(there.claim), To: []federation.RRset{set}}
}

// Drop removes the claim of a level that has nothing of ours left, and then its entry in the list: a claim that is in
// no list would never be found again (O1b).
func (k Keeper) Drop(ctx context.Context, h *Holding, name federation.FQDN) LevelResult {
	r := h.result(name)
	have, err := k.getTXT(ctx, k.Federation.ClaimName(name))
	if err == nil && r.open {
		r.listed, err = k.readListing(ctx, h, name)
	}
	if r.Err = err; err != nil {
		return r
	}
	if r.open && len(r.listed.sets) > 0 && (r.listed.err != nil || r.listed.Owner != k.Owner) {
		return LevelResult{} // what the list has is not ours
	}
	if k.isOurs(have) {
		r.Err = k.apply(ctx, &h.Claim, plan.Change{Name: have.Name, From: oneOrNone(have)})[0]
		if r.Err != nil {
			r.Claimed = r.Claimed && untouched(r.Err)
			return r
		}
	}
	r.Claimed = false
	changes := listChanges(r.listed.sets, nil)
	if len(changes) > 0 {
		r.Err = errors.Join(k.apply(ctx, &h.Claim, changes...)...)
	}
	if r.Err != nil {
		r.open, r.Entry = true, nil
		return r
	}
	return LevelResult{}
}

// isOurs reports whether there is a claim of ours.
func (k Keeper) isOurs(claim *federation.RRset) bool {
	if claim == nil {
		return false
	}
	_, err := k.parseOwn(*claim)
	return err == nil
}

// The bounds on the list of earlier releases: less than 100 records, which BIND and Cloud DNS accept; less than 4,000
// characters a record; and, as a change contains it twice, half of the 32,000 that Route 53 accepts.
const maxFormerLevels, maxFormerRecord, maxFormerOctets = 80, 3900, 14000

// KeepFormer sets the list of earlier releases, which is a single RRset, to the entries of the holding, so that a
// rollback finds them. kept is false if they do not fit; then there is no such list. An error has no other consequence.
func (k Keeper) KeepFormer(ctx context.Context, h *Holding) (kept bool, err error) {
	want := h.wantFormer(k.Federation)
	kept = want != nil || len(h.Entries) == 0
	if h.former != nil {
		return kept, h.former
	}
	have, err := k.getTXT(ctx, k.Federation.LevelsName())
	if err != nil || federation.EqualRRsets(oneOrNone(have), oneOrNone(want)) {
		return kept, err
	}
	return kept, k.apply(ctx, &h.Claim,
		plan.Change{Name: k.Federation.LevelsName(), From: oneOrNone(have), To: oneOrNone(want)})[0]
}

// wantFormer returns the list of earlier releases; nil if the entries do not fit into it.
func (h *Holding) wantFormer(f federation.Federation) *federation.RRset {
	set := f.LevelsRRset(h.Entries)
	if len(set.Data) == 0 || !fits(set) {
		return nil
	}
	return &set
}

func fits(set federation.RRset) bool {
	octets := 0
	for _, d := range set.Data {
		if octets += len(d); len(d) > maxFormerRecord {
			return false
		}
	}
	return len(set.Data) <= maxFormerLevels && octets <= maxFormerOctets
}
