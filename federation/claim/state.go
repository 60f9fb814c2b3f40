package claim

import (
	"context"
	"errors"
	"fmt"

	"github.com/federation-dns/federation/federation"
)

// State compares the main claim at the provider with that of a holding (O1e).
type State int

// The states of a claim. If it cannot be read, that is an error instead.
const (
	// Current means that it is as this run left it.
	Current State = iota
	// Lost means that it is missing, or is an older one of ours: a restored zone, a deleted TXT RRset, a server with
	// old data. No one has taken it.
	Lost
	// Taken means that another owner, a newer generation of ours, another instance with our id, or cleanup has it. It
	// deposes.
	Taken
)

// ErrTaken means that another syncer, or cleanup, has taken the main claim (O1e).
var ErrTaken = errors.New("the claim has been taken over")

// State reads the main claim. why is the reason if it is Lost or Taken; err is set if it could not be read.
func (k Keeper) State(ctx context.Context, h *Holding) (s State, why, err error) {
	have, err := k.getTXT(ctx, h.Claim.Name)
	if err != nil {
		return 0, nil, err
	}
	s, why = k.compare(h.Claim, have)
	return s, why, nil
}

func (k Keeper) compare(left federation.RRset, have *federation.RRset) (State, error) {
	if have == nil {
		return Lost, fmt.Errorf("claim %q no longer exists", left.Name)
	}
	if have.SameData(left) {
		return Current, nil
	}
	was, _ := federation.ParseClaim(left) // we wrote it
	is, err := k.parseOwn(*have)
	switch {
	case err != nil:
		return Taken, fmt.Errorf("%w: %w", ErrTaken, err)
	case is.Generation > was.Generation:
		return Taken, fmt.Errorf("%w: claim %q has generation %d, this syncer wrote %d", ErrTaken, have.Name,
			is.Generation, was.Generation)
	case is.Generation == was.Generation && is.Instance != was.Instance:
		return Taken, fmt.Errorf("%w: claim %q is of instance %q with the same owner id, this is %q; "+
			"give each syncer an owner of its own", ErrTaken, have.Name, is.Instance, was.Instance)
	}
	return Lost, fmt.Errorf("claim %q has generation %d, this syncer wrote %d", have.Name, is.Generation,
		was.Generation)
}
