package federatedservice

import (
	"context"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/federation/snapshot"
)

// hostWorkers is how many FederatedServices are worked on at once.
const hostWorkers = 8

// session is a Controller at work with one client of the host.
type session struct {
	*Controller
	ctx    context.Context
	client *hostClient
	watch  *hostWatch
	// queue has the FederatedServices whose finalizer is to be set or removed, and whose members are to be told.
	queue  workqueue.TypedRateLimitingInterface[key]
	report *reporter
	owed   *owed

	mu      sync.Mutex
	leading bool
	members map[string]*writer // those with propagation Enabled
}

func newSession(ctx context.Context, c *Controller, client *hostClient) *session {
	s := &session{
		Controller: c, ctx: ctx, client: client, watch: newHostWatch(client, c.said), queue: newQueue(),
		members: map[string]*writer{},
	}
	s.report, s.owed = newReporter(s), newOwed(s)
	handle(s.watch.services, func(before, after *v1alpha1.FederatedService) {
		f := after
		if after == nil {
			f = before
		}
		s.queue.Add(key{Namespace: f.Namespace, Name: f.Name})
	})
	handle(s.watch.members, func(before, after *v1alpha1.MemberCluster) {
		if before == nil || after == nil || before.UID != after.UID || before.Generation != after.Generation ||
			!equality.Semantic.DeepEqual(before.Labels, after.Labels) {
			s.all()
		}
		if after == nil {
			return
		}
		if m := s.member(after.Name); m != nil {
			m.owes() // the FederatedService may have gone before that was seen
		}
	})
	return s
}

func newQueue() workqueue.TypedRateLimitingInterface[key] {
	return workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[key](minBackoff, maxBackoff))
}

// start starts what works until stop.
func (s *session) start(running *sync.WaitGroup) {
	s.watch.run(s.ctx, running)
	for range hostWorkers {
		running.Go(func() {
			work(s.queue, func(k key) error { return s.tell("FederatedService "+k.String(), s.reconcile(k)) })
		})
	}
	s.report.start(running)
	s.owed.start(running)
}

// work handles what is in a queue until that is shut down.
func work(queue workqueue.TypedRateLimitingInterface[key], do func(key) error) {
	for {
		k, down := queue.Get()
		if down {
			return
		}
		if err := do(k); err != nil {
			queue.AddRateLimited(k)
		} else {
			queue.Forget(k)
		}
		queue.Done(k)
	}
}

// tell logs why something could not be written to the host, once, and that it is. What was overtaken by another change
// is no news.
func (s *session) tell(what string, err error) error {
	switch {
	case err == nil:
		s.said.Passed(what, what+": it is written")
	case s.ctx.Err() == nil && !apierrors.IsConflict(err):
		s.said.Error(what, what+": cannot write to the host; retrying", err)
	}
	return err
}

// stop ends the queues, and waits for the members' requests, whose context has ended.
func (s *session) stop() {
	s.queue.ShutDown()
	s.report.stop()
	s.owed.stop()
	s.mu.Lock()
	stopped := slices.Collect(maps.Values(s.members))
	s.members = map[string]*writer{}
	s.mu.Unlock()
	for _, m := range stopped {
		m.stop()
	}
}

// all has every FederatedService looked at.
func (s *session) all() {
	for _, k := range s.watch.keys() {
		s.queue.Add(k)
	}
}

// leads reports whether this replica may write.
func (s *session) leads() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leading && s.opt.Holds()
}

// member returns a member whose propagation is Enabled; nil if it is not, or not yet known.
func (s *session) member(name string) *writer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members[name]
}

// look starts and stops members, and has statuses written, as the snapshots and objects say now.
func (s *session) look() {
	var all []*snapshot.Federation
	for _, f := range s.opt.Snapshots() {
		if f != nil && f.Claim.Deposed == nil {
			all = append(all, f)
		}
	}
	leads := len(all) > 0 && s.opt.Holds() && s.watch.synced()
	want := map[string]*v1alpha1.MemberCluster{}
	for _, m := range s.watch.memberClusters() {
		if leads && m.Spec.Propagation == v1alpha1.PropagationEnabled {
			want[m.Name] = m
		}
	}
	s.mu.Lock()
	began := leads && !s.leading
	s.leading = leads
	var stopped []*writer
	for name, m := range s.members {
		if o := want[name]; o == nil || o.UID != m.uid || o.Spec.KubeconfigSecret != m.secret {
			delete(s.members, name)
			stopped = append(stopped, m)
		}
	}
	var started []*writer
	for name, o := range want {
		if s.members[name] == nil {
			s.members[name] = newWriter(s, o)
			started = append(started, s.members[name])
		}
	}
	running := maps.Clone(s.members)
	s.mu.Unlock()
	for _, m := range stopped {
		m.stop()
	}
	for _, m := range started {
		m.start()
	}
	for name, m := range running {
		m.look(standing(all, name))
	}
	if began || len(started) > 0 || len(stopped) > 0 {
		s.all()
	}
	if leads {
		s.owed.look()
		s.report.look(all)
	}
}

// reconcile gives a FederatedService its finalizer before anything of it can be in a member, tells the members, and
// removes the finalizer when nothing of it is left (G8).
func (s *session) reconcile(k key) error {
	if !s.leads() {
		return nil // all are looked at when this replica begins to lead
	}
	f := s.watch.service(k)
	s.report.add(k)
	if f == nil {
		s.each(func(m *writer) { m.forget(k) })
		return nil
	}
	has := slices.Contains(f.Finalizers, finalizer)
	if f.DeletionTimestamp == nil {
		if !has && len(propagate.Selected(f.Spec.Placement, s.watch.memberClusters())) > 0 {
			return s.client.setFinalizers(s.ctx, f, append(slices.Clone(f.Finalizers), finalizer))
		}
		s.each(func(m *writer) { m.queue.Add(k) })
		return nil
	}
	if !has {
		return nil
	}
	if done, err := s.removed(k, f); err != nil || !done {
		return err
	}
	return s.client.setFinalizers(s.ctx, f, slices.DeleteFunc(slices.Clone(f.Finalizers), func(name string) bool {
		return name == finalizer
	}))
}

func (s *session) each(do func(*writer)) {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.members))
	s.mu.Unlock()
	for _, m := range all {
		do(m)
	}
}

// removed reports whether nothing of a deleted FederatedService is left in the members, or what is left stands among
// what they owe (G8). Where it may not touch anything, nothing is owed.
func (s *session) removed(k key, f *v1alpha1.FederatedService) (bool, error) {
	done := true
	for _, o := range s.watch.memberClusters() {
		if propagate.Fence(o, k.Namespace).Reason != "" {
			continue
		}
		m := s.member(o.Name)
		if m == nil {
			done = false // it is about to be known
			continue
		}
		switch gone, failure := m.removal(k, f); {
		case gone:
		case failure == nil:
			done = false
			m.queue.Add(k)
		default:
			room, err := s.owed.add(s.ctx, o.Name, k)
			if err != nil {
				return false, err
			}
			if !room {
				done = false
				s.report.full(f, o.Name)
			}
		}
	}
	return done, nil
}
