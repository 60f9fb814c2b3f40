package claim

import (
	"cmp"
	"maps"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// Holding is what a syncer holds at the provider. It is replaced, never changed.
type Holding struct {
	Claim federation.RRset // the main claim
	// Entries are the levels in the list as last read or written, sorted by name.
	Entries []federation.LevelEntry
	// Claimed are the levels with a claim of ours.
	Claimed map[federation.FQDN]bool
	// Naming is the naming that the main claim had before, if it was another.
	Naming federation.Naming

	listed map[federation.FQDN]listing // as they are at the provider
	open   map[federation.FQDN]bool    // of these that is not known
	former error                       // why the list of earlier releases is left alone
}

func newHolding() *Holding {
	return &Holding{
		Claimed: map[federation.FQDN]bool{}, listed: map[federation.FQDN]listing{}, open: map[federation.FQDN]bool{},
	}
}

func (h *Holding) clone() *Holding {
	next := *h
	next.Entries = slices.Clone(h.Entries)
	next.Claimed, next.listed, next.open = maps.Clone(h.Claimed), maps.Clone(h.listed), maps.Clone(h.open)
	return &next
}

func (h *Holding) surveyed(s Survey) {
	h.Claimed, h.listed = maps.Clone(s.Claimed), s.listings
	for _, name := range slices.Sorted(maps.Keys(s.entries)) {
		h.Entries = append(h.Entries, s.entries[name])
	}
}

// Open returns the levels for which it is unknown whether the list has them, sorted.
func (h *Holding) Open() []federation.FQDN { return slices.Sorted(maps.Keys(h.open)) }

// holds reports whether this run held the level.
func (h *Holding) holds(name federation.FQDN) bool { return h != nil && h.Claimed[name] }

// listedByUs reports whether the list had the level as ours during this run.
func (h *Holding) listedByUs(name federation.FQDN) bool {
	if h == nil {
		return false
	}
	l, ok := h.listed[name]
	return ok && l.err == nil
}

// LevelResult is the outcome of writing or dropping one level.
type LevelResult struct {
	// Entry is the level as it is in the list now; nil if it is not there, or if that is unknown.
	Entry   *federation.LevelEntry
	Claimed bool
	// Records are those found at a level that has just been claimed.
	Records []federation.RRset
	// Err is set if nothing may be written at the level, or if its entry has to be written again.
	Err error

	listed listing
	open   bool // what the list has of it is not known
}

// With returns the holding updated with the results, which may be of an earlier holding.
func (h *Holding) With(results map[federation.FQDN]LevelResult) *Holding {
	next := h.clone()
	for name, r := range results {
		delete(next.listed, name)
		delete(next.open, name)
		delete(next.Claimed, name)
		if r.Claimed {
			next.Claimed[name] = true
		}
		if len(r.listed.sets) > 0 {
			next.listed[name] = r.listed
		}
		if r.open {
			next.open[name] = true
		}
		i, there := slices.BinarySearchFunc(next.Entries, name, compareEntry)
		switch {
		case r.Entry != nil && there:
			next.Entries[i] = *r.Entry
		case r.Entry != nil:
			next.Entries = slices.Insert(next.Entries, i, *r.Entry)
		case there && r.Err == nil:
			next.Entries = slices.Delete(next.Entries, i, i+1)
		}
	}
	return next
}

func compareEntry(e federation.LevelEntry, name federation.FQDN) int {
	return cmp.Compare(e.Name, name)
}

// Without returns the holding without the claims on these levels.
func (h *Holding) Without(levels ...federation.FQDN) *Holding {
	next := h.clone()
	for _, name := range levels {
		delete(next.Claimed, name)
	}
	return next
}

// Entry returns the level as it is in the list; nil if it is not there, or has to be written again.
func (h *Holding) Entry(name federation.FQDN) *federation.LevelEntry {
	l, ok := h.listed[name]
	if !ok || l.err != nil || h.open[name] {
		return nil
	}
	return &l.LevelEntry
}

// Drift returns the levels whose entry a survey found changed since it was written, sorted.
func (h *Holding) Drift(s Survey) (levels []federation.FQDN) {
	all := maps.Clone(h.listed)
	maps.Copy(all, s.listings)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !h.open[name] && !federation.EqualRRsets(h.listed[name].sets, s.listings[name].sets) {
			levels = append(levels, name)
		}
	}
	return levels
}

// FormerDrift reports whether a survey found the list of earlier releases other than KeepFormer leaves it.
func (h *Holding) FormerDrift(f federation.Federation, s Survey) bool {
	want := oneOrNone(h.wantFormer(f))
	return h.former == nil && !federation.EqualRRsets(want, oneOrNone(s.former))
}

// LostClaims returns the levels whose claim a survey found missing, with no one else's in its place, sorted (O1e).
func (h *Holding) LostClaims(s Survey) (levels []federation.FQDN) {
	for _, name := range slices.Sorted(maps.Keys(h.Claimed)) {
		if !s.Claimed[name] && s.Foreign[name] == nil {
			levels = append(levels, name)
		}
	}
	return levels
}

// Reopen returns the holding with the entries of these levels unknown: they are read before they are written.
func (h *Holding) Reopen(levels ...federation.FQDN) *Holding {
	next := h.clone()
	for _, name := range levels {
		next.open[name] = true
	}
	return next
}
