package host

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

// The times of the Lease. A replica that is killed is replaced after leaseDuration and at most two leaseRetry; one that
// is stopped releases the Lease.
const (
	leaseDuration = 15 * time.Second
	leaseRenew    = 10 * time.Second
	leaseRetry    = 2 * time.Second
	// joinRetry is the pause before an unusable kubeconfig is read again.
	joinRetry = 5 * time.Second
)

// Election is this replica's part in the election of the one that writes (O4).
//
// The Lease decides who begins: a replica that acquires it takes the claims, with a new generation (O3b). The claims
// decide who may write: a replica that cannot reach the host continues until it sees that another one has the Lease, or
// is deposed, because an outage of the host is no reason to serve stale records.
type Election struct {
	// Identity is this replica's name in the Lease, unique to this run.
	Identity string
	// Changed receives a Tenure when the holder changes, and when this replica acquires the Lease. The caller must
	// receive from it.
	Changed <-chan Tenure

	host    Config
	log     *slog.Logger
	changed chan Tenure
	abstain abstention

	mu     sync.Mutex
	resign context.CancelFunc // ends the run of the elector
	run    *leaderelection.LeaderElector
}

// Tenure is one replica's unbroken hold of the Lease.
type Tenure struct {
	Holder string
	// Term is the Lease's count of transitions, if this replica holds it: it grows each time that the Lease is taken
	// from a holder, or acquired after a release.
	Term int32
}

// Interrupted reports whether another replica held the Lease between two tenures of this one: a replica that acquires
// again what it released itself counts one transition.
func (t Tenure) Interrupted(before Tenure) bool {
	return t.Term < before.Term || t.Term > before.Term+1
}

// NewElection returns this replica's part in the election for a host. Run joins it.
func NewElection(host Config, log *slog.Logger) *Election {
	name, err := os.Hostname()
	if err != nil {
		name = "federation-syncer"
	}
	changed := make(chan Tenure)
	return &Election{
		Identity: name + "_" + string(uuid.NewUUID()), Changed: changed, host: host, log: log, changed: changed,
	}
}

// Run takes part in the election until ctx ends, and then releases the Lease. It reloads the kubeconfig after each loss
// of the Lease.
func (e *Election) Run(ctx context.Context) {
	var logged string
	for ctx.Err() == nil {
		electing, resign := context.WithCancel(ctx)
		elector, err := e.elector(electing)
		if err == nil {
			e.mu.Lock()
			e.resign, e.run = resign, elector
			e.mu.Unlock()
			elector.Run(klog.NewContext(electing, klog.Logger{})) // the lease logs what matters
			e.mu.Lock()
			e.run = nil
			e.mu.Unlock()
			if electing.Err() == nil {
				e.log.Warn("the Lease could not be renewed: this replica goes on until another one has it")
			}
			resign()
			continue
		}
		resign()
		if err.Error() != logged {
			e.log.Error("cannot join the election of the one syncer that writes; retrying", "error", err)
			logged = err.Error()
		}
		select {
		case <-ctx.Done():
		case <-time.After(joinRetry):
		}
	}
}

// Holds reports whether this replica has the Lease, and has renewed it in time, so that no other can have it. It is for
// what only the Lease guards: records have claims, and are kept while the host cannot be reached. Any goroutine may
// call it.
func (e *Election) Holds() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.run != nil && e.run.IsLeader()
}

// Abstain releases the Lease, if this replica has it, and keeps this replica from acquiring it until another one has
// had it (O1e). It does not block.
func (e *Election) Abstain() {
	e.abstain.begin(time.Now())
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.resign != nil {
		e.resign()
	}
}

func (e *Election) elector(ctx context.Context) (*leaderelection.LeaderElector, error) {
	client, err := newClient(e.host, leaseRenew/2) // two tries
	if err != nil {
		return nil, err
	}
	announce := func(t Tenure) {
		select {
		case e.changed <- t:
		case <-ctx.Done():
		}
	}
	lock := &lease{log: e.log, abstain: &e.abstain, Interface: &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: e.host.Namespace, Name: e.host.Lease},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: e.Identity},
	}}
	return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          lock,
		LeaseDuration: leaseDuration, RenewDeadline: leaseRenew, RetryPeriod: leaseRetry, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { announce(Tenure{e.Identity, lock.term.Load()}) },
			OnStoppedLeading: func() {},
			OnNewLeader: func(holder string) {
				if holder != e.Identity && holder != "" {
					announce(Tenure{Holder: holder})
				}
			},
		},
	})
}

// A replica that is deposed again within relapse leaves the Lease to others for abstainAgain at least, even if they
// lose it sooner: two deployments that claim each other's names by mistake must not change leaders every few seconds.
const relapse, abstainAgain = 10 * time.Minute, time.Minute

// abstention keeps a deposed replica from acquiring the Lease until another one has had it (O1e). The zero value does
// not abstain.
type abstention struct {
	mu     sync.Mutex
	active bool
	others bool          // another replica has held the Lease since
	since  time.Time     // when the last abstention began
	least  time.Duration // its minimum length
}

func (a *abstention) begin(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.least = 0
	if !a.since.IsZero() && now.Sub(a.since) < relapse {
		a.least = abstainAgain
	}
	a.active, a.others, a.since = true, false, now
}

// saw records the holder of the Lease.
func (a *abstention) saw(holder, self string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.others = a.others || holder != "" && holder != self
}

// blocks reports whether this replica must not acquire or renew the Lease at now.
func (a *abstention) blocks(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.others && now.Sub(a.since) >= a.least {
		a.active = false
	}
	return a.active
}
