package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
)

// The times of the Lease. A replica that is killed is replaced after
// leaseDuration and at most two leaseRetry; one that is stopped gives the Lease
// back.
const (
	leaseDuration = 15 * time.Second
	leaseRenew    = 10 * time.Second
	leaseRetry    = 2 * time.Second
)

// election is this replica's part in the choice of the one that writes (O4).
//
// The Lease decides who begins: a replica that gets it takes the claims, with a
// generation of its own (O3b). The claims decide who may write: a replica that
// cannot reach the host goes on until it sees that another one has the Lease,
// or is deposed, as an outage of the host is no reason to serve old records.
type election struct {
	host     config.Host
	identity string
	log      *slog.Logger
	// changed says who holds the Lease, when that has changed, or when this
	// replica got it.
	changed chan reign
}

// reign is the time of one holder of the Lease.
type reign struct {
	holder string
	// term is the Lease's count of transitions, if this replica holds it: one more
	// for each time that it is taken from somebody, or after it was given back.
	term int32
}

// interrupted reports whether another replica has held the Lease between two
// reigns of this one: whoever gets back what it gave back itself counts one.
func (r reign) interrupted(before reign) bool { return r.term < before.term || r.term > before.term+1 }

func newElection(host config.Host, log *slog.Logger) *election {
	name, err := os.Hostname()
	if err != nil {
		name = "federation-syncer"
	}
	return &election{host: host, identity: name + "_" + string(uuid.NewUUID()), log: log, changed: make(chan reign)}
}

// run takes part until ctx ends, and gives the Lease back then. The kubeconfig
// is read again after each loss.
func (e *election) run(ctx context.Context) {
	var said string
	for ctx.Err() == nil {
		elector, err := e.elector(ctx)
		if err == nil {
			elector.Run(klog.NewContext(ctx, klog.Logger{})) // what has to be said is said by lease
			if ctx.Err() == nil {
				e.log.Warn("the Lease could not be renewed: this replica goes on until another one has it")
			}
			continue
		}
		if err.Error() != said {
			e.log.Error("no part in the election of the one syncer that writes, trying again", "error", err)
			said = err.Error()
		}
		select {
		case <-ctx.Done():
		case <-time.After(ownerRetry):
		}
	}
}

func (e *election) elector(ctx context.Context) (*leaderelection.LeaderElector, error) {
	rest, err := member.LoadKubeconfig(e.host.Kubeconfig.Path, e.host.Kubeconfig.Context)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	rest.Timeout = leaseRenew / 2 // two tries
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	tell := func(r reign) {
		select {
		case e.changed <- r:
		case <-ctx.Done():
		}
	}
	lock := &lease{log: e.log, Interface: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: e.host.Namespace, Name: e.host.Lease},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: e.identity},
	}}
	return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          lock,
		LeaseDuration: leaseDuration, RenewDeadline: leaseRenew, RetryPeriod: leaseRetry, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { tell(reign{e.identity, lock.term.Load()}) },
			OnStoppedLeading: func() {},
			OnNewLeader: func(holder string) {
				if holder != e.identity && holder != "" {
					tell(reign{holder: holder})
				}
			},
		},
	})
}

// lease is the lock. It logs why it cannot be had, each error once, and gives
// nothing back that is another replica's: client-go's elector, after a renewal
// that failed, does so by what it knew before, which is wrong after a SIGSTOP.
type lease struct {
	resourcelock.Interface
	log    *slog.Logger
	said   string
	holder string       // when it was read last
	term   atomic.Int32 // what was written last
}

var errNotHeld = errors.New("another replica has the Lease: it is not given back")

// Get implements resourcelock.Interface.
func (l *lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err != nil && !apierrors.IsNotFound(err) {
		l.say(ctx, err)
	}
	if err == nil {
		l.holder = record.HolderIdentity
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *lease) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Create(ctx, r)
	if !apierrors.IsAlreadyExists(err) {
		l.say(ctx, err)
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
	err := l.Interface.Update(ctx, r)
	if !apierrors.IsConflict(err) {
		l.say(ctx, err)
	}
	if err == nil {
		l.term.Store(int32(r.LeaderTransitions))
	}
	return err
}

func (l *lease) say(ctx context.Context, err error) {
	switch {
	case err == nil && l.said != "":
		l.log.Info("the Lease in the host cluster can be written again", "lease", l.Describe())
		l.said = ""
	case err != nil && ctx.Err() == nil && l.said != err.Error():
		l.log.Error("the Lease in the host cluster cannot be read or written, trying again", "lease", l.Describe(), "error", err)
		l.said = err.Error()
	}
}
