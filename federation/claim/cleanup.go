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
	keeper Keeper
	close  func() error
	// Removed are the levels with what goes there, sorted by name.
	Removed []CleanupLevel
	// Foreign are levels that stay, and why.
	Foreign map[federation.FQDN]error
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
// A claim of another owner than the given one is an error, unless adopt is set,
// and so is a federation without a claim.
func NewCleanup(ctx context.Context, p provider.Provider, f federation.Federation, owner string, adopt bool) (*Cleanup, error) {
	cl := &Cleanup{keeper: Keeper{Provider: p, Federation: f, Owner: owner}}
	return cl, cl.look(ctx, adopt)
}

func (cl *Cleanup) look(ctx context.Context, adopt bool) error {
	f := cl.keeper.Federation
	have, err := cl.keeper.TXT(ctx, f.ClaimName(f.Domain))
	switch {
	case err != nil:
		return err
	case have == nil:
		return fmt.Errorf("%w: there is no claim %q", ErrNothing, f.ClaimName(f.Domain))
	}
	if _, err := cl.keeper.ofOwner(*have); err != nil && !adopt {
		return err
	}
	h := &Holding{}
	if err := cl.keeper.ReadLevels(ctx, h, adopt); err != nil {
		return err
	}
	found, err := cl.keeper.Survey(ctx, h.Entries, adopt)
	if err != nil {
		return err
	}
	cl.take(h, found)
	return nil
}

// take makes what was found the plan.
func (cl *Cleanup) take(h *Holding, found Survey) {
	names := map[federation.FQDN]int{cl.keeper.Federation.Domain: 0}
	for _, e := range h.Entries {
		if found.Foreign[e.Name] == nil {
			names[e.Name] = 0
		}
	}
	for _, at := range found.Records.Services {
		for name := range at {
			_, level, _ := cl.keeper.Federation.ParseOwner(name)
			names[level]++
		}
	}
	cl.Removed, cl.Foreign = nil, found.Foreign
	for _, level := range slices.Sorted(maps.Keys(names)) {
		cl.Removed = append(cl.Removed, CleanupLevel{Name: level, Names: names[level]})
	}
}

// Run takes the main claim, which deposes a syncer that still runs, looks again,
// and removes everything: the records first, then the claims of the levels, the
// list, and the main claim. One that was interrupted goes on with the next run.
// progress is told how many names are done, of how many.
func (cl *Cleanup) Run(ctx context.Context, adopt bool, progress func(done, of int)) error {
	h, found, err := cl.keeper.Take(ctx, adopt)
	if err != nil {
		return err
	}
	cl.take(h, found)
	if err := cl.removeRecords(ctx, h, found, progress); err != nil {
		return err
	}
	var claimed []plan.Change
	for _, e := range h.Entries {
		name := cl.keeper.Federation.ClaimName(e.Name)
		if name == h.Claim.Name || found.Foreign[e.Name] != nil {
			continue
		}
		have, err := cl.keeper.TXT(ctx, name)
		if err != nil {
			return err
		}
		if have != nil {
			claimed = append(claimed, plan.Change{Name: name, From: []federation.RRset{*have}})
		}
	}
	if err := cl.apply(ctx, &h.Claim, claimed...); err != nil {
		return err
	}
	if len(h.Levels.Data) > 0 {
		if err := cl.apply(ctx, &h.Claim, plan.Change{Name: h.Levels.Name, From: present(h.Levels)}); err != nil {
			return err
		}
	}
	return cl.apply(ctx, nil, plan.Change{Name: h.Claim.Name, From: present(h.Claim)})
}

func (cl *Cleanup) removeRecords(ctx context.Context, h *Holding, found Survey, progress func(done, of int)) error {
	var all []federation.RRset
	for svc := range found.Records.Services {
		all = append(all, found.Records.Of(svc)...)
	}
	changes := plan.Diff(all, nil)
	for done := 0; done < len(changes); {
		batch := changes[done:min(done+cleanupBatch, len(changes))]
		if err := cl.apply(ctx, &h.Claim, batch...); err != nil {
			return err
		}
		done += len(batch)
		progress(done, len(changes))
	}
	return nil
}

// apply makes the changes; what the error says is for who runs the command.
func (cl *Cleanup) apply(ctx context.Context, claim *federation.RRset, changes ...plan.Change) error {
	if len(changes) == 0 {
		return nil
	}
	var errs []error
	for i, err := range cl.keeper.apply(ctx, claim, changes...) {
		switch {
		case errors.Is(err, provider.ErrConflict):
			errs = append(errs, fmt.Errorf("%q has changed meanwhile: does a syncer still have this federation? Run it again: %w", changes[i].Name, err))
		case err != nil:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
