package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
)

// Cleanup removes all that a federation has at its provider: the records, the
// claims and the list of levels (O1b). It walks what the list says, so that
// nothing an earlier run wrote is forgotten, and nothing else is touched.
type Cleanup struct {
	claims claims
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

// errNothing says that there is nothing to remove.
var errNothing = errors.New("nothing of this federation is there")

// NewCleanup looks at what a federation of the configuration has, and changes
// nothing. A claim of another owner is an error, unless adopt is set, and so is
// a federation without a claim.
func NewCleanup(ctx context.Context, c *config.Config, f config.Federation, adopt bool) (*Cleanup, error) {
	owner := c.Owner
	if owner == "" {
		var err error
		if owner, err = hostUID(ctx, *c.Host); err != nil {
			return nil, fmt.Errorf("the host cluster does not tell its identity, which is the owner id: %w", err)
		}
	}
	p, err := f.Provider.Open(nil)
	if err != nil {
		return nil, err
	}
	cl, err := newCleanup(ctx, claims{provider: p, federation: f.Federation, owner: owner}, adopt)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	cl.close = p.Close
	return cl, nil
}

func newCleanup(ctx context.Context, c claims, adopt bool) (*Cleanup, error) {
	cl := &Cleanup{claims: c}
	return cl, cl.look(ctx, adopt)
}

// Close closes the connections to the provider.
func (cl *Cleanup) Close() error { return cl.close() }

func (cl *Cleanup) look(ctx context.Context, adopt bool) error {
	f := cl.claims.federation
	have, err := cl.claims.txt(ctx, f.ClaimName(f.Domain))
	switch {
	case err != nil:
		return err
	case have == nil:
		return fmt.Errorf("%w: there is no claim %q", errNothing, f.ClaimName(f.Domain))
	}
	if _, err := cl.claims.ofOwner(*have); err != nil && !adopt {
		return err
	}
	h := &holding{}
	if err := cl.claims.readLevels(ctx, h, adopt); err != nil {
		return err
	}
	found, err := cl.claims.survey(ctx, h.entries, adopt)
	if err != nil {
		return err
	}
	cl.take(h, found)
	return nil
}

// take makes what was found the plan.
func (cl *Cleanup) take(h *holding, found survey) {
	names := map[federation.FQDN]int{cl.claims.federation.Domain: 0}
	for _, e := range h.entries {
		if found.foreign[e.Name] == nil {
			names[e.Name] = 0
		}
	}
	for _, at := range found.shadow.services {
		for name := range at {
			_, level, _ := cl.claims.federation.ParseOwner(name)
			names[level]++
		}
	}
	cl.Removed, cl.Foreign = nil, found.foreign
	for _, level := range slices.Sorted(maps.Keys(names)) {
		cl.Removed = append(cl.Removed, CleanupLevel{Name: level, Names: names[level]})
	}
}

// Run takes the main claim, which deposes a syncer that still runs, looks again,
// and removes everything: the records first, then the claims of the levels, the
// list, and the main claim. One that was interrupted goes on with the next run.
// progress is told how many names are done, of how many.
func (cl *Cleanup) Run(ctx context.Context, adopt bool, progress func(done, of int)) error {
	h, found, err := cl.claims.take(ctx, adopt)
	if err != nil {
		return err
	}
	cl.take(h, found)
	if err := cl.removeRecords(ctx, h, found, progress); err != nil {
		return err
	}
	var claimed []plan.Change
	for _, e := range h.entries {
		name := cl.claims.federation.ClaimName(e.Name)
		if name == h.claim.Name || found.foreign[e.Name] != nil {
			continue
		}
		have, err := cl.claims.txt(ctx, name)
		if err != nil {
			return err
		}
		if have != nil {
			claimed = append(claimed, plan.Change{Name: name, From: []federation.RRset{*have}})
		}
	}
	if err := cl.apply(ctx, &h.claim, claimed...); err != nil {
		return err
	}
	if len(h.levels.Data) > 0 {
		if err := cl.apply(ctx, &h.claim, plan.Change{Name: h.levels.Name, From: present(h.levels)}); err != nil {
			return err
		}
	}
	return cl.apply(ctx, nil, plan.Change{Name: h.claim.Name, From: present(h.claim)})
}

func (cl *Cleanup) removeRecords(ctx context.Context, h *holding, found survey, progress func(done, of int)) error {
	var all []federation.RRset
	for svc := range found.shadow.services {
		all = append(all, found.shadow.of(svc)...)
	}
	changes := plan.Diff(all, nil)
	for done := 0; done < len(changes); {
		batch := changes[done:min(done+maxBatch, len(changes))]
		if err := cl.apply(ctx, &h.claim, batch...); err != nil {
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
	for i, err := range cl.claims.apply(ctx, claim, changes...) {
		switch {
		case errors.Is(err, provider.ErrConflict):
			errs = append(errs, fmt.Errorf("%q has changed meanwhile: does a syncer still have this federation? Run it again: %w", changes[i].Name, err))
		case err != nil:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
