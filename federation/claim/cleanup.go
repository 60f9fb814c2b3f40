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

// Cleanup removes all that a federation has at its provider: the records, the
// claims and the list of levels (O1b). It walks what the list says, so that
// nothing an earlier run wrote is forgotten, and nothing else is touched.
type Cleanup struct {
	keeper  Keeper
	options CleanupOptions
	shapes  bool // there was no claim: names of our shape are looked for
	// Removed are the levels with what goes there, sorted by name.
	Removed []CleanupLevel
	// Foreign are levels that stay, and why.
	Foreign map[federation.FQDN]error
}

// CleanupOptions say what is removed.
type CleanupOptions struct {
	// Adopt: also what another owner has claimed and, if there is no claim at all, all
	// names of the shape of the federation's.
	Adopt bool
	// Forget: also the mark that a cleanup leaves.
	Forget bool
}

// CleanupLevel is a level, and how many services have a name there.
type CleanupLevel struct {
	Name  federation.FQDN
	Names int
}

// ErrNothing says that there is nothing to remove.
var ErrNothing = errors.New("nothing of this federation is there")

// cleanupBatch is how many names go at once.
const cleanupBatch = 200

// NewCleanup looks at what a federation has at the provider, and changes nothing.
// Without Adopt, a claim of another owner than the given one is an error, and so
// are names that nothing says are ours.
func NewCleanup(ctx context.Context, p provider.Provider, f federation.Federation, owner string, opt CleanupOptions) (*Cleanup, error) {
	c := &Cleanup{keeper: Keeper{Provider: p, Federation: f, Owner: owner}, options: opt}
	return c, c.look(ctx)
}

func (c *Cleanup) look(ctx context.Context) error {
	f := c.keeper.Federation
	have, err := c.keeper.txt(ctx, f.ClaimName(f.Domain))
	if err != nil {
		return err
	}
	removed := false
	if have != nil {
		claim, err := c.keeper.ofOwner(*have)
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
	switch empty := len(found.entries) == 0 && len(found.listings) == 0 && len(found.Records.Services) == 0 && found.Former == nil; {
	case empty && have == nil:
		return fmt.Errorf("%w: there is no claim %q", ErrNothing, f.ClaimName(f.Domain))
	case empty && removed && !c.options.Forget:
		return fmt.Errorf("%w but the claim %q, which keeps a syncer that still has it from writing all again (--forget removes it)",
			ErrNothing, f.ClaimName(f.Domain))
	}
	return nil
}

// survey is Survey, with the names that are in no list if there was no claim.
func (c *Cleanup) survey(ctx context.Context) (Survey, error) {
	s, err := c.keeper.Survey(ctx, nil, c.options.Adopt)
	if err != nil || !c.shapes {
		return s, err
	}
	all := found{at: map[federation.FQDN]level{}, listings: map[federation.FQDN]listing{}}
	if err := c.keeper.Provider.List(ctx, c.keeper.Federation.Domain, all.collector(c.keeper.Federation)); err != nil {
		return s, err
	}
	for name, at := range all.at {
		if _, listed := s.entries[name]; listed || name == c.keeper.Federation.Domain {
			continue
		}
		if _, err := c.keeper.judge(name, at, true); err != nil {
			s.Foreign[name] = err // somebody else's claim: another federation may have names of this shape
			continue
		}
		s.entries[name] = federation.LevelEntry{Name: name}
		for _, set := range at.records {
			s.Records.Add(set)
		}
	}
	return s, nil
}

// plan makes what was found the plan.
func (c *Cleanup) plan(found Survey) {
	names := map[federation.FQDN]int{c.keeper.Federation.Domain: 0}
	for name := range found.entries {
		if found.Foreign[name] == nil {
			names[name] = 0
		}
	}
	for _, at := range found.Records.Services {
		for name := range at {
			_, level, _ := c.keeper.Federation.ParseOwner(name)
			names[level]++
		}
	}
	c.Removed, c.Foreign = nil, found.Foreign
	for _, level := range slices.Sorted(maps.Keys(names)) {
		c.Removed = append(c.Removed, CleanupLevel{Name: level, Names: names[level]})
	}
}

// Run writes a main claim that deposes a syncer that still runs and keeps any other
// from starting (O1e), looks again, and removes everything: the records first,
// then the claims of the levels and the list. The main claim stays, but with
// Forget. One that was interrupted goes on with the next run. progress is called
// with how many names are done, of how many.
func (c *Cleanup) Run(ctx context.Context, progress func(done, of int)) error {
	h := newHolding()
	if err := c.keeper.takeMain(ctx, h, nil, c.options.Adopt, true); err != nil {
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
	return c.apply(ctx, nil, plan.Change{Name: h.Claim.Name, From: present(&h.Claim)})
}

func (c *Cleanup) removeClaims(ctx context.Context, h *Holding) error {
	var claimed []plan.Change
	for _, level := range c.Removed {
		name := c.keeper.Federation.ClaimName(level.Name)
		if name == h.Claim.Name {
			continue
		}
		have, err := c.keeper.txt(ctx, name)
		if err != nil {
			return err
		}
		if have != nil {
			claimed = append(claimed, plan.Change{Name: name, From: present(have)})
		}
	}
	return c.apply(ctx, &h.Claim, claimed...)
}

// removeList removes the list, with the levels that are somebody else's.
func (c *Cleanup) removeList(ctx context.Context, h *Holding, found Survey) error {
	var changes []plan.Change
	for _, l := range found.listings {
		if l.err == nil || c.options.Adopt {
			changes = append(changes, changesOf(l.sets, nil)...)
		}
	}
	former, err := c.keeper.txt(ctx, c.keeper.Federation.LevelsName())
	if err != nil {
		return err
	}
	if former != nil && (found.Former == nil || c.options.Adopt) {
		changes = append(changes, plan.Change{Name: former.Name, From: present(former)})
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

// apply makes the changes; what the error says is for who runs the command.
func (c *Cleanup) apply(ctx context.Context, claim *federation.RRset, changes ...plan.Change) error {
	if len(changes) == 0 {
		return nil
	}
	var errs []error
	for i, err := range c.keeper.apply(ctx, claim, changes...) {
		switch {
		case errors.Is(err, provider.ErrConflict):
			errs = append(errs, fmt.Errorf("%q has changed meanwhile: does a syncer still have this federation? Run it again: %w", changes[i].Name, err))
		case err != nil:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
