package claim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/federation-dns/federation/federation"
)

// found is what was read at the provider.
type found struct {
	at map[federation.FQDN]level
	// listings are what the list of levels has, if global was asked for.
	listings map[federation.FQDN]listing
	former   *federation.RRset // the list of earlier releases
}

// level is what is at one level.
type level struct {
	claim   *federation.RRset
	records []federation.RRset // of the shape of ours
	err     error              // it could not be read
}

// listing is what the list has of one level.
type listing struct {
	federation.Listing
	sets []federation.RRset
	err  error // it is not a listing of ours
}

// look reads the levels: each level's subtree, or all of them at once where the
// provider reads the whole zone anyway. A level that cannot be read costs itself,
// but global, which has the list of levels, is an error.
func (k Keeper) look(ctx context.Context, levels ...federation.FQDN) (found, error) {
	f := found{at: map[federation.FQDN]level{}, listings: map[federation.FQDN]listing{}}
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
		more = slices.DeleteFunc(slices.Clone(levels), func(l federation.FQDN) bool { return global == all || l == all })
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

func (f found) failed(err error, levels ...federation.FQDN) {
	for _, l := range levels {
		f.at[l] = level{err: err}
	}
}

// collector takes the RRsets of a list.
func (f *found) collector(fed federation.Federation) func(federation.RRset) error {
	return func(set federation.RRset) error {
		if set.Type != federation.TypeTXT {
			if _, name, ok := fed.ParseOwner(set.Name); ok {
				l := f.at[name]
				l.records = append(l.records, set)
				f.at[name] = l
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
			l := f.at[name]
			l.claim = &set
			f.at[name] = l
		}
		return nil
	}
}

// Survey is what was found at the levels.
type Survey struct {
	// Records are those at the levels that are ours.
	Records *Records
	// Claimed are the levels whose claim is ours.
	Claimed map[federation.FQDN]bool
	// Foreign are the levels that are not ours, or could not be read, and why. Those of
	// somebody else wrap ErrForeign.
	Foreign map[federation.FQDN]error
	// Former is what is wrong with the list of earlier releases; nil if nothing is. It
	// is left alone then.
	Former error

	listings map[federation.FQDN]listing
	entries  map[federation.FQDN]federation.LevelEntry
	former   *federation.RRset
}

// Survey reads the list of levels, and lists what is at them, at global, and at the
// levels of the holding, if there is one. Records at a level without a claim of
// ours are foreign, unless we held it or the list says that it is ours (O1c, O1e);
// a level without either is nobody's yet.
func (k Keeper) Survey(ctx context.Context, held *Holding, adopt bool) (Survey, error) {
	s := Survey{Records: NewRecords(k.Federation), Claimed: map[federation.FQDN]bool{}, Foreign: map[federation.FQDN]error{}}
	global, err := k.look(ctx, k.Federation.Domain)
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
		others := slices.DeleteFunc(slices.Clone(levels), func(l federation.FQDN) bool { return l == k.Federation.Domain })
		more, _ := k.look(ctx, others...)
		maps.Copy(global.at, more.at)
	}
	for _, name := range levels {
		l := global.at[name]
		mine, err := k.judge(name, l, held.mine(name) || s.listings[name].Owner == k.Owner)
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

// readList takes the list of levels, and what the list of earlier releases has
// besides.
func (k Keeper) readList(s *Survey, global found) {
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

// judge reports whether the level is ours already; the error says why it is
// somebody else's. was: it was ours, or is ours by the list. Global has the main
// claim, which is looked at elsewhere.
func (k Keeper) judge(name federation.FQDN, l level, was bool) (mine bool, err error) {
	switch {
	case l.err != nil:
		return false, l.err
	case name == k.Federation.Domain:
		return true, nil
	case l.claim != nil:
		_, err := k.ofOwner(*l.claim)
		return err == nil, err
	case len(l.records) > 0 && !was:
		return false, unclaimed(l.records[0].Name)
	}
	return false, nil
}
