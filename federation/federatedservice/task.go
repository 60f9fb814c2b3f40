package federatedservice

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/propagate"
)

// task is what has been done about one Service in a member. writer.mu guards it, except for contest and applied, which
// are for the one worker that has the key.
type task struct {
	goal     string // what done and failure are about
	done     bool
	failure  propagate.Failure
	failures int  // in a row
	dirty    bool // the member has another version than those known here
	retryAt  time.Time
	polled   bool     // it is looked at often, as no event comes
	versions []string // the last ones that we have read or written
	settled  string   // the trace of the Service as we have left it; "" if it is not as it should be

	contest propagate.Contest
	stopped bool   // because of the contest
	applied string // the body applied last
}

const keptVersions = 8

// knows reports whether what a member shows is no news: we have left it so, or only fields of others have changed.
func (t *task) knows(o *metav1.PartialObjectMetadata) bool {
	return slices.Contains(t.versions, o.ResourceVersion) ||
		t.done && t.settled != "" && t.settled == propagate.Trace(&o.ObjectMeta)
}

// goal is what is to be reached in a member.
type goal struct {
	id      string // equal for equal goals
	service *v1alpha1.FederatedService
	want    *propagate.Want // nil to remove
	mark    propagate.Mark
	fence   propagate.Failure
	owed    bool
}

// goal returns what is to be reached for a Service in the member; nil if that is nothing.
func (m *writer) goal(k key) *goal {
	o, f := m.session.watch.member(m.name), m.session.watch.service(k)
	if o == nil {
		return nil
	}
	owner := m.session.owner()
	g := &goal{service: f, mark: propagate.NewMark(owner, k.Namespace, k.Name), fence: propagate.Fence(o, k.Namespace)}
	g.owed = slices.Contains(o.Status.PendingDeletions, k.String())
	kept := f != nil && slices.Contains(f.Finalizers, finalizer)
	switch {
	case f == nil || f.DeletionTimestamp != nil && !kept:
		if !g.owed {
			return nil
		}
	case f.DeletionTimestamp != nil:
	case propagate.Selects(f.Spec.Placement, o):
		if !kept {
			return nil // until it has the finalizer
		}
		g.want = propagate.NewWant(owner, f)
	case !g.owed && !m.shows().marked(k, g.mark) && !m.has(k):
		return nil
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %d %t ", owner, o.UID, o.Generation, g.want == nil)
	if f != nil {
		fmt.Fprintf(h, "%s %d %t", f.UID, f.Generation, f.DeletionTimestamp != nil)
		for _, name := range slices.Sorted(maps.Keys(f.Annotations)) {
			fmt.Fprintf(h, " %q=%q", name, f.Annotations[name])
		}
	}
	g.id = fmt.Sprintf("%x", h.Sum64())
	return g
}

// has reports whether the Service may be in the member because of what was done there.
func (m *writer) has(k key) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[k]
	return t != nil && t.applied != ""
}

// begin returns the task of a key, if there is anything to do about its goal now.
func (m *writer) begin(k key, g *goal) *task {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.tasks[k]
	if t == nil {
		t = &task{}
		m.tasks[k] = t
	}
	same, now := t.goal == g.id, time.Now()
	due := !t.done && !now.Before(t.retryAt)
	switch {
	case !same:
		t.stopped, t.failures, t.done, t.failure = false, 0, false, propagate.Failure{}
		t.contest = propagate.Contest{}
	case due:
		t.stopped = false
	case !t.dirty, t.stopped:
		return nil
	}
	t.goal, t.dirty, t.settled = g.id, false, ""
	return t
}

// work does what is to be done about a Service now.
func (m *writer) work(ctx context.Context, k key) {
	if !m.session.leads() {
		return
	}
	g := m.goal(k)
	if g == nil {
		return
	}
	client, gate := m.connection()
	if !gate.open {
		return // when that changes, everything is looked at
	}
	t := m.begin(k, g)
	if t == nil {
		return
	}
	failure, ok := g.fence, false
	if g.fence.Reason == "" {
		failure, ok = m.carryOut(ctx, client, k, g, t)
	}
	if ctx.Err() != nil {
		return
	}
	m.end(k, g, t, failure, ok)
	if ok && g.owed {
		if err := m.session.owed.remove(ctx, m.name, k); err != nil {
			m.mu.Lock()
			t.dirty = true // else it is done, and nothing is tried again
			m.mu.Unlock()
			m.queue.AddRateLimited(k)
		}
	}
}

// end notes how a task went, and has it tried again when that is due (G9).
func (m *writer) end(k key, g *goal, t *task, failure propagate.Failure, ok bool) {
	m.mu.Lock()
	before := t.failure
	t.done, t.failure, t.polled = ok, failure, false
	var wait time.Duration
	switch {
	case ok:
		t.failures = 0
		if g.want == nil {
			t.applied = ""
		} else if o := m.services.get(k); o != nil && t.knows(o) {
			t.dirty = false // what was shown meanwhile is our own work
		}
	case failure.Retry == propagate.OnEvent:
		t.failures, wait = 0, onEvent
		if t.polled = polls(m.tasks, k, failure); t.polled {
			wait = pollEvery
		}
	default:
		wait = min(minBackoff<<min(t.failures, 10), maxBackoff)
		t.failures++
	}
	t.retryAt = time.Now().Add(wait)
	dirty := t.dirty
	m.mu.Unlock()
	switch {
	case dirty:
		m.queue.Add(k)
	case wait > 0:
		m.queue.AddAfter(k, wait)
	}
	if failure.Lacks {
		m.rights.ask()
	}
	if before.Reason == v1alpha1.ReasonNamespaceMissing && failure.Reason != before.Reason {
		m.again(func(other key, t *task) bool {
			return other.Namespace == k.Namespace && t.failure.Reason == v1alpha1.ReasonNamespaceMissing
		})
	}
	if before.Reason != failure.Reason {
		m.session.report.changed(g.service, m.name, k, failure)
	}
	m.session.report.add(k)
	if g.service != nil && g.service.DeletionTimestamp != nil {
		m.session.queue.Add(k)
	}
}

// polls reports whether a Service is to be looked at often after a failure: no event says that one which is not ours is
// gone, or that a namespace has come (G9). One Service is enough for a namespace.
func polls(tasks map[key]*task, k key, failure propagate.Failure) bool {
	homeless := failure.Reason == v1alpha1.ReasonNamespaceMissing
	if !homeless && failure.Reason != v1alpha1.ReasonNotOurs {
		return false
	}
	n := 0
	for other, t := range tasks {
		if other == k || !t.polled {
			continue
		}
		if n++; homeless && other.Namespace == k.Namespace && t.failure.Reason == failure.Reason {
			return false
		}
	}
	return n < maxPolled
}

// tries bounds how often one look at a Service may be overtaken by somebody else's change.
const tries = 8

// carryOut takes the steps towards a goal. It reports whether the goal is reached, or else why not.
func (m *writer) carryOut(ctx context.Context, c *memberClient, k key, g *goal, t *task) (propagate.Failure, bool) {
	var have *corev1.Service
	var err error
	if !g.absent(m.shows(), k, t.failure) {
		have, err = c.get(ctx, k)
	}
	for range tries {
		if err != nil {
			failure := propagate.Classify(err)
			if failure.Retry != propagate.Again {
				return failure, false
			}
			have, err = c.get(ctx, k)
			continue
		}
		m.note(t, have, false)
		step, decided := g.next(have)
		if decided != nil {
			return propagate.Failure{
				Reason: v1alpha1.ReasonRefused, Message: decided.Error(), Retry: propagate.OnEvent,
			}, false
		}
		switch step.Action {
		case propagate.Stop:
			failure := propagate.Failure{Reason: step.Reason, Message: step.Message, Retry: propagate.OnEvent}
			return failure, step.Reason == ""
		case propagate.Create:
			m.set(func() { t.applied = string(step.Body) }) // it may be there although no answer comes
			have, err = c.apply(ctx, k, step.Body, false)
			if apierrors.IsConflict(err) { // there is one
				have, err = c.get(ctx, k)
				continue
			}
			if err == nil {
				m.log.Info("created the Service", "service", k.String())
			}
		case propagate.Apply:
			var failure propagate.Failure
			if have, failure, err = m.apply(ctx, c, k, have, step.Body, t); failure.Reason != "" {
				return failure, false
			}
		case propagate.Patch:
			if have, err = c.patch(ctx, k, step.Body); apierrors.IsInvalid(err) { // a test in it failed
				have, err = c.get(ctx, k)
				continue
			}
		case propagate.Delete:
			err = c.delete(ctx, k, step.UID, step.ResourceVersion)
			have = nil
			if err == nil {
				m.log.Info("deleted the Service", "service", k.String())
			}
		}
		if err == nil && step.Last {
			m.note(t, have, g.want != nil)
			return propagate.Failure{}, true
		}
	}
	return propagate.Failure{
		Reason: v1alpha1.ReasonPending, Message: "the Service there changes all the time",
	}, false
}

// absent reports whether nothing seems to be where a Service is wanted, after a failure before: it is then created
// without a look, which changes nothing if that is wrong (G2).
func (g *goal) absent(member *memberServices, k key, before propagate.Failure) bool {
	stranger := before.Reason == v1alpha1.ReasonNotOurs || before.Reason == v1alpha1.ReasonConflict
	return g.want != nil && member.synced() && member.get(k) == nil && !stranger
}

func (g *goal) next(have *corev1.Service) (propagate.Step, error) {
	if g.want == nil {
		return propagate.Remove(g.mark, have)
	}
	return propagate.Next(g.want, have)
}

// apply applies a Service that is ours: without force first, to learn who has changed what (G4).
func (m *writer) apply(ctx context.Context, c *memberClient, k key, have *corev1.Service, body []byte, t *task) (
	*corev1.Service, propagate.Failure, error,
) {
	again := t.applied == string(body)
	next, err := c.apply(ctx, k, body, false)
	var conflicts []propagate.Conflict
	if err != nil {
		if conflicts = propagate.Classify(err).Conflicts; len(conflicts) == 0 {
			return nil, propagate.Failure{}, err
		}
		if failure, stop := t.contest.Drift(time.Now(), conflicts); stop {
			m.set(func() { t.stopped = true })
			return nil, failure, nil
		}
		if next, err = c.apply(ctx, k, body, true); err != nil {
			return nil, propagate.Failure{}, err
		}
	}
	m.set(func() { t.applied = string(body) })
	changed := !equality.Semantic.DeepEqual(next.Spec, have.Spec) || !maps.Equal(next.Labels, have.Labels) ||
		!maps.Equal(next.Annotations, have.Annotations) // a status may have changed meanwhile
	if changed {
		m.log.Info("applied the Service", "service", k.String(), "conflicts", conflicts)
	}
	if changed && again && len(conflicts) == 0 {
		if failure, stop := t.contest.Drift(time.Now(), nil); stop {
			m.set(func() { t.stopped = true })
			return next, failure, nil
		}
	}
	return next, propagate.Failure{}, nil
}

// set changes a task.
func (m *writer) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// note keeps the version of a Service, so that the watch's word of it is no news, and its trace if it is as it is
// wanted.
func (m *writer) note(t *task, have *corev1.Service, settled bool) {
	if have == nil || have.ResourceVersion == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(t.versions, have.ResourceVersion) {
		t.versions = append(t.versions, have.ResourceVersion)
		t.versions = t.versions[max(0, len(t.versions)-keptVersions):]
	}
	if settled {
		t.settled = propagate.Trace(&have.ObjectMeta)
	}
}
