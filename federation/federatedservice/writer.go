package federatedservice

import (
	"context"
	"log/slog"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/kubeconfig"
)

const (
	// memberWorkers is how many Services of one member are worked on at once.
	memberWorkers = 4
	// minBackoff and maxBackoff bound the wait before what may heal is tried again; it doubles with each failure in a
	// row. onEvent is the wait where only an event is likely to help (G9).
	minBackoff, maxBackoff = time.Second, time.Minute
	onEvent                = 5 * time.Minute
	// pollEvery is the wait where no event comes, as the watch has no Services without our label and no namespaces:
	// for at most maxPolled Services of a member.
	pollEvery = 30 * time.Second
	maxPolled = 10
	// kubeconfigEvery is how often a kubeconfig that cannot be used is looked at.
	kubeconfigEvery = 5 * time.Second
)

// writer writes Services into one member.
type writer struct {
	session *session
	log     *slog.Logger
	name    string
	uid     types.UID // of the MemberCluster
	secret  v1alpha1.SecretKey
	queue   workqueue.TypedRateLimitingInterface[key]
	cancel  context.CancelFunc
	running sync.WaitGroup
	rights  rights

	mu       sync.Mutex
	gate     gate
	client   *memberClient
	services *memberServices // of client
	tasks    map[key]*task
}

func newWriter(s *session, o *v1alpha1.MemberCluster) *writer {
	return &writer{
		session: s, log: s.opt.Log.With("member", o.Name), name: o.Name, uid: o.UID, secret: o.Spec.KubeconfigSecret,
		queue: newQueue(), tasks: map[key]*task{}, gate: undecided("the syncer is about to take the member up"),
	}
}

func (m *writer) start() {
	ctx, cancel := context.WithCancel(m.session.ctx)
	m.cancel = cancel
	m.running.Go(func() { m.connect(ctx) })
	for range memberWorkers {
		m.running.Go(func() { work(m.queue, func(k key) error { m.work(ctx, k); return nil }) })
	}
}

// stop ends the member's requests, and waits for them.
func (m *writer) stop() {
	m.cancel()
	m.queue.ShutDown()
	m.running.Wait()
}

// connect makes a client whenever the kubeconfig changes, until ctx ends.
func (m *writer) connect(ctx context.Context) {
	follower := &kubeconfig.SecretFollower{Secrets: m.session.opt.Secrets, Key: kubeconfig.SecretKey(m.secret)}
	stop := func() {}
	defer func() { stop() }()
	tick := time.NewTicker(kubeconfigEvery)
	defer tick.Stop()
	for {
		changed := follower.Changed()
		next, err := follower.Next() // what is wrong with it is in the condition Ready
		if err == nil && next != nil {
			client, err := newMemberClient(next)
			if err != nil {
				follower.Retry()
			} else {
				stop()
				stop = m.use(ctx, client)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// use makes client the one in use, and watches by it until stop.
func (m *writer) use(ctx context.Context, client *memberClient) (stop func()) {
	ctx, cancel := context.WithCancel(klog.NewContext(ctx, klog.Logger{})) // the syncer's other watch there has errors
	informer := client.informer()
	handle(informer, func(before, after *metav1.PartialObjectMetadata) {
		if after == nil {
			m.seen(key{Namespace: before.Namespace, Name: before.Name}, nil)
			return
		}
		m.seen(key{Namespace: after.Namespace, Name: after.Name}, after)
	})
	done := make(chan struct{})
	go func() { defer close(done); informer.RunWithContext(ctx) }()
	m.mu.Lock()
	m.client, m.services = client, &memberServices{informer.GetStore(), informer.HasSynced}
	m.mu.Unlock()
	m.rights.ask()
	m.everything()
	return func() { cancel(); <-done }
}

// connection returns what requests are sent by; the failure says why none may be sent.
func (m *writer) connection() (*memberClient, gate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gate.open && m.client == nil {
		return nil, undecided("the kubeconfig of the member cannot be used")
	}
	return m.client, m.gate
}

// look takes what the federations know of the member, and asks for its rights when that is due.
func (m *writer) look(g gate) {
	m.mu.Lock()
	changed := g.open != m.gate.open || g.waiting != m.gate.waiting
	m.gate = g
	client := m.client
	m.mu.Unlock()
	if changed {
		m.everything()
	}
	if !g.open || client == nil {
		return
	}
	if o := m.session.watch.member(m.name); o != nil {
		m.rights.look(m, client, o)
	}
}

// everything has all Services of the member looked at, and the deletions that wait for it: what was asked for while no
// request could be sent is not remembered.
func (m *writer) everything() {
	m.again(func(_ key, t *task) bool { return !t.done })
	m.session.all()
	m.owes()
}

// owes has looked at what the MemberCluster says is still to be removed.
func (m *writer) owes() {
	for _, k := range m.session.watch.owedBy(m.name) {
		m.queue.Add(k)
	}
}

// seen notes that the member shows a Service so; nil if it is gone.
func (m *writer) seen(k key, o *metav1.PartialObjectMetadata) {
	m.mu.Lock()
	t := m.tasks[k]
	news := t == nil || o == nil || !t.knows(o)
	if t != nil && news {
		t.dirty = true
	}
	m.mu.Unlock()
	if news {
		m.queue.Add(k)
	}
}

// shows returns what the member shows.
func (m *writer) shows() *memberServices {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.services
}

// again has those Services tried again at once for which cond holds.
func (m *writer) again(cond func(key, *task) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, t := range m.tasks {
		if cond(k, t) {
			t.dirty = true
			m.queue.Add(k)
		}
	}
}

// forget forgets a FederatedService that is gone, unless something of it is still owed.
func (m *writer) forget(k key) {
	m.mu.Lock()
	delete(m.tasks, k)
	m.mu.Unlock()
	m.queue.Add(k)
}
