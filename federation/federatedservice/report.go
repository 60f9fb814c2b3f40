package federatedservice

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/federation/snapshot"
)

const (
	// statusEvery is how often one status is written at most. gather is how long the first difference waits for what
	// comes with it: a shard that turns healthy is published a moment later.
	statusEvery = time.Second
	gather      = 250 * time.Millisecond
	// statusWorkers is how many statuses are written at once: one that gets no answer delays no other.
	statusWorkers = 8
)

// reporter writes the status of FederatedServices, and Events.
type reporter struct {
	session  *session
	queue    workqueue.TypedRateLimitingInterface[key]
	events   record.EventBroadcaster
	recorder record.EventRecorder
	current  atomic.Pointer[[]*snapshot.Federation]
	looked   look

	mu      sync.Mutex
	objects map[key]*written
}

// look is what the statuses were last compared with. It is for the session's goroutine.
type look struct {
	all    []*snapshot.Federation
	common map[*snapshot.Federation]string // what concerns all services
	views  map[key][]*snapshot.Service
}

// written is what is known of the writes of one status.
type written struct {
	next time.Time // not before
	due  bool      // next is for a difference that is known
	// before is the resource version in the watch when object was the result; until the watch has another one, object
	// is the newest.
	before string
	object *v1alpha1.FederatedService
}

func newReporter(s *session) *reporter {
	r := &reporter{session: s, queue: newQueue(), objects: map[key]*written{}}
	r.events = record.NewBroadcaster(record.WithContext(klog.NewContext(s.ctx, klog.Logger{})))
	r.recorder = r.events.NewRecorder(s.client.scheme, corev1.EventSource{Component: "federation-syncer"})
	return r
}

func (r *reporter) start(running *sync.WaitGroup) {
	r.events.StartRecordingToSink(sink{&v1.EventSinkImpl{Interface: r.session.client.core.Events("")}, r.session})
	for range statusWorkers {
		running.Go(func() { work(r.queue, r.write) })
	}
}

// sink says that Events cannot be written, which client-go would say to nobody.
type sink struct {
	record.EventSink
	session *session
}

// Create implements record.EventSink.
func (s sink) Create(e *corev1.Event) (*corev1.Event, error) {
	out, err := s.EventSink.Create(e)
	_ = s.session.tell("Events of FederatedServices", err)
	return out, err
}

// Patch implements record.EventSink.
func (s sink) Patch(e *corev1.Event, data []byte) (*corev1.Event, error) {
	out, err := s.EventSink.Patch(e, data)
	_ = s.session.tell("Events of FederatedServices", err)
	return out, err
}

func (r *reporter) stop() {
	r.queue.ShutDown()
	r.events.Shutdown()
}

// add has a status compared with what is known.
func (r *reporter) add(k key) { r.queue.Add(k) }

// look has those statuses compared that the snapshots concern: an unchanged service of an unchanged federation is not
// looked at.
func (r *reporter) look(all []*snapshot.Federation) {
	if slices.Equal(all, r.looked.all) {
		return // what has changed since comes with other snapshots
	}
	r.current.Store(&all)
	common := map[*snapshot.Federation]string{}
	for _, f := range all {
		if common[f] = r.looked.common[f]; common[f] == "" {
			common[f] = commonOf(f)
		}
	}
	changed := len(all) != len(r.looked.all)
	for i, f := range all {
		changed = changed || r.looked.common[r.looked.all[i]] != common[f]
	}
	views := map[key][]*snapshot.Service{}
	for _, k := range r.session.watch.keys() {
		var now []*snapshot.Service
		for _, f := range all {
			now = append(now, f.Views.Service(federation.ServiceName(k)))
		}
		views[k] = now
		if changed || !slices.Equal(now, r.looked.views[k]) {
			r.queue.Add(k)
		}
	}
	r.looked = look{all, common, views}
}

// write writes a status, if it is not as it is due to be.
func (r *reporter) write(k key) error {
	all := r.current.Load()
	watched := r.session.watch.service(k)
	if watched == nil {
		r.mu.Lock()
		delete(r.objects, k)
		r.mu.Unlock()
		return nil
	}
	if all == nil || !r.session.leads() {
		return nil
	}
	f := r.newest(k, watched)
	status := statusOf(time.Now(), f, *all, r.session.clusters(f))
	if wait, due := r.due(k, f.Status, status); !due {
		return nil
	} else if wait > 0 {
		r.queue.AddAfter(k, wait)
		return nil
	}
	r.mu.Lock()
	r.objects[k] = &written{next: time.Now().Add(statusEvery), before: watched.ResourceVersion}
	r.mu.Unlock()
	result, err := r.session.client.applyStatus(r.session.ctx, f, status)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // it is gone, or another one
		return nil
	}
	what := "status of " + k.String()
	if err != nil {
		r.session.said.Error(what, "cannot write the status of a FederatedService; retrying", err)
		return err
	}
	r.session.said.Passed(what, "the status of the FederatedService "+k.String()+" is written")
	r.mu.Lock()
	if o := r.objects[k]; o != nil {
		o.object = result
	}
	r.mu.Unlock()
	return nil
}

// newest returns f, or what was written to it, until the watch has that.
func (r *reporter) newest(k key, f *v1alpha1.FederatedService) *v1alpha1.FederatedService {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.objects[k]
	switch {
	case o == nil:
		return f
	case o.object != nil && o.before == f.ResourceVersion && o.object.UID == f.UID:
		return o.object
	}
	o.object = nil
	return f
}

// due reports whether a status is to be written, and how long that has to wait.
func (r *reporter) due(k key, is, want v1alpha1.FederatedServiceStatus) (wait time.Duration, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.objects[k]
	if sameStatus(is, want) {
		if o != nil {
			o.due = false
		}
		return 0, false
	}
	pause := gather
	if o == nil {
		o = &written{}
		r.objects[k] = o
		if waiting(want) { // that alone says nothing: the first status says how it went
			pause = statusEvery
		}
	}
	if !o.due {
		o.due = true
		if soon := time.Now().Add(pause); soon.After(o.next) {
			o.next = soon
		}
	}
	return time.Until(o.next), true
}

// changed says that a Service in a member could not be brought about, or is now. Each reason is said once.
func (r *reporter) changed(f *v1alpha1.FederatedService, name string, k key, failure propagate.Failure) {
	switch failure.Reason {
	case "":
		r.session.opt.Log.Info("the Service in the member is as it should be", "member", name, "service", k.String())
		return
	case v1alpha1.ReasonPending:
		return
	}
	r.session.opt.Log.Warn("the Service in the member is not as it should be", "member", name, "service", k.String(),
		"reason", failure.Reason, "message", failure.Message)
	if f == nil || failure.Reason == v1alpha1.ReasonMemberUnreachable ||
		failure.Reason == v1alpha1.ReasonPropagationDisabled {
		return // conditions of the member
	}
	r.recorder.Eventf(f, corev1.EventTypeWarning, failure.Reason, "%s: %s", name, failure.Message)
}

// full says that a deletion waits, as a member owes as many as its status has room for.
func (r *reporter) full(f *v1alpha1.FederatedService, name string) {
	r.recorder.Eventf(f, corev1.EventTypeWarning, "MemberUnreachable", "%s cannot be reached, and its "+
		"status.pendingDeletions is full: the deletion waits until it is back, or the MemberCluster is deleted", name)
}

// clusters returns what has become of f in each selected member.
func (s *session) clusters(f *v1alpha1.FederatedService) (list []cluster) {
	k := key{Namespace: f.Namespace, Name: f.Name}
	for _, name := range propagate.Selected(f.Spec.Placement, s.watch.memberClusters()) {
		c := cluster{name: name}
		o := s.watch.member(name)
		if o == nil {
			c.failure = propagate.Failure{
				Reason: v1alpha1.ReasonMemberUnknown, Message: "there is no MemberCluster of this name",
			}
		} else if c.failure = propagate.Fence(o, f.Namespace); c.failure.Reason == "" {
			c.failure = undecided("the syncer is about to take the member up").failure
			if m := s.member(name); m != nil {
				c.done, c.failure = m.propagated(k)
			}
		}
		list = append(list, c)
	}
	return list
}
