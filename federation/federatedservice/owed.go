package federatedservice

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/propagate"
)

// owed keeps in the status of the MemberClusters whether FederatedServices reach them, and what is still to be removed
// there (G8). What is owed is written before the FederatedService goes.
type owed struct {
	session *session
	queue   workqueue.TypedRateLimitingInterface[key] // of MemberClusters

	mu    sync.Mutex
	locks map[string]*sync.Mutex // by member: one write at a time
}

func newOwed(s *session) *owed {
	return &owed{session: s, queue: newQueue(), locks: map[string]*sync.Mutex{}}
}

// start starts what writes conditions, until stop.
func (o *owed) start(running *sync.WaitGroup) {
	for range hostWorkers {
		running.Go(func() {
			work(o.queue, func(k key) error {
				return o.session.tell("MemberCluster "+k.Name,
					o.update(o.session.ctx, k.Name, func(list []string) []string { return list }))
			})
		})
	}
}

func (o *owed) stop() { o.queue.ShutDown() }

// look has the conditions written that are not as they are due to be.
func (o *owed) look() {
	for _, m := range o.session.watch.memberClusters() {
		if !sameCondition(m.Status.Conditions, o.session.condition(m)) {
			o.queue.Add(key{Name: m.Name})
		}
	}
}

// add notes that a Service is owed by a member. It returns false if there is no room.
func (o *owed) add(ctx context.Context, name string, k key) (room bool, err error) {
	room = true
	err = o.update(ctx, name, func(list []string) []string {
		list, room = propagate.Owe(list, k.String())
		return list
	})
	return room, err
}

// remove notes that a Service is owed no more.
func (o *owed) remove(ctx context.Context, name string, k key) error {
	return o.update(ctx, name, func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(one string) bool { return one == k.String() })
	})
}

func (o *owed) lock(name string) *sync.Mutex {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.locks[name] == nil {
		o.locks[name] = &sync.Mutex{}
	}
	return o.locks[name]
}

// update writes what a member owes, and the condition, if they are not so yet. A member that is gone owes nothing.
func (o *owed) update(ctx context.Context, name string, change func([]string) []string) error {
	lock := o.lock(name)
	lock.Lock()
	defer lock.Unlock()
	for {
		m, err := o.session.client.memberCluster(ctx, name)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("MemberCluster %q: %w", name, err)
		}
		list, condition := change(m.Status.PendingDeletions), o.session.condition(m)
		if slices.Equal(list, m.Status.PendingDeletions) && sameCondition(m.Status.Conditions, condition) {
			return nil
		}
		if !o.session.leads() {
			return fmt.Errorf("this replica does not write")
		}
		err = o.session.client.applyPropagation(ctx, m, condition, list)
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}

// condition returns the condition PropagationReady of a MemberCluster.
func (s *session) condition(o *v1alpha1.MemberCluster) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionPropagationReady, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonPending,
		ObservedGeneration: o.Generation, LastTransitionTime: metav1.NewTime(time.Now().Truncate(time.Second)),
	}
	m := s.member(o.Name)
	switch {
	case o.Spec.Propagation != v1alpha1.PropagationEnabled:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonDisabled
		c.Message = "spec.propagation is Disabled: the syncer only reads there"
	case m == nil:
		c.Message = "the syncer is about to take the member up"
	default:
		m.condition(&c)
	}
	if old := meta.FindStatusCondition(o.Status.Conditions, c.Type); old != nil && old.Status == c.Status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	return c
}

func (m *writer) condition(c *metav1.Condition) {
	m.mu.Lock()
	gate := m.gate
	m.mu.Unlock()
	missing, known := m.rights.state()
	switch {
	case !gate.open:
		c.Message = gate.failure.Message
	case !known:
		c.Message = "the rights in the member are being looked at"
	case missing != "":
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonForbidden, missing
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonReady, "FederatedServices reach the member"
		if strays := m.strays(); len(strays) > 0 {
			c.Message += fmt.Sprintf("; %d Services there are of no FederatedService any more, delete them by hand: %s",
				len(strays), strings.Join(strays[:min(len(strays), 5)], ", "))
		}
	}
}

// strays returns the Services there that are ours, and whose FederatedService is gone: somebody removed its finalizer,
// or deleted it while propagation was Disabled. They are never deleted, as a list that lacks something proves nothing
// (G7).
func (m *writer) strays() (names []string) {
	owned := m.session.watch.owedBy(m.name)
	for _, o := range m.shows().all() {
		k := key{Namespace: o.Namespace, Name: o.Name}
		mark := propagate.MarkOf(o.Annotations)
		if mark.Of(m.session.owner(), o.Namespace, o.Name) && m.session.watch.service(k) == nil &&
			!slices.Contains(owned, k) {
			names = append(names, k.String())
		}
	}
	slices.Sort(names)
	return names
}

// sameCondition reports whether a condition is among those, but for its times.
func sameCondition(list []metav1.Condition, want metav1.Condition) bool {
	old := meta.FindStatusCondition(list, want.Type)
	return old != nil && old.Status == want.Status && old.Reason == want.Reason && old.Message == want.Message &&
		old.ObservedGeneration == want.ObservedGeneration
}
