package resolve

import (
	"container/heap"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Resolver looks up the addresses of a host name, of both types, and returns when ctx ends at the latest. *Client is
// one.
type Resolver interface {
	Lookup(ctx context.Context, host federation.FQDN) (a, aaaa Answer)
}

// LookupTimeout bounds one lookup of a Cache.
const LookupTimeout = 5 * time.Second

// The most concurrent lookups of a Cache. Names whose last lookup failed have slots of their own, so that they delay no
// others.
const (
	maxLookups        = 32
	maxFailingLookups = 16
)

// Cache keeps the addresses of host names current for as long as they have users (H4). Reading it never waits for a
// lookup, and a name that does not resolve delays no other. It holds nothing about names without users. Its methods may
// be called concurrently.
type Cache[User comparable] struct {
	resolver Resolver
	changed  func(User)
	wake     chan struct{} // there may be lookups to start

	mu      sync.Mutex
	entries map[federation.FQDN]*entry[User]
	uses    map[User][]federation.FQDN
	healthy lane[User]
	failing lane[User]
	pending int // names that have not been looked up once
}

// entry is a host name in a Cache.
type entry[User comparable] struct {
	history
	name     federation.FQDN
	users    []User
	reported Host // what the users know

	due    time.Time // the next lookup
	index  int       // in the queue; -1 during a lookup
	cancel func()    // ends the lookup in progress
}

// lane is a queue of names and the lookups of names taken from it.
type lane[User comparable] struct {
	queue   queue[User]
	lookups int // in progress
	limit   int
}

// NewCache returns an empty Cache. It calls changed, without a lock, for each user of a name when what is known about
// the name changes, and after its first lookup. It looks nothing up before Run.
func NewCache[User comparable](resolver Resolver, changed func(User)) *Cache[User] {
	return &Cache[User]{
		resolver: resolver, changed: changed, wake: make(chan struct{}, 1),
		entries: map[federation.FQDN]*entry[User]{}, uses: map[User][]federation.FQDN{},
		healthy: lane[User]{limit: maxLookups}, failing: lane[User]{limit: maxFailingLookups},
	}
}

// Get returns what is known about the name now. The user uses the name from then on, until Retain drops it.
func (c *Cache[User]) Get(name federation.FQDN, user User) Host {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	e := c.entries[name]
	if e == nil {
		e = &entry[User]{history: history{added: now}, name: name, due: now}
		c.entries[name] = e
		c.pending++
		heap.Push(&c.healthy.queue, e)
		c.signal()
	}
	if !slices.Contains(c.uses[user], name) {
		e.users = append(e.users, user)
		c.uses[user] = append(c.uses[user], name)
	}
	return e.host(now)
}

// Retain ends the user's use of all names but these. A name without users is forgotten, and its lookup canceled.
func (c *Cache[User]) Retain(user User, names ...federation.FQDN) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses[user] = slices.DeleteFunc(c.uses[user], func(name federation.FQDN) bool {
		if slices.Contains(names, name) {
			return false
		}
		e := c.entries[name]
		e.users = slices.DeleteFunc(e.users, func(u User) bool { return u == user })
		if len(e.users) == 0 {
			c.remove(e)
		}
		return true
	})
	if len(c.uses[user]) == 0 {
		delete(c.uses, user)
	}
}

func (c *Cache[User]) remove(e *entry[User]) {
	delete(c.entries, e.name)
	if !e.tried {
		c.pending--
	}
	if e.index < 0 {
		e.cancel()
		return
	}
	heap.Remove(&c.laneOf(e).queue, e.index)
}

// Users returns the users of any name, in no order.
func (c *Cache[User]) Users() []User {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.uses))
}

// Settled reports whether each name has been looked up at least once.
func (c *Cache[User]) Settled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending == 0
}

func (c *Cache[User]) laneOf(e *entry[User]) *lane[User] {
	if e.failures > 0 {
		return &c.failing
	}
	return &c.healthy
}

// signal has Run check for lookups that are due.
func (c *Cache[User]) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run looks names up when they are due until ctx ends, and returns when the last lookup has ended. It may be called
// once.
func (c *Cache[User]) Run(ctx context.Context) {
	var lookups sync.WaitGroup
	defer lookups.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wake:
		}
		timer.Reset(c.startDue(ctx, &lookups))
	}
}

// startDue starts the lookups that are due, as far as the lanes have room, and returns how long it is until the next
// one is due. When a lookup ends, and so makes room, it signals.
func (c *Cache[User]) startDue(ctx context.Context, lookups *sync.WaitGroup) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	next := now.Add(maxRefresh)
	for _, l := range []*lane[User]{&c.healthy, &c.failing} {
		for len(l.queue) > 0 && l.lookups < l.limit {
			e := l.queue[0]
			if e.due.After(now) {
				if e.due.Before(next) {
					next = e.due
				}
				break
			}
			heap.Pop(&l.queue)
			l.lookups++
			lookup, cancel := context.WithTimeout(ctx, LookupTimeout)
			e.cancel = cancel
			lookups.Go(func() {
				defer cancel()
				var answers [2]Answer
				answers[0], answers[1] = c.resolver.Lookup(lookup, e.name)
				for _, user := range c.finish(ctx, e, l, answers) {
					c.changed(user)
				}
			})
		}
	}
	return next.Sub(now)
}

// finish records the answers of a lookup, schedules the next one, and returns the users to notify.
func (c *Cache[User]) finish(ctx context.Context, e *entry[User], l *lane[User], answers [2]Answer) []User {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.lookups--
	c.signal()
	if ctx.Err() != nil || c.entries[e.name] != e { // it has no users anymore
		return nil
	}
	first := !e.tried
	if first {
		c.pending--
	}
	now := time.Now()
	e.record(now, answers)
	e.due = now.Add(e.wait(now, answers))
	heap.Push(&c.laneOf(e).queue, e)
	before := e.reported
	if e.reported = e.host(now); !first && e.reported.equal(before) {
		return nil
	}
	return slices.Clone(e.users)
}

// queue is a heap of names by the time of their next lookup.
type queue[User comparable] []*entry[User]

func (q queue[User]) Len() int           { return len(q) }
func (q queue[User]) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q queue[User]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *queue[User]) Push(x any) {
	e := x.(*entry[User])
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *queue[User]) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.index = -1
	return e
}
