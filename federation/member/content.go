package member

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/resolve"
)

// kind is a kind of objects that is watched.
type kind int

const (
	kindServices kind = iota
	kindSlices
	kindNodes
	kinds
)

func (k kind) String() string { return []string{"services", "endpointslices", "nodes"}[k] }

// objectKey names an object of one kind.
type objectKey struct{ namespace, name string }

// content is what the watches of one member hold since the last Relist. An
// event of a watch touches the shard of its Service only.
type content struct {
	ctx    context.Context // ends with these watches
	config Config
	hosts  *resolve.Cache[ShardKey]
	places *Places
	emit   func(Event)

	mu       sync.Mutex // held while events are sent, which keeps their order
	services map[federation.ServiceName]service
	misfits  map[federation.ServiceName]string // labels that name no federation, or none of ours
	slices   map[objectKey]endpointSlice
	eps      map[federation.ServiceName]endpoints
	nodes    map[string]nodeLabels
	roster   *roster

	reached  chan struct{} // closed when something has been listed
	identity *identity
	listed   [kinds]bool
	complete bool // a ListEvent with all there is was sent

	replacing bool        // a list is being taken in
	asked     bool        // all host names have been asked for
	patience  *time.Timer // ends the wait for them; nil before and after it
	waited    bool        // there was one

	topology federation.Member
	problems []federation.Problem

	heard    [kinds]time.Time // the last event, bookmark or list; at first, when the watches began
	seen     [kinds]time.Time // the same, but for watches that began anew, as of those before
	failures [kinds]failure
	alive    func() bool // the last probe was answered

	toldAt time.Time   // when tellTopology last looked
	look   *time.Timer // when it looks again by itself; nil: it does not
	lookAt time.Time
}

// identity is which cluster it is.
type identity struct{ uid, version string }

// goOn takes over what the watches before these have seen.
func (t *content) goOn(before *content) {
	before.mu.Lock()
	defer before.mu.Unlock()
	t.seen = before.seen
}

func newContent(ctx context.Context, c Config, h *resolve.Cache[ShardKey], p *Places, emit func(Event)) *content {
	now := time.Now()
	t := &content{
		ctx: ctx, config: c, reached: make(chan struct{}), hosts: h, places: p, emit: emit, topology: p.placed(),
		services: map[federation.ServiceName]service{}, misfits: map[federation.ServiceName]string{},
		slices: map[objectKey]endpointSlice{}, eps: map[federation.ServiceName]endpoints{},
		nodes: map[string]nodeLabels{}, roster: newRoster(c.MaxServices), alive: func() bool { return true },
	}
	if c.Topology != nil {
		t.topology = *c.Topology
	}
	t.listed[kindNodes] = c.Topology != nil // not watched then
	for k := range kinds {
		t.heard[k], t.seen[k] = now, now
	}
	return t
}

// locked runs f with the lock, unless the watches have ended.
func (t *content) locked(f func()) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.ctx.Err(); err != nil {
		return err
	}
	f()
	return nil
}

// hostChanged sends the shard anew when what is known about one of its host names has changed.
func (t *content) hostChanged(key ShardKey) {
	if !t.complete {
		t.finish()
		return
	}
	if s, ok := t.services[key.Service]; ok && s.key == key {
		t.tell(key.Service)
	}
}

// put takes one object in.
func (t *content) put(obj any) {
	switch o := obj.(type) {
	case *corev1.Service:
		t.putService(o)
	case *discoveryv1.EndpointSlice:
		t.putSlice(objectKey{o.Namespace, o.Name}, trimSlice(o))
	case *metav1.PartialObjectMetadata:
		l := trimLabels(o.Labels)
		if before, had := t.nodes[o.Name]; !had || before != l {
			t.nodes[o.Name] = l
			t.tellTopology()
		}
	}
}

// drop takes one object out.
func (t *content) drop(obj any) {
	switch o := obj.(type) {
	case *corev1.Service:
		name := federation.ServiceName{Namespace: o.Namespace, Name: o.Name}
		t.dropService(name)
		t.misfit(name, "", false)
	case *discoveryv1.EndpointSlice:
		t.putSlice(objectKey{o.Namespace, o.Name}, endpointSlice{})
	case *metav1.PartialObjectMetadata:
		delete(t.nodes, o.Name)
		t.tellTopology()
	}
}

// replace takes a whole list of one kind in; what is not in it is gone.
func (t *content) replace(k kind, objs []any) {
	t.complete, t.asked = false, false
	t.replacing = true // no event for single objects on the way
	switch k {
	case kindServices:
		clear(t.services)
		clear(t.misfits)
		t.roster = newRoster(t.config.MaxServices)
	case kindSlices:
		clear(t.slices)
		clear(t.eps)
	case kindNodes:
		clear(t.nodes)
	}
	for _, o := range objs {
		t.put(o)
	}
	t.listed[k], t.replacing = true, false
	select {
	case <-t.reached:
	default:
		close(t.reached)
	}
	t.heard[k], t.seen[k] = time.Now(), time.Now()
	if !t.failures[k].watch { // a list does not show that the watch works
		t.works(k)
	}
	t.finish()
	t.tellTopology()
}

// identified takes in which cluster it is.
func (t *content) identified(id identity) {
	t.identity = &id
	t.places.of(id.uid)
	t.finish()
}

// finish sends the complete content as soon as there is all of it. The first
// time it waits, while there is patience, for the host names: an address that
// is published must not be withdrawn because the syncer was started.
func (t *content) finish() {
	if t.complete || t.identity == nil || slices.Contains(t.listed[:], false) || t.asked && t.waiting() {
		return
	}
	first := !t.asked
	shards := t.shards()
	for _, user := range t.hosts.Users() {
		if s, ok := t.services[user.Service]; !ok || s.key != user {
			t.hosts.Retain(user)
		}
	}
	t.asked = true
	if t.waiting() {
		return
	}
	if first && len(t.hosts.Users()) > 0 {
		shards = t.shards() // names that were asked for just now may be known already
	}
	t.complete = true
	var again time.Duration
	if t.topology, t.problems, again = t.place(); again > 0 {
		t.lookAgain(again)
	}
	t.emit(ListEvent{
		Member: t.config.Name, Shards: shards, ClusterUID: t.identity.uid, Version: t.identity.version,
		Topology: t.topology, Problems: t.problems,
	})
}

// shards are those of all Services; it asks for their host names.
func (t *content) shards() map[ShardKey]Shard {
	out := make(map[ShardKey]Shard, len(t.services))
	for name := range t.services {
		if key, shard := t.shardOf(name); shard != nil {
			out[key] = *shard
		}
	}
	return out
}

// waiting reports whether the first complete content has still to wait for the
// host names. It does so once, for a little longer than a lookup may take.
func (t *content) waiting() bool {
	if !t.waited && !t.hosts.Settled() {
		t.waited = true
		t.patience = time.AfterFunc(resolve.LookupTimeout+time.Second, func() {
			_ = t.locked(func() { t.patience = nil; t.finish() })
		})
	}
	if t.patience == nil {
		return false
	}
	if !t.hosts.Settled() {
		return true
	}
	t.patience.Stop()
	t.patience = nil
	return false
}

func (t *content) putService(o *corev1.Service) {
	s := trimService(o)
	name := s.key.Service
	before, had := t.services[name]
	if !slices.Contains(t.config.Federations, s.key.Federation) {
		t.dropService(name) // not labeled any more, or another syncer's
		t.misfit(name, string(s.key.Federation), s.labeled)
		return
	}
	t.misfit(name, "", false)
	if had && before.key != s.key {
		t.dropService(name)
		had = false
	}
	t.services[name] = s
	if !had || !before.created.Equal(s.created) {
		t.tell(t.roster.set(name, s.created)...)
	}
	t.tell(name)
}

func (t *content) dropService(name federation.ServiceName) {
	s, had := t.services[name]
	if !had {
		return
	}
	delete(t.services, name)
	if t.complete {
		t.hosts.Retain(s.key)
		t.emit(ShardEvent{Member: t.config.Name, Key: s.key, Seen: time.Now()})
	}
	t.tell(t.roster.remove(name)...)
}

// putSlice replaces a slice; one that is gone has no service.
func (t *content) putSlice(key objectKey, s endpointSlice) {
	before, had := t.slices[key]
	if had {
		e := t.eps[before.service]
		e.slices--
		e.ready -= before.ready
		t.eps[before.service] = e
		if e.slices == 0 {
			delete(t.eps, before.service)
		}
	}
	if s.service.Name == "" {
		delete(t.slices, key)
	} else {
		t.slices[key] = s
		e := t.eps[s.service]
		e.slices++
		e.ready += s.ready
		t.eps[s.service] = e
	}
	if had && before.service != s.service {
		t.tell(before.service)
	}
	if s.service.Name != "" && (!had || before != s) {
		t.tell(s.service)
	}
}

// tell sends the shards of Services; nothing while the lists are incomplete.
func (t *content) tell(names ...federation.ServiceName) {
	if !t.complete {
		return
	}
	for _, name := range names {
		if _, ok := t.services[name]; ok {
			key, shard := t.shardOf(name)
			t.emit(ShardEvent{Member: t.config.Name, Key: key, Shard: shard, Seen: time.Now()})
		}
	}
}

// shardOf makes the shard of a Service; nil if it is being deleted (H5).
func (t *content) shardOf(name federation.ServiceName) (ShardKey, *Shard) {
	s := t.services[name]
	if s.deleting {
		t.hosts.Retain(s.key)
		return s.key, nil
	}
	var used []federation.FQDN
	shard := t.config.shard(s, t.eps[name], t.roster.isOver(name), func(h federation.FQDN) resolve.Host {
		used = append(used, h)
		return t.hosts.Get(h, s.key)
	})
	t.hosts.Retain(s.key, used...)
	return s.key, &shard
}
