package claim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// contents is what was read at the provider.
type contents struct {
	levels map[federation.FQDN]levelContents
	// listings are the entries of the list of levels, if global was read.
	listings map[federation.FQDN]listing
	former   *federation.RRset // the list of earlier releases
}

// levelContents is what was read at one level.
type levelContents struct {
	claim   *federation.RRset
	records []federation.RRset // of the shape of ours
	err     error              // it could not be read
}

// listing is one level's entry in the list.
type listing struct {
	federation.Listing
	sets []federation.RRset
	err  error // it is not a listing of ours
}

// read reads the levels: each level's subtree, or all at once where the provider reads the whole zone anyway. If a
// level cannot be read, that affects only this level; if it is global, which has the list of levels, it is an error.
func (k Keeper) read(ctx context.Context, levels ...federation.FQDN) (contents, error) {
	f := contents{levels: map[federation.FQDN]levelContents{}, listings: map[federation.FQDN]listing{}}
	if len(levels) == 0 {
		return f, nil
	}
	all, global := k.Federation.Domain, k.Federation.Suffix(k.Federation.Domain)
	if k.Provider.Caps().ListsWholeZone {
		global = all
	}
	more := levels
	if global == all || slices.Contains(levels, all) {
		if err := k.Provider.List(ctx, global, f.collector(k.Federation)); err != nil && slices.Contains(levels, all) {
			return f, err
		} else if err != nil {
			f.failed(err, levels...)
			return f, nil
		}
		more = slices.DeleteFunc(slices.Clone(levels),
			func(l federation.FQDN) bool { return global == all || l == all })
	}
	for _, l := range more {
		if err := k.Provider.List(ctx, k.Federation.Suffix(l), f.collector(k.Federation)); err != nil {
			f.failed(err, l)
		}
	}
	for name, l := range f.listings {
		l.Listing, l.err = k.Federation.ParseListing(l.sets)
		f.listings[name] = l
	}
	return f, nil
}

func (f contents) failed(err error, levels ...federation.FQDN) {
	for _, l := range levels {
		f.levels[l] = levelContents{err: err}
	}
}

// collector returns a function that adds one RRset of a provider's List.
func (f *contents) collector(fed federation.Federation) func(federation.RRset) error {
	return func(set federation.RRset) error {
		if set.Type != federation.TypeTXT {
			if _, name, ok := fed.ParseOwner(set.Name); ok {
				l := f.levels[name]
				l.records = append(l.records, set)
				f.levels[name] = l
			}
			return nil
		}
		if set.Name == fed.LevelsName() {
			f.former = &set
		} else if name, _, ok := fed.ParseListingName(set.Name); ok {
			l := f.listings[name]
			l.sets = append(l.sets, set)
			f.listings[name] = l
		} else if name, ok := fed.ParseClaimName(set.Name); ok {
			l := f.levels[name]
			l.claim = &set
			f.levels[name] = l
		}
		return nil
	}
}

// Survey is what was found at the levels.
type Survey struct {
	// Records are those at the levels that are ours.
	Records *Records
	// Claimed are the levels with a claim of ours.
	Claimed map[federation.FQDN]bool
	// Foreign are the levels that are not ours, or could not be read, and why. The error for a level of someone else
	// wraps ErrForeign.
	Foreign map[federation.FQDN]error
	// Former is what is wrong with the list of earlier releases, which is then left alone; nil if nothing is.
	Former error

	listings map[federation.FQDN]listing
	entries  map[federation.FQDN]federation.LevelEntry
	former   *federation.RRset
}

// Survey reads the list of levels, and lists what is at them, at global, and at the levels of the holding, if there is
// one. Records at a level without a claim of ours are foreign, unless we held it or the list says that it is ours (O1c,
// O1e). A level without a claim and records is free.
func (k Keeper) Survey(ctx context.Context, held *Holding, adopt bool) (Survey, error) {
	s := Survey{Records: NewRecords(k.Federation), Claimed: map[federation.FQDN]bool{},
		Foreign: map[federation.FQDN]error{}}
	global, err := k.read(ctx, k.Federation.Domain)
	if err != nil {
		return s, err
	}
	k.readList(&s, global)
	known := map[federation.FQDN]bool{k.Federation.Domain: true}
	for name := range s.listings {
		known[name] = true
	}
	for name := range s.entries {
		known[name] = true
	}
	if held != nil {
		for _, e := range held.Entries {
			known[e.Name] = true
		}
	}
	levels := slices.Sorted(maps.Keys(known))
	if !k.Provider.Caps().ListsWholeZone {
		others := slices.DeleteFunc(slices.Clone(levels),
			func(l federation.FQDN) bool { return l == k.Federation.Domain })
		more, _ := k.read(ctx, others...)
		maps.Copy(global.levels, more.levels)
	}
	for _, name := range levels {
		l := global.levels[name]
		mine, err := k.checkOwner(name, l, held.holds(name) || s.listings[name].Owner == k.Owner)
		if bad := s.listings[name].err; err == nil && bad != nil && !held.listedByUs(name) {
			err = fmt.Errorf("%w: %w", ErrForeign, bad)
		}
		if err != nil && (!adopt || !errors.Is(err, ErrForeign)) {
			s.Foreign[name] = err
			continue
		}
		if mine {
			s.Claimed[name] = true
		}
		for _, set := range l.records {
			s.Records.Add(set)
		}
	}
	return s, nil
}

// readList adds the list of levels, and what the list of earlier releases has in addition.
func (k Keeper) readList(s *Survey, global contents) {
	s.listings, s.entries = global.listings, map[federation.FQDN]federation.LevelEntry{}
	if s.former = global.former; s.former != nil {
		entries, err := k.Federation.ParseLevels(*global.former)
		if err != nil {
			s.Former = fmt.Errorf("%w: %w", ErrForeign, err)
		}
		for _, e := range entries {
			s.entries[e.Name] = e
		}
	}
	for name, l := range s.listings {
		if l.err == nil {
			s.entries[name] = l.LevelEntry
		}
	}
}

// checkOwner reports whether we have claimed the level; the error says why it is someone else's. wasOurs says that it
// was ours, or is ours according to the list. Global has the main claim, which is checked elsewhere.
func (k Keeper) checkOwner(name federation.FQDN, l levelContents, wasOurs bool) (mine bool, err error) {
	switch {
	case l.err != nil:
		return false, l.err
	case name == k.Federation.Domain:
		return true, nil
	case l.claim != nil:
		_, err := k.parseOwn(*l.claim)
		return err == nil, err
	case len(l.records) > 0 && !wasOurs:
		return false, unclaimed(l.records[0].Name)
	}
	return false, nil
}
