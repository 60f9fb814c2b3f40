// Package claim is ownership at the provider: the claims, the list of levels, and
// what is found at them (O1, O3).
package claim

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

// ErrForeign says that the names belong to somebody else: nothing is written
// there (O1c).
var ErrForeign = errors.New("held by somebody else")

// Keeper does what ownership needs at the provider (O1, O3). Its methods block
// and keep nothing; the loop keeps what they return.
type Keeper struct {
	Provider   provider.Provider
	Federation federation.Federation
	Owner      string
}

// Holding is what a syncer holds at the provider. It is replaced, never
// changed.
type Holding struct {
	Claim   federation.RRset // the main claim
	Levels  federation.RRset // the list of levels; no data if there is none yet
	Entries []federation.LevelEntry
	// Claimed are the levels whose claim is ours.
	Claimed map[federation.FQDN]bool
	// Naming is what the main claim said before, if it was another.
	Naming federation.Naming
}

// Without is the holding without the claims on these levels.
func (h *Holding) Without(levels map[federation.FQDN]error) *Holding {
	next := *h
	next.Claimed = maps.Clone(h.Claimed)
	for level := range levels {
		delete(next.Claimed, level)
	}
	return &next
}

// Survey is what was found at the levels.
type Survey struct {
	Records *Records
	Claimed map[federation.FQDN]bool
	Foreign map[federation.FQDN]error
}

// Take makes or renews the main claim (O1a), and only then reads the list of
// levels and everything at them (O3b).
func (c Keeper) Take(ctx context.Context, adopt bool) (*Holding, Survey, error) {
	h := &Holding{}
	if err := c.takeMain(ctx, h, adopt); err != nil {
		return nil, Survey{}, err
	}
	if err := c.ReadLevels(ctx, h, adopt); err != nil {
		return nil, Survey{}, err
	}
	s, err := c.Survey(ctx, h.Entries, adopt)
	h.Claimed = s.Claimed
	return h, s, err
}

func (c Keeper) takeMain(ctx context.Context, h *Holding, adopt bool) error {
	f := c.Federation
	name := f.ClaimName(f.Domain)
	have, err := c.TXT(ctx, name)
	if err != nil {
		return err
	}
	want := federation.Claim{Owner: c.Owner, Generation: 1, Federation: f.Name, Naming: f.Naming}
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
			h.Naming = old.Naming
		}
		want.Generation = old.Generation + 1
		change.From = []federation.RRset{*have}
	}
	h.Claim = want.RRset(name)
	change.To = []federation.RRset{h.Claim}
	return c.apply(ctx, nil, change)[0]
}

// ofOwner returns the claim, with an error if it is not this syncer's.
func (c Keeper) ofOwner(set federation.RRset) (federation.Claim, error) {
	claim, err := federation.ParseClaim(set)
	switch {
	case err != nil:
		return claim, fmt.Errorf("%w: %w (--adopt takes over)", ErrForeign, err)
	case claim.Owner != c.Owner:
		return claim, fmt.Errorf("%w: claim %q is owner %q's, this is %q (--adopt takes over)", ErrForeign, set.Name, claim.Owner, c.Owner)
	}
	return claim, nil
}

func unclaimed(name federation.FQDN) error {
	return fmt.Errorf("%w: there are records such as %q without a claim of ours (--adopt takes over)", ErrForeign, name)
}

func (c Keeper) ReadLevels(ctx context.Context, h *Holding, adopt bool) error {
	h.Levels = federation.RRset{Name: c.Federation.LevelsName(), Type: federation.TypeTXT}
	set, err := c.TXT(ctx, h.Levels.Name)
	if err != nil || set == nil {
		return err
	}
	h.Levels = *set
	h.Entries, err = c.Federation.ParseLevels(*set)
	if err != nil && !adopt {
		return fmt.Errorf("%w: %w (--adopt writes it anew, and forgets the levels that no member has any more)", ErrForeign, err)
	}
	return nil
}

// Survey lists what stands at the levels of the entries, and at global even if
// they do not have it. Records at a level without a claim of ours are foreign;
// a level without either is nobody's yet.
func (c Keeper) Survey(ctx context.Context, entries []federation.LevelEntry, adopt bool) (Survey, error) {
	s := Survey{Records: NewRecords(c.Federation), Claimed: map[federation.FQDN]bool{}, Foreign: map[federation.FQDN]error{}}
	levels := []federation.FQDN{c.Federation.Domain}
	for _, e := range entries {
		if e.Name != c.Federation.Domain {
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
			s.Foreign[level] = err
			continue
		case mine:
			s.Claimed[level] = true
		}
		for _, set := range found.records {
			s.Records.Add(set)
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
func (c Keeper) look(ctx context.Context, levels ...federation.FQDN) (map[federation.FQDN]found, error) {
	all := make(map[federation.FQDN]found, len(levels))
	claimOf := make(map[federation.FQDN]federation.FQDN, len(levels))
	for _, level := range levels {
		all[level] = found{}
		claimOf[c.Federation.ClaimName(level)] = level
	}
	take := func(set federation.RRset) error {
		if level, ok := claimOf[set.Name]; ok && set.Type == federation.TypeTXT {
			f := all[level]
			f.claim = &set
			all[level] = f
		}
		if _, level, ok := c.Federation.ParseOwner(set.Name); ok && set.Type != federation.TypeTXT {
			if f, asked := all[level]; asked {
				f.records = append(f.records, set)
				all[level] = f
			}
		}
		return nil
	}
	if len(levels) > 1 && c.Provider.Caps().ListsWholeZone {
		return all, c.Provider.List(ctx, c.Federation.Domain, take)
	}
	for _, level := range levels {
		if err := c.Provider.List(ctx, c.Federation.Suffix(level), take); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// judge reports whether the level is ours already; the error says why it is
// somebody else's. Global has the main claim, which is looked at elsewhere.
func (c Keeper) judge(level federation.FQDN, f found) (mine bool, err error) {
	switch {
	case level == c.Federation.Domain:
		return true, nil
	case f.claim != nil:
		_, err := c.ofOwner(*f.claim)
		return err == nil, err
	case len(f.records) > 0:
		return false, unclaimed(f.records[0].Name)
	}
	return false, nil
}

// Write brings the list of levels to the entries wanted and claims those that
// are new: the list first, as what is in no list is never found again, then the
// claims, then (by the caller) the first record (O1a, O1b). It returns what is
// held then and the levels that are not, with the reason. found is true if
// there are records at a level that was claimed just now.
func (c Keeper) Write(ctx context.Context, h *Holding, want []federation.LevelEntry, adopt bool) (next *Holding, not map[federation.FQDN]error, found bool, err error) {
	next = &Holding{Claim: h.Claim, Levels: h.Levels, Claimed: map[federation.FQDN]bool{}}
	not = map[federation.FQDN]error{}
	var others []federation.FQDN
	for _, e := range want {
		if e.Name == c.Federation.Domain || h.Claimed[e.Name] {
			next.Claimed[e.Name] = true
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
		if next.Claimed[e.Name] {
			next.Entries = append(next.Entries, e)
			continue
		}
		change, records, err := c.claimLevel(e.Name, there[e.Name], adopt)
		switch {
		case err != nil:
			not[e.Name] = err
			continue
		case change == nil:
			next.Claimed[e.Name] = true
		default:
			changes, levels = append(changes, *change), append(levels, e.Name)
		}
		found = found || records
		next.Entries = append(next.Entries, e)
	}
	next.Levels = c.Federation.LevelsRRset(next.Entries)
	if !next.Levels.SameData(h.Levels) {
		if err := c.apply(ctx, &h.Claim, plan.Change{Name: next.Levels.Name, From: present(h.Levels), To: present(next.Levels)})[0]; err != nil {
			return nil, nil, false, err
		}
	}
	if len(changes) == 0 {
		return next, not, found, nil
	}
	for i, err := range c.apply(ctx, &h.Claim, changes...) {
		switch {
		case err == nil:
			next.Claimed[levels[i]] = true
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
func (c Keeper) claimLevel(level federation.FQDN, f found, adopt bool) (change *plan.Change, records bool, err error) {
	mine, err := c.judge(level, f)
	if mine || err != nil && !adopt {
		return nil, len(f.records) > 0, err
	}
	name := c.Federation.ClaimName(level)
	claim := federation.Claim{Owner: c.Owner, Generation: 1, Federation: c.Federation.Name, Naming: c.Federation.Naming}
	change = &plan.Change{Name: name, To: []federation.RRset{claim.RRset(name)}}
	if f.claim != nil {
		change.From = []federation.RRset{*f.claim}
	}
	return change, len(f.records) > 0, nil
}

// Drop removes the claim of a level at which nothing of ours is left, together
// with its entry in the list (O1b).
func (c Keeper) Drop(ctx context.Context, h *Holding, level federation.FQDN) (*Holding, error) {
	next := &Holding{Claim: h.Claim, Claimed: map[federation.FQDN]bool{}}
	for _, e := range h.Entries {
		if e.Name != level {
			next.Entries = append(next.Entries, e)
			next.Claimed[e.Name] = h.Claimed[e.Name]
		}
	}
	next.Levels = c.Federation.LevelsRRset(next.Entries)
	have, err := c.TXT(ctx, c.Federation.ClaimName(level))
	if err != nil {
		return nil, err
	}
	changes := []plan.Change{{Name: next.Levels.Name, From: present(h.Levels), To: present(next.Levels)}}
	if have != nil && h.Claimed[level] {
		changes = append(changes, plan.Change{Name: have.Name, From: []federation.RRset{*have}})
		slices.Reverse(changes) // a claim that is in no list would never be found again
	}
	return next, errors.Join(c.apply(ctx, &h.Claim, changes...)...)
}

// Held reports whether the main claim at the provider is still ours, of our
// generation (O3c).
func (c Keeper) Held(ctx context.Context, h *Holding) (bool, error) {
	have, err := c.TXT(ctx, h.Claim.Name)
	return have != nil && have.SameData(h.Claim), err
}

func (c Keeper) apply(ctx context.Context, claim *federation.RRset, changes ...plan.Change) []error {
	return c.Provider.Apply(ctx, claim, changes)
}

// TXT returns the TXT RRset of a name; nil if it has none.
func (c Keeper) TXT(ctx context.Context, name federation.FQDN) (*federation.RRset, error) {
	sets, err := c.Provider.Get(ctx, name)
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
