package member

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/resolve"
)

// nodesForbidden is how long Nodes may be forbidden before the member counts as one without topology: a server that has
// just started may refuse for a moment what it then grants.
const nodesForbidden = 20 * time.Second

// content turns what the watches of a member deliver since the last Relist into events. An event of a watch touches the
// shard of its Service only.
type content struct {
	ctx      context.Context // ends with these watches
	config   Config
	hosts    *resolve.Cache[ShardKey]
	emit     func(Event)
	answered func() bool // the last probe was answered

	mu         sync.Mutex // held while events are sent, which keeps them in order
	services   services
	mislabeled mislabeled
	nodes      nodes
	liveness   liveness
	progress   progress
	hostWait   hostWait
	report     report
}

func newContent(
	ctx context.Context, c Config, hosts *resolve.Cache[ShardKey], history *TopologyHistory, emit func(Event),
) *content {
	watched := []kind{kindServices, kindSlices}
	if c.Topology == nil {
		watched = append(watched, kindNodes)
	}
	t := &content{
		ctx: ctx, config: c, hosts: hosts, emit: emit, answered: func() bool { return true },
		services: newServices(c.MaxServices), mislabeled: mislabeled{}, nodes: newNodes(c.Topology, history),
		liveness: newLiveness(time.Now(), watched...), progress: newProgress(watched),
	}
	t.report.topology = t.nodes.known()
	return t
}

// inherit carries over what the watches before these have seen.
func (t *content) inherit(before *content) {
	before.mu.Lock()
	defer before.mu.Unlock()
	t.liveness.inherit(&before.liveness)
}

// locked calls f with the lock held, unless the watches have ended.
func (t *content) locked(f func()) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.ctx.Err(); err != nil {
		return err
	}
	f()
	return nil
}

// put adds or replaces one object.
func (t *content) put(obj any) {
	switch o := obj.(type) {
	case *corev1.Service:
		t.putService(trimService(o))
	case *discoveryv1.EndpointSlice:
		t.sendShards(t.services.putSlice(objectKey{o.Namespace, o.Name}, trimSlice(o))...)
	case *metav1.PartialObjectMetadata:
		if t.nodes.put(o.Name, trimLabels(o.Labels)) {
			t.sendReport()
		}
	}
}

func (t *content) putService(s service) {
	name := s.key.Service
	if !slices.Contains(t.config.Federations, s.key.Federation) {
		t.sendShards(t.services.remove(name)...) // it lost its label, or is another syncer's now
		t.setMislabeled(name, string(s.key.Federation), s.labeled)
		return
	}
	t.setMislabeled(name, "", false)
	t.sendShards(t.services.put(s)...)
}

// remove removes one object.
func (t *content) remove(obj any) {
	switch o := obj.(type) {
	case *corev1.Service:
		name := federation.ServiceName{Namespace: o.Namespace, Name: o.Name}
		t.sendShards(t.services.remove(name)...)
		t.setMislabeled(name, "", false)
	case *discoveryv1.EndpointSlice:
		t.sendShards(t.services.putSlice(objectKey{o.Namespace, o.Name}, endpointSlice{})...)
	case *metav1.PartialObjectMetadata:
		t.nodes.remove(o.Name)
		t.sendReport()
	}
}

// replace replaces all objects of a kind with those of a list.
func (t *content) replace(k kind, objs []any) {
	t.progress.beginList()
	switch k {
	case kindServices:
		t.services.clearServices()
		clear(t.mislabeled)
	case kindSlices:
		t.services.clearSlices()
	case kindNodes:
		t.nodes.clear()
	}
	for _, o := range objs {
		t.put(o)
	}
	t.progress.endList(k)
	t.liveness.activity(k, time.Now())
	if !t.liveness.failures[k].watch { // a list does not show that the watch works
		t.recovered(k)
	}
	t.sendList()
	t.sendReport()
}

// identified records which cluster the member is.
func (t *content) identified(id identity) {
	t.progress.identity = &id
	t.nodes.history.setCluster(id.uid)
	t.sendList()
}

// hostChanged sends the shard again when what is known about one of its host names has changed.
func (t *content) hostChanged(key ShardKey) {
	if !t.progress.sent {
		t.sendList()
		return
	}
	if t.services.has(key) {
		t.sendShards(key)
	}
}

func (t *content) setMislabeled(name federation.ServiceName, label string, is bool) {
	if t.mislabeled.set(name, label, is) {
		t.sendReport()
	}
}

// active records a sign of life of a watch.
func (t *content) active(k kind) {
	t.liveness.activity(k, time.Now())
	t.recovered(k)
}

// recovered records that a watch works, which is less than a sign of life, and reports whether it had failed.
func (t *content) recovered(k kind) (news bool) {
	if news = t.liveness.recovered(k); news {
		t.sendReport()
	}
	return news
}

// failed records that a list or a watch failed, and reports whether it is the first failure in a row, or one for
// another reason. It will be retried.
func (t *content) failed(k kind, watch bool, err error) (news bool) {
	now := time.Now()
	news = t.liveness.fail(k, watch, err, now)
	if k == kindNodes && !t.progress.listed[k] && apierrors.IsForbidden(err) &&
		now.Sub(t.liveness.failures[k].since) >= nodesForbidden {
		t.progress.listed[k] = true // the shards must not wait for it
		t.sendList()
	}
	t.sendReport()
	return news
}

// overdue reports whether a kind has shown nothing for longer than bookmarks take.
func (t *content) overdue(k kind) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.liveness.overdue(k, time.Now())
}

// sendList sends the complete content as soon as it is there. The first ListEvent also waits for the lookups of the
// host names: a published address must not be withdrawn because the syncer was started.
func (t *content) sendList() {
	p := &t.progress
	if p.sent || !p.complete() || p.hostsRequested && t.waitForHosts() {
		return
	}
	first := !p.hostsRequested
	shards := t.shards()
	for _, user := range t.hosts.Users() {
		if !t.services.has(user) {
			t.hosts.Retain(user)
		}
	}
	p.hostsRequested = true
	if t.waitForHosts() {
		return
	}
	if first && len(t.hosts.Users()) > 0 {
		shards = t.shards() // names that were requested just now may be known already
	}
	p.sent = true
	t.report.topology, t.report.problems = t.current()
	t.emit(ListEvent{
		Member: t.config.Name, Shards: shards, ClusterUID: p.identity.uid, Version: p.identity.version,
		Topology: t.report.topology, Problems: t.report.problems,
	})
}

func (t *content) waitForHosts() bool {
	return t.hostWait.pending(t.hosts.Settled, func() {
		_ = t.locked(func() { t.hostWait.timer = nil; t.sendList() })
	})
}

// sendShards sends the shards, and nothing before the ListEvent.
func (t *content) sendShards(keys ...ShardKey) {
	if !t.progress.sent {
		return
	}
	for _, key := range keys {
		e := ShardEvent{Member: t.config.Name, Key: key, Seen: time.Now()}
		if t.services.has(key) {
			e.Shard = t.shard(key)
		} else {
			t.hosts.Retain(key)
		}
		t.emit(e)
	}
}

// shards returns the shards of all Services, and requests their host names.
func (t *content) shards() map[ShardKey]Shard {
	out := make(map[ShardKey]Shard, len(t.services.list))
	for _, s := range t.services.list {
		if shard := t.shard(s.key); shard != nil {
			out[s.key] = *shard
		}
	}
	return out
}

// shard returns the shard of a Service that there is; nil if the Service is being deleted (H5). It requests the host
// names of the shard, and releases those that it no longer uses.
func (t *content) shard(key ShardKey) *Shard {
	s := t.services.list[key.Service]
	if s.deleting {
		t.hosts.Retain(key)
		return nil
	}
	var used []federation.FQDN
	eps, overLimit := t.services.endpoints[key.Service], t.services.quota.exceeds(key.Service)
	shard := t.config.shard(s, eps, overLimit, func(h federation.FQDN) resolve.Host {
		used = append(used, h)
		return t.hosts.Get(h, key)
	})
	t.hosts.Retain(key, used...)
	return &shard
}

// sendReport sends the topology and the member's problems if they have changed; during a list only the problems. It
// compares them at most once per reportInterval, and then schedules itself.
func (t *content) sendReport() {
	p := &t.progress
	if p.replacing || !p.sent && p.allListed() {
		return // the ListEvent has them
	}
	now := time.Now()
	if wait := t.report.checked.Add(reportInterval).Sub(now); wait > 0 {
		t.scheduleReport(wait)
		return
	}
	t.report.checked = now
	topology, problems := t.current()
	if !p.allListed() {
		topology = t.report.topology
	}
	if sameTopology(topology, t.report.topology) && slices.Equal(problems, t.report.problems) {
		return
	}
	t.report.topology, t.report.problems = topology, problems
	t.emit(TopologyEvent{Member: t.config.Name, Topology: topology, Problems: problems})
}

func (t *content) scheduleReport(after time.Duration) {
	t.report.schedule(after, func() {
		_ = t.locked(func() { t.report.timer = nil; t.sendReport() })
	})
}

// current returns the topology, and the problems that belong to no shard. If time alone will change them, it schedules
// a report for then.
func (t *content) current() (federation.Member, []federation.Problem) {
	now := time.Now()
	problems, next := t.liveness.problems(t.config.Name, now, t.answered())
	problems = append(problems, t.mislabeled.problems(t.config.Name)...)
	topology, labelProblems, delay := t.nodes.topology(t.progress.listed[kindNodes], now)
	problems = append(problems, labelProblems...)
	if next == 0 || delay > 0 && delay < next {
		next = delay
	}
	if next > 0 {
		t.scheduleReport(next)
	}
	return topology, boundProblems(problems)
}

// identity is which cluster a member is, and the version of its server.
type identity struct{ uid, version string }

// progress is how far the lists are. A ListEvent is sent when everything is there.
type progress struct {
	reached        chan struct{} // closed by the first list
	identity       *identity     // nil: not known yet
	listed         [kinds]bool
	replacing      bool // a list is being put in: no events for single objects
	hostsRequested bool // of all shards
	sent           bool // the ListEvent
}

func newProgress(watched []kind) progress {
	p := progress{reached: make(chan struct{})}
	for k := range kinds {
		p.listed[k] = !slices.Contains(watched, k)
	}
	return p
}

func (p *progress) allListed() bool { return !slices.Contains(p.listed[:], false) }

func (p *progress) complete() bool { return p.identity != nil && p.allListed() }

// beginList begins the replacement of all objects of a kind, after which there has to be another ListEvent.
func (p *progress) beginList() {
	p.sent, p.hostsRequested, p.replacing = false, false, true
}

func (p *progress) endList(k kind) {
	p.listed[k], p.replacing = true, false
	select {
	case <-p.reached:
	default:
		close(p.reached)
	}
}

// hostWait is the time for which the first ListEvent waits for the lookups of host names: a little longer than a lookup
// may take, and only once.
type hostWait struct {
	started bool
	timer   *time.Timer // ends it; nil before and after
}

// pending reports whether the ListEvent has still to wait. Once the time is over, expire is called, which must set
// timer to nil.
func (w *hostWait) pending(settled func() bool, expire func()) bool {
	if !w.started && !settled() {
		w.started = true
		w.timer = time.AfterFunc(resolve.LookupTimeout+time.Second, expire)
	}
	if w.timer == nil {
		return false
	}
	if !settled() {
		return true
	}
	w.timer.Stop()
	w.timer = nil
	return false
}
