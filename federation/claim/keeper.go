// Package claim is ownership at the provider: the claims, the list of levels, and
// what is found at them (O1, O3).
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

// ErrForeign says that the names belong to somebody else: nothing is written
// there (O1c).
var ErrForeign = errors.New("held by somebody else")

// Keeper does what ownership needs at the provider (O1, O3). Its methods block
// and keep nothing; the caller keeps what they return.
type Keeper struct {
	Provider   provider.Provider
	Federation federation.Federation
	Owner      string
	// Refuse is why the federation is not to be claimed if it has no claim yet; one
	// whose claim is there goes on.
	Refuse error
}

// Take makes or renews the main claim (O1a), and only then lists the levels and
// everything at them (O3b). With a holding, whose claim has been lost, it claims
// again what this run held (O1e); the generation is higher than that.
func (k Keeper) Take(ctx context.Context, held *Holding, adopt bool) (*Holding, Survey, error) {
	return k.take(ctx, held, adopt, false)
}

func (k Keeper) take(ctx context.Context, held *Holding, adopt, removed bool) (*Holding, Survey, error) {
	h := newHolding()
	if err := k.takeMain(ctx, h, held, adopt, removed); err != nil {
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

func (k Keeper) takeMain(ctx context.Context, h, held *Holding, adopt, removed bool) error {
	f := k.Federation
	name := f.ClaimName(f.Domain)
	have, err := k.txt(ctx, name)
	if err != nil {
		return err
	}
	want := federation.Claim{Owner: k.Owner, Federation: f.Name, Naming: f.Naming, Instance: strings.ToLower(rand.Text()), Removed: removed}
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
		old, err := k.ofOwner(*have)
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

// mayClaim says why the names of a federation that has no claim are not to be
// claimed: records of our shape, or a list of levels, that nothing says are ours
// (O1c).
func (k Keeper) mayClaim(ctx context.Context, held *Holding, adopt bool) error {
	if held != nil || adopt {
		return nil
	}
	found, err := k.look(ctx, k.Federation.Domain)
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
			return fmt.Errorf("%w: level %q is in the list of owner %q, this is %q (--adopt takes over)", ErrForeign, level, l.Owner, k.Owner)
		}
	}
	if records := found.at[k.Federation.Domain].records; len(records) > 0 {
		return unclaimed(records[0].Name)
	}
	if k.Refuse != nil {
		return fmt.Errorf("%w: %w", ErrForeign, k.Refuse)
	}
	return nil
}

// ofOwner returns the claim, with an error if it is not this syncer's, or no
// syncer's any more.
func (k Keeper) ofOwner(set federation.RRset) (federation.Claim, error) {
	claim, err := federation.ParseClaim(set)
	switch {
	case err != nil:
		return claim, fmt.Errorf("%w: %w (--adopt takes over)", ErrForeign, err)
	case claim.Owner != k.Owner:
		return claim, fmt.Errorf("%w: claim %q is owner %q's, this is %q (--adopt takes over)", ErrForeign, set.Name, claim.Owner, k.Owner)
	case claim.Removed:
		return claim, fmt.Errorf("%w: cleanup has removed the federation and left claim %q, so that no syncer that still has it writes all again "+
			"(--adopt, or cleanup --forget, if it is to be written)", ErrForeign, set.Name)
	}
	return claim, nil
}

func unclaimed(name federation.FQDN) error {
	return fmt.Errorf("%w: there are records such as %q without a claim of ours (--adopt takes over)", ErrForeign, name)
}

func (k Keeper) apply(ctx context.Context, claim *federation.RRset, changes ...plan.Change) []error {
	return k.Provider.Apply(ctx, claim, changes)
}

// txt returns the TXT RRset of a name; nil if it has none.
func (k Keeper) txt(ctx context.Context, name federation.FQDN) (*federation.RRset, error) {
	sets, err := k.Provider.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return provider.Find(sets, federation.TypeTXT), nil
}

// present is the RRset as one side of a change: nothing if it is nil.
func present(s *federation.RRset) []federation.RRset {
	if s == nil {
		return nil
	}
	return []federation.RRset{*s}
}
