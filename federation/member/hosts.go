package member

import (
	"container/heap"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/resolve"
)

// Resolver looks up the addresses of a host name, of both types, and returns at
// the end of ctx at the latest. *resolve.Client is one.
type Resolver interface {
	Lookup(ctx context.Context, host federation.FQDN) (a, aaaa resolve.Answer)
}

const (
	// hostTimeout ends a lookup.
	hostTimeout = 5 * time.Second
	// At most so many lookups of a member are under way at once, those of names
	// that failed last apart from the others, so that they hold up nobody.
	maxLookups        = 32
	maxFailingLookups = 16
)

// hosts resolves the load balancers' host names of one member, outside the
// rule: asking never waits, and one that does not resolve holds up nobody. Its
// memory follows the names; there are goroutines for the lookups under way and
// one that starts them.
type hosts struct {
	resolver Resolver
	changed  func(ShardKey) // called without the lock
	ctx      context.Context
	wg       sync.WaitGroup
	wake     chan struct{} // there may be lookups to start

	mu      sync.Mutex
	started bool
	names   map[federation.FQDN]*hostName
	uses    map[ShardKey][]federation.FQDN
	sound   lane
	failing lane
	pending int // names that have not been looked up once
}

// lane is a queue of names and the lookups out of it.
type lane struct {
	queue    hostQueue
	busy, at int // lookups under way, and at most
}

// newHosts returns a hosts that works until ctx ends; wg says when it has.
func newHosts(ctx context.Context, resolver Resolver, changed func(ShardKey)) *hosts {
	return &hosts{
		ctx: ctx, resolver: resolver, changed: changed, wake: make(chan struct{}, 1),
		names: map[federation.FQDN]*hostName{}, uses: map[ShardKey][]federation.FQDN{},
		sound: lane{at: maxLookups}, failing: lane{at: maxFailingLookups},
	}
}

// ask returns what is known of the name now, and keeps it looked up for as
// long as the shard uses it.
func (h *hosts) ask(name federation.FQDN, user ShardKey) resolved {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	n := h.names[name]
	if n == nil {
		n = &hostName{name: name, asked: now, due: now}
		h.names[name] = n
		h.pending++
		heap.Push(&h.sound.queue, n)
		h.wakeUp()
	}
	if !slices.Contains(h.uses[user], name) {
		n.users = append(n.users, user)
		h.uses[user] = append(h.uses[user], name)
	}
	return n.resolved(now)
}

// keep ends the shard's use of all names but these.
func (h *hosts) keep(user ShardKey, names []federation.FQDN) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uses[user] = slices.DeleteFunc(h.uses[user], func(name federation.FQDN) bool {
		if slices.Contains(names, name) {
			return false
		}
		n := h.names[name]
		n.users = slices.DeleteFunc(n.users, func(u ShardKey) bool { return u == user })
		if len(n.users) == 0 {
			h.drop(n)
		}
		return true
	})
	if len(h.uses[user]) == 0 {
		delete(h.uses, user)
	}
}

// drop forgets a name that nobody uses any more.
func (h *hosts) drop(n *hostName) {
	delete(h.names, n.name)
	if !n.tried {
		h.pending--
	}
	if n.place < 0 {
		n.cancel()
		return
	}
	heap.Remove(&h.laneOf(n).queue, n.place)
}

// users returns the shards that use a name.
func (h *hosts) users() []ShardKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.uses))
}

// settled reports whether each name has been looked up once.
func (h *hosts) settled() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pending == 0
}

func (h *hosts) laneOf(n *hostName) *lane {
	if n.failures > 0 {
		return &h.failing
	}
	return &h.sound
}

// wakeUp has the lookups started that are due.
func (h *hosts) wakeUp() {
	if !h.started {
		h.started = true
		h.wg.Go(h.run)
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run starts lookups when they are due until ctx ends.
func (h *hosts) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-timer.C:
		case <-h.wake:
		}
		timer.Reset(h.startDue())
	}
}

// startDue starts the lookups that are due as far as there is room, and returns
// how long it is until the next one is; the end of a lookup makes room.
func (h *hosts) startDue() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	next := now.Add(hostMaxRefresh)
	for _, l := range []*lane{&h.sound, &h.failing} {
		for len(l.queue) > 0 && l.busy < l.at {
			n := l.queue[0]
			if n.due.After(now) {
				if n.due.Before(next) {
					next = n.due
				}
				break
			}
			heap.Pop(&l.queue)
			l.busy++
			ctx, cancel := context.WithTimeout(h.ctx, hostTimeout)
			n.cancel = cancel
			h.wg.Go(func() {
				defer cancel()
				h.lookUp(ctx, n, l)
			})
		}
	}
	return next.Sub(now)
}

// lookUp looks a name up once, and tells its users what changed.
func (h *hosts) lookUp(ctx context.Context, n *hostName, l *lane) {
	var answers [2]resolve.Answer
	answers[0], answers[1] = h.resolver.Lookup(ctx, n.name)
	for _, u := range h.looked(n, l, answers) {
		h.changed(u)
	}
}

// looked takes the answers of a lookup, and returns the shards for which they
// are news.
func (h *hosts) looked(n *hostName, l *lane, answers [2]resolve.Answer) []ShardKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.busy--
	h.wakeUp()
	if h.ctx.Err() != nil || h.names[n.name] != n { // nobody uses it any more
		return nil
	}
	first := !n.tried
	if first {
		h.pending--
	}
	now := time.Now()
	n.take(now, answers)
	n.due = now.Add(n.wait(now, answers))
	heap.Push(&h.laneOf(n).queue, n)
	before := n.told
	if n.told = n.resolved(now); !first && n.told.equal(before) {
		return nil
	}
	return slices.Clone(n.users)
}

// hostQueue is a heap of names, the one that is due first on top.
type hostQueue []*hostName

func (q hostQueue) Len() int           { return len(q) }
func (q hostQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q hostQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *hostQueue) Push(x any) {
	n := x.(*hostName)
	n.place = len(*q)
	*q = append(*q, n)
}

// Pop implements heap.Interface.
func (q *hostQueue) Pop() any {
	last := len(*q) - 1
	n := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	n.place = -1
	return n
}
