package syncer

import (
	"context"
	"errors"
	"fmt"
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
	adopt      bool
}

// holding is what a syncer holds at the provider.
type holding struct {
	claim   federation.RRset // the main claim
	levels  federation.RRset // the list of levels; no data if there is none yet
	entries []federation.LevelEntry
	// claimed are the levels whose claim is ours.
	claimed map[federation.FQDN]bool
}

// take makes or renews the main claim (O1a, O3b), and reads the list of levels
// and everything below them.
func (c claims) take(ctx context.Context) (*holding, *shadow, error) {
	h := &holding{claimed: map[federation.FQDN]bool{}}
	if err := c.takeMain(ctx, h); err != nil {
		return nil, nil, err
	}
	if err := c.readLevels(ctx, h); err != nil {
		return nil, nil, err
	}
	s, err := c.list(ctx, h.entries)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range h.entries {
		mine, err := c.mine(ctx, e.Name)
		if err != nil {
			return nil, nil, err
		}
		h.claimed[e.Name] = mine
	}
	return h, s, nil
}

func (c claims) takeMain(ctx context.Context, h *holding) error {
	f := c.federation
	name := f.ClaimName(f.Domain)
	have, err := c.txt(ctx, name)
	if err != nil {
		return err
	}
	want := federation.Claim{Owner: c.owner, Generation: 1, Federation: f.Name, Naming: f.Naming}
	change := plan.Change{Name: name}
	if have != nil {
		old, err := federation.ParseClaim(*have)
		switch {
		case err != nil && !c.adopt:
			return fmt.Errorf("%w: %w (--adopt takes over)", errForeign, err)
		case err == nil && old.Owner != c.owner && !c.adopt:
			return fmt.Errorf("%w: claim %q is owner %q's (--adopt takes over)", errForeign, name, old.Owner)
		case err == nil && old.Naming != f.Naming:
			return fmt.Errorf("%w: claim %q says naming %q, the configuration says %q", errForeign, name, old.Naming, f.Naming)
		}
		want.Generation = old.Generation + 1
		change.From = []federation.RRset{*have}
	} else if err := c.unused(ctx, f.Domain); err != nil {
		return err
	}
	h.claim = want.RRset(name)
	change.To = []federation.RRset{h.claim}
	return c.apply(ctx, nil, change)
}

// unused makes sure that no records of our shape stand where we have no claim
// (O1c).
func (c claims) unused(ctx context.Context, level federation.FQDN) error {
	if c.adopt {
		return nil
	}
	suffix := c.federation.Suffix(level)
	return c.provider.List(ctx, suffix, func(s federation.RRset) error {
		if _, at, ok := c.federation.ParseOwner(s.Name); ok && at == level && s.Type != federation.TypeTXT {
			return fmt.Errorf("%w: there are records such as %q without a claim of ours (--adopt takes over)", errForeign, s.Name)
		}
		return nil
	})
}

func (c claims) readLevels(ctx context.Context, h *holding) error {
	h.levels = federation.RRset{Name: c.federation.LevelsName(), Type: federation.TypeTXT}
	set, err := c.txt(ctx, h.levels.Name)
	if err != nil || set == nil {
		return err
	}
	h.levels = *set
	h.entries, err = c.federation.ParseLevels(*set)
	if err != nil {
		return fmt.Errorf("%w: %w", errForeign, err)
	}
	return nil
}

// list reads everything that stands at the levels. Global is read even if the
// list does not have it.
func (c claims) list(ctx context.Context, entries []federation.LevelEntry) (*shadow, error) {
	s := newShadow(c.federation)
	levels := []federation.FQDN{c.federation.Domain}
	for _, e := range entries {
		if e.Name != c.federation.Domain {
			levels = append(levels, e.Name)
		}
	}
	for _, level := range levels {
		err := c.provider.List(ctx, c.federation.Suffix(level), func(set federation.RRset) error {
			if _, at, ok := c.federation.ParseOwner(set.Name); ok && at == level && set.Type != federation.TypeTXT {
				s.add(set)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// mine reports whether the claim of a level is there and ours. Global has the
// main claim.
func (c claims) mine(ctx context.Context, level federation.FQDN) (bool, error) {
	if level == c.federation.Domain {
		return true, nil
	}
	set, err := c.txt(ctx, c.federation.ClaimName(level))
	if err != nil || set == nil {
		return false, err
	}
	claim, err := federation.ParseClaim(*set)
	return err == nil && claim.Owner == c.owner, nil
}

// write brings the list of levels to the entries wanted, claims those that are
// new, and returns what is held then, and the levels that are foreign with the
// reason. The list is written before a level's claim, and the claim before the
// first record (O1a, O1b).
func (c claims) write(ctx context.Context, h *holding, want []federation.LevelEntry) (*holding, map[federation.FQDN]error, error) {
	next := &holding{claim: h.claim, levels: h.levels, entries: h.entries, claimed: map[federation.FQDN]bool{}}
	foreign := map[federation.FQDN]error{}
	claims := map[federation.FQDN]plan.Change{}
	var kept []federation.LevelEntry
	for _, e := range want {
		if e.Name != c.federation.Domain && !h.claimed[e.Name] {
			change, err := c.claimChange(ctx, e.Name)
			if errors.Is(err, errForeign) {
				foreign[e.Name] = err
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			if change != nil {
				claims[e.Name] = *change
			}
		}
		kept = append(kept, e)
	}
	list := c.federation.LevelsRRset(kept)
	if !list.SameData(h.levels) {
		if err := c.apply(ctx, &h.claim, plan.Change{Name: list.Name, From: present(h.levels), To: present(list)}); err != nil {
			return nil, nil, err
		}
		next.levels = list
	}
	next.entries = kept
	for _, e := range kept {
		if change, ok := claims[e.Name]; ok {
			if err := c.apply(ctx, &h.claim, change); err != nil {
				return nil, nil, err
			}
		}
		next.claimed[e.Name] = true
	}
	return next, foreign, nil
}

// claimChange is the change that claims a level; nil if it is ours already.
func (c claims) claimChange(ctx context.Context, level federation.FQDN) (*plan.Change, error) {
	f := c.federation
	name := f.ClaimName(level)
	have, err := c.txt(ctx, name)
	if err != nil {
		return nil, err
	}
	want := federation.Claim{Owner: c.owner, Generation: 1, Federation: f.Name, Naming: f.Naming}.RRset(name)
	if have == nil {
		if err := c.unused(ctx, level); err != nil {
			return nil, err
		}
		return &plan.Change{Name: name, To: []federation.RRset{want}}, nil
	}
	claim, err := federation.ParseClaim(*have)
	if err == nil && claim.Owner == c.owner {
		return nil, nil
	}
	if c.adopt {
		return &plan.Change{Name: name, From: []federation.RRset{*have}, To: []federation.RRset{want}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w (--adopt takes over)", errForeign, err)
	}
	return nil, fmt.Errorf("%w: claim %q is owner %q's (--adopt takes over)", errForeign, name, claim.Owner)
}

// drop removes the claim of a level at which nothing of ours is left. The
// entry in the list goes afterwards, with write.
func (c claims) drop(ctx context.Context, h *holding, level federation.FQDN) error {
	have, err := c.txt(ctx, c.federation.ClaimName(level))
	if err != nil || have == nil {
		return err
	}
	return c.apply(ctx, &h.claim, plan.Change{Name: have.Name, From: []federation.RRset{*have}})
}

// held reports whether the main claim at the provider is still ours, of our
// generation (O3c).
func (c claims) held(ctx context.Context, h *holding) (bool, error) {
	have, err := c.txt(ctx, h.claim.Name)
	return have != nil && have.SameData(h.claim), err
}

func (c claims) apply(ctx context.Context, claim *federation.RRset, change plan.Change) error {
	return c.provider.Apply(ctx, claim, []plan.Change{change})[0]
}

// txt returns the TXT RRset of a name; nil if it has none.
func (c claims) txt(ctx context.Context, name federation.FQDN) (*federation.RRset, error) {
	sets, err := c.provider.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(sets, func(s federation.RRset) bool { return s.Type == federation.TypeTXT }); i >= 0 {
		return &sets[i], nil
	}
	return nil, nil
}

// present is the RRset as one side of a change: nothing if it has no data.
func present(s federation.RRset) []federation.RRset {
	if len(s.Data) == 0 {
		return nil
	}
	return []federation.RRset{s}
}
