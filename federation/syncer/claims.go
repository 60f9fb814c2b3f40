package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// errForeign says that the names belong to somebody else: nothing is written
// there (O1c).
var errForeign = errors.New("held by somebody else")

// claims does what ownership needs at the provider (O1, O3). Its methods block
// and keep nothing; the loop keeps what they return.
type claims struct {
	provider   provider.Provider
	federation federation.Federation
	owner      string
}

// holding is what a syncer holds at the provider. It is replaced, never
// changed.
type holding struct {
	claim   federation.RRset // the main claim
	levels  federation.RRset // the list of levels; no data if there is none yet
	entries []federation.LevelEntry
	// claimed are the levels whose claim is ours.
	claimed map[federation.FQDN]bool
	// naming is what the main claim said before, if it was another.
	naming federation.Naming
}

// without is the holding without the claims on these levels.
func (h *holding) without(levels map[federation.FQDN]error) *holding {
	next := *h
	next.claimed = maps.Clone(h.claimed)
	for level := range levels {
		delete(next.claimed, level)
	}
	return &next
}

// survey is what was found at the levels.
type survey struct {
	shadow  *shadow
	claimed map[federation.FQDN]bool
	foreign map[federation.FQDN]error
}

// take makes or renews the main claim (O1a), and only then reads the list of
// levels and everything at them (O3b).
func (c claims) take(ctx context.Context, adopt bool) (*holding, survey, error) {
	h := &holding{}
	if err := c.takeMain(ctx, h, adopt); err != nil {
		return nil, survey{}, err
	}
	if err := c.readLevels(ctx, h, adopt); err != nil {
		return nil, survey{}, err
	}
	s, err := c.survey(ctx, h.entries, adopt)
	h.claimed = s.claimed
	return h, s, err
}

func (c claims) takeMain(ctx context.Context, h *holding, adopt bool) error {
	f := c.federation
	name := f.ClaimName(f.Domain)
	have, err := c.txt(ctx, name)
	if err != nil {
		return err
	}
	want := federation.Claim{Owner: c.owner, Generation: 1, Federation: f.Name, Naming: f.Naming}
	change := plan.Change{Name: name}
	if have == nil {
		found, err := c.look(ctx, f.Domain)
		if err != nil {
			return err
		}
		if records := found[f.Domain].records; len(records) > 0 && !adopt {
			return unclaimed(records[0].Name)
		}
	} else {
		old, err := c.ofOwner(*have)
		if err != nil && !adopt {
			return err
		}
		if old.Naming != f.Naming {
			h.naming = old.Naming
		}
		want.Generation = old.Generation + 1
		change.From = []federation.RRset{*have}
	}
	h.claim = want.RRset(name)
	change.To = []federation.RRset{h.claim}
	return c.apply(ctx, nil, change)[0]
}

// ofOwner returns the claim, with an error if it is not this syncer's.
func (c claims) ofOwner(set federation.RRset) (federation.Claim, error) {
	claim, err := federation.ParseClaim(set)
	switch {
	case err != nil:
		return claim, fmt.Errorf("%w: %w (--adopt takes over)", errForeign, err)
	case claim.Owner != c.owner:
		return claim, fmt.Errorf("%w: claim %q is owner %q's, this is %q (--adopt takes over)", errForeign, set.Name, claim.Owner, c.owner)
	}
	return claim, nil
}

func unclaimed(name federation.FQDN) error {
	return fmt.Errorf("%w: there are records such as %q without a claim of ours (--adopt takes over)", errForeign, name)
}

func (c claims) readLevels(ctx context.Context, h *holding, adopt bool) error {
	h.levels = federation.RRset{Name: c.federation.LevelsName(), Type: federation.TypeTXT}
	set, err := c.txt(ctx, h.levels.Name)
	if err != nil || set == nil {
		return err
	}
	h.levels = *set
	h.entries, err = c.federation.ParseLevels(*set)
	if err != nil && !adopt {
		return fmt.Errorf("%w: %w (--adopt writes it anew, and forgets the levels that no member has any more)", errForeign, err)
	}
	return nil
}

// survey lists what stands at the levels of the entries, and at global even if
// they do not have it. Records at a level without a claim of ours are foreign;
// a level without either is nobody's yet.
func (c claims) survey(ctx context.Context, entries []federation.LevelEntry, adopt bool) (survey, error) {
	s := survey{shadow: newShadow(c.federation), claimed: map[federation.FQDN]bool{}, foreign: map[federation.FQDN]error{}}
	levels := []federation.FQDN{c.federation.Domain}
	for _, e := range entries {
		if e.Name != c.federation.Domain {
			levels = append(levels, e.Name)
		}
	}
	all, err := c.look(ctx, levels...)
	if err != nil {
		return s, err
	}
	for _, level := range levels {
		found := all[level]
		mine, err := c.judge(level, found)
		switch {
		case err != nil && !adopt:
			s.foreign[level] = err
			continue
		case mine:
			s.claimed[level] = true
		}
		for _, set := range found.records {
			s.shadow.add(set)
		}
	}
	return s, nil
}

// found is what stands at one level.
type found struct {
	claim   *federation.RRset
	records []federation.RRset // of the shape of ours
}

// look reads what stands at the levels: each level's subtree, or all of them at
// once where the provider reads the whole zone anyway.
func (c claims) look(ctx context.Context, levels ...federation.FQDN) (map[federation.FQDN]found, error) {
	all := make(map[federation.FQDN]found, len(levels))
	claimOf := make(map[federation.FQDN]federation.FQDN, len(levels))
	for _, level := range levels {
		all[level] = found{}
		claimOf[c.federation.ClaimName(level)] = level
	}
	take := func(set federation.RRset) error {
		if level, ok := claimOf[set.Name]; ok && set.Type == federation.TypeTXT {
			f := all[level]
			f.claim = &set
			all[level] = f
		}
		if _, level, ok := c.federation.ParseOwner(set.Name); ok && set.Type != federation.TypeTXT {
			if f, asked := all[level]; asked {
				f.records = append(f.records, set)
				all[level] = f
			}
		}
		return nil
	}
	if len(levels) > 1 && c.provider.Caps().ListsWholeZone {
		return all, c.provider.List(ctx, c.federation.Domain, take)
	}
	for _, level := range levels {
		if err := c.provider.List(ctx, c.federation.Suffix(level), take); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// judge reports whether the level is ours already; the error says why it is
// somebody else's. Global has the main claim, which is looked at elsewhere.
func (c claims) judge(level federation.FQDN, f found) (mine bool, err error) {
	switch {
	case level == c.federation.Domain:
		return true, nil
	case f.claim != nil:
		_, err := c.ofOwner(*f.claim)
		return err == nil, err
	case len(f.records) > 0:
		return false, unclaimed(f.records[0].Name)
	}
	return false, nil
}

// write brings the list of levels to the entries wanted and claims those that
// are new: the list first, as what is in no list is never found again, then the
// claims, then (by the caller) the first record (O1a, O1b). It returns what is
// held then and the levels that are not, with the reason. found is true if
// there are records at a level that was claimed just now.
func (c claims) write(ctx context.Context, h *holding, want []federation.LevelEntry, adopt bool) (next *holding, not map[federation.FQDN]error, found bool, err error) {
	next = &holding{claim: h.claim, levels: h.levels, claimed: map[federation.FQDN]bool{}}
	not = map[federation.FQDN]error{}
	var others []federation.FQDN
	for _, e := range want {
		if e.Name == c.federation.Domain || h.claimed[e.Name] {
			next.claimed[e.Name] = true
		} else {
			others = append(others, e.Name)
		}
	}
	there, err := c.look(ctx, others...)
	if err != nil {
		return nil, nil, false, err
	}
	var changes []plan.Change
	var levels []federation.FQDN // of the changes
	for _, e := range want {
		if next.claimed[e.Name] {
			next.entries = append(next.entries, e)
			continue
		}
		change, records, err := c.claimLevel(e.Name, there[e.Name], adopt)
		switch {
		case err != nil:
			not[e.Name] = err
			continue
		case change == nil:
			next.claimed[e.Name] = true
		default:
			changes, levels = append(changes, *change), append(levels, e.Name)
		}
		found = found || records
		next.entries = append(next.entries, e)
	}
	next.levels = c.federation.LevelsRRset(next.entries)
	if !next.levels.SameData(h.levels) {
		if err := c.apply(ctx, &h.claim, plan.Change{Name: next.levels.Name, From: present(h.levels), To: present(next.levels)})[0]; err != nil {
			return nil, nil, false, err
		}
	}
	if len(changes) == 0 {
		return next, not, found, nil
	}
	for i, err := range c.apply(ctx, &h.claim, changes...) {
		switch {
		case err == nil:
			next.claimed[levels[i]] = true
		case errors.Is(err, provider.ErrRefused):
			not[levels[i]] = err // it must not block the others (X5a)
		default:
			return nil, nil, false, err
		}
	}
	return next, not, found, nil
}

// claimLevel is the change that claims a level at which this was found; nil if
// it is ours already.
func (c claims) claimLevel(level federation.FQDN, f found, adopt bool) (change *plan.Change, records bool, err error) {
	mine, err := c.judge(level, f)
	if mine || err != nil && !adopt {
		return nil, len(f.records) > 0, err
	}
	name := c.federation.ClaimName(level)
	claim := federation.Claim{Owner: c.owner, Generation: 1, Federation: c.federation.Name, Naming: c.federation.Naming}
	change = &plan.Change{Name: name, To: []federation.RRset{claim.RRset(name)}}
	if f.claim != nil {
		change.From = []federation.RRset{*f.claim}
	}
	return change, len(f.records) > 0, nil
}

// drop removes the claim of a level at which nothing of ours is left, together
// with its entry in the list (O1b).
func (c claims) drop(ctx context.Context, h *holding, level federation.FQDN) (*holding, error) {
	next := &holding{claim: h.claim, claimed: map[federation.FQDN]bool{}}
	for _, e := range h.entries {
		if e.Name != level {
			next.entries = append(next.entries, e)
			next.claimed[e.Name] = h.claimed[e.Name]
		}
	}
	next.levels = c.federation.LevelsRRset(next.entries)
	have, err := c.txt(ctx, c.federation.ClaimName(level))
	if err != nil {
		return nil, err
	}
	changes := []plan.Change{{Name: next.levels.Name, From: present(h.levels), To: present(next.levels)}}
	if have != nil && h.claimed[level] {
		changes = append(changes, plan.Change{Name: have.Name, From: []federation.RRset{*have}})
		slices.Reverse(changes) // a claim that is in no list would never be found again
	}
	return next, errors.Join(c.apply(ctx, &h.claim, changes...)...)
}

// held reports whether the main claim at the provider is still ours, of our
// generation (O3c).
func (c claims) held(ctx context.Context, h *holding) (bool, error) {
	have, err := c.txt(ctx, h.claim.Name)
	return have != nil && have.SameData(h.claim), err
}

func (c claims) apply(ctx context.Context, claim *federation.RRset, changes ...plan.Change) []error {
	return c.provider.Apply(ctx, claim, changes)
}

// txt returns the TXT RRset of a name; nil if it has none.
func (c claims) txt(ctx context.Context, name federation.FQDN) (*federation.RRset, error) {
	sets, err := c.provider.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return provider.Find(sets, federation.TypeTXT), nil
}

// present is the RRset as one side of a change: nothing if it has no data.
func present(s federation.RRset) []federation.RRset {
	if len(s.Data) == 0 {
		return nil
	}
	return []federation.RRset{s}
}
