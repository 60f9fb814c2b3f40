package host

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lease is the lock. It logs why it is not available, each error once, and never releases another replica's Lease:
// client-go's elector does so after a failed renewal, relying on what it knew before, which is wrong after a SIGSTOP.
type lease struct {
	resourcelock.Interface
	log     *slog.Logger
	abstain *abstention
	said    string
	holder  string       // when it was read last
	term    atomic.Int32 // what was written last
}

var (
	errNotHeld    = errors.New("another replica has the Lease: it is not given back")
	errAbstaining = errors.New("this replica was deposed: it leaves the Lease to another one")
)

// Get implements resourcelock.Interface.
func (l *lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err != nil && !apierrors.IsNotFound(err) {
		l.report(ctx, err)
	}
	if err == nil {
		l.holder = record.HolderIdentity
		l.abstain.saw(l.holder, l.Identity())
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *lease) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if l.abstain.blocks(time.Now()) {
		return errAbstaining
	}
	err := l.Interface.Create(ctx, r)
	if !apierrors.IsAlreadyExists(err) {
		l.report(ctx, err)
	}
	if err == nil {
		l.term.Store(int32(r.LeaderTransitions))
	}
	return err
}

// Update implements resourcelock.Interface.
func (l *lease) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	if r.HolderIdentity == "" && l.holder != l.Identity() {
		return errNotHeld
	}
	if r.HolderIdentity == l.Identity() && l.abstain.blocks(time.Now()) {
		return errAbstaining
	}
	err := l.Interface.Update(ctx, r)
	if !apierrors.IsConflict(err) {
		l.report(ctx, err)
	}
	if err == nil {
		l.term.Store(int32(r.LeaderTransitions))
	}
	return err
}

// report logs that the Lease cannot be read or written, once for each error, and when it can be again.
func (l *lease) report(ctx context.Context, err error) {
	switch {
	case err == nil && l.said != "":
		l.log.Info("the Lease in the host cluster can be written again", "lease", l.Describe())
		l.said = ""
	case err != nil && ctx.Err() == nil && l.said != err.Error():
		l.log.Error("the Lease in the host cluster cannot be read or written, trying again",
			"lease", l.Describe(), "error", err)
		l.said = err.Error()
	}
}
