package member

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/federation-dns/federation/federation"
)

type kind int

const (
	kindServices kind = iota
	kindSlices
	kindNodes
	kinds
)

func (k kind) String() string { return []string{"services", "endpointslices", "nodes"}[k] }

// content is what the watches of one member hold since the last Relist. An
// event of a watch touches the shard of its Service only.
type content struct {
	ctx    context.Context // ends with these watches
	config Config
	hosts  *hosts
	places *places
	emit   func(Event)
	extra  func(*ListEvent) // adds what does not come from the watches

	mu       sync.Mutex
	services map[federation.ServiceName]service
	slices   map[string]endpointSlice // by namespace/name
	eps      map[federation.ServiceName]endpoints
	nodes    map[string]nodeLabels
	over     map[federation.ServiceName]bool // beyond MaxServices
	topology federation.Member
	listed   [kinds]bool
	complete bool
	lastSeen [kinds]time.Time
}

func newContent(ctx context.Context, c Config, h *hosts, p *places, emit func(Event), extra func(*ListEvent)) *content {
	t := &content{
		ctx: ctx, config: c, hosts: h, places: p, emit: emit, extra: extra,
		services: map[federation.ServiceName]service{}, slices: map[string]endpointSlice{},
		eps: map[federation.ServiceName]endpoints{}, nodes: map[string]nodeLabels{}, over: map[federation.ServiceName]bool{},
	}
	t.listed[kindNodes] = c.Topology != nil // not watched then
	return t
}

// silentSince returns when the watch that has been silent longest was last
// heard; zero while the lists are not complete.
func (t *content) silentSince() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.complete {
		return time.Time{}
	}
	oldest := t.lastSeen[kindServices]
	for k := range kinds {
		if (k != kindNodes || t.config.Topology == nil) && t.lastSeen[k].Before(oldest) {
			oldest = t.lastSeen[k]
		}
	}
	return oldest
}

// changed is told by the resolver that a shard's host name has a new answer.
func (t *content) changed(key ShardKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.complete {
		t.tell(key.Service)
	}
}

// set takes one object in; the lock is not held.
func (t *content) set(k kind, obj any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastSeen[k] = time.Now()
	switch o := obj.(type) {
	case *corev1.Service:
		t.setService(o)
	case *discoveryv1.EndpointSlice:
		t.setSlice(o.Namespace+"/"+o.Name, trimSlice(o))
	case *corev1.Node:
		t.nodes[o.Name] = trimNode(o)
		t.tellTopology()
	}
}

// unset takes one object out.
func (t *content) unset(k kind, obj any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastSeen[k] = time.Now()
	switch o := obj.(type) {
	case *corev1.Service:
		t.dropService(federation.ServiceName{Namespace: o.Namespace, Name: o.Name})
	case *discoveryv1.EndpointSlice:
		t.setSlice(o.Namespace+"/"+o.Name, endpointSlice{})
	case *corev1.Node:
		delete(t.nodes, o.Name)
		t.tellTopology()
	}
}

// replace takes a whole list of one kind in; what is not in it is gone.
func (t *content) replace(k kind, objs []any) {
	t.mu.Lock()
	t.complete = false // no event for single objects on the way
	switch k {
	case kindServices:
		clear(t.services)
	case kindSlices:
		clear(t.slices)
		clear(t.eps)
	case kindNodes:
		clear(t.nodes)
	}
	t.mu.Unlock()
	for _, o := range objs {
		t.set(k, o)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastSeen[k] = time.Now()
	t.listed[k] = true
	if slices.Contains(t.listed[:], false) {
		return
	}
	t.complete = true
	t.bound()
	t.tellAll()
}

// tellAll sends the complete content.
func (t *content) tellAll() {
	e := ListEvent{Member: t.config.Name, Shards: make(map[ShardKey]Shard, len(t.services))}
	for name := range t.services {
		if key, shard := t.shardOf(name); shard != nil {
			e.Shards[key] = *shard
		}
	}
	e.Topology, e.Problems = t.place()
	t.topology = e.Topology
	t.extra(&e)
	t.emit(e)
}

func (t *content) setService(o *corev1.Service) {
	s := trimService(o)
	name := s.key.Service
	before, had := t.services[name]
	if !slices.Contains(t.config.Federations, s.key.Federation) {
		t.dropService(name) // un-labelled, or another syncer's
		return
	}
	if had && before.key != s.key {
		t.dropService(name)
	}
	t.services[name] = s
	if !had {
		t.bound()
	}
	t.tell(name)
}

func (t *content) dropService(name federation.ServiceName) {
	s, had := t.services[name]
	if !had {
		return
	}
	delete(t.services, name)
	t.hosts.release(s.key, nil)
	if t.complete {
		t.emit(ShardEvent{Member: t.config.Name, Key: s.key, Seen: time.Now()})
	}
	t.bound()
}

// setSlice replaces a slice; one that is gone has no service.
func (t *content) setSlice(key string, s endpointSlice) {
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

// bound finds the Services beyond MaxServices, the youngest (then by name),
// and tells those for which that changed (H3d).
func (t *content) bound() {
	if t.config.MaxServices == 0 || len(t.services) <= t.config.MaxServices && len(t.over) == 0 {
		return
	}
	names := slices.SortedFunc(maps.Keys(t.services), func(a, b federation.ServiceName) int {
		return cmp.Or(t.services[a].created.Compare(t.services[b].created), federation.CompareServiceNames(a, b))
	})
	over := map[federation.ServiceName]bool{}
	for _, n := range names[min(len(names), t.config.MaxServices):] {
		over[n] = true
	}
	before := t.over
	t.over = over
	for _, n := range names {
		if before[n] != over[n] {
			t.tell(n)
		}
	}
}

// tell sends the shard of one Service; nothing while the lists are incomplete.
func (t *content) tell(name federation.ServiceName) {
	if !t.complete {
		return
	}
	s, ok := t.services[name]
	if !ok {
		return
	}
	_, shard := t.shardOf(name)
	t.emit(ShardEvent{Member: t.config.Name, Key: s.key, Shard: shard, Seen: time.Now()})
}

// shardOf makes the shard of a Service; nil if it is being deleted (H5).
func (t *content) shardOf(name federation.ServiceName) (ShardKey, *Shard) {
	s := t.services[name]
	if s.deleting {
		return s.key, nil
	}
	var used []federation.FQDN
	shard := t.config.shard(s, t.eps[name], func(h federation.FQDN) resolved {
		used = append(used, h)
		return t.hosts.lookup(h, s.key)
	})
	t.hosts.release(s.key, used)
	if t.over[name] {
		shard.Healthy, shard.Reason = false, ReasonTooManyServices
		shard.Problems = append(shard.Problems, federation.Problem{
			Member: t.config.Name, Service: name, Reason: ReasonTooManyServices,
			Detail: "the member has more federated Services than its maxServices",
		})
	}
	return s.key, &shard
}

func (t *content) place() (federation.Member, []federation.Problem) {
	if t.config.Topology != nil {
		return *t.config.Topology, nil
	}
	return t.places.topology(t.config.Name, t.nodes, time.Now())
}

func (t *content) tellTopology() {
	if !t.complete {
		return
	}
	topology, problems := t.place()
	if topology.Region == t.topology.Region && slices.Equal(topology.Zones, t.topology.Zones) {
		return
	}
	t.topology = topology
	t.emit(TopologyEvent{Member: t.config.Name, Topology: topology, Problems: problems})
}
