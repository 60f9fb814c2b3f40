package claim

import (
	"context"
	"errors"
	"fmt"

	"github.com/federation-dns/federation/federation"
)

// State is what the main claim at the provider says about that of a holding (O1e).
type State int

// The states of a claim. One that cannot be read has none: that is an error.
const (
	// Current: it is as this run has left it.
	Current State = iota
	// Lost: it is absent, or an older one of ours: a restored zone, a deleted TXT, a
	// server with old data. Nobody has taken it.
	Lost
	// Taken: another owner, a newer generation of ours, another instance with our id,
	// or cleanup has it. It deposes.
	Taken
)

// ErrTaken says that another syncer, or cleanup, has taken the main claim (O1e).
var ErrTaken = errors.New("the claim is another's now")

// State reads the main claim. why says what makes it Lost or Taken; err that it
// could not be read.
func (k Keeper) State(ctx context.Context, h *Holding) (s State, why, err error) {
	have, err := k.txt(ctx, h.Claim.Name)
	if err != nil {
		return 0, nil, err
	}
	s, why = k.compare(h.Claim, have)
	return s, why, nil
}

func (k Keeper) compare(left federation.RRset, have *federation.RRset) (State, error) {
	if have == nil {
		return Lost, fmt.Errorf("there is no claim %q any more", left.Name)
	}
	if have.SameData(left) {
		return Current, nil
	}
	was, _ := federation.ParseClaim(left) // we wrote it
	is, err := k.ofOwner(*have)
	switch {
	case err != nil:
		return Taken, fmt.Errorf("%w: %w", ErrTaken, err)
	case is.Generation > was.Generation:
		return Taken, fmt.Errorf("%w: claim %q has generation %d, this syncer wrote %d", ErrTaken, have.Name, is.Generation, was.Generation)
	case is.Generation == was.Generation && is.Instance != was.Instance:
		return Taken, fmt.Errorf("%w: claim %q is of instance %q with the same owner id, this is %q; give each syncer an owner of its own", ErrTaken, have.Name, is.Instance, was.Instance)
	}
	return Lost, fmt.Errorf("claim %q has generation %d, this syncer wrote %d", have.Name, is.Generation, was.Generation)
}
