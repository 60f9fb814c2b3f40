// Package claim implements ownership at the provider: the claims, the list of levels, and what is found there (O1, O3).
package claim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// ErrForeign means that the names belong to someone else, and that nothing is written there (O1c).
var ErrForeign = errors.New("held by someone else")

// Keeper performs the operations of ownership at the provider (O1, O3). Its methods block and keep no state; the caller
// keeps what they return.
type Keeper struct {
	Provider   provider.Provider
	Federation federation.Federation
	Owner      string
	// Refuse is the reason not to claim the federation if it has no claim yet. One that has a claim continues.
	Refuse error
}

// Take makes or renews the main claim (O1a), and only then lists the levels and everything there (O3b). Given a holding
// whose claim has been lost, it claims again what this run held (O1e), with a higher generation.
func (k Keeper) Take(ctx context.Context, held *Holding, adopt bool) (*Holding, Survey, error) {
	h := newHolding()
	if err := k.claimMain(ctx, h, held, adopt, false); err != nil {
		return nil, Survey{}, err
	}
	s, err := k.Survey(ctx, held, adopt)
	if err != nil {
		return nil, Survey{}, err
	}
	h.surveyed(s)
	if !adopt {
		h.former = s.Former
	}
	return h, s, nil
}

func (k Keeper) claimMain(ctx context.Context, h, held *Holding, adopt, removed bool) error {
	f := k.Federation
	name := f.ClaimName(f.Domain)
	have, err := k.getTXT(ctx, name)
	if err != nil {
		return err
	}
	want := federation.Claim{Owner: k.Owner, Federation: f.Name, Naming: f.Naming,
		Instance: strings.ToLower(rand.Text()), Removed: removed}
	change := plan.Change{Name: name}
	if held != nil {
		state, why := k.compare(held.Claim, have)
		if state == Taken {
			return why
		}
		was, _ := federation.ParseClaim(held.Claim)
		want.Generation = was.Generation
	}
	if have == nil {
		if err := k.mayClaim(ctx, held, adopt); err != nil {
			return err
		}
	} else {
		old, err := k.parseOwn(*have)
		if err != nil && !adopt && (!removed || !old.Removed || old.Owner != k.Owner) {
			return err
		}
		if old.Naming != f.Naming {
			h.Naming = old.Naming
		}
		want.Generation = max(want.Generation, old.Generation)
		change.From = []federation.RRset{*have}
	}
	want.Generation++
	h.Claim = want.RRset(name)
	change.To = []federation.RRset{h.Claim}
	return k.apply(ctx, nil, change)[0]
}

// mayClaim returns an error if the names of a federation without a claim must not be claimed: there are records of our
// shape, or a list of levels, that nothing marks as ours (O1c).
func (k Keeper) mayClaim(ctx context.Context, held *Holding, adopt bool) error {
	if held != nil || adopt {
		return nil
	}
	found, err := k.read(ctx, k.Federation.Domain)
	if err != nil {
		return err
	}
	for _, l := range found.listings {
		if l.err == nil && l.Owner == k.Owner {
			return nil // ours, whose claim was lost (O1e)
		}
	}
	for level, l := range found.listings {
		if l.err == nil {
			return fmt.Errorf("%w: level %q is in the list of owner %q, this is %q (--adopt takes over)", ErrForeign,
				level, l.Owner, k.Owner)
		}
	}
	if records := found.levels[k.Federation.Domain].records; len(records) > 0 {
		return unclaimed(records[0].Name)
	}
	if k.Refuse != nil {
		return fmt.Errorf("%w: %w", ErrForeign, k.Refuse)
	}
	return nil
}

// parseOwn returns the claim, with an error if it is another syncer's or has been removed.
func (k Keeper) parseOwn(set federation.RRset) (federation.Claim, error) {
	claim, err := federation.ParseClaim(set)
	switch {
	case err != nil:
		return claim, fmt.Errorf("%w: %w (--adopt takes over)", ErrForeign, err)
	case claim.Owner != k.Owner:
		return claim, fmt.Errorf("%w: claim %q is owner %q's, this is %q (--adopt takes over)", ErrForeign, set.Name,
			claim.Owner, k.Owner)
	case claim.Removed:
		return claim, fmt.Errorf("%w: cleanup has removed the federation and left claim %q, so that no syncer that "+
			"still has it writes it again (to write it: --adopt, or cleanup --forget)", ErrForeign, set.Name)
	}
	return claim, nil
}

func unclaimed(name federation.FQDN) error {
	return fmt.Errorf("%w: there are records such as %q without a claim of ours (--adopt takes over)", ErrForeign, name)
}

func (k Keeper) apply(ctx context.Context, claim *federation.RRset, changes ...plan.Change) []error {
	return k.Provider.Apply(ctx, claim, changes)
}

// getTXT returns the TXT RRset of a name; nil if it has none.
func (k Keeper) getTXT(ctx context.Context, name federation.FQDN) (*federation.RRset, error) {
	sets, err := k.Provider.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return provider.Find(sets, federation.TypeTXT), nil
}

// oneOrNone returns the RRset as one side of a change: nothing if it is nil.
func oneOrNone(s *federation.RRset) []federation.RRset {
	if s == nil {
		return nil
	}
	return []federation.RRset{*s}
}
