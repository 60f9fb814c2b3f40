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

// Cleanup removes everything that a federation has at its provider: the records, the claims and the list of levels
// (O1b). It follows the list, so that it finds what earlier runs wrote and touches nothing else.
type Cleanup struct {
	keeper  Keeper
	options CleanupOptions
	shapes  bool // there was no claim: names of our shape are looked for
	// Removed lists the levels to remove, sorted by name.
	Removed []CleanupLevel
	// Foreign are the levels that are kept, and why.
	Foreign map[federation.FQDN]error
}

// CleanupOptions select what to remove.
type CleanupOptions struct {
	// Adopt also removes what another owner has claimed and, if there is no claim at all, every name of the
	// federation's shape.
	Adopt bool
	// Forget also removes the mark that a cleanup leaves.
	Forget bool
}

// CleanupLevel is a level, and the number of services with a name there.
type CleanupLevel struct {
	Name  federation.FQDN
	Names int
}

// ErrNothing means that there is nothing to remove.
var ErrNothing = errors.New("nothing of this federation is there")

// cleanupBatch is how many names are deleted at once.
const cleanupBatch = 200

// NewCleanup reads what a federation has at the provider, and changes nothing. Without Adopt, a claim of an owner other
// than the given one is an error, and so are names that nothing marks as ours.
func NewCleanup(ctx context.Context, p provider.Provider, f federation.Federation, owner string,
	opt CleanupOptions) (*Cleanup, error) {
	c := &Cleanup{keeper: Keeper{Provider: p, Federation: f, Owner: owner}, options: opt}
	return c, c.inspect(ctx)
}

func (c *Cleanup) inspect(ctx context.Context) error {
	f := c.keeper.Federation
	have, err := c.keeper.getTXT(ctx, f.ClaimName(f.Domain))
	if err != nil {
		return err
	}
	removed := false
	if have != nil {
		claim, err := c.keeper.parseOwn(*have)
		removed = claim.Removed && claim.Owner == c.keeper.Owner
		if err != nil && !removed && !c.options.Adopt {
			return err
		}
	} else if err := c.keeper.mayClaim(ctx, nil, c.options.Adopt); err != nil {
		return fmt.Errorf("there is no claim %q: %w", f.ClaimName(f.Domain), err)
	}
	c.shapes = have == nil && c.options.Adopt
	found, err := c.survey(ctx)
	if err != nil {
		return err
	}
	c.plan(found)
	empty := len(found.entries)+len(found.listings)+len(found.Records.Services) == 0 && found.Former == nil
	switch {
	case empty && have == nil:
		return fmt.Errorf("%w: there is no claim %q", ErrNothing, f.ClaimName(f.Domain))
	case empty && removed && !c.options.Forget:
		return fmt.Errorf("%w but the claim %q, which keeps a syncer that still has the federation from writing it "+
			"again (--forget removes it)", ErrNothing, f.ClaimName(f.Domain))
	}
	return nil
}

// survey is Survey, plus the names that are in no list if there was no claim.
func (c *Cleanup) survey(ctx context.Context) (Survey, error) {
	s, err := c.keeper.Survey(ctx, nil, c.options.Adopt)
	if err != nil || !c.shapes {
		return s, err
	}
	all := contents{levels: map[federation.FQDN]levelContents{}, listings: map[federation.FQDN]listing{}}
	if err := c.keeper.Provider.List(ctx, c.keeper.Federation.Domain, all.collector(c.keeper.Federation)); err != nil {
		return s, err
	}
	for name, have := range all.levels {
		if _, listed := s.entries[name]; listed || name == c.keeper.Federation.Domain {
			continue
		}
		if _, err := c.keeper.checkOwner(name, have, true); err != nil {
			s.Foreign[name] = err // somebody else's claim: another federation may have names of this shape
			continue
		}
		s.entries[name] = federation.LevelEntry{Name: name}
		for _, set := range have.records {
			s.Records.Add(set)
		}
	}
	return s, nil
}

// plan sets what to remove to what was found.
func (c *Cleanup) plan(found Survey) {
	count := map[federation.FQDN]int{c.keeper.Federation.Domain: 0}
	for name := range found.entries {
		if found.Foreign[name] == nil {
			count[name] = 0
		}
	}
	for _, names := range found.Records.Services {
		for name := range names {
			_, level, _ := c.keeper.Federation.ParseOwner(name)
			count[level]++
		}
	}
	c.Removed, c.Foreign = nil, found.Foreign
	for _, level := range slices.Sorted(maps.Keys(count)) {
		c.Removed = append(c.Removed, CleanupLevel{Name: level, Names: count[level]})
	}
}

// Run writes a main claim that deposes a syncer that is still running and keeps any other from starting (O1e), reads
// everything again, and removes it: first the records, then the levels' claims and the list. The main claim stays,
// except with Forget. The next run continues one that was interrupted. progress is called with the number of names done
// and in all.
func (c *Cleanup) Run(ctx context.Context, progress func(done, of int)) error {
	h := newHolding()
	if err := c.keeper.claimMain(ctx, h, nil, c.options.Adopt, true); err != nil {
		return err
	}
	found, err := c.survey(ctx)
	if err != nil {
		return err
	}
	c.plan(found)
	if err := c.removeRecords(ctx, h, found, progress); err != nil {
		return err
	}
	if err := c.removeClaims(ctx, h); err != nil {
		return err
	}
	if err := c.removeList(ctx, h, found); err != nil || !c.options.Forget {
		return err
	}
	return c.apply(ctx, nil, plan.Change{Name: h.Claim.Name, From: oneOrNone(&h.Claim)})
}

func (c *Cleanup) removeClaims(ctx context.Context, h *Holding) error {
	var claimed []plan.Change
	for _, level := range c.Removed {
		name := c.keeper.Federation.ClaimName(level.Name)
		if name == h.Claim.Name {
			continue
		}
		have, err := c.keeper.getTXT(ctx, name)
		if err != nil {
			return err
		}
		if have != nil {
			claimed = append(claimed, plan.Change{Name: name, From: oneOrNone(have)})
		}
	}
	return c.apply(ctx, &h.Claim, claimed...)
}

// removeList removes the list, including the levels of other owners.
func (c *Cleanup) removeList(ctx context.Context, h *Holding, found Survey) error {
	var changes []plan.Change
	for _, l := range found.listings {
		if l.err == nil || c.options.Adopt {
			changes = append(changes, listChanges(l.sets, nil)...)
		}
	}
	former, err := c.keeper.getTXT(ctx, c.keeper.Federation.LevelsName())
	if err != nil {
		return err
	}
	if former != nil && (found.Former == nil || c.options.Adopt) {
		changes = append(changes, plan.Change{Name: former.Name, From: oneOrNone(former)})
	}
	return c.apply(ctx, &h.Claim, changes...)
}

func (c *Cleanup) removeRecords(ctx context.Context, h *Holding, found Survey, progress func(done, of int)) error {
	var all []federation.RRset
	for svc := range found.Records.Services {
		all = append(all, found.Records.ByService(svc)...)
	}
	changes := plan.Diff(all, nil)
	for done := 0; done < len(changes); {
		batch := changes[done:min(done+cleanupBatch, len(changes))]
		if err := c.apply(ctx, &h.Claim, batch...); err != nil {
			return err
		}
		done += len(batch)
		progress(done, len(changes))
	}
	return nil
}

// apply makes the changes. Its errors address the person who runs the command.
func (c *Cleanup) apply(ctx context.Context, claim *federation.RRset, changes ...plan.Change) error {
	if len(changes) == 0 {
		return nil
	}
	var errs []error
	for i, err := range c.keeper.apply(ctx, claim, changes...) {
		switch {
		case errors.Is(err, provider.ErrConflict):
			errs = append(errs,
				fmt.Errorf("%q has changed meanwhile: does a syncer still have this federation? Run it again: %w",
					changes[i].Name, err))
		case err != nil:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
